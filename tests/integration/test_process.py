"""The programs as processes: how they start, refuse to start, and stop."""

import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess

import grpc
import pytest
from calls import Registry
from daemon import BUILD, PATIENCE, Confregd, Gateway, connect, until
from errors import refused
from rest import Rest
from stubs import api_grpc, api_pb
from watching import Watch


def test_what_was_written_is_there_after_a_restart(launch, name):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create(name, '{"v": 1}')
    registry.update(name, '{"v": 2}', request_id="once")
    registry.create("gone")
    registry.delete("gone")
    before = registry.status().header
    server.stop()
    server.start()
    registry = Registry(server.stub)
    assert registry.status().header == before
    assert registry.data(name) == b'{"v":2}'
    assert registry.data(name, version=1) == b'{"v":1}'
    assert registry.update(name, '{"v": 2}', request_id="once").config.version == 2
    assert registry.create("gone").config.version == 2


@pytest.mark.sqlite
def test_one_process_has_a_store_at_a_time(launch):
    first = launch(Confregd).start()
    second = launch(Confregd, store=first.store)
    code, said = second.fails_to_start()
    assert code != 0 and str(first.database) in said
    assert "another" in said or "locked" in said
    Registry(first.stub).create("still-alive")
    first.stop()
    second.start()
    assert Registry(second.stub).get("still-alive").config.version == 1


@pytest.mark.sqlite
def test_a_lock_does_not_outlive_its_process(launch):
    first = launch(Confregd).start()
    first.kill()
    launch(Confregd, store=first.store).start()


@pytest.mark.sqlite
def test_a_newer_data_format_is_refused(launch):
    server = launch(Confregd).start()
    server.stop()
    with sqlite3.connect(server.database) as database:
        changed = database.execute("UPDATE meta SET value = 99 WHERE name = 'format'").rowcount
    database.close()
    assert changed == 1
    code, said = server.fails_to_start()
    assert code != 0 and "99" in said and "1" in said.replace("99", "")
    assert "format" in said


def run_to_the_end(server, *args):
    return subprocess.run([BUILD / "confregd", "--store", server.store, *args], check=True,
                          capture_output=True, text=True, timeout=60).stderr


@pytest.mark.sqlite
def test_a_restored_backup_with_a_new_epoch_voids_every_position(launch, tmp_path):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("billing", '{"a":1}')
    with sqlite3.connect(server.database) as live, sqlite3.connect(tmp_path / "copy") as copy:
        live.backup(copy)
    live.close()
    copy.close()
    kept = registry.get("billing").header  # of a moment that the backup holds
    registry.update("billing", '{"lost":1}')
    server.stop()
    (tmp_path / "copy").rename(server.database)
    said = run_to_the_end(server, "--new-epoch")
    server.start()
    registry = Registry(server.stub)
    header = registry.get("billing").header
    assert header.epoch != kept.epoch and header.epoch in said
    assert header.revision == kept.revision == 1
    with refused("FAILED_PRECONDITION", "EPOCH_MISMATCH"):
        Watch(server.stub, resume_after=kept).next()
    assert registry.update("billing", '{"b":1}').config.version == 2
    server.stop()
    server.start()
    registry = Registry(server.stub)
    assert registry.version_numbers("billing") == [2, 1]
    assert registry.data("billing", version=1) == b'{"a":1}'
    with Watch(server.stub, complete=True, start_revision=1) as watch:
        assert [e.revision for e in watch.events(2)] == [1, 2]
        assert watch.position.epoch == header.epoch


@pytest.mark.sqlite
@pytest.mark.parametrize(("there", "reason"), [(False, "STORE_MISSING"), (True, "LOG_EMPTY")])
def test_an_empty_log_gets_no_new_epoch(launch, there, reason):
    """As after a mistyped address: the store that was restored would keep its own."""
    server = launch(Confregd)
    if there:
        server.start().stop()
    result = subprocess.run([BUILD / "confregd", "--store", server.store, "--new-epoch"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and reason in result.stderr
    assert server.database.exists() == there


def test_a_file_that_is_no_store_is_refused(launch, tmp_path):
    (tmp_path / "text").write_text("This is not a database, but it is long enough to be one." * 99)
    with sqlite3.connect(tmp_path / "foreign") as database:
        database.execute("CREATE TABLE cats (name TEXT)")
    database.close()
    for name in ("text", "foreign"):
        code, said = launch(Confregd, store=f"sqlite:{tmp_path / name}").fails_to_start()
        assert code != 0 and str(tmp_path / name) in said, said
    with sqlite3.connect(tmp_path / "foreign") as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("cats",)]
    database.close()


@pytest.mark.parametrize("store, named", [
    ("sqlite:/proc/none/file.db", "/proc/none"), ("sqlite:", "sqlite:"), ("oracle:x", "oracle:x"),
    ("x", "x")])
def test_a_store_that_cannot_be_opened(launch, store, named):
    code, said = launch(Confregd, store=store).fails_to_start()
    assert code == 1 and "event=cannot_start" in said and named in said


def test_a_port_in_use_is_said(launch):
    first = launch(Confregd).start()
    code, said = launch(Confregd, listen=first.listen).fails_to_start()
    assert code != 0 and first.listen in said
    gateway = launch(Gateway, first.listen).start()
    second = launch(Gateway, first.listen)
    second.port = gateway.port
    code, said = second.fails_to_start()
    assert code != 0 and str(gateway.port) in said


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:99999", "nowhere.invalid:1", ""])
def test_an_address_that_is_none(launch, listen):
    server = launch(Confregd)
    server.listen = listen
    code, said = server.fails_to_start()
    assert code != 0 and said


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_programs_with_streams_and_calls_open(launch, by):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    watches = [Watch(server.stub) for _ in range(50)]
    for watch in watches:
        watch.started()
    waiting = server.stub.GetConfig.future(api_pb.GetConfigRequest(
        service_name="x", read=api_pb.ReadOptions(min_revision=1000)), timeout=60)
    idle = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(20)]
    gateway.stop(by, seconds=20)
    server.stop(by, seconds=20)
    with refused("UNAVAILABLE"):
        waiting.result()
    for connection in idle:
        connection.close()


def test_a_request_that_has_arrived_when_the_gateway_stops_is_answered(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    gateway.freeze()
    with Rest(gateway.port).open() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        gateway.process.send_signal(signal.SIGTERM)
        gateway.thaw()
        assert sock.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    assert gateway.process.wait(20) == 0


def test_the_server_listens_on_a_unix_socket(launch, tmp_path):
    path = tmp_path / "sock"
    server = launch(Confregd, listen=f"unix:{path}").start()
    gateway = launch(Gateway, server.listen).start()
    assert Rest(gateway.port).post("/api/configs/x", {"config_data": {}}).status == 201
    second = launch(Confregd, listen=server.listen)
    code, said = second.fails_to_start()
    assert code != 0 and str(path) in said
    assert Registry(server.stub).get("x", environment="default").config.version == 1


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("query, mode", [("", 0o600), ("?mode=0660", 0o660), ("?mode=0666", 0o666)])
def test_unix_sockets_have_the_mode_that_is_asked_for(launch, tmp_path, query, mode):
    """Those of gRPC, of HTTP and of both programs' metrics; their owner's only where none is."""
    def address(name):
        return f"unix:{tmp_path}/{name}{query}"

    server = launch(Confregd, listen=address("grpc"))
    server.extra = ["--metrics", address("metrics")]
    server.wait_ready = lambda: until(lambda: b"event=listening" in server.log.read_bytes(), "up")
    server.start()
    gateway = launch(Gateway, f"unix:{tmp_path}/grpc")
    gateway.arguments = lambda: ["--listen", address("http"), "--server", gateway.server,
                                 "--metrics", address("gateway-metrics")]
    gateway.wait_ready = lambda: until(lambda: b"event=listening" in gateway.log.read_bytes(), "up")
    gateway.start()
    for name in ("grpc", "metrics", "http", "gateway-metrics"):
        assert mode_of(tmp_path / name) == mode, name
    with connect(gateway.server) as channel:
        Registry(api_grpc.RegistryServiceStub(channel)).create("x")


@pytest.mark.sqlite
@pytest.mark.parametrize(("option", "address", "told"), [
    ("--listen", "nowhere", "reason=ADDRESS_INVALID message=\"--listen"),
    ("--listen", "127.0.0.1:0,[::1", "reason=ADDRESS_INVALID message=\"--listen"),
    ("--listen", ",", "reason=ADDRESS_INVALID message=\"--listen"),
    ("--metrics", "nowhere", "reason=ADDRESS_INVALID message=\"--metrics"),
    ("--bus", "nowhere", "reason=BUS_ADDRESS"),
    ("--bus", "amqp://127.0.0.1:99999/", "reason=BUS_ADDRESS")])
def test_a_wrong_address_is_refused_before_a_store_is_created(tmp_path, option, address, told):
    store = tmp_path / "new.db"
    said = subprocess.run(
        [BUILD / "confregd", "--store", f"sqlite:{store}", "--listen", "127.0.0.1:0", option, address],
        capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 1
    assert told in said.stderr
    assert not list(tmp_path.iterdir())


def test_a_client_waits_for_a_server_that_is_slow_to_answer(launch):
    """A connection that it has not accepted yet is no reason for a call to fail."""
    server = launch(Confregd).start()
    server.freeze()
    with connect(server.listen) as channel:
        call = api_grpc.RegistryServiceStub(channel).GetStatus.future(api_pb.GetStatusRequest(),
                                                                      timeout=PATIENCE)
        with pytest.raises(grpc.FutureTimeoutError):
            call.exception(timeout=1)
        server.thaw()
        assert call.result().header.epoch
    server.stop()


@pytest.mark.parametrize("program", [Confregd, Gateway])
def test_a_name_listens_on_every_address_that_it_stands_for(launch, program):
    """Both programs alike: localhost is 127.0.0.1 and, where there is IPv6, ::1 too."""
    server = launch(Confregd).start()
    other = server if program is Confregd else launch(Gateway, server.listen)
    if program is Confregd:
        server.stop()
    port = other.listen.rsplit(":", 1)[1] if program is Confregd else other.port
    if program is Confregd:
        other.listen = f"localhost:{port}"
    else:
        other.arguments = lambda: ["--listen", f"localhost:{port}", "--server", server.listen]
    other.start()
    for family, _, _, _, address in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(30)
            s.connect(address)


def test_a_store_in_memory_forgets(launch):
    server = launch(Confregd, store="memory:").start()
    registry = Registry(server.stub)
    epoch = registry.create("x").header.epoch
    assert registry.status().store == "memory"
    server.stop()
    server.start()
    header = Registry(server.stub).status().header
    assert header.revision == 0 and header.epoch != epoch


def test_options_come_from_variables_and_flags_win(launch):
    server = launch(Confregd)
    server.environment = lambda: {**Confregd.environment(server), "CONFREG_STORE": "memory:",
                                  "CONFREG_LISTEN": "nowhere"}
    server.arguments = lambda: ["--listen", server.listen]
    server.start()
    assert Registry(server.stub).status().store == "memory"


def service_links(service, port):
    """What Kubernetes sets in every pod of a namespace that has this Service."""
    name = re.sub(r"[^A-Z0-9]", "_", service.upper())
    links = {f"{name}_SERVICE_HOST": "10.0.0.1", f"{name}_SERVICE_PORT": str(port),
             f"{name}_PORT": f"tcp://10.0.0.1:{port}"}
    for protocol in ("tcp", "udp"):
        one = f"{name}_PORT_{port}_{protocol.upper()}"
        links |= {one: f"{protocol}://10.0.0.1:{port}", f"{one}_PROTO": protocol,
                  f"{one}_PORT": str(port), f"{one}_ADDR": "10.0.0.1"}
    return links


def variables_of(program, *words):
    """Those that --help names."""
    page = subprocess.run([BUILD / program, *words, "--help"], capture_output=True, text=True,
                          check=True, timeout=60).stdout
    return {word for facts in re.findall(r"\[([A-Z_ \nor]+)[];]", page)
            for word in facts.split() if word.isupper()}


def test_links_to_services_of_kubernetes_set_no_option(launch):
    """Services of our names, and of every name that an option's variable could be taken for."""
    known = variables_of("confregd") | variables_of("confreg-gateway") | {
        "MESSAGE_BUS_PORT", "DOCUMENT_DATABASE_PORT"}
    assert {"CONFREG_LISTEN", "CONFREG_GATEWAY_PORT", "HTTP_PORT"} <= known
    ours = {"confreg", "confregd", "confreg-gateway", "confreg-gateway-http", "gateway"}
    links = {}
    for service in ours | {name.removesuffix("_PORT").lower() for name in known}:
        links |= service_links(service, 8000)
    set_by_them = known & set(links)
    assert "CONFREG_GATEWAY_PORT" in set_by_them
    server = launch(Confregd)
    server.variables = links
    server.start()
    gateway = launch(Gateway, server.listen)
    gateway.variables = links | {"CONFREG_GATEWAY_LISTEN": f"127.0.0.1:{gateway.port}"}
    gateway.arguments = lambda: ["--server", server.listen]
    gateway.start()
    assert Rest(gateway.port).post("/api/configs/x", {"config_data": {}}).status == 201
    said = gateway.log.read_text()
    for variable in ("CONFREG_GATEWAY_PORT", "HTTP_PORT"):
        assert f"level=info event=variable_ignored variable={variable}" in said


@pytest.mark.parametrize("program", ["confregd", "confreg-gateway"])
def test_help_version_and_wrong_options(program):
    def run(*arguments):
        return subprocess.run([BUILD / program, *arguments], capture_output=True, text=True,
                              timeout=60, check=False)

    usage = run("--help")
    assert usage.returncode == 0 and "--listen" in usage.stdout
    version = run("--version")
    assert version.returncode == 0 and version.stdout.strip()
    for wrong in (["--no-such-option"], ["--listen"], ["operand"]):
        refusal = run(*wrong)
        assert refusal.returncode == 2 and wrong[0].lstrip("-") in refusal.stderr


def test_the_database_driver_prints_nothing_of_its_own():
    """The driver's library does if a process of the same id left a file of counters; here the id is
    1, in a namespace."""
    script = ("mount -t tmpfs none /dev/shm && echo old >/dev/shm/mongoc-1 && exec \"$0\" \"$@\"")
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script,
                           BUILD / "confregd", "--version"], capture_output=True, text=True,
                          check=True, timeout=60, env={"PATH": os.environ["PATH"]})
    assert done.stdout.startswith("confregd ") and done.stderr == ""


def test_the_gateway_lives_without_the_server(launch):
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    rest = Rest(gateway.port)
    assert rest.post("/api/configs/x", {"config_data": {"a": 1}}).status == 201
    server.stop()
    assert rest.get("/livez").status == 200
    assert rest.get("/readyz").status == 503
    assert rest.put("/api/configs/x", {"config_data": {}}).status == 503
    server.start()
    gateway.wait_ready()
    assert rest.get("/api/configs/x").json() == {"a": 1}
    assert rest.put("/api/configs/x", {"config_data": {}}).status == 200
