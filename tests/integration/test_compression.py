"""Accept-Encoding: gzip: the heads of configs, compressed once a version, and other answers."""

import gzip
import json
import socket
import struct
import subprocess
import threading

import pytest
from daemon import Confregd, Gateway, until
from rest import Rest, gauge
from seed import chance

pytestmark = pytest.mark.any_store

GZIP = {"Accept-Encoding": "gzip"}
LARGE = {f"key-{i}": {"host": f"db-{i}.example", "pool": i} for i in range(2000)}
MADE, HELD = "confreg_gateway_compressions_total", "confreg_gateway_compressed_bytes"
PACKED = "confreg_gateway_answers_compressed_total"


@pytest.fixture(scope="module")
def port(gateway):
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    return gateway.port


@pytest.fixture
def made(port, name):
    """The path of a large config."""
    path = f"/api/configs/{name}"
    assert Rest(port).post(path, {"config_data": LARGE}).status == 201
    return path


def forms(rest, path):
    return rest.get(path), rest.get(path, headers=GZIP)


def test_the_forms_of_a_config(rest, made):
    plain, packed = forms(rest, made)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) == int(packed.headers["Content-Length"]) < len(plain.body) / 3
    assert gzip.decompress(packed.body) == plain.body
    assert json.loads(plain.body) == LARGE
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    for header in ("Content-Type", "X-Config-Version", "X-Config-Revision"):
        assert plain.headers[header] == packed.headers[header]
    tag = plain.headers["ETag"].strip('"')
    assert packed.headers["ETag"] == f'"{tag}-gzip"'


def test_curl_reads_it(port, made):
    read = subprocess.run(["curl", "-sS", "--compressed", "-D", "/dev/stderr",
                           f"http://127.0.0.1:{port}{made}"], capture_output=True, check=True,
                          timeout=60)
    assert b"\r\nContent-Encoding: gzip\r\n" in read.stderr
    assert json.loads(read.stdout) == LARGE


@pytest.mark.parametrize("wanted, packed", [
    ("gzip, deflate, br", True), ("*", True), ("identity;q=0, gzip", True), ("gzip;q=0", False),
    ("deflate", False), ("identity", False), ("gzip;q=0.5, identity;q=0.9", False)])
def test_what_the_client_accepts_counts(rest, made, wanted, packed):
    answer = rest.get(made, headers={"Accept-Encoding": wanted})
    assert (answer.headers.get("Content-Encoding") == "gzip") == packed


@pytest.mark.parametrize("accepts", [{}, GZIP])
def test_the_tags_of_both_forms_are_known(rest, made, accepts):
    """Whatever the form of the answer would be: a 304 names the form that the client has."""
    for form in forms(rest, made):
        tag = form.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"x", {tag}'):
            answer = rest.get(made, headers=accepts | {"If-None-Match": known})
            assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
            assert answer.headers["Vary"] == "Accept-Encoding"
    assert rest.get(made, headers=accepts | {"If-None-Match": '"x-gzip"'}).status == 200


def test_a_304_needs_no_compressed_form(rest, made, port):
    before = gauge(port, MADE)
    tag = rest.get(made).headers["ETag"].strip('"') + "-gzip"
    for accepts in (GZIP, {}):
        answer = rest.get(made, headers=accepts | {"If-None-Match": f'"{tag}"'})
        assert (answer.status, answer.headers["ETag"]) == (304, f'"{tag}"')
    assert gauge(port, MADE) == before


def test_the_tag_of_a_compressed_form_is_a_condition_of_writes(rest, made):
    tag = rest.get(made, headers=GZIP).headers["ETag"]
    data = {"config_data": LARGE}
    assert rest.put(made, data, headers={"If-None-Match": tag}).status == 412
    assert rest.put(made, data, headers={"If-Match": tag}).status == 200
    assert rest.put(made, data, headers={"If-Match": tag}).status == 412


def test_head_has_the_headers_of_get(rest, made):
    get, head = rest.get(made, headers=GZIP), rest.call("HEAD", made, headers=GZIP)
    assert {**head.headers, "Date": 0} == {**get.headers, "Date": 0}
    assert head.body == b""


def test_an_answer_with_more_headers_is_compressed_too(rest, made):
    answer = rest.get(made + "?unknown=1", headers=GZIP)
    assert answer.headers["X-Config-Ignored"] == "unknown"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body)) == LARGE


@pytest.mark.parametrize("size, packed", [(1023, False), (1024, True)])
def test_small_data_stays_plain(rest, name, size, packed):
    data = {"a": "x" * (size - len('{"a":""}'))}
    assert rest.post(f"/api/configs/{name}", {"config_data": data}).status == 201
    answer = rest.get(f"/api/configs/{name}", headers=GZIP)
    assert (answer.headers.get("Content-Encoding") == "gzip") == packed
    assert answer.headers["Vary"] == "Accept-Encoding"


def answers_made_for_each_request(path, name):
    return [f"{path}?environment=prod&resolve=true", f"{path}?version=1", f"{path}/history",
            f"/api/configs?service_name={name}", f"/api/configs?service_name={name}&limit=1",
            f"/api/configs:batchGet?name={name}", f"/api/commits?service_name={name}&view=payloads",
            f"/api/diff?environment=none&new_environment=prod&service_name={name}",
            f"{path}/diff?environment=prod", "/openapi.json"]


@pytest.fixture
def overlaid(rest, made):
    path = f"{made}?environment=prod"
    assert rest.post(path, {"config_data": LARGE}).status == 201
    assert rest.put(path, {"config_data": {key: 1 for key in LARGE}}).status == 200
    return made


def test_answers_that_are_made_for_each_request_are_compressed(rest, overlaid, name, port):
    before = gauge(port, PACKED)
    paths = answers_made_for_each_request(overlaid, name)
    for path in paths:
        plain, packed = forms(rest, path)
        assert (plain.status, plain.headers.get("Content-Encoding")) == (200, None), path
        assert packed.headers["Content-Encoding"] == "gzip", path
        assert gzip.decompress(packed.body) == plain.body, path
        assert len(packed.body) < len(plain.body) / 2, path
        assert "Accept-Encoding" in plain.headers.get_all("Vary") and (
            plain.headers.get_all("Vary") == packed.headers.get_all("Vary")), path
        if "ETag" in plain.headers:
            assert packed.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"', path
        head = rest.call("HEAD", path, headers=GZIP)
        assert {**head.headers, "Date": 0} == {**packed.headers, "Date": 0}, path
    assert gauge(port, PACKED) == before + 2 * len(paths)


def test_a_batch_that_is_asked_for_by_post_is_compressed(rest, overlaid, name):
    plain, packed = (rest.post("/api/configs:batchGet", {"names": [name]}, headers=headers)
                     for headers in ({}, GZIP))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize("accepts", [{}, GZIP])
def test_the_tags_of_both_forms_of_such_an_answer_are_known(rest, overlaid, name, accepts):
    for path in answers_made_for_each_request(overlaid, name):
        for form in forms(rest, path):
            if "ETag" not in form.headers:
                continue
            answer = rest.get(path, headers={**accepts, "If-None-Match": form.headers["ETag"]})
            assert (answer.status, answer.headers["ETag"]) == (304, form.headers["ETag"]), path
            assert "Accept-Encoding" in answer.headers.get_all("Vary"), path
            assert answer.headers.get("Content-Length", len(form.body)) in (
                len(form.body), str(len(form.body))), path


def test_small_answers_and_errors_stay_plain(rest, name):
    assert rest.post(f"/api/configs/{name}", {"config_data": {"a": 1}}).status == 201
    for path in (f"/api/configs/{name}/history", f"/api/configs?service_name={name}",
                 f"/api/configs/{name}?version=1", f"/api/configs/{name}?version=9", "/health"):
        assert "Content-Encoding" not in rest.get(path, headers=GZIP).headers, path
    written = rest.put(f"/api/configs/{name}", {"config_data": LARGE}, headers=GZIP)
    assert "Content-Encoding" not in written.headers


@pytest.fixture(scope="module")
def long_list(launch):
    """A gateway of a registry whose list is of 12 MB, about half of it when it is compressed."""
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    rest, letters = Rest(gateway.port), chance("long list")
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    for i in range(12):
        data = {"config_data": {"x": letters.randbytes(499_000).hex()}}
        assert rest.post(f"/api/configs/long-{i}", data).status == 201
    return gateway


@pytest.mark.parametrize("more", [{}, {"Cache-Control": "no-cache"}], ids=["mirror", "server"])
def test_a_long_list_is_compressed_part_by_part(long_list, more):
    rest = Rest(long_list.port)
    plain, packed = (rest.get("/api/configs", headers=headers | more) for headers in ({}, GZIP))
    assert packed.headers["Transfer-Encoding"] == "chunked"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < 7_000_000
    # Both make parts of their own, and the same list.
    assert packed.body == rest.get("/api/configs", headers=GZIP).body


def test_many_slow_readers_have_the_rest_answered_plain(long_list):
    """And give their places back when they leave."""
    rest = Rest(long_list.port)
    sockets = [rest.open() for _ in range(64)]
    before = gauge(long_list.port, PACKED)
    for sock in sockets:
        sock.sendall(b"GET /api/configs HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    until(lambda: gauge(long_list.port, PACKED) == before + 64, "all are compressed")
    path = "/api/configs/long-0/history"
    assert "Content-Encoding" not in rest.get(path, headers=GZIP).headers
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    until(lambda: rest.get(path, headers=GZIP).headers.get("Content-Encoding"), "there is room")


def test_a_gateway_stops_while_lists_are_compressed(launch, long_list):
    gateway = launch(Gateway, long_list.server).start()
    rest = Rest(gateway.port)
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    sockets = [rest.open() for _ in range(20)]
    for i, sock in enumerate(sockets):
        path = b"/api/configs" if i % 2 else b"/api/configs/long-1/history"
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n" % path)
        if i % 3 == 0:
            sock.close()
    until(lambda: gauge(gateway.port, PACKED), "some are being compressed")
    for sock in sockets:
        sock.close()
    gateway.stop()


def test_other_requests_do_not_wait_for_a_compression(long_list):
    """While lists are compressed on another thread."""
    rest, readers = Rest(long_list.port), []
    for _ in range(4):
        readers.append(threading.Thread(target=lambda: rest.get("/api/configs", headers=GZIP)))
        readers[-1].start()
    n = 0
    while any(reader.is_alive() for reader in readers):
        assert rest.get("/api/configs/none").status == 404
        n += 1
    assert n > 20, "reads go on meanwhile"


def test_a_version_is_compressed_once_however_many_ask(rest, port, made):
    """Those that ask at the same time wait for one compression; a new version is another one."""
    for number in (1, 2):
        before, answers = gauge(port, MADE), []
        threads = [threading.Thread(target=lambda: answers.append(rest.get(made, headers=GZIP)))
                   for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [a.headers["Content-Encoding"] for a in answers] == ["gzip"] * 20
        assert {a.body for a in answers} == {answers[0].body}
        assert gauge(port, MADE) == before + 1
        assert rest.put(made, {"config_data": LARGE | {"number": number}}).status == 200


def test_memory_of_compressed_forms_is_counted_and_given_back(launch):
    """Once the config is replaced and the events that were kept for streams are newer ones."""
    server = launch(Confregd).start()
    port = launch(Gateway, server.listen).start().port
    rest = Rest(port)
    until(lambda: gauge(port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    assert rest.post("/api/configs/x", {"config_data": LARGE}).status == 201
    packed = rest.get("/api/configs/x", headers=GZIP)
    assert gauge(port, HELD) == len(packed.body)
    assert rest.delete("/api/configs/x").status == 200
    for i in range(20):
        large = {"config_data": {"a": "x" * 1000000}}
        assert rest.post(f"/api/configs/large-{i}", large).status == 201
    until(lambda: gauge(port, HELD) == 0, "the memory was given back")


def test_a_long_poll_is_answered_compressed(rest, made):
    tag = rest.get(made, headers=GZIP).headers["ETag"]
    answers = []
    waiting = {**GZIP, "If-None-Match": tag, "Prefer": "wait=60"}
    poll = threading.Thread(target=lambda: answers.append(rest.get(made, headers=waiting)))
    poll.start()
    changed = LARGE | {"changed": True}
    assert rest.put(made, {"config_data": changed}).status == 200
    poll.join(60)
    assert answers[0].headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answers[0].body)) == changed


def test_a_gateway_that_stops_lets_nobody_wait(launch):
    """Clients that left, and a stop, while configs are being compressed."""
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    rest = Rest(gateway.port)
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    for i in range(20):
        data = {f"{k}-{i}": v for k, v in LARGE.items()}
        assert rest.post(f"/api/configs/c-{i}", {"config_data": data}).status == 201
    sockets = [rest.open() for _ in range(20)]
    for i, sock in enumerate(sockets):
        sock.sendall(f"GET /api/configs/c-{i} HTTP/1.1\r\nHost: x\r\n"
                     "Accept-Encoding: gzip\r\n\r\n".encode())
        if i % 2:
            sock.close()
    gateway.stop()


def test_a_gateway_stops_while_nobody_waits_for_what_it_compresses(launch):
    """All clients reset their connections before the stop."""
    server = launch(Confregd).start()
    gateway = launch(Gateway, server.listen).start()
    rest = Rest(gateway.port)
    until(lambda: gauge(gateway.port, "confreg_gateway_mirror_in_step"), "the mirror is in step")
    for i in range(20):
        data = {f"{k}-{i}": v for k, v in (LARGE | {"more": [*range(100000)]}).items()}
        assert rest.post(f"/api/configs/c-{i}", {"config_data": data}).status == 201
    sockets = [rest.open() for _ in range(20)]
    for i, sock in enumerate(sockets):
        sock.sendall(f"GET /api/configs/c-{i} HTTP/1.1\r\nHost: x\r\n"
                     "Accept-Encoding: gzip\r\n\r\n".encode())
    assert rest.get("/health").status == 200
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    gateway.stop()
