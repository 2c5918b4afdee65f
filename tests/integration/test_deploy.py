"""The files of deploy/, as far as they can be tested without containers."""

import os
import re
import subprocess

import pytest
import yaml
from calls import Registry
from daemon import BUILD, Confregd, Gateway
from rest import Rest
from stubs import ROOT

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items()
        if service["image"] == "confreg"}


def help_of(program):
    return subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True,
                          timeout=30).stdout


def flags(service):
    return dict(part.removeprefix("--").split("=", 1) for part in service["command"][1:])


@pytest.mark.parametrize("name", OURS)
def test_commands_and_variables_are_the_programs_own(name):
    service = OURS[name]
    said = help_of(service["command"][0])
    for flag in flags(service):
        assert f"--{flag} " in said, flag
    for variable in service.get("environment", {}):
        assert re.search(rf"\b{variable}\b", said, re.I), variable


def test_names_and_ports_fit_together():
    names = set(COMPOSE["services"]) | {
        alias for service in OURS.values()
        for alias in service.get("networks", {}).get("default", {}).get("aliases", [])}
    for service in OURS.values():
        given = flags(service)
        port = given["listen"].rsplit(":", 1)[1]
        assert all(published.endswith(f":{port}") for published in service["ports"])
        for host in re.findall(r"mongodb://([^/]*)/", given.get("store", "")):
            assert set(host.split(",")) <= names
        if "server" in given:
            host, server_port = given["server"].rsplit(":", 1)
            assert host in names
            assert flags(COMPOSE["services"]["confregd-1"])["listen"].endswith(f":{server_port}")
        assert service.get("environment", {}).get("MESSAGE_BUS_HOST", "rabbitmq") in names
    assert COMPOSE["services"]["confregd-1"]["command"][0] == "confregd"


def test_the_commands_start_when_their_addresses_are_of_this_machine(launch):
    """The same flags, with a store and ports that are here."""
    given = flags(OURS["confregd-1"])
    server = launch(Confregd)
    known = {"listen", "store", "metrics", "create", "insecure", "anonymous-role"}
    assert set(given) <= known, "a flag that this test does not try"
    server.extra = ["--metrics", f"unix:{server.folder}/metrics", "--create", given["create"]]
    server.start()
    gateway_flags = flags(OURS["gateway-1"])
    assert set(gateway_flags) == {"listen", "server", "insecure"}
    gateway = launch(Gateway, server.listen.replace("127.0.0.1", "localhost")).start()
    Registry(server.stub).create("billing")
    assert Rest(gateway.port).get("/readyz").status == 200


def instructions(word):
    """What the image's own stage says with an instruction of that word."""
    stage = (ROOT / "deploy" / "Dockerfile").read_text().split("\nFROM ")[2]
    return [line.split(maxsplit=1)[1] for line in stage.splitlines() if line.startswith(word + " ")]


def image_variables():
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())


def test_the_image_listens_where_it_says_and_keeps_its_data_in_a_volume():
    variables = image_variables()
    listens = {name: value for name, value in variables.items() if name.endswith("_LISTEN")}
    assert set(listens) == {"CONFREG_LISTEN", "CONFREG_GATEWAY_LISTEN"}
    assert all(address.startswith("0.0.0.0:") for address in listens.values())
    exposed = set(" ".join(instructions("EXPOSE")).split())
    assert exposed == {address.rsplit(":", 1)[1] for address in listens.values()}
    assert instructions("VOLUME") == instructions("WORKDIR") == ["/data"]
    assert "--home-dir /data confreg\n" in (ROOT / "deploy" / "Dockerfile").read_text()


# What the commands of the documentation add.
AS_DOCUMENTED = {"CONFREG_INSECURE": "yes", "CONFREG_ANONYMOUS_ROLE": "super-admin",
                 "CONFREG_GATEWAY_INSECURE": "yes"}


def test_the_image_s_programs_start_with_its_variables_alone(tmp_path):
    """In a network of their own, where no port is taken, with the volume as their folder."""
    script = """ip link set lo up; cd "$1"
        "$2/confregd" & "$2/confreg-gateway" & trap 'kill $(jobs -p); wait' EXIT
        curl --silent --fail --retry 100 --retry-all-errors --retry-delay 0 --retry-max-time 60 \
            http://127.0.0.1:8000/readyz
        ls"""
    done = subprocess.run(["unshare", "--net", "bash", "-c", script, "bash", tmp_path, BUILD],
                          capture_output=True, text=True, timeout=120, check=True,
                          env={"PATH": os.environ["PATH"], **image_variables(), **AS_DOCUMENTED})
    assert '"status":"ready"' in done.stdout and "confreg.db" in done.stdout, done.stderr


def test_the_image_s_server_does_not_start_plain_by_itself(tmp_path):
    done = subprocess.run([BUILD / "confregd"], capture_output=True, text=True, timeout=60,
                          cwd=tmp_path, env={"PATH": os.environ["PATH"], **image_variables()})
    assert done.returncode == 1 and "reason=INSECURE_LISTENER" in done.stderr


def test_ports_are_published_to_loopback_only():
    """As there is no authentication yet."""
    published = [port for service in COMPOSE["services"].values()
                 for port in service.get("ports", [])]
    for text in (ROOT / "deploy" / "Dockerfile", *(ROOT / "docs").glob("*.md"), ROOT / "README.md"):
        published += re.findall(r"--publish[ =](\S+)", text.read_text())
        assert not re.search(r"docker run.* -p\b", text.read_text()), "write --publish"
    assert len(published) > 4 and all(port.startswith("127.0.0.1:") for port in published)


def packages_in(stage):
    text = (ROOT / "deploy" / "Dockerfile").read_text().split("\nFROM ")[1 + stage]
    return set(re.findall(r"--no-install-recommends \\\n(.*?)(?:\n[A-Z]|&&)", text, re.S)[0]
               .replace("\\", " ").split())


def shell_array(name):
    text = (ROOT / "scripts" / "lib.sh").read_text()
    return set(re.search(rf"^{name}=\((.*?)\)", text, re.S | re.M)[1].split())


def test_the_image_is_built_from_the_packages_that_the_scripts_install():
    assert packages_in(0) == shell_array("BUILD_PACKAGES")


@pytest.mark.parametrize("program", ["confregd", "confreg-gateway"])
def test_the_image_holds_every_library_that_is_needed(program):
    out = subprocess.run(["readelf", "-d", BUILD / program], capture_output=True, text=True,
                         check=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", out))
    always = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}
    sanitizers = {name for name in needed if re.match(r"lib(a|t|ub|l)san", name)}
    for library in needed - always - sanitizers:
        found = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True,
                               check=True).stdout
        owners = {line.split(":")[0] for line in found.splitlines()}
        assert owners & packages_in(1), (library, owners)
