"""Lists over HTTP while what they show goes away."""

import json
import threading

import pytest
from rest import Rest

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
            documents = json.loads(rest.get(f"/api/configs?environment=prod", headers=headers).body)
            listed = [d for d in documents if d["service_name"].startswith(f"{name}-")]
            assert len(listed) == 40
            assert all(d["config_data"]["n"] in (1, 2) for d in listed)
            for document in json.loads(rest.get(paths[0].replace("?", "/history?"),
                                                headers=headers).body):
                assert document["config_data"]["n"] in (1, 2)
