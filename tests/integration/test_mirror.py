"""The gateway's mirror: where reads come from, how new they are, and what happens without a server."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from calls import Registry, create_change
from daemon import Confregd, Gateway, until
from fake_server import EndlessServer, FakeServer
from rest import Rest
from seed import chance
from sse import EventStream

pytestmark = pytest.mark.any_store

DATA = {"config_data": {"n": 1}}


def sources(rest):
    """How many reads came from where."""
    found = {}
    for line in rest.get("/metrics").body.decode().splitlines():
        if line.startswith("confreg_gateway_reads_total{"):
            found[line.split('"')[1]] = int(float(line.rsplit(" ", 1)[1]))
    return found


class Reads:
    """What a block's reads were answered from: Reads(rest, mirror=1)."""

    def __init__(self, rest, mirror=0, stale_mirror=0, server=0):
        self.rest = rest
        self.expected = {"mirror": mirror, "stale_mirror": stale_mirror, "server": server}

    def __enter__(self):
        self.before = sources(self.rest)

    def __exit__(self, kind, *_):
        if kind is None:
            after = sources(self.rest)
            assert {s: after[s] - self.before[s] for s in after} == self.expected


def in_step(rest):
    return b"\nconfreg_gateway_mirror_in_step 1\n" in rest.get("/metrics").body


class Pair:
    """A server and a gateway of a test's own."""

    def __init__(self, launch, **kwargs):
        self.launch = launch
        self.server = launch(Confregd, **kwargs).start()
        self.gateway = launch(Gateway, self.server.listen).start()
        self.rest = Rest(self.gateway.port)
        self.wait_in_step()

    def wait_in_step(self):
        until(lambda: in_step(self.rest), "the mirror is in step")

    def wait_away(self):
        until(lambda: not in_step(self.rest), "the mirror has noticed")

    @property
    def registry(self):
        return Registry(self.server.stub)


@pytest.fixture
def pair(launch):
    pair = Pair(launch)
    yield pair
    pair.gateway.end()
    pair.server.end()


@pytest.fixture(autouse=True)
def _in_step(rest):
    until(lambda: in_step(rest), "the mirror is in step")


# ---- Where answers come from ----

def test_heads_lists_and_what_is_not_there_come_from_the_mirror(rest, name):
    path = f"/api/configs/{name}"
    with Reads(rest, mirror=4):
        assert rest.get(path).status == 404
        rest.post(path, DATA)
        assert rest.get(path).json() == {"n": 1}
        assert rest.get(f"/api/configs?service_name={name}").json()[0]["version"] == 1
        rest.delete(path)
        assert rest.get(path).status == 404


def test_versions_and_no_cache_come_from_the_server(rest, name):
    path = f"/api/configs/{name}"
    rest.post(path, DATA)
    with Reads(rest, server=4):
        assert rest.get(path + "?version=1").json() == {"n": 1}
        for value in ("no-cache", "max-age=0, No-Cache"):
            assert rest.get(path, headers={"Cache-Control": value}).json() == {"n": 1}
        answer = rest.get(f"/api/configs?service_name={name}",
                          headers={"Cache-Control": "no-cache"})
        assert len(answer.json()) == 1


def same(answer, other):
    for header in ("ETag", "X-Config-Version", "X-Config-Revision", "Content-Type"):
        assert answer.headers[header] == other.headers[header], header
    assert (answer.status, answer.body) == (other.status, other.body)


@pytest.mark.parametrize("query", ["?environment=prod", "?environment=prod&resolve=true",
                                   "?environment=dev&resolve=true",
                                   "?environment=default&resolve=true"])
def test_mirror_and_server_answer_the_same(rest, name, query):
    path = f"/api/configs/{name}"
    rest.post(path, {"config_data": {"a": 1, "b": 2.50}})
    rest.post(path + "?environment=prod", {"config_data": {"b": None, "c": 3}})
    rest.post(path + "?environment=dev", DATA)
    rest.delete(path + "?environment=dev")
    with Reads(rest, mirror=2, server=2):
        mirrored = rest.get(path + query)
        same(mirrored, rest.get(path + query, headers={"Cache-Control": "no-cache"}))
        assert mirrored.headers["ETag"] == f'"{mirrored.headers["X-Config-Revision"]}"'
        etag = {"If-None-Match": mirrored.headers["ETag"]}
        same(rest.get(path + query, headers=etag),
             rest.get(path + query, headers={**etag, "Cache-Control": "no-cache"}))


def test_mirrored_lists_are_those_of_the_server(rest, name):
    for environment, body in (("prod", {**DATA, "comment": "why", "created_by": ""}),
                              ("dev", DATA), ("a b", DATA)):
        path = f"/api/configs/{name}?environment={environment.replace(' ', '+')}"
        rest.post(path, body)
        rest.put(path, body)
    for query in (f"?service_name={name}", f"?service_name={name}&environment=prod", ""):
        with Reads(rest, mirror=2, server=2):
            mirrored = rest.get("/api/configs" + query)
            same(mirrored, rest.get("/api/configs" + query, headers={"Cache-Control": "no-cache"}))
            etag = {"If-None-Match": mirrored.headers["ETag"]}
            same(rest.get("/api/configs" + query, headers=etag),
                 rest.get("/api/configs" + query,
                          headers={**etag, "Cache-Control": "no-cache"}))


@pytest.mark.parametrize("extra", [{}, {"Cache-Control": "no-cache"}])
def test_a_list_that_is_known_is_told_without_a_length(rest, name, extra):
    """A Content-Length of a 304 would be that of the list, which is not known. There is no body, and
    the connection stays open."""
    rest.post(f"/api/configs/{name}", DATA)
    etag = rest.get("/api/configs").headers["ETag"]
    answer = rest.get("/api/configs", headers={"If-None-Match": etag, **extra})
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
    assert answer.headers["Content-Length"] is None
    assert answer.headers["Transfer-Encoding"] is None
    assert answer.headers["Connection"] is None


def test_every_commit_changes_the_tag_of_a_list(rest, name):
    etag = rest.get(f"/api/configs?service_name={name}").headers["ETag"]
    rest.post(f"/api/configs/{name}-other", DATA)
    answer = rest.get(f"/api/configs?service_name={name}", headers={"If-None-Match": etag})
    assert answer.status == 200 and answer.headers["ETag"] != etag


def test_resolved_configs(rest, name):
    path = f"/api/configs/{name}?environment=prod&resolve=true"
    assert rest.get(path).status == 404
    base = rest.post(f"/api/configs/{name}", {"config_data": {"a": 1, "b": {"c": 1, "d": 2}}})
    first = rest.get(path)
    assert first.json() == {"a": 1, "b": {"c": 1, "d": 2}}
    rest.post(f"/api/configs/{name}?environment=prod", {"config_data": {"b": {"c": None}}})
    second = rest.get(path)
    assert second.json() == {"a": 1, "b": {"d": 2}}
    rest.put(f"/api/configs/{name}", {"config_data": {"a": 2}})
    third = rest.get(path)
    assert third.json() == {"a": 2, "b": {}}
    tags = [base.headers["ETag"], *(a.headers["ETag"] for a in (first, second, third))]
    assert len(set(tags)) == 4
    assert rest.get(path, headers={"If-None-Match": third.headers["ETag"]}).status == 304
    assert rest.get(path, headers={"If-None-Match": second.headers["ETag"]}).status == 200


def test_what_is_absent_is_asked_for_once(rest, name):
    """A snapshot says nothing of configs that are not there, but their tombstones are in the tag."""
    path = f"/api/configs/{name}?environment=prod&resolve=true"
    rest.post(f"/api/configs/{name}", DATA)
    with Reads(rest, server=1, mirror=2):
        first = rest.get(path)
        same(first, rest.get(path))
        same(first, rest.get(path))
    rest.post(f"/api/configs/{name}?environment=prod", {"config_data": {"m": 1}})
    with Reads(rest, mirror=1):
        assert rest.get(path).json() == {"n": 1, "m": 1}


def test_resolve_takes_words_for_true_and_false(rest, name):
    rest.post(f"/api/configs/{name}", DATA)
    path = f"/api/configs/{name}?environment=prod&resolve="
    assert rest.get(path + "1").status == rest.get(path + "True").status == 200
    assert rest.get(path + "0").status == rest.get(path + "false").status == 404
    answer = rest.get(path + "maybe")
    assert (answer.status, answer.json()["detail"][0]["type"]) == (422, "bool_parsing")


# ---- How new they are ----

@pytest.mark.concurrent
def test_a_client_sees_its_own_writes(pair):
    """Whatever is written through a gateway is what it shows from then on, whoever asks."""
    rest, seen, stop = pair.rest, {}, threading.Event()

    def write(number):
        path = f"/api/configs/mine-{number}"
        rest.post(path, {"config_data": {"n": 0}})
        for n in range(1, 60):
            assert rest.put(path, {"config_data": {"n": n}}).status == 200
            answer = rest.get(path)
            assert answer.json() == {"n": n}, answer.headers.items()
            assert n in {d["config_data"]["n"] for d in rest.get(
                f"/api/configs?service_name=mine-{number}").json()}
        rest.delete(path)
        assert rest.get(path).status == 404

    def look():
        while not stop.is_set():
            for number in range(4):
                answer = rest.get(f"/api/configs/mine-{number}")
                n = answer.json()["n"] if answer.status == 200 else seen.get(number, 0)
                assert n >= seen.get(number, 0), "an answer is older than the one before"
                seen[number] = n

    with ThreadPoolExecutor(5) as pool:
        looking = pool.submit(look)
        writers = [pool.submit(write, number) for number in range(4)]
        for writer in writers:
            writer.result(60)
        stop.set()
        looking.result(60)
    assert sources(rest)["mirror"] > 400, "the mirror has answered next to nothing"


def test_a_minimum_revision_across_gateways(launch, confregd, rest, name):
    other = Rest(launch(Gateway, confregd.listen).start().port)
    until(lambda: in_step(other), "the other mirror is in step")
    path = f"/api/configs/{name}"
    for n in range(30):
        write = rest.post if n == 0 else rest.put
        revision = write(path, {"config_data": {"n": n}}).headers["X-Config-Revision"]
        answer = other.get(path, headers={"X-Config-Min-Revision": revision})
        assert answer.json() == {"n": n}
    gone = rest.delete(path).headers["X-Config-Revision"]
    assert other.get(path, headers={"X-Config-Min-Revision": gone}).status == 404


def test_minimum_revisions_that_are_none(rest, name):
    path = f"/api/configs/{name}"
    revision = rest.post(path, DATA).headers["X-Config-Revision"]
    for wrong in ("", "7", f'"{revision}"', revision + "x", revision.upper() + "-"):
        answer = rest.get(path, headers={"X-Config-Min-Revision": wrong})
        assert answer.status == 422, wrong
        assert answer.json()["detail"][0]["loc"] == ["header", "X-Config-Min-Revision"]
    answer = rest.get(path, headers={"X-Config-Min-Revision": "0123456789abcdef-1"})
    assert answer.status == 409 and "EPOCH_MISMATCH" in answer.json()["detail"]


# ---- Without a server ----

def test_a_list_by_service_comes_from_the_mirror_however_large_it_is(launch):
    """A list of everything comes from the server where the mirror is so large."""
    server = launch(Confregd, store="memory:").start()
    registry = Registry(server.stub)
    for part in range(80):
        registry.commit([create_change(f"s{part}-{i}") for i in range(128)])
    registry.commit([create_change("s7-7", environment="dev"), create_change("s7-70", environment="dev")])
    registry.delete("s7-8")
    rest = Rest(launch(Gateway, server.listen).start().port)
    until(lambda: rest.get("/api/configs/s7-7?environment=prod") and sources(rest)["mirror"], "loaded")
    with Reads(rest, mirror=4):
        listed = rest.get("/api/configs?service_name=s7-7").json()
        assert [config["environment"] for config in listed] == ["dev", "prod"]
        assert [len(rest.get(f"/api/configs?{query}").json()) for query in (
            "service_name=s7-8", "service_name=none", "service_name=s7-7&environment=dev")] == [0, 0, 1]
    with Reads(rest, server=1):
        assert len(rest.get("/api/configs?environment=dev").json()) == 2


def test_reads_go_on_without_the_server(pair):
    rest = pair.rest
    rest.post("/api/configs/kept", DATA)
    rest.post("/api/configs/kept?environment=prod", {"config_data": {"m": 2}})
    etag = rest.get("/api/configs/kept").headers["ETag"]
    pair.server.kill()
    pair.wait_away()
    for path, body in (("kept", {"n": 1}), ("kept?environment=prod&resolve=true",
                                            {"n": 1, "m": 2})):
        answer = rest.get(f"/api/configs/{path}")
        assert answer.json() == body
        assert answer.headers["Warning"].startswith("110 ")
        assert int(answer.headers["Age"]) >= 0
    assert rest.get("/api/configs/kept").headers["ETag"] == etag
    answer = rest.get("/api/configs/kept", headers={"If-None-Match": etag})
    assert (answer.status, answer.headers["Warning"][:4]) == (304, "110 ")
    answer = rest.get("/api/configs")
    assert len(answer.json()) == 2 and answer.headers["Warning"].startswith("110 ")
    answer = rest.get("/api/configs/unknown")
    assert answer.status == 404 and answer.headers["Warning"].startswith("110 ")
    for call in (lambda: rest.put("/api/configs/kept", DATA),
                 lambda: rest.post("/api/configs/new", DATA),
                 lambda: rest.delete("/api/configs/kept"),
                 lambda: rest.get("/api/configs/kept", headers={"Cache-Control": "no-cache"}),
                 lambda: rest.get("/api/configs/kept?version=1"),
                 lambda: rest.get("/api/configs/kept/history")):
        assert call().status == 503
    assert int(until(lambda: (a := rest.get("/api/configs/kept").headers["Age"]) != "0" and a,
                     "the age grows")) > 0


def test_a_server_that_comes_back_is_followed_again(pair):
    rest = pair.rest
    rest.post("/api/configs/back", DATA)
    for n in range(2, 5):
        pair.server.kill()
        pair.wait_away()
        pair.server.start()
        pair.registry.update("back", '{"n":%d}' % n, environment="default")
        pair.wait_in_step()
        answer = rest.get("/api/configs/back")
        assert answer.json() == {"n": n}
        assert answer.headers["Warning"] is None and answer.headers["Age"] is None
    assert rest.put("/api/configs/back", DATA).json()["version"] == 5
    assert rest.get("/api/configs/back").headers["X-Config-Version"] == "5"


def test_a_server_that_stops_in_order_is_followed_again(pair):
    pair.rest.post("/api/configs/back", DATA)
    pair.server.stop()
    pair.wait_away()
    assert pair.rest.get("/api/configs/back").headers["Warning"].startswith("110 ")
    pair.server.start()
    pair.wait_in_step()
    assert pair.rest.get("/api/configs/back").headers["Warning"] is None


def test_another_log_replaces_the_mirror(pair):
    """A server that comes back with other data: nothing of the old is shown as new."""
    rest = pair.rest
    rest.post("/api/configs/old", DATA)
    rest.post("/api/configs/both", DATA)
    old = rest.get("/api/configs/both")
    pair.server.stop()
    other = pair.launch(Confregd, listen=pair.server.listen).start()
    registry = Registry(other.stub)
    registry.commit([create_change("both", '{"n":2}', "default"),
                     create_change("new", environment="default")])
    until(lambda: rest.get("/api/configs/both").json() == {"n": 2}, "the new data is there")
    pair.wait_in_step()
    assert rest.get("/api/configs/old").status == 404
    assert rest.get("/api/configs/new").status == 200
    answer = rest.get("/api/configs/both", headers={"If-None-Match": old.headers["ETag"]})
    assert answer.status == 200 and answer.headers["ETag"] != old.headers["ETag"]
    answer = rest.put("/api/configs/both", DATA, headers={"If-Match": old.headers["ETag"]})
    assert answer.status == 412
    other.stop()


@pytest.mark.concurrent
def test_absent_overlays_are_read_while_snapshots_replace_the_mirror(pair):
    """Two logs take turns; readers have the mirror note what is absent all the time."""
    servers = [pair.server, pair.launch(Confregd, listen=pair.server.listen)]
    names = [f"c{n}" for n in range(100)]
    reading = threading.Event()
    reading.set()
    shown = [0, 0]  # answers of each log

    def fill(number):
        data = '{"log":%d}' % number
        pair.registry.commit([create_change(name, data, "default") for name in names])

    def read(number):
        rng, rest = chance("reader", number), Rest(pair.gateway.port)
        while reading.is_set():
            overlay = f"absent-{rng.randrange(1000)}"
            path = f"/api/configs/{rng.choice(names)}?environment={overlay}&resolve=true"
            answer = rest.get(path)
            assert answer.status in (200, 404, 503, 504), answer.body
            if answer.status == 200:
                shown[answer.json()["log"]] += 1

    def turn(number):
        servers[1 - number].stop()
        pair.server = servers[number].start()
        if not pair.registry.list(page_size=1).configs:
            fill(number)
        before = shown[number]
        until(lambda: shown[number] > before + 50, "the other log is shown")
        pair.wait_in_step()

    fill(0)
    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read, number) for number in range(6)]
        try:
            for number in (1, 0) * 4:
                turn(number)
        finally:
            reading.clear()
        for reader in readers:
            reader.result(60)
    with Reads(pair.rest, mirror=1, server=1):
        for _ in range(2):
            assert pair.rest.get("/api/configs/c0?environment=x&resolve=true").json()["log"] == 0


@pytest.mark.sqlite
def test_a_backup_that_is_restored_replaces_the_mirror(pair, tmp_path):
    """The same log, cut short: positions behind the cut are found out by their hash."""
    rest, server = pair.rest, pair.server
    rest.post("/api/configs/kept", DATA)
    server.stop()
    shutil.copy(server.database, tmp_path / "backup.db")
    server.start()
    pair.wait_in_step()
    rest.put("/api/configs/kept", {"config_data": {"n": 2}})
    rest.post("/api/configs/lost", DATA)
    assert rest.get("/api/configs/lost").status == 200
    server.kill()
    for end in ("-wal", "-shm"):
        server.database.with_name(server.database.name + end).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", server.database)
    server.start()
    pair.wait_in_step()
    pair.registry.create("other", environment="default")
    until(lambda: rest.get("/api/configs/lost").status == 404, "what was lost is gone")
    assert rest.get("/api/configs/kept").json() == {"n": 1}
    until(lambda: rest.get("/api/configs/other").status == 200, "what came instead is there")


def test_a_gateway_without_a_server_has_nothing_to_show(launch):
    gateway = launch(Gateway, "127.0.0.1:9").spawn()
    rest = Rest(gateway.port)
    until(lambda: gateway.status_of("/livez") == 200, "the gateway lives")
    assert rest.get("/api/configs/x").status == 503
    assert rest.get("/api/configs").status == 503
    gateway.stop()


# What a watch has told last is in the mirror for so long before a silent server makes it stale, by
# docs/protocol.md; the connection's own end would be noticed after 30 s.
NOTICED_SECONDS = 1.5


def age(rest):
    line = next(line for line in rest.get("/metrics").body.decode().splitlines()
                if line.startswith("confreg_gateway_mirror_age_seconds "))
    return float(line.split()[1])


def freeze(pair):
    """Waits until the mirror has noticed, which is before it opens the watch again."""
    pair.server.freeze()
    began = time.monotonic()
    pair.wait_away()
    assert time.monotonic() - began < 10
    assert age(pair.rest) >= NOTICED_SECONDS


def test_a_server_that_hangs_is_noticed(pair):
    """Its connection stands, but it says nothing any more."""
    rest = pair.rest
    rest.post("/api/configs/kept", DATA)
    rest.post("/api/configs/kept?environment=prod", {"config_data": {"m": 2}})
    freeze(pair)
    try:
        for path in ("kept", "kept?environment=prod&resolve=true", "unknown"):
            answer = rest.get(f"/api/configs/{path}")
            assert answer.status == (404 if path == "unknown" else 200)
            assert answer.headers["Warning"].startswith("110 ") and int(answer.headers["Age"]) >= 1
        answer = rest.get("/api/configs")
        assert len(answer.json()) == 2 and answer.headers["Warning"].startswith("110 ")
        assert rest.get("/readyz").status == 503
        assert rest.get("/health").json()["status"] == "degraded"
    finally:
        pair.server.thaw()
    pair.wait_in_step()
    answer = rest.get("/api/configs/kept")
    assert answer.headers["Warning"] is None and answer.headers["Age"] is None
    assert age(rest) == 0


def test_an_idle_gateway_logs_when_the_server_goes_and_comes(pair):
    """Only the mirror can notice: nobody calls the gateway meanwhile."""
    log = pair.gateway.log

    def logged(*events):
        until(lambda: [word for word in log.read_text().split()
                       if word in ("event=server_away", "event=server_back")] == list(events),
              f"the log has {events}")

    away, back = "event=server_away", "event=server_back"
    pair.server.kill()
    logged(away)
    pair.server.start()
    logged(away, back)
    pair.server.freeze()
    try:
        logged(away, back, away)
    finally:
        pair.server.thaw()
    logged(away, back, away, back)


def test_a_server_that_hung_for_long_is_followed_again(pair):
    """Longer than the time after which the mirror opens the watch again."""
    pair.rest.post("/api/configs/kept", DATA)
    freeze(pair)
    until(lambda: age(pair.rest) > 6, "the watch is opened anew")
    pair.server.thaw()
    pair.registry.update("kept", '{"n":2}', environment="default")
    pair.wait_in_step()
    until(lambda: pair.rest.get("/api/configs/kept").json() == {"n": 2}, "the change is there")


def test_a_slow_snapshot_is_waited_for(launch):
    """One response may take longer than a server may be silent: the next attempt has more time."""
    server = FakeServer()
    server.pause = 6
    try:
        rest = Rest(launch(Gateway, server.listen).start().port)
        until(lambda: in_step(rest), "the mirror is in step")
    finally:
        server.stop()


def test_a_snapshot_that_comes_to_no_end(launch):
    server = EndlessServer("snapshot")
    gateway = launch(Gateway, server.listen, extra=["--max-watch-bytes", "1M"]).spawn()
    try:
        until(lambda: "takes more than --max-watch-bytes, 1048576 bytes" in gateway.log.read_text(),
              "the reason is logged")
        server.how = ""
        until(lambda: in_step(Rest(gateway.port)), "the mirror is in step")
    finally:
        server.stop()


def test_long_polls_and_event_streams_of_a_server_that_hangs(pair):
    """A poll that waits says at its end that it may be stale; a new one does not wait; what comes
    afterwards reaches the stream."""
    rest, path = pair.rest, "/api/configs/polled"
    etag = rest.post(path, DATA).headers["ETag"]
    with EventStream(pair.gateway.port) as events, ThreadPoolExecutor(1) as pool:
        polled = pool.submit(poll, rest, path, etag, 4)
        waiting(rest, 2)
        freeze(pair)
        try:
            assert poll(rest, path, etag, 60).headers["Warning"].startswith("110 ")
            answer = polled.result(20)
            assert answer.status == 304 and answer.headers["Warning"].startswith("110 ")
        finally:
            pair.server.thaw()
        pair.wait_in_step()
        rest.put(path, {"config_data": {"n": 2}})
        assert events.next().data["config_data"] == {"n": 2}


def test_a_gateway_stops_beside_a_server_that_hangs(pair):
    pair.rest.post("/api/configs/x", DATA)
    pair.server.freeze()
    try:
        pair.gateway.stop(seconds=20)
    finally:
        pair.server.thaw()


# ---- Long polls ----

def poll(rest, path, etag, seconds=30):
    return rest.get(path, headers={"If-None-Match": etag, "Prefer": f"wait={seconds}"})


def waiting(rest, count):
    """Until so many requests wait, beside the one that asks."""
    line = f"\nconfreg_gateway_requests_in_flight {count + 1}\n".encode()
    until(lambda: line in rest.get("/metrics").body, f"{count} requests wait")


def test_a_long_poll_is_answered_by_a_change(pair):
    rest, path = pair.rest, "/api/configs/polled"
    etag = rest.post(path, DATA).headers["ETag"]
    with ThreadPoolExecutor(8) as pool:
        polls = [pool.submit(poll, rest, path, etag) for _ in range(8)]
        waiting(rest, 8)
        rest.post("/api/configs/polled?environment=prod", DATA)
        rest.post("/api/configs/other", DATA)
        assert not any(p.done() for p in polls)
        pair.registry.update("polled", '{"n":2}', environment="default")
        for answer in (p.result(20) for p in polls):
            assert (answer.status, answer.json()) == (200, {"n": 2})
            assert answer.headers["ETag"] != etag


def test_a_long_poll_of_a_resolved_config(pair):
    rest, path = pair.rest, "/api/configs/polled?environment=prod&resolve=true"
    rest.post("/api/configs/polled", DATA)
    rest.post("/api/configs/polled?environment=prod", {"config_data": {"m": 1}})
    etag = rest.get(path).headers["ETag"]
    with ThreadPoolExecutor(1) as pool:
        polled = pool.submit(poll, rest, path, etag)
        waiting(rest, 1)
        rest.put("/api/configs/polled", {"config_data": {"n": 2}})
        assert polled.result(20).json() == {"n": 2, "m": 1}


def test_a_long_poll_of_a_config_that_goes(pair):
    rest, path = pair.rest, "/api/configs/polled"
    etag = rest.post(path, DATA).headers["ETag"]
    with ThreadPoolExecutor(1) as pool:
        polled = pool.submit(poll, rest, path, etag)
        waiting(rest, 1)
        rest.delete(path)
        assert polled.result(20).status == 404


def test_a_long_poll_ends_without_a_change(rest, name):
    path = f"/api/configs/{name}"
    etag = rest.post(path, DATA).headers["ETag"]
    began = time.monotonic()
    answer = poll(rest, path, etag, seconds=1)
    assert (answer.status, answer.headers["ETag"]) == (304, etag)
    assert 0.9 < time.monotonic() - began < 20


@pytest.mark.parametrize("prefer", ["wait=0", "wait=x", "wait=", "wait", "wait=-1", "respond-async"])
def test_preferences_that_ask_for_no_wait(rest, name, prefer):
    path = f"/api/configs/{name}"
    etag = rest.post(path, DATA).headers["ETag"]
    answer = rest.get(path, headers={"If-None-Match": etag, "Prefer": prefer})
    assert answer.status == 304


@pytest.mark.parametrize("prefer, applied", [
    ('wait="1"', "wait=1"), ("respond-async, Wait = 1;x=y", "wait=1"), ("wait=1, wait=60", "wait=1")])
def test_forms_of_a_preferred_wait(rest, name, prefer, applied):
    path = f"/api/configs/{name}"
    etag = rest.post(path, DATA).headers["ETag"]
    began = time.monotonic()
    answer = rest.get(path, headers={"If-None-Match": etag, "Prefer": prefer})
    assert (answer.status, answer.headers["Preference-Applied"]) == (304, applied)
    assert 0.9 < time.monotonic() - began < 20


def test_what_a_heeded_wait_is_told_by(rest, name):
    path = f"/api/configs/{name}"
    etag = rest.post(path, DATA).headers["ETag"]
    assert poll(rest, path, '"x"', 61).headers["Preference-Applied"] == "wait=60"
    for headers in ({"Prefer": "wait=60"}, {"If-None-Match": etag},
                    {"Prefer": "wait=60", "If-None-Match": etag, "Cache-Control": "no-cache"}):
        assert "Preference-Applied" not in rest.get(path, headers=headers).headers


@pytest.mark.parametrize("query", ["", "?environment=prod&resolve=true"])
def test_a_config_that_is_missing_is_waited_for(pair, query):
    rest, path = pair.rest, "/api/configs/awaited"
    with ThreadPoolExecutor(2) as pool:
        polled = pool.submit(rest.get, path + query, headers={"Prefer": "wait=60"})
        waiting(rest, 1)
        rest.post("/api/configs/awaited?environment=other", DATA)
        rest.post("/api/configs/other", DATA)
        waiting(rest, 1)
        assert not polled.done()
        rest.post(path, DATA)
        answer = polled.result(20)
    assert (answer.status, answer.json()) == (200, {"n": 1})
    assert answer.headers["Preference-Applied"] == "wait=60"


def test_a_config_that_does_not_come(rest, name):
    began = time.monotonic()
    answer = rest.get(f"/api/configs/{name}", headers={"Prefer": "wait=1"})
    assert (answer.status, answer.documented()) == (404, {"detail": "Configuration not found"})
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert 0.9 < time.monotonic() - began < 20


def test_a_wait_for_a_config_ends_when_the_gateway_stops(pair):
    with ThreadPoolExecutor(1) as pool:
        polled = pool.submit(pair.rest.get, "/api/configs/awaited", headers={"Prefer": "wait=60"})
        waiting(pair.rest, 1)
        pair.gateway.stop(seconds=20)
        assert polled.result(20).status == 404


def test_a_poll_for_something_else_is_answered_at_once(rest, name):
    path = f"/api/configs/{name}"
    assert poll(rest, path, '"x"').status == 404
    rest.post(path, DATA)
    assert poll(rest, path, '"x"').json() == {"n": 1}


def test_long_polls_end_when_the_gateway_stops(pair):
    rest, path = pair.rest, "/api/configs/polled"
    etag = rest.post(path, DATA).headers["ETag"]
    with ThreadPoolExecutor(4) as pool:
        polls = [pool.submit(poll, rest, path, etag, 60) for _ in range(4)]
        waiting(rest, 4)
        pair.gateway.stop(seconds=20)
        assert [p.result(20).status for p in polls] == [304] * 4


def test_long_polls_end_when_another_log_comes(pair):
    rest, path = pair.rest, "/api/configs/polled"
    etag = rest.post(path, DATA).headers["ETag"]
    with ThreadPoolExecutor(1) as pool:
        polled = pool.submit(poll, rest, path, etag, 60)
        waiting(rest, 1)
        pair.server.stop()
        other = pair.launch(Confregd, listen=pair.server.listen).start()
        assert polled.result(60).status == 404
        other.stop()


def test_a_poller_that_goes_away_leaves_nothing(pair):
    rest, path = pair.rest, "/api/configs/polled"
    etag = rest.post(path, DATA).headers["ETag"]
    request = (f"GET {path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\n"
               "Prefer: wait=60\r\n\r\n").encode()
    socks = [rest.open() for _ in range(20)]
    for sock in socks:
        sock.sendall(request)
    waiting(rest, 20)
    for sock in socks:
        sock.close()
    waiting(rest, 0)
    rest.put(path, DATA)
    assert rest.get(path).status == 200
