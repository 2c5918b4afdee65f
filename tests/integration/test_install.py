"""What `cmake --install` installs, used as from there."""

import json
import subprocess

import pytest
from calls import text
from daemon import BUILD
from google.protobuf import descriptor_pb2

pytestmark = [pytest.mark.any_store, pytest.mark.own_checks]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    return prefix


def test_the_programs(installed):
    for program in ("confregd", "confreg-gateway"):
        shown = subprocess.run([installed / "bin" / program, "--version"], check=True, timeout=60,
                               capture_output=True, text=True).stdout
        assert program in shown


@pytest.fixture
def grpcurl(installed, confregd, tool):
    """Without reflection: what it knows of the service, it has from the installed file."""
    def call(method, request, code=0):
        done = subprocess.run(
            [tool("grpcurl"), "-protoset", installed / "share/confreg/confreg.protoset",
             "-plaintext", "-format-error", "-d", json.dumps(request), confregd.listen,
             f"confreg.v1.RegistryService/{method}"],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, f"{done.stdout}{done.stderr}"
        return json.loads(done.stderr if code else done.stdout)
    return call


def test_grpcurl_with_the_installed_protoset(grpcurl, registry, name):
    registry.create(name, '{"a":1}')
    shown = grpcurl("GetConfig", {"environment": "prod", "serviceName": name})
    assert shown["config"]["configData"] == "eyJhIjoxfQ=="  # {"a":1}
    already_exists = 64 + 6
    error = grpcurl("CreateConfig", {"environment": "prod", "serviceName": name,
                                     "configData": "e30="}, already_exists)
    info = error["details"][0]
    assert (info["@type"], info["reason"], info["domain"]) == (
        "type.googleapis.com/google.rpc.ErrorInfo", "CONFIG_EXISTS", "confreg")


def test_the_protoset_has_comments_and_imports(installed):
    files = descriptor_pb2.FileDescriptorSet.FromString(
        (installed / "share/confreg/confreg.protoset").read_bytes()).file
    names = [file.name for file in files]
    assert {i for file in files for i in file.dependency} <= set(names)
    for name in ("confreg/v1/registry.proto", "confreg/v1/registry_service.proto"):
        file = files[names.index(name)]
        assert any(location.leading_comments for location in file.source_code_info.location)
        installed_proto = installed / "share/confreg/proto" / name
        assert text(f"message {file.message_type[0].name} {{") in installed_proto.read_bytes()
