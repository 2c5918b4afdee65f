"""The metrics of both programs: their format and their values."""

import json
import re
import socket
import subprocess
import urllib.request

import grpc
import pytest
from calls import Registry, create_change, update_change
from certificates import Authority
from daemon import Confregd, Gateway, free_port, until
from rest import Rest
from stubs import ROOT, api_pb
from watching import Watch

SERVICE = "confreg.v1.RegistryService"


class Page:
    """The samples of one page by name and labels."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            key = (name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or "")))
            assert key not in self.samples, f"{line} comes twice"
            self.samples[key] = float(value)

    def get(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())), 0)

    def sum(self, name, **labels):
        wanted = set(labels.items())
        return sum(value for (key, of), value in self.samples.items()
                   if key == name and wanted <= of)


def scrape(address, context=None):
    """context: an ssl.SSLContext: over TLS."""
    scheme = "https" if context else "http"
    with urllib.request.urlopen(f"{scheme}://{address}/metrics", timeout=30,
                                context=context) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Page(answer.read().decode())


class Programs:
    def __init__(self, launch):
        self.server_metrics = f"127.0.0.1:{free_port()}"
        self.gateway_metrics = f"127.0.0.1:{free_port()}"
        self.server = launch(Confregd, extra=["--metrics", self.server_metrics]).start()
        self.gateway = launch(Gateway, self.server.listen,
                              extra=["--metrics", self.gateway_metrics]).start()
        self.registry = Registry(self.server.stub)
        self.rest = Rest(self.gateway.port)

    def of_server(self):
        return scrape(self.server_metrics)

    def of_gateway(self):
        return scrape(self.gateway_metrics)

    def of_gateway_at_rest(self):
        """A request is counted after its last byte has gone: perhaps when its client has gone on."""
        until(lambda: self.of_gateway().get("confreg_gateway_requests_in_flight") == 0,
              "no request is under way")
        return self.of_gateway()


@pytest.fixture(scope="module")
def programs(launch):
    return Programs(launch)


def calls(page, method, code="OK"):
    return page.get("confreg_requests_total", grpc_service=SERVICE, grpc_method=method,
                    grpc_code=code)


def test_promtool_finds_nothing_wrong(programs, name):
    programs.registry.create(name)
    programs.rest.get(f"/api/configs/{name}")
    for address in (programs.server_metrics, programs.gateway_metrics):
        page = scrape(address).text
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, text=True,
                                 capture_output=True)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_calls_are_counted_by_method_and_code(programs, name):
    before = programs.of_server()
    programs.registry.create(name)
    for _ in range(5):
        programs.registry.get(name)
    with pytest.raises(grpc.RpcError):
        programs.registry.get("there-is-none")
    # A call is counted when its last byte has gone, which may be after the client has it.
    after = until(lambda: (page := programs.of_server()) and
                  calls(page, "GetConfig", "NOT_FOUND") > calls(before, "GetConfig", "NOT_FOUND")
                  and page, "the last call is counted")
    assert calls(after, "CreateConfig") == calls(before, "CreateConfig") + 1
    assert calls(after, "GetConfig") == calls(before, "GetConfig") + 5
    assert calls(after, "GetConfig", "NOT_FOUND") == calls(before, "GetConfig", "NOT_FOUND") + 1
    labels = {"grpc_service": SERVICE, "grpc_method": "GetConfig"}
    duration = "confreg_request_duration_seconds"
    assert after.get(f"{duration}_count", **labels) == before.get(f"{duration}_count", **labels) + 6
    assert after.get(f"{duration}_sum", **labels) > before.get(f"{duration}_sum", **labels)
    assert after.get("confreg_requests_in_flight", **labels) == 0


def test_methods_that_there_are_not_share_one_name(programs):
    before = programs.of_server()
    for method in ("/any.Service/Method", "/other.Service/Method"):
        with pytest.raises(grpc.RpcError):
            programs.server.channel.unary_unary(method)(b"", timeout=30)
    after = programs.of_server()
    labels = {"grpc_service": "", "grpc_method": "unknown", "grpc_code": "UNIMPLEMENTED"}
    until(lambda: programs.of_server().get("confreg_requests_total", **labels) ==
          before.get("confreg_requests_total", **labels) + 2, "both calls are counted")
    assert "any.Service" not in after.text


def test_commits_are_counted(programs, name):
    before = programs.of_server()
    programs.registry.create(name)
    programs.registry.update(name, '{"v": 2}')
    programs.registry.delete(name)
    after = programs.of_server()

    def grown(metric, **labels):
        return after.get(metric, **labels) - before.get(metric, **labels)

    assert grown("confreg_commits_total") == 3
    assert [grown("confreg_changes_total", kind=kind) for kind in ("create", "update", "delete")] \
        == [1, 1, 1]
    assert grown("confreg_revision") == 3
    assert grown("confreg_commit_batch_commits_sum") == 3
    assert 1 <= grown("confreg_store_append_duration_seconds_count") <= 3
    assert grown("confreg_store_append_duration_seconds_sum") > 0
    assert grown("confreg_write_queue_wait_seconds_count") == 3
    assert 1 <= grown("confreg_commit_announce_duration_seconds_count") <= 3
    assert grown("confreg_commit_announce_duration_seconds_sum") > 0
    assert grown("confreg_watch_ring_commits") == 3
    assert after.get("confreg_writable") == 1
    assert after.get("confreg_write_queue_writes") == 0


@pytest.mark.sqlite
def test_the_waiting_for_the_disk_is_part_of_an_append(programs, name):
    programs.registry.create(name)
    page = programs.of_server()
    assert page.get("confreg_store_append_duration_seconds_sum") >= \
        page.get("confreg_store_sync_duration_seconds_sum") > 0


def test_memory_of_heads_follows_what_they_hold(programs, name):
    before = programs.of_server().get("confreg_heads_memory_bytes")
    programs.registry.create(name, '{"k": "%s"}' % ("v" * 100000))
    with_it = programs.of_server().get("confreg_heads_memory_bytes")
    programs.registry.delete(name)
    after = programs.of_server().get("confreg_heads_memory_bytes")
    assert 100000 < with_it - before < 101000
    assert before <= after < before + 1000


def test_watches_are_counted(programs, name):
    before = programs.of_server()
    with Watch(programs.server.stub) as watch:
        watch.started()
        during = programs.of_server()
        streams = during.get("confreg_watch_streams") - before.get("confreg_watch_streams")
        assert programs.rest.post(f"/api/configs/{name}", {"config_data": {}}).status == 201
        watch.event()
        until(lambda: programs.of_server().get("confreg_watch_events_total") >=
              during.get("confreg_watch_events_total") + during.get("confreg_watch_streams"),
              "the event has gone out on every stream")
        after = programs.of_server()
        assert streams == 1
        for what in ("events", "messages"):
            assert after.get(f"confreg_watch_{what}_total") == \
                during.get(f"confreg_watch_{what}_total") + during.get("confreg_watch_streams")
        assert after.get("confreg_requests_in_flight", grpc_service=SERVICE,
                         grpc_method="Watch") >= 1
        assert after.get("confreg_watch_lag_revisions") == 0
    until(lambda: programs.of_server().get("confreg_watch_streams") ==
          before.get("confreg_watch_streams"), "the stream is gone")
    until(lambda: calls(programs.of_server(), "Watch", "CANCELLED") ==
          calls(before, "Watch", "CANCELLED") + 1, "its end is counted")


def test_the_gateway_counts_by_route_and_code(programs, name):
    metric, route = "confreg_gateway_requests_total", "/api/configs/*"
    before = programs.of_gateway_at_rest()
    assert programs.rest.post(f"/api/configs/{name}", {"config_data": {}}).status == 201
    assert programs.rest.get(f"/api/configs/{name}").status == 200
    assert programs.rest.get(f"/api/configs/{name}-not").status == 404
    assert programs.rest.get("/nowhere/at/all").status == 404
    after = programs.of_gateway_at_rest()
    counted = {key: after.get(metric, method=key[0], route=key[1], code=key[2]) -
               before.get(metric, method=key[0], route=key[1], code=key[2])
               for key in [("POST", route, "201"), ("GET", route, "200"), ("GET", route, "404"),
                           ("", "unknown", "404")]}
    assert set(counted.values()) == {1}, counted
    assert "nowhere" not in after.text and name not in after.text
    assert after.sum("confreg_gateway_request_duration_seconds_count") == after.sum(metric)
    assert after.get("confreg_gateway_server_up") == 1


def test_a_read_that_waits_ends_with_its_call(launch):
    """It does not stay until a read ends that began earlier and may wait as long."""
    metrics = f"127.0.0.1:{free_port()}"
    stub = launch(Confregd, extra=["--metrics", metrics]).start().stub
    request = api_pb.GetConfigRequest(environment="prod", service_name="x",
                                      read=api_pb.ReadOptions(min_revision=1000))
    labels = {"grpc_service": SERVICE, "grpc_method": "GetConfig"}
    earlier = stub.GetConfig.future(request)
    until(lambda: scrape(metrics).get("confreg_requests_in_flight", **labels) == 1, "it waits")
    cancelled = stub.GetConfig.future(request)
    until(lambda: scrape(metrics).get("confreg_requests_in_flight", **labels) == 2, "both wait")
    cancelled.cancel()
    until(lambda: calls(scrape(metrics), "GetConfig", "CANCELLED") == 1, "the call has ended")
    assert not earlier.done()


def test_the_gateway_shows_its_metrics_beside_the_api(programs):
    page = scrape(f"127.0.0.1:{programs.gateway.port}")
    assert page.get("confreg_gateway_requests_in_flight") == 1  # this very one
    assert page.get("process_open_fds") > 3


def test_idle_connections_do_not_keep_a_scrape_out(programs):
    host, _, port = programs.server_metrics.rpartition(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(16)]
    assert "confreg_revision" in programs.of_server().text  # gives up after 30 s
    for connection in idle:
        connection.close()


def test_other_paths_and_methods_are_refused(programs):
    metrics = Rest(int(programs.server_metrics.rpartition(":")[2]))
    assert metrics.get("/").status == 404
    refused = metrics.post("/metrics", {"any": "thing"})
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
    head = metrics.call("HEAD", "/metrics")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("program", ["confregd", "confreg-gateway"])
def test_an_address_that_is_taken_keeps_a_program_from_starting(programs, launch, program):
    taken = ["--metrics", programs.server_metrics]
    other = launch(Confregd, extra=taken) if program == "confregd" else \
        launch(Gateway, programs.server.listen, extra=taken)
    code, said = other.fails_to_start()
    assert code == 1 and "metrics: cannot listen on" in said


MONITORING = ROOT / "docs" / "monitoring"


def shown_names(page):
    """The names of samples, and of the families of histograms."""
    names = {name for name, _ in page.samples}
    return names | {re.sub("_(bucket|sum|count)$", "", name) for name in names}


def test_writes_are_counted_by_what_came_of_them(programs, name):
    """However they travel: a call of several is OK whatever its writes came to."""
    before = programs.of_server()
    programs.registry.write([create_change(name), create_change(name), update_change(f"{name}-missing")])
    after = programs.of_server()
    for code, n in (("OK", 1), ("ALREADY_EXISTS", 1), ("NOT_FOUND", 1)):
        counted = [page.get("confreg_writes_total", grpc_code=code) for page in (before, after)]
        assert counted[1] - counted[0] == n, code


@pytest.fixture(scope="module")
def with_tls(launch, tmp_path_factory):
    """The metrics of programs that have every file of TLS, rights, and audit logs."""
    folder = tmp_path_factory.mktemp("tls")
    access = folder / "access.json"
    access.write_text('{"principals": []}')
    access.chmod(0o600)
    authority = Authority(folder / "ca")
    pair, metrics = authority.server(), f"127.0.0.1:{free_port()}"
    options = ["--tls-cert", pair.cert, "--tls-key", pair.key, "--tls-client-auth", "require",
               "--tls-client-ca", authority.ca, "--tls-crl", authority.crl]
    server = launch(Confregd, listen=f"unix:{folder}/socket",
                    extra=["--metrics", metrics, "--audit-log", f"{folder}/audit.log", "--access",
                           access, "--anonymous-role", "super-admin", *options]).start()
    gateway = launch(Gateway, server.listen,
                     extra=["--audit-log", f"{folder}/gateway.log", *options]).spawn()
    until(lambda: "event=listening" in gateway.log.read_text(), "the gateway listens")
    context = authority.context(authority.client())
    return [scrape(metrics, context), scrape(f"127.0.0.1:{gateway.port}", context)]


@pytest.mark.sqlite
@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yml", "alerts_test.yml"])
def test_what_is_watched_is_what_the_programs_show(programs, with_tls, file):
    text = (MONITORING / file).read_text()
    wanted = set(re.findall(r"\b(?:confreg|process)_[a-z_]+", text))
    assert len(wanted) > 10
    pages = [programs.of_server(), programs.of_gateway(), *with_tls]
    shown = set().union(*map(shown_names, pages))
    assert wanted - shown == set()


def test_the_dashboard_shows_each_number_in_a_panel():
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "row" or all(t["expr"] for t in panel["targets"]), panel["title"]
        position = panel["gridPos"]
        assert position["x"] + position["w"] <= 24, panel["title"]


def test_each_alert_is_tried():
    rules = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text())
    tried = re.findall(r'alertname="(\w+)"', (MONITORING / "alerts_test.yml").read_text())
    assert sorted(rules) == sorted(set(tried))
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=MONITORING, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stdout + done.stderr
