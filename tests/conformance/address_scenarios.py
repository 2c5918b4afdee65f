"""Scenarios of a server with two addresses."""

from call_scenarios import calls, done
from call_scenarios import refuse as refuse_calls
from case import scenario

TURNS = 8


@scenario(addresses=2)
def address_away(case):
    """Nothing listens any more at the address that is in use: the watch goes on at the other one, from
    its position. Then that one goes away."""
    for n in range(2):
        used, revision = case.wire_of(case.newest()), case.server.registry.revision
        used.close()
        used.cut()
        case.tells(case.server.commit({"billing": f'{{"pool":{n}}}'}))
        case.resumed(case.newest(), revision)
        assert case.wire_of(case.newest()) is not used
        used.open()


@scenario(begins=False, addresses=2)
def address_away_at_start(case):
    """Nothing listens at one of the addresses when the client starts, neither at the first nor, after
    a while, at the second."""
    case.wires[0].close()
    case.begin()
    case.wires[0].open()
    case.wires[1].close()
    case.wires[1].cut()
    case.commit(billing='{"pool":20}')


@scenario(addresses=2)
def address_turns_away(case):
    """The server can be reached at both addresses and ends each stream with UNAVAILABLE: each attempt is
    at the other address, after a wait."""
    for n in range(1, TURNS + 1):
        revision = case.server.registry.revision
        case.stream(n).end("UNAVAILABLE", "SHUTTING_DOWN")
        case.resumed(case.stream(n + 1), revision)
        assert case.wire_of(case.stream(n)) is not case.wire_of(case.stream(n + 1)), (
            "the client has come to the same address again")
        case.commit(billing=f'{{"pool":{n}}}')
    case.waited(case.server.streams, 0.08)  # as in streams_reset


@scenario(addresses=2)
def call_turned_away(case):
    """A read meets UNAVAILABLE: it is made again at the other address."""
    refuse_calls(case, "UNAVAILABLE", "STORE_UNAVAILABLE")
    case.client.send(do="get", environment="prod", service="billing")
    done(case, version=1)
    first, second = calls(case, "GetConfig")
    assert case.wire_of(first) is not case.wire_of(second), (
        "the client has come to the same address again")


__all__ = []
