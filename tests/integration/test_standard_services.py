"""Health and reflection, as the usual tools use them."""

import json
import subprocess

import pytest
from daemon import Confregd
from errors import refused
from stubs import api_pb, health_grpc, health_pb

pytestmark = pytest.mark.any_store

SERVING = health_pb.HealthCheckResponse.SERVING


def run(*command, code=0):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == code, f"{command}: {result.stdout}{result.stderr}"
    return result


@pytest.fixture
def health(confregd):
    return health_grpc.HealthStub(confregd.channel)


def check(service=""):
    return health_pb.HealthCheckRequest(service=service)


def test_health_check(health):
    for service in ("", "confreg.v1.RegistryService"):
        assert health.Check(check(service), timeout=20).status == SERVING
    with refused("NOT_FOUND"):
        health.Check(check("no.such.Service"), timeout=20)


def test_health_list(health):
    statuses = health.List(health_pb.HealthListRequest(), timeout=20).statuses
    assert statuses["confreg.v1.RegistryService"].status == SERVING
    assert statuses[""].status == SERVING


def test_health_watch_tells_the_end(launch):
    server = launch(Confregd).start()
    stub = health_grpc.HealthStub(server.channel)
    watch = stub.Watch(check("confreg.v1.RegistryService"), timeout=60)
    assert next(watch).status == SERVING
    unknown = stub.Watch(check("no.such.Service"), timeout=60)
    assert next(unknown).status == health_pb.HealthCheckResponse.SERVICE_UNKNOWN
    server.stop()
    with refused("UNAVAILABLE"):
        for answer in watch:
            assert answer.status == health_pb.HealthCheckResponse.NOT_SERVING


def test_health_probe(confregd, tool):
    probe = tool("grpc-health-probe")
    assert "SERVING" in run(probe, f"-addr={confregd.listen}").stderr
    run(probe, f"-addr={confregd.listen}", "-service=confreg.v1.RegistryService")
    run(probe, f"-addr={confregd.listen}", "-service=no.such.Service", code=3)


def test_grpcurl_lists_and_describes(confregd, tool):
    grpcurl = tool("grpcurl")
    services = run(grpcurl, "-plaintext", confregd.listen, "list").stdout.split()
    assert {"confreg.v1.RegistryService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection"} <= set(services)
    methods = run(grpcurl, "-plaintext", confregd.listen, "list",
                  "confreg.v1.RegistryService").stdout
    declared = api_pb.DESCRIPTOR.services_by_name["RegistryService"].methods
    assert sorted(methods.split()) == sorted(method.full_name for method in declared)
    text = run(grpcurl, "-plaintext", confregd.listen, "describe",
               "confreg.v1.CreateConfigRequest").stdout
    assert "bytes config_data = 3;" in text
    for service in services:
        run(grpcurl, "-plaintext", confregd.listen, "describe", service)


def test_grpcurl_calls(confregd, tool, name):
    def call(method, code=0, **fields):
        return run(tool("grpcurl"), "-plaintext", "-d", json.dumps(fields), confregd.listen,
                   f"confreg.v1.RegistryService/{method}", code=code)

    payload = {"environment": "prod", "serviceName": name, "configData": "eyJhIjoxfQ=="}
    created = json.loads(call("CreateConfig", **payload).stdout)
    assert created["config"]["version"] == "1"
    got = json.loads(call("GetConfig", environment="prod", serviceName=name).stdout)
    assert got["config"]["configData"] == "eyJhIjoxfQ=="
    # The details of an error are decoded, so reflection knows their messages.
    refusal = call("CreateConfig", code=64 + 6, **payload).stderr
    assert "AlreadyExists" in refusal and "CONFIG_EXISTS" in refusal
    status = json.loads(call("GetStatus").stdout)
    assert status["store"] == confregd.store.partition(":")[0]


def test_grpcurl_watches(confregd, registry, tool, name):
    header = registry.create(name).header
    request = {"selectors": [{"serviceName": name}], "startRevision": str(header.revision)}
    watch = subprocess.Popen(
        [tool("grpcurl"), "-plaintext", "-d", json.dumps(request), confregd.listen,
         "confreg.v1.RegistryService/Watch"], stdout=subprocess.PIPE, text=True)
    try:
        for line in watch.stdout:
            if '"CHANGE_KIND_CREATE"' in line:
                break
        else:
            raise AssertionError("the watch ended without the event")
    finally:
        watch.kill()
        watch.wait()
        watch.stdout.close()
