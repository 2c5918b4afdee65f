"""Providers, watchers and copies of libconfreg: what they read, and what happens to them."""

import contextlib
import json
import os
import subprocess
import threading
import time

import grpc
import pytest
from access import AccessFile, grant
from calls import Registry
from daemon import BUILD, PATIENCE, TOOLS, Confregd, memory_bound, until
from disk import fill_up, small_disk
from fake_server import EndlessServer, FakeServer, LogServer
from following import LOADING, READY, STALE, Follower
from guarded import Guarded
from proxy import Proxy
from seed import chance
from stubs import api_pb

pytestmark = pytest.mark.any_store


@contextlib.contextmanager
def followers():
    """Yields follow(address…), which starts a program; it must end in an orderly way."""
    with contextlib.ExitStack() as ends:
        def start(*addresses, **kwargs):
            follower = Follower(*addresses, **kwargs)
            ends.callback(follower.end)
            return follower

        yield start


@pytest.fixture
def follow():
    with followers() as start:
        yield start


@pytest.fixture
def own(launch):
    """A server of a test's own, whose registry is empty, with another epoch, after each start."""
    server = launch(Confregd, store="memory:").start()
    yield server
    server.end()


def versions(changes):
    return [change["config"]["version"] if change["config"] else 0 for change in changes]


def streams(server):
    status = server.stub.GetStatus(api_pb.GetStatusRequest())
    return status.watch_streams


# ---- Values ----

VALUES = {
    "n": 10, "f": 3.9, "big": 2**53 + 1, "neg": -3.9, "yes": True, "no": False, "nil": None,
    "s": "text", "digits": " 42 ", "under": "1_000", "half": "3.9", "on": "ON", "off": "off", "e": "",
    "inf": "inf", "exp": "1e3", "list": [1, {"a": 2}], "none": [], "o": {"a/b": {"c": "deep"}},
    "empty": {}, "wait": "1h30m", "size": "64KiB"}


def test_values(confregd, registry, name, follow):
    registry.create(name, json.dumps(VALUES))
    follower = follow(confregd.listen)
    follower.provider("p", name)
    assert follower.get("p", "/list/1/a") == 2
    assert follower.get("p", "/o/a~1b/c", "string", "-") == "deep"
    assert follower.get("p", "wait", "duration_ms") == 5400000
    assert follower.get("p", "size", "size") == 65536
    assert follower.get("p", "list", "json") == VALUES["list"]
    assert follower.get("p", "missing", "string", "fallback") == "fallback"
    answer = follower.ask("snapshot", "p")
    assert answer["reply"] == VALUES
    assert answer["version"] == 1


COMPARISON = """
import json, sys
from confreg import RegistryConfigProvider
from confreg.testing import overrides
values = json.load(sys.stdin)
with overrides(values):
    p = RegistryConfigProvider("127.0.0.1:1", "s")
    print(json.dumps({k: [p.get_bool(k, True), p.get_int(k, -1), repr(p.get_float(k, -1.0))]
                      for k in [*values, "missing"]}))
"""


def test_values_are_those_of_the_python_package(confregd, registry, name, follow):
    python = TOOLS.parent / "python-package" / "bin" / "python"
    ran = subprocess.run([python, "-c", COMPARISON], input=json.dumps(VALUES), text=True, check=True,
                         capture_output=True)
    registry.create(name, json.dumps(VALUES))
    follower = follow(confregd.listen)
    follower.provider("p", name)
    for key, (boolean, integer, number) in json.loads(ran.stdout).items():
        assert follower.get("p", key, "bool", "1") == boolean, key
        assert follower.get("p", key, "int64", -1) == integer, key
        assert float(follower.get("p", key, "double", -1)) == float(number), key


def test_environment_variables_stand_under_the_config(confregd, registry, name, follow):
    registry.create(name, '{"pool": 5, "nil": null}')
    follower = follow(confregd.listen,
                      environment={"APP_POOL": "7", "APP_DB_HOST": "db", "APP_NIL": "1"})
    follower.provider("p", name, prefix="APP_")
    assert follower.get("p", "pool") == 5
    assert follower.get("p", "nil") == -1
    assert follower.get("p", "db_host", "string", "-") == "db"
    assert follower.get("p", "/db_host", "string", "-") == ""


def test_references(confregd, registry, name, follow, tmp_path):
    secret, kept, pipe = tmp_path / "password", tmp_path / "kept", tmp_path / "pipe"
    secret.write_text("hush\n")
    os.mkfifo(pipe)
    registry.create(name, json.dumps({
        "uri": f"amqp://${{env:APP_USER}}:${{file:{secret}}}@mq", "price": "${5}${env:}${env:x", "n": 1.50,
        "deep": {"users": ["${env:APP_USER}", True]}, "pool": "${env:APP_POOL}",
        "none": {"a": ["${env:APP_NOBODY}"]}, "no_file": f"${{file:{tmp_path}/nothing}}",
        "folder": f"${{file:{tmp_path}}}", "pipe": f"${{file:{pipe}}}", "nul": "a\0${env:APP_POOL}"}))
    follower = follow(confregd.listen, environment={"APP_USER": 'a"da', "APP_POOL": "7"})
    follower.provider("p", name, file=kept, references=1)
    assert follower.get("p", "uri", "string", "-") == 'amqp://a"da:hush@mq'
    assert follower.get("p", "price", "string", "-") == "${5}${env:}${env:x"
    assert follower.get("p", "deep", "json", "0") == {"users": ['a"da', True]}
    assert follower.get("p", "pool") == 7 and follower.get("p", "n", "double") == "1.5"
    assert follower.get("p", "/nul", "json", "0") == "a\x007"
    for key in ("none", "/none/a", "no_file", "folder", "pipe"):
        assert follower.get("p", key, "json", "0") == 0, key
    lines = [event["line"] for event in follower.events if event["event"] == "log"]
    assert sum("config_reference" in line for line in lines) == 4, lines
    assert not any("hush" in line for line in lines), "values are not logged"
    until(kept.exists, "it is kept")
    assert "hush" not in kept.read_text() and "${file:" in kept.read_text()
    secret.write_text("hush-hush")
    registry.update(name, json.dumps({"uri": f"${{file:{secret}}}"}))
    until(lambda: follower.get("p", "uri", "string", "-") == "hush-hush", "the file is read again")
    follower.provider("plain", name)
    assert follower.get("plain", "uri", "string", "-") == f"${{file:{secret}}}", "only who asks for it"


def test_resolved_over_the_default(confregd, registry, name, follow):
    registry.create(name, '{"a": 1, "b": {"c": 1, "d": 1}}', environment="default")
    follower = follow(confregd.listen)
    follower.provider("p", name, resolve=1)
    assert follower.get("p", "a") == 1
    registry.create(name, '{"b": {"c": 2}}')
    follower.wait_value("p", "/b/c", 2)
    assert follower.get("p", "/b/d") == 1
    registry.update(name, '{"a": 3}', environment="default")
    follower.wait_value("p", "a", 3)
    assert follower.get("p", "/b/d") == -1
    registry.delete(name)
    follower.wait_value("p", "/b/c", -1)


def test_a_config_that_comes_and_goes(confregd, registry, name, follow):
    follower = follow(confregd.listen)
    follower.provider("p", name)
    assert follower.get("p", "a") == -1
    registry.create(name, '{"a": 1}')
    follower.wait_value("p", "a", 1)
    registry.delete(name)
    follower.wait_value("p", "a", -1)
    registry.undelete(name)
    follower.wait_value("p", "a", 1)


def test_refresh_sees_what_was_written_before(confregd, registry, name, follow):
    registry.create(name, '{"n": 0}')
    follower = follow(confregd.listen)
    follower.provider("p", name)
    for n in range(1, 20):
        registry.update(name, f'{{"n": {n}}}')
        follower.do("refresh", "p", 5000)
        assert follower.get("p", "n") == n


class RestoredServer(LogServer):
    """Has a shorter log of another epoch from `restored` on; streams that are open do not hear of it."""

    restored = False

    def service(self, details):
        if details.method.endswith("/GetConfig"):
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: self._answer(), response_serializer=lambda r: r.SerializeToString())
        return super().service(details)

    def _answer(self):
        return api_pb.GetConfigResponse(header=self._position(1), config=self._config(1))

    def _position(self, revision):
        position = super()._position(revision)
        position.epoch = "f" * 16 if self.restored else position.epoch
        return position

    def _watch(self, request, context):
        if self.restored:
            context.abort(grpc.StatusCode.UNAVAILABLE, "as told")
        yield from super()._watch(request, context)


def test_refresh_after_a_restore(follow):
    server = RestoredServer(['{"a": 1}', '{"a": 2}'])
    follower = follow(server.listen)
    follower.provider("p", server.SERVICE)
    follower.wait_value("p", "a", 2)
    server.versions, server.restored = ['{"a": 3}'], True
    follower.do("refresh", "p", 60000)
    assert follower.get("p", "a") == 3
    server.stop()


class OvertakenServer(LogServer):
    """Its streams tell changes up to revision `told`. It has a GetConfig wait until `answers` is set, and then
    answers as of when that came; `gone`: that there is no config."""

    def __init__(self, versions, gone=False):
        self.told, self.gone = 1, gone
        self.asked, self.answers = threading.Event(), threading.Event()
        super().__init__(versions)

    def service(self, details):
        if details.method.endswith("/GetConfig"):
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: self._answer(context),
                response_serializer=lambda r: r.SerializeToString())
        return super().service(details)

    def _answer(self, context):
        newest = len(self.versions)
        answer = api_pb.GetConfigResponse(header=self._position(newest), config=self._config(newest))
        self.asked.set()
        assert self.answers.wait(PATIENCE)
        if self.gone:
            context.abort(grpc.StatusCode.NOT_FOUND, "as told")
        return answer

    def _watch(self, request, context):
        for response in super()._watch(request, context):
            while response.header.revision > self.told and context.is_active():
                self.stopping.wait(0.01)
            yield response


@pytest.mark.parametrize("gone", [False, True])
def test_a_refresh_that_is_overtaken(follow, gone):
    """While it reads revision 2 by itself, the stream brings revision 3."""
    server = OvertakenServer(['{"a": 1}', '{"a": 2}'], gone)
    follower = follow(server.listen)
    follower.watcher("w", server.SERVICE)
    follower.provider("p", server.SERVICE)  # after the watcher, so that it has a change before that tells it
    follower.send("refresh", "p", 60000)
    assert server.asked.wait(PATIENCE)
    server.versions.append('{"a": 3}')
    server.told = 3
    follower.wait_told("w", 2)
    server.answers.set()
    assert follower.reply()["reply"] is True
    assert follower.get("p", "a") == 3
    server.stop()


# ---- Changes ----

def test_what_has_changed(confregd, registry, name, follow):
    registry.create(name, '{"pool": 10, "db": {"host": "a", "old": 1}}', created_by="ada")
    follower = follow(confregd.listen)
    follower.watcher("w", name)
    registry.update(name, '{"pool": 20, "db": {"host": "a", "new": 1}}', created_by="bob")
    registry.delete(name)
    registry.create(name, '{"pool": 1}')
    update, delete, create = follower.wait_told("w", 3)
    assert update["kind"] == 2 and update["author"] == "bob" and not update["synthetic"]
    assert update["previous"]["data"]["pool"] == 10 and update["config"]["data"]["pool"] == 20
    assert (update["added"], update["removed"], update["changed"]) == (
        ["/db/new"], ["/db/old"], ["/pool"])
    assert delete["kind"] == 4 and delete["config"] is None
    assert delete["removed"] == ["/pool", "/db"]
    assert create["kind"] == 1 and create["previous"] is None and create["added"] == ["/pool"]


def test_the_first_state_is_told_if_asked_for(confregd, registry, name, follow):
    registry.create(name)
    follower = follow(confregd.listen)
    follower.watcher("w", name, how="first")
    first, = follower.wait_told("w", 1)
    assert first["synthetic"] and first["kind"] == 1 and first["config"]["version"] == 1
    registry.update(name)
    assert versions(follower.wait_told("w", 2)) == [1, 2]


def test_a_slow_callback_with_newest(confregd, registry, name, follow):
    registry.create(name, '{"n": 1}')
    follower = follow(confregd.listen)
    follower.watcher("w", name, how="newest")
    follower.provider("p", name)
    follower.do("hold")
    registry.update(name, '{"n": 2}')
    follower.wait_told("w", 1)
    for n in range(3, 20):
        registry.update(name, f'{{"n": {n}}}')
    follower.wait_value("p", "n", 19)
    follower.do("go")
    last = follower.wait_told("w", 2)[1]
    assert last["config"]["version"] == 19 and last["previous"]["version"] == 2
    assert last["synthetic"] and last["changed"] == ["/n"]


def test_a_queue_that_is_full_becomes_newest_states(confregd, registry, name, follow):
    registry.create(name)
    registry.create(name + "-b")
    follower = follow(confregd.listen)
    follower.watcher("w", prefix=name, limit=3)
    follower.provider("p", name + "-b")
    follower.do("hold")
    registry.update(name)
    follower.wait_told("w", 1)
    for _ in range(6):
        registry.update(name)
    registry.delete(name + "-b")
    registry.create(name + "-c")
    registry.delete(name + "-c")
    registry.create(name + "-d", '{"a": 5}')
    follower.provider("d", name + "-d", ready=False)
    follower.do("ready", "d", 60000)
    follower.do("go")
    registry.create(name + "-e")
    told = follower.wait_told("w", 5)
    assert [(c["service"].removeprefix(name), c["config"] and c["config"]["version"]) for c in told] == [
        ("", 2), ("", 8), ("-b", None), ("-d", 1), ("-e", 1)]


@pytest.mark.parametrize("deed", ["stop", "free"])
@pytest.mark.parametrize("by", ["watcher", "run"])
def test_stop_in_its_own_callback(confregd, registry, name, follow, by, deed):
    registry.create(name)
    follower = follow(confregd.listen)
    follower.watcher("w", name, by=by)
    follower.watcher("other", name)
    follower.do("in_callback", deed, "w")
    registry.update(name)
    follower.wait_told("w", 1)
    if by == "run":
        assert follower.wait_told("w", 1, "returned")[0]["ok"]
    registry.update(name)
    assert versions(follower.wait_told("other", 2)) == [2, 3]
    assert versions(follower.told("w")) == [2]


def test_rights_that_change(launch, tmp_path, name, follow):
    access = AccessFile(tmp_path)
    owner = access.add("owner", grant("admin"))
    token = tmp_path / "token"
    token.write_text(access.add("app", grant("reader", services=[name])))
    server = launch(Guarded, access=access).start()
    registry = server.registry(owner)
    registry.create(name)
    registry.create(name + "-b", '{"a": 1}')
    follower = follow(server.listen, environment={"FOLLOW_TOKEN_FILE": str(token)})
    follower.watcher("w", prefix=name, how="first")
    follower.provider("p", name + "-b", ready=False)
    assert [c["service"] for c in follower.wait_told("w", 1)] == [name]
    access.set_grants("app", grant("reader"))
    server.access_reloaded()
    assert [c["service"] for c in follower.wait_told("w", 2)] == [name, name + "-b"]
    follower.wait_value("p", "a", 1)
    access.set_grants("app", grant("reader", services=[name]))
    server.access_reloaded()
    assert follower.wait_told("w", 3)[2]["config"] is None
    follower.wait_value("p", "a", -1)
    assert {told["reason"] for told in follower.told("w", "failed")} == {"RIGHTS_CHANGED"}


def test_free_in_the_callback_of_a_state(confregd, registry, name, follow):
    follower = follow(confregd.listen)
    follower.do("in_callback", "free", "p")
    follower.provider("p", name, ready=False)
    follower.wait_told("p", 1, "state")
    registry.create(name, '{"a": 1}')
    follower.provider("q", name)
    follower.wait_value("q", "a", 1)


def test_stop_while_a_callback_waits(confregd, registry, name, follow):
    registry.create(name)
    follower = follow(confregd.listen)
    follower.watcher("w", name)
    follower.do("hold")
    registry.update(name)
    registry.update(name)
    follower.wait_told("w", 1)
    follower.do("stop", "w")
    follower.do("go")
    follower.do("free", "w")
    assert versions(follower.told("w")) == [2]


# ---- One stream ----

def test_a_hundred_watchers_share_a_stream(own, name, follow):
    registry = Registry(own.stub)
    follower = follow(own.listen)
    for i in range(100):
        follower.do("watcher", f"w{i}", "prod", f"{name}-{i}", "-", "every", 0)
    for i in range(100):
        follower.do("ready", f"w{i}", 60000)
    until(lambda: streams(own) == 1, "one stream is open")
    for i in range(100):
        registry.create(f"{name}-{i}")
    for i in range(100):
        assert versions(follower.wait_told(f"w{i}", 1)) == [1]
    until(lambda: streams(own) == 1, "one stream is open")


def test_more_selectors_than_a_stream_can_have(own, name, follow):
    registry = Registry(own.stub)
    follower = follow(own.listen)
    for i in range(150):
        follower.do("watcher", f"w{i}", "prod", f"{name}-{i}", "-", "every", 0)
    for i in range(150):
        follower.do("ready", f"w{i}", 60000)
    registry.create(f"{name}-0")
    registry.create(f"{name}-149")
    registry.create(f"{name}-other")
    registry.update(f"{name}-149")
    assert versions(follower.wait_told("w149", 2)) == [1, 2]
    assert versions(follower.wait_told("w0", 1)) == [1]
    until(lambda: streams(own) == 1, "one stream is open")


def test_changes_while_watchers_come(confregd, registry, name, follow):
    """A watcher that is there hears each change once while others make the stream change."""
    registry.create(name)
    follower = follow(confregd.listen)
    follower.watcher("w", name)
    for i in range(20):
        registry.update(name)
        follower.do("watcher", f"w{i}", "prod", f"{name}-{i}", "-", "first", 0)
        registry.create(f"{name}-{i}")
        registry.update(name)
        registry.update(f"{name}-{i}")
    assert versions(follower.wait_told("w", 40)) == list(range(2, 42))
    for i in range(20):
        until(lambda i=i: versions(follower.told(f"w{i}"))[-1:] == [2], "the newest is told")
        assert versions(follower.told(f"w{i}")) in ([2], [1, 2])


def test_files_that_are_rotated(own, follow, name, tmp_path):
    """Their new content counts without a change of the config, with or without the registry."""
    secret, link = tmp_path / "password-1", tmp_path / "password"
    secret.write_text("one")
    link.symlink_to(secret)
    Registry(own.stub).create(name, json.dumps({"a": 1, "password": f"${{file:{link}}}"}))
    follower = follow(own.listen)
    follower.provider("p", name, references=1, references_ttl_ms=5)
    holds = lambda text: until(  # noqa: E731
        lambda: follower.get("p", "password", "string", "-") == text, f"the password is {text}")
    holds("one")
    secret.write_text("two")
    holds("two")
    own.kill()
    secret.unlink()
    until(lambda: any("config_reference_kept" in e.get("line", "") for e in follower.events), "it is told")
    assert follower.get("p", "password", "string", "-") == "two"
    secret.write_text("three")
    holds("three")
    assert sum("config_reference" in e.get("line", "") for e in follower.events) == 1, "and only once"
    assert follower.get("p", "a") == 1


def test_a_copy_and_the_gateway_agree(confregd, registry, rest, name, follow):
    random = chance("copy", name)
    follower = follow(confregd.listen)
    follower.do("copy", "c", "prod", "-", name)
    for _ in range(120):
        service = f"{name}-{random.randrange(12)}"
        deed = random.random()
        with contextlib.suppress(Exception):
            if deed < 0.2:
                registry.delete(service)
            elif deed < 0.3:
                registry.undelete(service)
            else:
                registry.update(service, json.dumps({"n": random.random()}), allow_missing=True)
    revision = registry.revision()
    follower.do("ready", "c", 60000)
    until(lambda: follower.ask("state", "c")["revision"] >= revision, "the copy has all of it")
    listed = {c["config"]["service"]: c["config"] for c in follower.ask("list", "c")["configs"][1:]}
    for i in range(12):
        answer = rest.get(f"/api/configs/{name}-{i}?environment=prod&min_revision={revision}")
        config = listed.get(f"{name}-{i}")
        assert (answer.status == 200) == (config is not None)
        if config is not None:
            assert json.loads(answer.body) == config["data"]
            assert answer.headers["X-Config-Version"] == str(config["version"])


def test_empty_names_of_a_selector_select_everything(confregd, registry, name, follow):
    registry.create(name + "-a")
    registry.create(name + "-b")
    follower = follow(confregd.listen)
    follower.do("copy", "c", "''", "''", name)
    follower.do("ready", "c", 60000)
    for selector in ((), ("''", "''", "''"), ("prod", "''", "''"), ("''", "''", name)):
        assert follower.ask("list", "c", *selector)["reply"] == 2, selector
    assert follower.ask("list", "c", "''", name + "-a", "''")["reply"] == 1


# ---- A server that is away ----

def test_unreachable_at_the_start(launch, follow, name):
    server = launch(Confregd, store="memory:")
    follower = follow(server.listen)
    follower.provider("p", name, ready=False)
    assert follower.get("p", "a") == -1
    assert follower.state("p") == LOADING
    answer = follower.ask("ready", "p", 50)
    assert (answer["code"], answer["reason"]) == ("DEADLINE_EXCEEDED", "NOT_READY")
    assert follower.ask("refresh", "p", 200)["code"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    server.start()
    Registry(server.stub).create(name, '{"a": 1}')
    follower.wait_value("p", "a", 1)
    assert follower.state("p") == READY


def test_killed_and_started_with_another_epoch(own, follow, name):
    registry = Registry(own.stub)
    registry.create(name, '{"a": 1}')
    registry.create(name + "-gone")
    follower = follow(own.listen)
    follower.provider("p", name, stale_after_ms=1)
    follower.watcher("w", prefix=name)
    registry.update(name, '{"a": 2}')
    follower.wait_told("w", 1)
    own.kill()
    follower.wait_state("p", STALE)
    assert follower.get("p", "a") == 2
    own.start()
    Registry(own.stub).create(name, '{"a": 3}')
    follower.wait_value("p", "a", 3)
    until(lambda: any(c["kind"] == 4 for c in follower.told("w")), "the delete is told")
    until(lambda: follower.told("w")[-1]["config"] or len(follower.told("w")) > 2, "all is told")
    after = follower.told("w")[1:]
    gone = [c for c in after if c["service"] == name + "-gone"]
    assert [(c["kind"], c["synthetic"]) for c in gone] == [(4, True)]
    newest = [c for c in after if c["service"] == name][-1]
    assert newest["config"]["data"] == {"a": 3}
    follower.wait_state("p", READY)


def test_compacted_while_it_was_away(launch, follow, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    proxy = Proxy(int(server.listen.rpartition(":")[2]))
    registry.create(name)
    follower = follow(f"127.0.0.1:{proxy.port}")
    follower.watcher("w", name)
    proxy.hold()
    proxy.cut()
    for _ in range(5):
        registry.update(name)
    registry.stub.Compact(api_pb.CompactRequest())
    proxy.release()
    told = follower.wait_told("w", 1)
    assert versions(told)[-1] == 6
    assert told[0]["previous"]["version"] == 1 and told[0]["synthetic"]
    proxy.close()


def test_frozen(own, follow, name):
    registry = Registry(own.stub)
    registry.create(name, '{"a": 1}')
    follower = follow(own.listen)
    follower.provider("p", name, stale_after_ms=1)
    own.freeze()
    follower.wait_state("p", STALE)
    assert follower.get("p", "a") == 1
    own.thaw()
    follower.wait_state("p", READY)
    registry.update(name, '{"a": 2}')
    follower.wait_value("p", "a", 2)


def test_times_without_an_end(own, name, follow):
    never = 2**63 - 1
    Registry(own.stub).create(name, '{"a": 1}')
    follower = follow(own.listen)
    follower.do("copy", "c", "prod", name, "-")
    follower.do("ready", "c", never)
    follower.do("watcher", "w", "prod", name, "-", "every", 0)
    follower.do("ready", "w", never)
    follower.provider("p", name, stale_after_ms=never, ready=False)
    follower.do("ready", "p", never)
    follower.provider("short", name, stale_after_ms=1)
    own.kill()
    follower.wait_state("short", STALE)
    assert follower.state("p") == READY
    own.start()
    follower.wait_state("short", READY)


def test_frozen_while_it_ends(own):
    registry = Registry(own.stub)
    registry.create("a")
    follower = Follower(own.listen)
    follower.provider("p", "a")
    follower.watcher("w", "a")
    own.freeze()
    before = time.monotonic()
    follower.end()
    assert time.monotonic() - before < 5
    own.thaw()


def test_another_address(launch, follow, name):
    """Two nodes of one registry would share a store; two stores show which one is read."""
    servers = [launch(Confregd, store="memory:").start() for _ in range(2)]
    for server in servers:
        Registry(server.stub).create(name, '{"a": 1}')
    follower = follow(*(server.listen for server in servers))
    follower.provider("p", name)
    used = next(i for i in range(2) if streams(servers[i]) == 1)
    servers[used].kill()
    Registry(servers[1 - used].stub).update(name, '{"a": 2}')
    follower.wait_value("p", "a", 2)


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


@pytest.mark.parametrize("how", ["snapshot", "commit", "message"])
def test_a_server_that_comes_to_no_end(follow, how):
    server = EndlessServer(how)
    follower = follow(server.listen, environment={"FOLLOW_MAX_WATCH_BYTES": 4 << 20})
    follower.do("watcher", "w", server.ENVIRONMENT, server.SERVICE, "-", "every", 0)
    follower.provider("p", server.SERVICE, ready=how != "snapshot")
    failed = follower.wait_told("w", 2, "failed")[0]
    assert (failed["code"], failed["reason"]) == ("RESOURCE_EXHAUSTED", "WATCH_TOO_LARGE")
    assert "max_watch_bytes, 4194304 bytes" in failed["message"]
    assert follower.ask("state", "p")["reason"] == "WATCH_TOO_LARGE"
    assert follower.get("p", "a") == (-1 if how == "snapshot" else 1), "the values stay"
    assert peak_mib(follower.process.pid) < memory_bound(BUILD / "tests" / "library_follow", 64)
    server.how = ""
    follower.wait_value("p", "a", 1)
    until(lambda: follower.ask("state", "p") == {"reply": READY}, "it goes on")
    server.stop()


def test_a_server_that_refuses_or_answers_garbage(follow, name):
    server = FakeServer()
    follower = follow(server.listen)
    follower.provider("p", name)
    assert follower.get("p", "a") == -1
    server.stop()

    garbage = LogServer(['{"a": 1}', "{broken", "[]", '{"a": 4}'])
    follower = follow(garbage.listen)
    follower.provider("p", LogServer.SERVICE)
    follower.wait_value("p", "a", 4)
    until(lambda: any("config_damaged" in e.get("line", "") for e in follower.events), "it is logged")
    garbage.stop()


def test_a_thousand_ends_of_streams(follow):
    """Ten clients, whose streams end after each few events: no change is lost or told twice."""
    changes, clients = 101, 10
    server = LogServer([f'{{"n": {n}}}' for n in range(1, changes + 1)], cuts=True)
    followers = [follow(server.listen) for _ in range(clients)]
    for follower in followers:
        follower.do("watcher", "w", LogServer.ENVIRONMENT, LogServer.SERVICE, "-", "first", 0)
    for follower in followers:
        follower.wait_told("w", changes)
    server.cuts = False
    for follower in followers:
        assert versions(follower.told("w")) == list(range(1, changes + 1))
        assert not any(c["synthetic"] for c in follower.told("w")[1:])
    assert server.n_cut >= 1000
    server.stop()


# ---- The last-known file ----

def test_the_last_known_file(own, follow, name, tmp_path):
    path = tmp_path / "known"
    registry = Registry(own.stub)
    registry.create(name, '{"a": 1}')
    follower = follow(own.listen)
    follower.provider("p", name, file=path)
    registry.update(name, '{"a": 2}')
    until(lambda: path.exists() and '{"a":2}' in path.read_text(), "the file has the newest values")
    assert path.stat().st_mode & 0o777 == 0o600
    own.kill()

    later = follow(own.listen)
    later.provider("p", name, file=path, ready=False)
    assert later.get("p", "a") == 2
    assert later.state("p") == LOADING
    later.provider("q", name + "-other", file=path, ready=False)
    assert later.get("q", "a") == -1

    path.write_bytes(path.read_bytes()[:-1] + b"]")
    later.provider("r", name, file=path, ready=False)
    assert later.get("r", "a") == -1
    assert later.ask("state", "r")["reason"] == "LAST_KNOWN_DAMAGED"
    own.start()
    Registry(own.stub).create(name, '{"a": 3}')
    later.wait_value("p", "a", 3)
    until(lambda: '{"a":3}' in path.read_text(), "a damaged file is replaced")


def test_a_full_disk_for_the_last_known_file(confregd, registry, name, tmp_path):
    """The values go on; the file keeps the older ones whole until there is room again."""
    registry.create(name, '{"a": 1}')
    with small_disk(tmp_path / "disk", "1m") as folder, followers() as follow:
        path = folder / "known"
        follower = follow(confregd.listen)
        follower.provider("p", name, file=path)
        until(lambda: path.exists() and '{"a":1}' in path.read_text(), "the file is written")
        ballast = fill_up(folder)
        registry.update(name, '{"a": 2}')
        follower.wait_value("p", "a", 2)
        until(lambda: follower.ask("state", "p").get("reason") == "FILE_UNWRITABLE", "it is told")
        assert follower.state("p") == READY
        assert '{"a":1}' in path.read_text()
        assert sorted(folder.iterdir()) == [ballast, path]
        ballast.unlink()
        registry.update(name, '{"a": 3}')
        until(lambda: '{"a":3}' in path.read_text(), "the newest values are in the file")
        assert "reason" not in follower.ask("state", "p")