"""Scenarios of a server that cannot be reached, or refuses."""

from case import TOKEN, pause, scenario

REFUSED = 6  # times in a row
# Waits with full jitter whose bounds are 0.1 s, 0.2 s … 2 s are shorter together once in 200,000 times.
LEAST_WAITS = 0.2
# In this time clients come 5 to 10 times. One whose first bound is 0.1 s and whose last is 2 s comes
# more than 25 times less often than once in a million times; one whose waits do not grow, 60 times.
AWAY_SECONDS, MOST_ATTEMPTS = 6, 25
# Of streams whose positions are lost, every second one is followed by a wait. 40 waits with the
# bound 0.1 s are together shorter than this once in 100,000 times; those with a larger bound end
# the scenario earlier.
POSITIONS, LEAST_WAITS_OF_ALL = 80, 1.2


def refuse(case, *refusal, times=1, **more):
    """Refuses the next watches."""
    case.server.next_streams += [lambda stream: stream.end(*refusal, **more)] * times


def come_back(case, times):
    """Waits until the client has come so often; each wait may take its time."""
    for n in range(1, times + 1):
        case.stream(n)


@scenario(begins=False)
def unreachable_at_start(case):
    """Nothing listens when the client starts: it goes on trying."""
    case.wire.close()
    case.start()
    pause(1)
    case.wire.open()
    case.begin()


@scenario(begins=False, is_long=True)
def unavailable(case):
    """The server refuses six times in a row (UNAVAILABLE): the client waits before each attempt, the
    second included, and longer each time."""
    refuse(case, "UNAVAILABLE", "STORE_UNAVAILABLE", times=REFUSED)
    case.start()
    come_back(case, REFUSED + 1)
    case.begin()
    assert len(case.server.streams) == REFUSED + 1, (
        f"{len(case.server.streams)} calls were made, {REFUSED + 1} were due")
    case.waited(case.server.streams, LEAST_WAITS)


@scenario(is_long=True)
def unavailable_for_a_moment(case):
    """A stream that ends again as soon as it is established, six times in a row, is no success: the
    client waits each time."""
    def appear(stream):
        stream.send(*case.server.registry.first_responses(stream.request))
        stream.end("UNAVAILABLE", "SHUTTING_DOWN")
    case.server.next_streams = [appear] * REFUSED
    case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
    come_back(case, REFUSED + 2)
    case.waited(case.server.streams, LEAST_WAITS)


@scenario(begins=False, is_long=True)
def away_for_long(case):
    """The server refuses for 6 s: the waits grow, so that the client comes a few times, not dozens."""
    refuse(case, "UNAVAILABLE", "STORE_UNAVAILABLE", times=1000)
    case.start()
    case.stream(1)
    came = case.server.look_for(lambda: len(case.server.streams) > MOST_ATTEMPTS, AWAY_SECONDS)
    assert not came, f"the client has come {len(case.server.streams)} times within {AWAY_SECONDS} s"
    with case.server.lock:
        case.server.next_streams = []
    case.begin()


@scenario()
def token_unknown(case):
    """The server does not know the form of the position's token (INVALID_ARGUMENT of resume_after), as
    one that is older than the last: as after a compaction."""
    before, revision = case.server.registry.state(), case.server.registry.revision
    with case.server.lock:
        refuse(case, "INVALID_ARGUMENT", "POSITION_TOKEN", field="resume_after.token")
        case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
        case.server.registry.commit({"billing": '{"pool":20}'})
    case.tells_difference(before)
    case.resumed(case.stream(2), revision)
    case.begins_anew(case.stream(3))


@scenario(is_long=True)
def every_position_lost(case):
    """The server takes away each position after its snapshot (OUT_OF_RANGE): a stream that was opened
    at once and loses its position is followed by a wait."""
    def take_away(stream):
        case.begins_anew(stream)
        stream.send(*case.server.registry.first_responses(stream.request))
        stream.end("OUT_OF_RANGE", "COMPACTED")

    def waits():
        return case.waited(case.server.streams, 0)

    case.server.next_streams = [take_away] * POSITIONS
    case.newest().end("OUT_OF_RANGE", "COMPACTED")
    case.server.wait_for(
        lambda: sum(waits()) >= LEAST_WAITS_OF_ALL or len(case.server.streams) >= POSITIONS,
        f"the client has come {POSITIONS} times or waited {LEAST_WAITS_OF_ALL} s in all")
    with case.server.lock:
        case.server.next_streams = []
    case.waited(case.server.streams, LEAST_WAITS_OF_ALL)
    case.server.wait_for(lambda: case.newest().follows, "the client follows")


@scenario(begins=False)
def told_when(case):
    """RESOURCE_EXHAUSTED with RetryInfo: the client does not call before that time."""
    refuse(case, "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED", retry_s=1.5)
    case.begin()
    waits = case.waited(case.server.streams, 0)
    assert waits == [wait for wait in waits if wait >= 1.45], (
        f"the client has called after {waits[0]:.2f} s, 1.5 s were told")


@scenario(begins=False)
def exhausted(case):
    """RESOURCE_EXHAUSTED without RetryInfo, and codes that no server should send: the client waits and
    tries again."""
    refuse(case, "RESOURCE_EXHAUSTED", "WATCHES_COUNT")
    refuse(case, "INTERNAL")
    refuse(case, "UNKNOWN")
    refuse(case, "CANCELLED")
    case.begin()


@scenario(begins=False)
def permission_denied(case):
    """The client may not read what it watches, until it is allowed to: it tells so and tries again."""
    refuse(case, "PERMISSION_DENIED", "NOT_ALLOWED")
    case.start()
    case.interrupted("PERMISSION_DENIED", "NOT_ALLOWED")
    case.begin()


@scenario(is_secure=True)
def secure(case):
    """TLS, and a token with every call."""
    assert case.newest().token == f"Bearer {TOKEN}", "the watch has not brought the token"
    case.commit(billing='{"pool":20}')


@scenario(begins=False, is_secure=True)
def token_replaced(case):
    """The token has expired (UNAUTHENTICATED): the client tells so, and tries again with what the file
    has by then."""
    def authenticate(stream):
        if stream.token == f"Bearer {TOKEN}-new":
            case.server.serve(stream)
        else:
            case.server.next_streams.append(authenticate)
            stream.end("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
    case.server.next_streams = [authenticate]
    case.start()
    case.interrupted("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
    case.give_token(f"{TOKEN}-new")
    case.begin()


@scenario(is_long=True)
def lost_position_and_refused(case):
    """The position is gone, and the snapshot is refused: the client waits before it asks for that
    again."""
    before = case.server.registry.state()
    refuse(case, "OUT_OF_RANGE", "COMPACTED")
    refuse(case, "OUT_OF_RANGE", "COMPACTED", times=REFUSED)
    case.newest().end("UNAVAILABLE", "SHUTTING_DOWN")
    with case.server.lock:
        case.server.registry.commit({"mail": None})
    come_back(case, REFUSED + 3)
    case.tells_difference(before)
    case.waited(case.server.streams[2:], LEAST_WAITS)


__all__ = []
