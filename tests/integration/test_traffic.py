"""Traffic of many different clients, checked against the log and for linearizability."""

import history
import linear
import pytest
import traffic
from daemon import Confregd, until
from seed import chance
from traffic import DONE, REFUSED, UNKNOWN, Operation

CLIENTS = 6
ROUNDS = 6


def start_clients(servers, **options):
    clients = [traffic.Client(number, servers, **options) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    return clients


def count_of(clients):
    return sum(len(client.operations) for client in clients)


def stop_and_check(server, recorder, clients):
    for client in clients:
        client.stop()
    log = history.check(server, recorder)
    traffic.check_against_log(clients, log)
    linear.check(clients)


@pytest.fixture
def server(launch):
    return launch(Confregd).start()


@pytest.fixture
def recorder(server):
    recorder = history.Recorder(server)
    recorder.start()
    yield recorder
    recorder.stop()


@pytest.mark.concurrent
def test_traffic_is_linearizable(server, recorder):
    clients = start_clients([server.listen])
    until(lambda: count_of(clients) > 6000 or any(c.failure for c in clients), "operations")
    stop_and_check(server, recorder, clients)
    assert sum(client.lost for client in clients) == 0


@pytest.mark.concurrent
def test_traffic_over_kills_is_linearizable(server, recorder):
    clients = start_clients([server.listen])
    moments = chance("kills")
    for _ in range(ROUNDS):
        # Not at an idle moment, nor always at the same one.
        wanted = count_of(clients) + moments.randrange(200, 800)
        until(lambda: count_of(clients) > wanted or any(c.failure for c in clients), "operations")
        server.kill()
        server.start()
    until(lambda: all(client.lost for client in clients), "every client has met a kill")
    stop_and_check(server, recorder, clients)


# ---- The checker itself ----

def done(kind, call, returned, value="", version=0, **fields):
    return Operation(1, kind, "a", call, returned, DONE, value, version, **fields)


def test_a_sound_history_is_linearizable():
    sound, said = linear.verdict([
        done("create", 1, 4, "x", 1), done("update", 2, 6, "y", 2), done("get", 5, 7, "y", 2),
        done("delete", 8, 9), done("get", 10, 11), done("create", 12, 13, "z", 3),
        Operation(1, "create", "a", 14, 15, REFUSED, "w"),
        Operation(1, "update", "a", 14, 15, REFUSED, "v", expected=2),
        done("update", 16, 17, "u", 4, tested="z"), done("delete", 18, 19),
        Operation(1, "update", "a", 20, 21, REFUSED, "t", tested="u"),
        done("undelete", 22, 23, "u", 5), done("get", 24, 25, "u", 5),
        Operation(1, "undelete", "a", 26, 27, REFUSED),
        Operation(1, "update", "a", 28, 29, REFUSED, "s", allow_missing=True, part=True)])
    assert sound, said


@pytest.mark.parametrize("carried_out", [True, False])
def test_an_unknown_outcome_may_be_either(carried_out):
    sound, said = linear.verdict([
        done("create", 1, 2, "x", 1), Operation(1, "update", "a", 3, 0, UNKNOWN, "y"),
        done("get", 10, 11, "y" if carried_out else "x", 2 if carried_out else 1)])
    assert sound, said


@pytest.mark.parametrize("wrong", [
    done("get", 5, 6, "x", 1),                                # stale
    done("get", 5, 6, "never", 2),                            # invented
    done("get", 5, 6),                                        # lost
    done("create", 5, 6, "z", 3),                             # over a config that is there
    done("update", 5, 6, "z", 2),                             # a version given twice
    done("update", 5, 6, "z", 4),                             # a version left out
    done("update", 5, 6, "z", 3, expected=1),                 # an expectation that does not hold
    Operation(1, "update", "a", 5, 6, REFUSED, "z", expected=2),  # one that holds, refused
    Operation(1, "delete", "a", 5, 6, REFUSED),               # nothing to delete?
    done("update", 5, 6, "z", 3, tested="x"),                 # a test that does not hold
    Operation(1, "update", "a", 5, 6, REFUSED, "z", tested="y"),  # one that holds, refused
    done("undelete", 5, 6, "y", 3)])                          # of a config that is there
def test_what_cannot_be_is_found(wrong):
    sound, _ = linear.verdict([
        done("create", 1, 2, "x", 1), done("update", 3, 4, "y", 2), wrong])
    assert not sound


@pytest.mark.parametrize("wrong", [
    done("undelete", 7, 8, "x", 3),                           # with an older value
    done("undelete", 7, 8, "y", 2),                           # with a version given before
    Operation(1, "undelete", "a", 7, 8, REFUSED),
    done("update", 7, 8, "z", 3, tested="y")])                # of a config that is gone
def test_what_cannot_be_after_a_delete_is_found(wrong):
    sound, _ = linear.verdict([
        done("create", 1, 2, "x", 1), done("update", 3, 4, "y", 2), done("delete", 5, 6), wrong])
    assert not sound


def test_time_is_kept():
    history_of = [done("create", 1, 2, "x", 1), done("update", 5, 9, "y", 2)]
    assert linear.verdict(history_of + [done("get", 6, 7, "x", 1)])[0]
    assert linear.verdict(history_of + [done("get", 6, 7, "y", 2)])[0]
    assert not linear.verdict(history_of + [done("get", 3, 4, "y", 2)])[0]
    assert not linear.verdict(history_of + [done("get", 6, 7, "y", 2), done("get", 8, 9, "x", 1)])[0]
