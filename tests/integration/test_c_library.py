"""libconfreg, as C programs use it against a real server (tests/library)."""

import contextlib
import json
import os
import re
import subprocess

import pytest
from access import AccessFile, grant
from certificates import Authority
from daemon import BUILD, PATIENCE, ROOT, Confregd, free_port, until
from guarded import Guarded
from proxy import Proxy
from stubs import api_pb
from test_tls import TlsServer

PROGRAMS = BUILD / "tests"
# Leaks of libraries below, in builds with AddressSanitizer.
ENVIRONMENT = {**os.environ, "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lib/lsan.supp:print_suppressions=0"}
LIBRARY = BUILD / "client" / "lib" / "libconfreg.so.1"


def run(program, *arguments, seconds=PATIENCE):
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], capture_output=True, text=True,
                          timeout=seconds, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}{done.stderr}"
    return done.stdout


class Caller:
    """A client that makes calls, one after the other."""

    def __init__(self, *addresses, timeout_ms=60000, **files):
        self.log = []
        self.process = subprocess.Popen(
            [PROGRAMS / "library_calls", ",".join(addresses), str(timeout_ms),
             *(f"{name}={path}" for name, path in files.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=ENVIRONMENT)

    def start(self, method, request):
        text = request if isinstance(request, str) else json.dumps(request)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{method} {text}\n")
            self.process.stdin.flush()

    def line(self):
        for line in self.process.stdout:
            if not line.startswith("log "):
                return line.rstrip("\n")
            self.log.append(line.rstrip("\n"))
        return None

    def answer(self):
        line = self.line()
        return json.loads(line[3:]) if line.startswith("ok ") else line

    def call(self, method, request):
        self.start(method, request)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        written = self.process.stderr.read()
        assert (self.process.wait(PATIENCE), written) == (0, ""), "the library writes nothing"


@pytest.fixture
def caller():
    made = []

    def make(*arguments, **options):
        made.append(Caller(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


# ---- Every method ----

def config(name, **more):
    return {"environment": "prod", "service_name": name, **more}


# Method, request, and a part of the answer; in this order, on one service.
CALLS = [
    ("CreateConfig", {"config_data": {"a": 1.5}}, '"config_data":{"a":1.5}'),
    ("UpdateConfig", {"configData": {"a": 2}, "expectedVersion": "1"}, '"version":"2"'),
    ("UpdateConfig", {"merge_patch": {"b": None, "c": [1]}}, '"config_data":{"a":2,"c":[1]}'),
    ("UpdateConfig", {"jsonPatch": [{"op": "remove", "path": "/c"}]}, '"config_data":{"a":2}'),
    ("RollbackConfig", {"version": 1}, '"kind":"CHANGE_KIND_ROLLBACK"'),
    ("GetConfig", {"version": 2}, '"config_data":{"a":2}'),
    ("ListVersions", {"page_size": 2}, '"total_size":"5"'),
    ("DiffVersions", {"old_version": 1, "new_version": 2}, '"changed":[{"key":"a",'),
    ("DeleteConfig", {}, '"deleted_count":"5"'),
    ("UndeleteConfig", {}, '"kind":"CHANGE_KIND_UNDELETE"'),
    ("ListConfigs", {"view": "VIEW_BASIC"}, '"payload_state":"PAYLOAD_STATE_OMITTED"'),
    ("ListCommits", {"view": "COMMIT_VIEW_DIFF", "kinds": ["CHANGE_KIND_CREATE"]},
     '"created_by":"tester"'),
    ("FindSecrets", {}, '"header"'),
    ("TrySchema", {"schema": {"required": ["b"]}}, '"checked_count":"1"'),
    ("FindBroken", {}, '"header"'),
    ("SetSchema", {"schema": {"type": "object"}}, '"resource":"RESOURCE_KIND_SCHEMA"'),
    ("GetSchema", {}, '"config_data":{"type":"object"}'),
    ("ListSchemas", {}, '"schemas":[{'),
    ("ListSchemaVersions", {}, '"versions":[{'),
    ("SetSchema", {"schema": {}}, '"version":"2"'),
    ("DiffSchemas", {"old_version": 1, "new_version": 2}, '"removed":[{"key":"type"'),
    ("DeleteSchema", {}, '"deleted_count":"2"'),
]

# Without a service of their own.
OTHER_CALLS = [
    ("BatchGetConfigs", {"names": [{"service_name": "nobody"}]}, '"missing":[{'),
    ("CommitChanges", {"changes": [{"create": {"service_name": "together", "config_data": {}}}]},
     '"change_count":1'),
    ("WriteConfigs", {"writes": [{"create": {"service_name": "apart", "config_data": {}}},
                                 {"delete": {"service_name": "nobody"}}]},
     '"reason":"CONFIG_NOT_FOUND"'),
    ("DiffConfigs", {"environment": "default", "new_environment": "prod"}, '"diffs":[{'),
    ("Compact", {"validate_only": True}, '"oldest_revision"'),
    ("GetStatus", {}, '"store":"'),
    ("GetAccess", {}, '"credential_kind":"none"'),
    ("Check", {}, '"status":"SERVING"'),
]


def test_every_method_is_called_and_answered(confregd, caller, name):
    client = caller(confregd.listen)
    for method, request, wanted in CALLS:
        client.start(method, config(name, **request))
        assert wanted in (line := client.line()) and line.startswith("ok "), f"{method}: {line}"
    for method, request, wanted in OTHER_CALLS:
        client.start(method, request)
        assert wanted in (line := client.line()) and line.startswith("ok "), f"{method}: {line}"
    missing = client.call("WatchProgress", {"watch_id": "nobody"})
    assert missing.startswith("NOT_FOUND ")


def test_no_method_is_left_out():
    service = api_pb.DESCRIPTOR.services_by_name["RegistryService"]
    tried = {call[0] for call in [*CALLS, *OTHER_CALLS]} | {"WatchProgress"}
    assert {method.name for method in service.methods} - tried == {"Watch"}


def test_what_is_wrong_is_told(confregd, caller, name):
    client = caller(confregd.listen)
    for method, request, wanted in [
            ("GetConfigs", "{}", "UNIMPLEMENTED METHOD_UNKNOWN - "),
            ("Watch", "{}", "UNIMPLEMENTED METHOD_UNKNOWN - "),
            ("GetConfig", "{", "INVALID_ARGUMENT JSON_SYNTAX request "),
            ("GetConfig", '{"name":"x"}', "INVALID_ARGUMENT FIELD_UNKNOWN name "),
            ("GetConfig", config("a/b"), "INVALID_ARGUMENT NAME_CHARACTER service_name "),
            ("GetConfig", config(name), "NOT_FOUND CONFIG_NOT_FOUND - ")]:
        assert client.call(method, request).startswith(wanted)


def test_the_typed_calls(confregd, name):
    assert run("library_typed", confregd.listen, name) == "done\n"


# ---- Addresses, retries, credentials ----

def test_a_call_waits_for_a_server_that_is_down(launch, caller):
    server = launch(Confregd)
    client = caller(server.listen)
    client.start("CreateConfig", config("first", config_data={}))
    server.start()
    assert client.answer()["config"]["version"] == "1"
    server.kill()
    client.start("UpdateConfig", config("first", config_data={"a": 1}))
    server.start()
    assert client.answer()["config"]["version"] == "2"


def test_a_call_without_a_server_fails_at_its_deadline(caller):
    client = caller(f"127.0.0.1:{free_port()}", timeout_ms=300)
    assert client.call("GetStatus", {}).startswith("UNAVAILABLE ")


@pytest.fixture
def proxies(confregd):
    port = int(confregd.listen.rpartition(":")[2])
    made = [Proxy(port), Proxy(port)]
    yield made
    for proxy in made:
        proxy.close()


def test_calls_move_to_an_address_that_works(proxies, caller):
    client = caller(*(f"127.0.0.1:{proxy.port}" for proxy in proxies))
    assert client.call("GetStatus", {})["store"]
    used = next(proxy for proxy in proxies if proxy.connections)
    used.close()
    for _ in range(3):
        assert client.call("GetStatus", {})["store"]


def test_calls_leave_an_address_that_hangs(proxies, caller):
    client = caller(*(f"127.0.0.1:{proxy.port}" for proxy in proxies), timeout_ms=8000)
    assert client.call("GetStatus", {})["store"]
    next(proxy for proxy in proxies if proxy.connections).hold()
    assert client.call("GetStatus", {})["store"]


def test_a_write_whose_answer_is_lost_is_made_once(proxies, caller, name):
    proxy = proxies[0]
    client = caller(f"127.0.0.1:{proxy.port}")
    created = client.call("CreateConfig", config(name, config_data={}))
    epoch = created["header"]["epoch"]  # only answers have it
    for version in range(2, 6):
        answered = proxy.hold_from(epoch.encode())
        client.start("UpdateConfig", config(name, config_data={"n": version}))
        assert answered.wait(PATIENCE)
        proxy.cut()
        proxy.release()
        assert client.answer()["config"]["version"] == str(version)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


def test_tls_with_a_certificate_of_the_client(launch, authority, caller, tmp_path):
    server = launch(TlsServer, authority, client=authority.client(), extra=[
        "--tls-client-auth", "require", "--tls-client-ca", str(authority.ca)]).start()
    pair = authority.client()
    files = {"ca": authority.ca, "cert": pair.cert, "key": pair.key}
    assert caller(server.listen, **files).call("GetStatus", {})["store"] == "memory"
    assert caller(server.listen, **files, server_name="other.example", timeout_ms=500).call(
        "GetStatus", {}).startswith("UNAVAILABLE ")
    nothing = tmp_path / "nothing.pem"
    assert caller(server.listen, ca=nothing).line().startswith("new TLS_FILE_BROKEN ca_file: ")
    assert caller(server.listen, cert=pair.cert).line().startswith("new TLS_SETTINGS ")


def test_a_token_is_read_again(launch, caller, tmp_path):
    access = AccessFile(tmp_path)
    old = access.add("billing", grant("reader"))
    token = tmp_path / "token"
    token.write_text(old + "\n")
    server = launch(Guarded, access=access).start()
    client = caller(server.listen, token=token)
    assert client.call("GetAccess", {})["name"] == "billing"
    token.write_text(access.add("shipping", grant("reader")) + "\n")
    until(lambda: client.call("GetAccess", {})["name"] == "shipping", "the token is read again")
    token.write_text("")
    until(lambda: client.call("GetAccess", {}) and any("server_token_kept" in line
                                                       for line in client.log), "that is told")
    assert not any(old in line for line in client.log)
    assert caller(server.listen, token=tmp_path / "none").line().startswith(
        "new TOKEN_FILE_BROKEN token_file: ")


def test_a_token_does_not_cross_the_network_in_the_clear(caller, tmp_path):
    token = tmp_path / "token"
    token.write_text("cfr_secret\n")
    for address in ("registry.example:50051", "192.0.2.1:1", "[2001:db8::1]:1",
                    "127.0.0.1:1,registry.example:1"):
        line = caller(address, token=token).line()
        assert line.startswith("new TOKEN_IN_CLEAR ") and "secret" not in line


# ---- The process ----

def test_callbacks_and_closing(confregd):
    assert run("library_closing", confregd.listen) == "done\n"


def test_closing_does_not_wait_for_a_server_that_hangs(proxies):
    proxies[0].hold()
    assert run("library_closing", f"127.0.0.1:{proxies[0].port}", "silent") == "done\n"
    assert run("library_closing", f"127.0.0.1:{free_port()}", "silent") == "done\n"


def test_forks_and_threads(confregd):
    assert run("library_process", confregd.listen) == "done\n"


def test_loading_and_unloading(confregd):
    assert run("library_plugin", confregd.listen, LIBRARY) == "done\n"


@pytest.mark.own_checks
@pytest.mark.parametrize("program", [["library_typed", "checked"], ["library_closing"]])
def test_valgrind_finds_nothing(confregd, program):
    name, *more = program
    done = subprocess.run(
        ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
         "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect",
         PROGRAMS / name, confregd.listen, *more], capture_output=True, text=True, check=False,
        timeout=10 * PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


# ---- The interface ----

@pytest.mark.own_checks
def test_the_library_exports_what_the_header_declares():
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "client/include/confreg.h").read_text(), flags=re.S)
    declared = set(re.findall(r"CONFREG_API[^;(]*?\b(confreg_[a-z0-9_]+)\(", header))
    listed = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True,
                            check=True, timeout=PATIENCE).stdout
    exported = {line.split()[-1] for line in listed.splitlines() if line.split()[1] != "A"}
    assert exported == {f"{name}@@CONFREG_1.0" for name in declared}
    soname = subprocess.run(["readelf", "-d", LIBRARY], capture_output=True, text=True, check=True,
                            timeout=PATIENCE).stdout
    assert "soname: [libconfreg.so.1]" in soname


@pytest.mark.own_checks
@pytest.mark.parametrize("compiler", [
    ["cc", "-std=c99"], ["cc", "-std=c17"], ["c++", "-std=c++17"], ["clang", "-std=c99"],
    ["clang++", "-std=c++17"]])
def test_the_header_is_for_c_and_cxx(compiler, tmp_path):
    source = tmp_path / ("program.cc" if "++" in compiler[0] else "program.c")
    source.write_text("""
#include <confreg.h>
struct confreg_client_options client = CONFREG_CLIENT_OPTIONS_INIT;
struct confreg_call_options call = CONFREG_CALL_OPTIONS_INIT;
struct confreg_get_options get = CONFREG_GET_OPTIONS_INIT;
struct confreg_write_options write_options = CONFREG_WRITE_OPTIONS_INIT;
struct confreg_list_options list = CONFREG_LIST_OPTIONS_INIT;
struct confreg_diff_options diff = CONFREG_DIFF_OPTIONS_INIT;
struct confreg_watcher_options watcher = CONFREG_WATCHER_OPTIONS_INIT;
struct confreg_provider_options provider = CONFREG_PROVIDER_OPTIONS_INIT;
int main(void) { return confreg_version() == 0; }
""")
    subprocess.run([*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wstrict-prototypes"
                    if "++" not in compiler[0] else "-Wold-style-cast", "-c", "-o",
                    tmp_path / "program.o", f"-I{ROOT / 'client' / 'include'}", source],
                   check=True, timeout=PATIENCE)
