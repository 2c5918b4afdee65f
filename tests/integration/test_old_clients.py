"""Clients that were written for the documented service, and the curl lines of its document."""

import json
import subprocess
import threading

import pytest
from daemon import until
from old_clients import ConfigWatcher, RegistryConfigProvider

pytestmark = pytest.mark.any_store


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def provider(gateway, rest, name):
    rest.post(f"/api/configs/{name}?environment=prod", {"config_data": {
        "db_host": "production-db", "port": "5432", "ratio": 0.5, "debug": "yes", "off": False,
        "list": [1]}})
    provider = RegistryConfigProvider(gateway.url, name, "prod", cache_ttl_seconds=60,
                                      clock=Clock())
    provider.path = f"/api/configs/{name}?environment=prod"
    return provider


def test_a_provider_reads_and_converts(provider):
    assert provider.get("db_host") == "production-db"
    assert provider.get("nothing", "fallback") == "fallback"
    assert provider.get_int("port", 1) == 5432
    assert provider.get_int("db_host", 1) == 1
    assert provider.get_int("list", 7) == 7
    assert provider.get_float("ratio") == 0.5
    assert provider.get_bool("debug") is True
    assert provider.get_bool("off", True) is False
    assert provider.get_bool("nothing", True) is True


def test_a_provider_keeps_what_it_has_until_the_ttl_is_over(provider, rest):
    assert provider.get("db_host") == "production-db"
    rest.put(provider.path, {"config_data": {"db_host": "new-db"}})
    assert provider.get("db_host") == "production-db"
    provider._clock.now = 59.9
    assert provider.get("db_host") == "production-db"
    provider._clock.now = 60.0
    assert provider.get("db_host") == "new-db"
    rest.put(provider.path, {"config_data": {"db_host": "newer-db"}})
    provider.refresh()
    assert provider.get("db_host") == "newer-db"


def test_a_provider_gives_defaults_where_there_is_nothing(gateway, rest, provider):
    other = RegistryConfigProvider(gateway.url, "no-such-service")
    assert other.get("x", 5) == 5 and other.get_int("x", 6) == 6
    rest.delete(provider.path)
    assert provider.get("db_host", "none") == "none"


def test_a_provider_of_a_server_that_is_away():
    provider = RegistryConfigProvider("http://127.0.0.1:1", "parsing", timeout_seconds=1)
    assert provider.get_bool("x", True) is True


@pytest.fixture
def watcher(gateway, rest, name):
    """A watcher that runs, with the list of what it was told."""
    seen = []
    watcher = ConfigWatcher(gateway.url, name, "prod", poll_interval_seconds=0.02,
                            on_change=seen.append)
    watcher.path = f"/api/configs/{name}?environment=prod"
    watcher.seen = seen
    rest.post(watcher.path, {"config_data": {"n": 1}})
    thread = threading.Thread(target=watcher.start)
    thread.start()
    yield watcher
    watcher.stop()
    thread.join()


def polled(watcher, times=2):
    """Until the watcher has looked again: one look may be under way."""
    goal = watcher.polls + times
    until(lambda: watcher.polls >= goal, "the watcher looks")


def test_a_watcher_is_told_of_each_change_once(watcher, rest):
    polled(watcher)
    assert watcher.seen == []
    for n in (2, 3):
        rest.put(watcher.path, {"config_data": {"n": n}})
        polled(watcher, 3)
    assert watcher.seen == [{"n": 2}, {"n": 3}]


def test_a_watcher_is_told_of_a_fallback_and_of_what_comes_after(watcher, rest):
    """The number of a deleted version is not used again, so the watcher misses no change."""
    polled(watcher)
    rest.put(watcher.path, {"config_data": {"n": 2}})
    polled(watcher)
    rest.delete(watcher.path + "&version=2")
    rest.put(watcher.path, {"config_data": {"n": "again"}})
    polled(watcher, 3)
    assert watcher.seen[-1] == {"n": "again"}


def test_a_watcher_lives_over_a_delete(watcher, rest):
    polled(watcher)
    rest.delete(watcher.path)
    polled(watcher)
    rest.post(watcher.path, {"config_data": {"n": "new"}})
    polled(watcher, 3)
    assert watcher.seen == [{"n": "new"}]


# ---- curl ----

def curl(*arguments):
    """The status and the body, as JSON."""
    result = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *arguments],
                            capture_output=True, text=True, timeout=60, check=True)
    body, status = result.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


def test_the_documented_curl_lines(gateway):
    url = f"{gateway.url}/api/configs/parsing"
    json_header = ("-H", "Content-Type: application/json")
    status, body = curl("-X", "POST", f"{url}?environment=prod", *json_header, "-d", """{
        "config_data": {"db_host": "production-db", "db_port": 5432, "max_connections": 100},
        "comment": "Initial production config",
        "created_by": "admin"
    }""")
    assert (status, body["version"], body["created_by"]) == (201, 1, "admin")

    status, body = curl("-X", "PUT", f"{url}?environment=prod", *json_header, "-d", """{
        "config_data": {"db_host": "production-db", "db_port": 5432, "max_connections": 200},
        "comment": "Increased max connections",
        "created_by": "admin"
    }""")
    assert (status, body["version"]) == (200, 2)
    assert body["comment"] == "Increased max connections"

    status, body = curl(f"{url}/history?environment=prod&limit=5")
    assert status == 200 and [d["version"] for d in body] == [2, 1]

    status, body = curl(f"{url}/diff?environment=prod&old_version=1&new_version=2")
    assert (status, body) == (200, {
        "service_name": "parsing", "environment": "prod", "old_version": 1, "new_version": 2,
        "added": {}, "removed": {}, "changed": {"max_connections": {"old": 100, "new": 200}}})

    status, body = curl(f"{gateway.url}/health")
    assert (status, body["status"]) == (200, "healthy")


def test_curl_with_an_upload_that_curl_asks_about_first(gateway, name, tmp_path):
    """Large bodies make curl send Expect: 100-continue."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"config_data": {"x": "y" * 1_000_000}}))
    status, answer = curl("-X", "POST", f"{gateway.url}/api/configs/{name}", "-H",
                          "Content-Type: application/json", "--data-binary", f"@{body}")
    assert (status, answer["version"]) == (201, 1)
    status, answer = curl("-X", "PUT", f"{gateway.url}/api/configs/{name}", "-H",
                          "Content-Type: application/json", "-H", "Transfer-Encoding: chunked",
                          "--data-binary", f"@{body}")
    assert (status, answer["version"]) == (200, 2)
