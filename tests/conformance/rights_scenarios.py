"""Scenarios of a client whose rights change: what it may not read is left out of streams."""

from case import scenario


@scenario()
def rights_taken(case):
    """`filtered` becomes true, which a progress mark tells: the client takes a new snapshot, and tells
    what it may not read any more as deleted."""
    before = case.server.registry.state()
    case.server.change_rights("mail")
    case.tells_difference(before)
    case.begins_anew(case.stream(2))
    case.server.commit({"mail": '{"host":"secret"}'})
    case.commit(billing='{"pool":20}')


@scenario(begins=False)
def rights_given(case):
    """`filtered` becomes false: only the new snapshot has what became readable."""
    case.server.change_rights("mail")
    case.begin()
    before = case.server.registry.state()
    case.server.change_rights()
    case.tells_difference(before)
    case.begins_anew(case.stream(2))


@scenario()
def rights_taken_meanwhile(case):
    """The rights change while the stream is away: the client resumes and is refused (FAILED_PRECONDITION
    RIGHTS_CHANGED), or, if it does not send the token, is told by the first response."""
    before, revision = case.server.registry.state(), case.server.registry.revision
    with case.server.lock:
        case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
        case.server.change_rights("mail")
    case.tells_difference(before)
    case.resumed(case.stream(2), revision)
    case.begins_anew(case.stream(3))


@scenario(begins=False)
def rights_changed(case):
    """The client may read other configs, and again not all: the stream ends (FAILED_PRECONDITION
    RIGHTS_CHANGED), and the next one begins with a snapshot."""
    case.server.change_rights("mail")
    case.begin()
    before = case.server.registry.state()
    with case.server.lock:
        case.newest().end("FAILED_PRECONDITION", "RIGHTS_CHANGED")
        case.server.change_rights("billing")
    case.tells_difference(before)
    case.begins_anew(case.stream(2))


@scenario(begins=False)
def other_rights_meanwhile(case):
    """The same, and the client may read a part before and another part afterwards: only the token shows
    it."""
    case.server.change_rights("mail")
    case.begin()
    before, revision = case.server.registry.state(), case.server.registry.revision
    with case.server.lock:
        case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
        case.server.change_rights("billing")
    case.tells_difference(before)
    case.resumed(case.stream(2), revision)
    case.begins_anew(case.stream(3))


@scenario(begins=False)
def rights_taken_within_snapshot(case):
    """The rights change between two parts of a snapshot, which is then of no use: the client reports
    nothing of it and takes another one."""
    def halved(stream):
        stream.send(*case.server.registry.snapshot_parts())
        case.server.change_rights("mail")
        stream.send(case.server.registry.snapshot_end())
        stream.follows = True
    case.server.next_streams = [halved]
    case.start()
    case.stream(1)
    case.begin()
    case.begins_anew(case.stream(2))


__all__ = []
