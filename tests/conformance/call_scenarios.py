"""Scenarios of calls: the client is told to read and to write."""

from case import scenario
from server import Refusal

NEW = {"pool": 20}


def update(case):
    case.client.send(do="update", environment="prod", service="billing", data=NEW)


def done(case, **members):
    told = case.client.next(("result",))
    for member, value in members.items():
        assert told.get(member) == value, f"the client has told {told}, {member} is {value}"


def failed(case, *codes):
    told = case.client.next(("failed",))
    assert told.get("code") in codes, f"the client has told {told}, not {' or '.join(codes)}"
    return told


def calls(case, method):
    return [call for call in case.server.calls if call.method == method]


def updated(case, wanted):
    """The client has made the write with so many calls, which are one for the server, and watched it."""
    told = [case.client.next(("change", "result")) for _ in range(2)]
    assert sorted(event["event"] for event in told) == ["change", "result"], f"told: {told}"
    assert all((event.get("version"), event.get("environment", "prod")) == (2, "prod")
               for event in told), f"told: {told}"
    made = calls(case, "UpdateConfig")
    assert len(made) == wanted, f"{len(made)} calls were made, {wanted} were due"
    ids = {call.request.request_id for call in made}
    assert len(ids) == 1, f"the calls of one write have different request ids: {sorted(ids)}"
    assert ids != {""}, "the write has no request id"


def has_deadline(call):
    assert (call.seconds_left or 1e9) <= 60, f"the deadline of the call is {call.seconds_left}"


def refuse(case, *refusal, times=1, **more):
    def plan(_):
        raise Refusal(*refusal, **more)
    case.server.next_calls += [plan] * times


@scenario()
def read(case):
    """A read, with a deadline."""
    case.client.send(do="get", environment="prod", service="billing")
    done(case, environment="prod", service="billing", version=1, data={"pool": 10})
    has_deadline(calls(case, "GetConfig")[0])


@scenario()
def read_of_nothing(case):
    """NOT_FOUND is an answer: it is told at once, with code and reason, and not asked again."""
    case.client.send(do="get", environment="prod", service="nobody")
    told = failed(case, "NOT_FOUND")
    assert told.get("reason") == "CONFIG_NOT_FOUND", f"told: {told}"
    assert len(calls(case, "GetConfig")) == 1, "the call was tried again"


@scenario()
def read_again(case):
    """A read meets UNAVAILABLE three times: it is made again, with waits."""
    refuse(case, "UNAVAILABLE", "STORE_UNAVAILABLE", times=3)
    case.client.send(do="get", environment="prod", service="billing")
    done(case, version=1)
    times = [call.at for call in calls(case, "GetConfig")]
    assert len(times) == 4, f"{len(times)} calls were made"
    assert times[-1] - times[0] > 0.01, "the client has not waited"


@scenario()
def write(case):
    """A write, with a request id and a deadline."""
    update(case)
    updated(case, 1)
    has_deadline(calls(case, "UpdateConfig")[0])


@scenario()
def outcome_unknown(case):
    """UNAVAILABLE OUTCOME_UNKNOWN: the write is made again with the same request id."""
    refuse(case, "UNAVAILABLE", "OUTCOME_UNKNOWN", times=2)
    update(case)
    updated(case, 3)


@scenario()
def write_without_an_answer(case):
    """The connection breaks before the answer: the write is made again with the same request id."""
    def cut(call):
        case.wire.cut()
        raise Refusal("UNAVAILABLE")
    case.server.next_calls = [cut]
    update(case)
    updated(case, 2)


@scenario()
def conflict(case):
    """ABORTED, and every other refusal, is told at once and not tried again."""
    for code, reason in (("ABORTED", "VERSION_MISMATCH"), ("INVALID_ARGUMENT", "JSON_DEPTH"),
                         ("FAILED_PRECONDITION", "REQUEST_ID_REUSED"),
                         ("PERMISSION_DENIED", "NOT_ALLOWED"), ("DATA_LOSS", "LOG_DAMAGED")):
        made = len(calls(case, "UpdateConfig"))
        refuse(case, code, reason)
        update(case)
        told = failed(case, code)
        assert told.get("reason") == reason, f"told: {told}"
        assert len(calls(case, "UpdateConfig")) == made + 1, f"{code} was tried again"


@scenario()
def never_answered(case):
    """The server does not answer: the call fails by its deadline, which the command sets to 2 s."""
    refused = []

    def hang(call):
        refused.append(call)
        case.server.stopped.wait(max(call.seconds_left or 60, 0) + 1)
        raise Refusal("UNAVAILABLE")
    case.server.next_calls = [hang]
    case.client.send(do="get", environment="prod", service="billing", deadline_ms=2000)
    failed(case, "DEADLINE_EXCEEDED", "UNAVAILABLE")
    assert refused[0].seconds_left is not None and refused[0].seconds_left < 3, (
        f"the deadline of the call is {refused[0].seconds_left}")


__all__ = []
