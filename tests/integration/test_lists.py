"""Lists over HTTP: very long ones, and ones whose configs disappear while they are read."""

import http.client
import json
import re
import threading
from pathlib import Path

import pytest
from calls import Registry
from daemon import Confregd, Gateway
from rest import Rest, from_then_on

NO_CACHE = {"Cache-Control": "no-cache"}


def big(number, size=200_000):
    return {"config_data": {"n": number, "x": "y" * size}}


class Erasing:
    """Makes a version of each config and erases it, again and again."""

    def __init__(self, port, paths):
        self.rest, self.paths = Rest(port), paths
        self.stopping = threading.Event()
        self.faults = []
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stopping.is_set():
            for path in self.paths:
                made = self.rest.put(path, big(2, 200_000))
                gone = self.rest.delete(f"{path}&version={made.headers['X-Config-Version']}")
                if (made.status, gone.body) != (200, b'{"deleted":1}'):
                    self.faults.append((made, gone))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        assert self.faults == []


@pytest.mark.parametrize("headers", [NO_CACHE, {}], ids=["server", "mirror"])
def test_a_list_beside_erasures_is_whole(rest, gateway, name, headers):
    paths = [f"/api/configs/{name}-{i}?environment=prod" for i in range(40)]
    for path in paths:
        assert rest.post(path, big(1)).status == 201
    with Erasing(gateway.port, sorted(paths)[-1:]):  # on the last page
        for _ in range(8):
            documents = json.loads(rest.get("/api/configs?environment=prod", headers=headers).body)
            listed = [d for d in documents if d["service_name"].startswith(f"{name}-")]
            assert len(listed) == 40
            assert all(d["config_data"]["n"] in (1, 2) for d in listed)
            for document in json.loads(rest.get(paths[0].replace("?", "/history?"),
                                                headers=headers).body):
                assert document["config_data"]["n"] in (1, 2)


# ---- Long ones ----

MIB = 1 << 20
N_LARGE = 130
LARGE = {"config_data": {"n": 1, "x": "y" * 900_000}}  # 117 MB of them


class Long:
    """A server and a gateway that have much to list."""

    def __init__(self, launch):
        self.server = launch(Confregd).start()
        self.registry = Registry(self.server.stub)
        self.gateway = launch(Gateway, self.server.listen).start()
        self.rest = Rest(self.gateway.port)

    def memory(self, line="VmRSS"):
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(re.search(rf"{line}:\s+(\d+) kB", status)[1]) * 1024

    def forget_peak(self):
        Path(f"/proc/{self.gateway.process.pid}/clear_refs").write_text("5")
        return self.memory()

    def begin(self, path, headers):
        """The answer's head is here; its body is the caller's to read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer


@pytest.fixture(scope="module")
def long(launch):
    long = Long(launch)
    for number in range(N_LARGE):
        assert long.rest.post(f"/api/configs/large-{number:03}", LARGE).status == 201
    return long


@pytest.mark.parametrize("headers", [NO_CACHE, {}], ids=["server", "mirror"])
def test_a_list_of_more_than_100_mb_takes_a_page_of_memory(long, headers):
    before = long.forget_peak()
    body = long.rest.get("/api/configs", headers=headers).body
    assert long.memory("VmHWM") - before < 100 * MIB  # the body is larger
    documents = json.loads(body)
    assert len(body) > 100_000_000
    assert [d["service_name"] for d in documents] == [f"large-{i:03}" for i in range(N_LARGE)]
    assert all(d["config_data"] == LARGE["config_data"] for d in documents)


@pytest.mark.parametrize("headers", [NO_CACHE, {}], ids=["server", "mirror"])
def test_readers_of_a_long_list_that_pause_cost_a_page_each(long, headers):
    before = long.forget_peak()
    answers = [long.begin("/api/configs", headers) for _ in range(10)]
    assert long.rest.get("/api/configs/large-000").json() == LARGE["config_data"]
    assert long.memory("VmHWM") - before < 150 * MIB
    for answer in answers[:3]:
        assert len(json.loads(answer.read())) == N_LARGE
    for answer in answers:
        answer.close()


@pytest.mark.parametrize("headers", [NO_CACHE, {}], ids=["server", "mirror"])
def test_a_long_list_is_as_of_its_beginning(long, headers):
    answer = long.begin("/api/configs", headers)
    tag = answer.headers["ETag"]
    assert long.rest.get("/api/configs", headers={"If-None-Match": tag, **headers}).status == 304
    for number in (0, N_LARGE - 1):
        path = f"/api/configs/large-{number:03}"
        made = long.rest.put(path, {"config_data": {"n": 2}})
    documents = json.loads(answer.read())
    assert [d["config_data"]["n"] for d in documents] == [1] * N_LARGE
    after = long.rest.get("/api/configs", headers=headers)
    assert after.headers["ETag"] == made.headers["ETag"] != tag
    assert [d["config_data"]["n"] for d in after.json()] == [2] + [1] * (N_LARGE - 2) + [2]
    for number in (0, N_LARGE - 1):
        long.rest.put(f"/api/configs/large-{number:03}", LARGE)


def test_a_history_of_more_than_100_mb_takes_a_page_of_memory(launch):
    long = Long(launch)
    for number in range(N_LARGE):
        made = long.registry.update("billing", '{"n":%d,"x":"%s"}' % (number, "y" * 900_000),
                                    allow_missing=True)
    before = long.forget_peak()
    answer = long.rest.get("/api/configs/billing/history?environment=prod&limit=-2",
                           headers=from_then_on(made))
    assert long.memory("VmHWM") - before < 100 * MIB  # the body is larger
    assert [d["version"] for d in answer.json()] == list(range(N_LARGE, 2, -1))


def test_a_list_whose_rest_cannot_be_had_is_cut(long):
    answer = long.begin("/api/configs", NO_CACHE)
    beginning = answer.read(100_000)
    long.server.kill()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        while answer.read(MIB):
            pass
    assert beginning.startswith(b"[{")
    assert "answer_cut" in long.gateway.log.read_text()
    long.server.start()
    long.gateway.wait_ready()


def test_a_gateway_stops_while_a_long_list_waits_for_its_reader(long):
    answer = long.begin("/api/configs", NO_CACHE)
    long.gateway.stop(seconds=20)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        while answer.read(MIB):
            pass
    long.gateway.start()
