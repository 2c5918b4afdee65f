"""Runs all code blocks of the documentation, page by page.

Each page runs in namespaces of its own: the network has only loopback, so that the addresses of the
text are free, and files that are written into this folder disappear at the end. Packages for pip are
downloaded before, outside."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
import yaml
from daemon import BUILD, TOOLS, Confregd, Gateway, until
from documents import Unmarked, blocks, first_missing
from rest import Rest
from stubs import ROOT
from tokens import Key, jwks

pytestmark = [pytest.mark.own_store, pytest.mark.documentation]

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "client/go/README.md", "client/lib/README.md",
         "client/node/README.md", "client/python/README.md", "client/examples/README.md", "tests/conformance/README.md",
         *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md")))]
# These start from README's first steps, with the two programs running and its config there.
NEED_PROGRAMS = {"docs/operations.md", "docs/protocol.md", "docs/guides/environments.md",
                 "docs/guides/reverse-proxies.md", "docs/guides/python.md", "docs/guides/c.md",
                 "docs/guides/go.md", "docs/guides/node.md", "docs/schemas.md", "docs/tasks.md"}
ENTER = """
set -e
ip link set lo up
mkdir -p "$1/new" "$1/work"
mount -t tmpfs none "$1/new"
mkdir "$1/new/upper" "$1/new/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/new/upper,workdir=$1/new/work" "$2"
rm -rf "$2/data"
printf '127.0.0.1 localhost HOST\\n' >"$1/hosts"
mount --bind "$1/hosts" /etc/hosts
echo ready
exec cat
"""
MINUTES = 10 * 60


def wanted_packages():
    """What the pages install with pip."""
    found = set()
    for page in PAGES:
        for line in re.findall(r"^ *pip install (.*)$", (ROOT / page).read_text(), re.M):
            found |= set(line.split())
    return sorted(found)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:",
                    "--dest", folder, *wanted_packages()], check=True, timeout=MINUTES)
    return folder


class Machine:
    """Where a page is read: its shell's folder and variables go from one block to the next."""

    def __init__(self, folder, wheels):
        self.folder, self.n = folder, 0
        self.running, self.last = [], None
        self.keeper = subprocess.Popen(
            ["unshare", "--net", "--mount", "bash", "-c", ENTER, "bash", folder, ROOT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"ready\n"
        self.state = folder / "state"
        variables = {"PATH": f"{TOOLS}:{BUILD}:{os.environ['PATH']}", "HOME": str(folder),
                     "PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1", "MONGOC_DISABLE_SHM": "1"}
        self.state.write_text("".join(f"export {name}={shlex.quote(value)}\n"
                                      for name, value in variables.items()) + f"cd {ROOT}\n")

    def spawn(self, text):
        """Starts a shell with this text, in a session of its own."""
        self.n += 1
        script, log = self.folder / f"{self.n}.sh", self.folder / f"{self.n}.log"
        # The shell outlives what it started: its end is theirs.
        script.write_text(f"set -e\ntrap : TERM\n. {self.state}\n{text}\n"
                          f'{{ export -p; echo "cd $PWD"; }} >{self.state}.new\n')
        with open(log, "wb") as out:
            process = subprocess.Popen(
                ["nsenter", "--target", str(self.keeper.pid), "--net", "--mount", "--", "bash",
                 script], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"]}, start_new_session=True)
        self.last = (process, log)
        return process, log

    def run(self, text, where):
        process, log = self.spawn(text)
        code = process.wait(MINUTES)
        assert code == 0, f"{where} ended with {code}:\n{text}\n{log.read_text()}"
        self.state.with_suffix(".new").rename(self.state)

    def run_on(self, text, line, where):
        """Until it prints that line; it goes on then."""
        process, log = self.spawn(text)
        self.running.append(process)

        def has_come():
            assert process.poll() is None or line in log.read_text(), (
                f"{where} ended with {process.returncode}:\n{text}\n{log.read_text()}")
            return line in log.read_text()

        until(has_come, f"{where} prints {line}")

    def expect(self, shown, where):
        """The last block prints this: it has, or it will where it runs on."""
        process, log = self.last

        def is_printed():
            ended = process.poll() is not None
            missing = first_missing(shown, log.read_text())
            assert not (missing and ended), f"{where}: not printed: {missing}\n{log.read_text()}"
            return missing is None

        until(is_printed, f"{where} is printed")

    def stop_all(self):
        for process in reversed(self.running):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
        self.running.clear()

    def end(self):
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait(60)


@pytest.fixture
def machine(tmp_path, wheels):
    made = Machine(tmp_path, wheels)
    try:
        yield made
        made.stop_all()
    finally:
        made.end()


# ---- What some blocks are checked by, or need ----

def an_event(machine, block):
    """The event of README's second write is the one that is shown, but for what differs by time."""
    machine.run_on("curl --silent --no-buffer 'http://127.0.0.1:8000/api/watch?environment=prod'",
                   "id: ", block)
    _, log = machine.last
    machine.run(readme_writes()[1], "README.md")
    until(lambda: "event: updated" in log.read_text(), "an event comes")
    printed = log.read_text()
    event = printed[printed.index("event: updated"):]
    shown, came = (dict(line.split(": ", 1) for line in text.splitlines()[:3])
                   for text in (block.text, event))
    assert list(shown) == list(came) == ["event", "data", "id"] and shown["event"] == came["event"]
    assert re.fullmatch(r"[0-9a-f]{16}:\d+", shown["id"])
    expect_alike(json.loads(shown["data"]), json.loads(came["data"]))


def expect_alike(shown, came):
    """The same members in the same order; the same values, but for times and numbers."""
    assert list(shown) == list(came)
    for key, value in shown.items():
        if isinstance(value, int) or key == "timestamp":
            assert type(value) is type(came[key]), key
        else:
            assert value == came[key], key


def a_notification(machine, block):
    """The members are those that tests/integration/test_events.py sees on a broker."""
    seen = (ROOT / "tests" / "integration" / "test_events.py").read_text()
    shown = json.loads(block.text)
    assert shown["event_type"] == "config.changes"
    for key in shown:
        assert f'"{key}"' in seen, key


def promtool(machine, block):
    (machine.folder / "config.yml").write_text(block.text)
    machine.run(f"promtool check config {machine.folder}/config.yml", block)


def a_manifest(machine, block):
    """Each option and variable of a container exists, and Services find what they select."""
    parts = list(yaml.safe_load_all(block.text))
    labels = [part["spec"]["template"]["metadata"]["labels"] for part in parts
              if "template" in part["spec"]]
    for part in parts:
        assert {"apiVersion", "kind", "metadata", "spec"} <= part.keys()
        if part["kind"] == "Service":
            assert part["spec"]["selector"] in labels
    for container in (each for part in parts if "template" in part["spec"]
                      for each in part["spec"]["template"]["spec"]["containers"]):
        program, = container["command"]
        said = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True,
                              check=True, timeout=30).stdout
        for flag in container["args"]:
            assert f"{flag.split('=')[0]} " in said, flag
        for variable in container.get("env", []):
            assert re.search(rf"\b{variable['name']}\b", said, re.I), variable


def an_external_secret(machine, block):
    """The secret has what external-secrets would read: its templates filled in, its path followed."""
    store, secret = yaml.safe_load_all(block.text)
    webhook, [item] = store["spec"]["provider"]["webhook"], secret["spec"]["data"]
    named = {**{f"remoteRef.{name}": text for name, text in item["remoteRef"].items()},
             **{f"{each['name']}.token": "TOKEN" for each in webhook["secrets"]}}

    def filled(template):
        return re.sub(r"{{ \.([\w.]+) }}", lambda found: named[found[1]], template)

    server = Confregd(machine.folder / "server").start()
    gateway = Gateway(machine.folder / "gateway", server.listen).start()
    try:
        rest = Rest(gateway.port)
        for environment, data in (("default", {"db": {"host": "db-1"}}), ("prod", {"db": {"pool": 5}})):
            assert rest.post(f"/api/configs/billing?environment={environment}",
                             {"config_data": data}).status == 201
        target = "/api" + filled(webhook["url"]).partition("/api")[2]
        headers = {name: filled(value) for name, value in webhook["headers"].items()}
        assert headers == {"Authorization": "Bearer TOKEN"}
        found = rest.get(target, headers=headers).json()
        root, *steps = filled(webhook["result"]["jsonPath"]).split(".")
        assert root == "$"
        for step in steps:
            found = found[step]
        assert found == "db-1"
    finally:
        gateway.end()
        server.end()


def an_access_file(machine, block):
    """It follows the schema, and confregd starts with it."""
    (machine.folder / "jwks.json").write_text(jwks(Key("ES256", "shown")))
    (machine.folder / "shown.json").write_text(block.text)
    subprocess.run([BUILD / "confregd", "check-schema", ROOT / "docs" / "access.schema.json",
                    machine.folder / "shown.json"], check=True, timeout=30)
    server = Confregd(machine.folder / "shown", store="memory:",
                      extra=["--access", str(machine.folder / "shown.json")])
    try:
        server.start()
    finally:
        server.end()


def an_old_database(machine):
    machine.run_on(f"{TOOLS.parent}/venv/bin/secantusd-py --host 127.0.0.1 --port 27017 "
                   f"--storage-path {machine.folder}/old --log-level INFO", "27017", "SecantusDB")


def the_python_package(machine):
    """Names the interpreter that has it, in a folder for the programs of the page."""
    machine.run(f"mkdir {machine.folder}/programs && cd {machine.folder}/programs && mkdir schemas\n"
                f"export PATH={TOOLS.parent}/python-package/bin:$PATH", "the Python package")


def the_c_library(machine):
    """Installs it, and goes to a folder for the programs of the page."""
    prefix = machine.folder / "installed"
    machine.run(f"cmake --install {BUILD} --prefix {prefix} >/dev/null\n"
                f"mkdir {machine.folder}/programs && cd {machine.folder}/programs\n"
                f"export LD_LIBRARY_PATH={prefix}/lib PKG_CONFIG_PATH={prefix}/lib/pkgconfig",
                "the C library")


def the_go_module(machine):
    """A folder for the programs of the page, and what was fetched and built before."""
    kept = subprocess.run([TOOLS / "go", "env", "GOMODCACHE", "GOCACHE"], capture_output=True, text=True,
                          check=True).stdout.split()
    machine.run(f"mkdir -p {machine.folder}/programs && cd {machine.folder}/programs\n"
                f"export CONFREG={ROOT} GOMODCACHE={kept[0]} GOCACHE={kept[1]} GOPROXY=off GOSUMDB=off "
                "GOFLAGS=-mod=mod\nmkdir watch calls secure", "the Go module")


def the_java_example(machine, block):
    """test_clients.py runs that one."""
    example = ROOT / "client" / "examples" / "java" / "src" / "main" / "java" / "example" / "Client.java"
    assert block.text == example.read_text()


def files_of_credentials(machine):
    machine.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=ca "
                "-keyout ca.key -out ca.pem && echo secret >billing.token", "the files of credentials")


def the_node_package(machine):
    """A folder for the programs of the page that has it."""
    programs = machine.folder / "programs"
    machine.run(f"mkdir {programs} && cd {programs}\n"
                f"ln -s {TOOLS.parent}/node-package/installed/node_modules node_modules",
                "the Node package")


# ---- Reading ----

def blocks_of(page):
    return blocks(page, (ROOT / page).read_text())


def readme_writes():
    """README's first two writes, each as it stands."""
    text = next(block.text for block in blocks_of("README.md") if "-X POST" in block.text)
    return [part for part in text.split("\n\n") if "-X P" in part]


def try_block(machine, block):
    marks = block.marks
    if "stop" in marks:
        machine.stop_all()
    if "beside" in marks:
        globals()[marks["beside"]](machine)
    if "not_run" in marks:
        return
    if "printed" in marks:
        machine.expect(block.text, block)
    elif "saved" in marks:
        machine.run(f"cat >{marks['saved']} <<'END-OF-FILE'\n{block.text}END-OF-FILE", block)
    elif "checked" in marks:
        globals()[marks["checked"]](machine, block)
    elif "until" in marks:
        machine.run_on(block.text, marks["until"], block)
    else:
        machine.run(block.text, block)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_works_as_it_is_written(machine, page):
    mine = blocks_of(page)
    if page in NEED_PROGRAMS:
        start = next(block for block in blocks_of("README.md") if "scripts/run" in block.text)
        try_block(machine, start)
        for write in readme_writes():
            machine.run(write, "README.md")
    for block in mine:
        try_block(machine, block)


def test_every_page_with_code_is_read():
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout.split()
    others = set(tracked) - set(PAGES)
    assert others == {"CHANGELOG.md"}
    assert blocks("CHANGELOG.md", (ROOT / "CHANGELOG.md").read_text()) == []


@pytest.mark.parametrize("text", [
    "```python\nprint(1)\n```\n", "<!-- test: not run, as -->\n\n    a\n",
    "<!-- test: perhaps -->\n\n    a\n", "<!-- test: not run, as it takes very long -->\n\nWords.\n",
    "    a\n\n<!-- test: not run, as it takes very long -->\n"])
def test_a_block_of_which_it_is_not_clear_what_it_is_for_is_refused(text):
    with pytest.raises(Unmarked):
        blocks("page", text)


def test_blocks_and_marks_are_found():
    text = ('Words:\n\n    a \\\n      b\n\n    c\n\nMore.\n    no code\n\n<!-- test: stop what runs on -->\n'
            '<!-- test: runs on until "x: y" -->\n\n```sh\nd\n```\n')
    first, second = blocks("page", text)
    assert (first.line, first.text, first.marks) == (3, "a \\\n  b\n\nc\n", {})
    assert (second.line, second.text) == (15, "d\n")
    assert second.marks == {"stop": "stop", "until": "x: y"}
    assert first_missing("a…c\nd", "abc d") is None
    assert first_missing("d\na", "abc d") == "a"


# ---- Words that are names ----

def reasons_in(pattern):
    files = subprocess.run(["git", "ls-files", *pattern], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.split()
    text = "".join((ROOT / file).read_text() for file in files)
    return set(re.findall(r'"([A-Z][A-Z_]{3,})"', text))


def documented_reasons():
    table = (ROOT / "docs" / "protocol.md").read_text().split("| code | reasons |")[1]
    cells = [row.split("|")[2] for row in table.split("\n\n")[0].splitlines()[2:]]
    return set(re.findall(r"`([A-Z_]+)`", "".join(cells)))


# No client gets these: reasons between our own parts, or at the start, or for who has gone away.
INTERNAL = {"DESCRIPTORS_BROKEN", "ADDRESS_INVALID", "ADDRESS_IN_USE", "ADDRESS_UNUSABLE",
            "VERSION_EXISTS", "VERSION_GAP", "NOT_WANTED",
            "AUDIT_LOG_MISSING", "LOG_UNUSABLE", "LOG_IN_USE", "LOG_DAMAGED"}


def test_every_reason_of_an_error_is_documented_and_every_documented_one_exists():
    everywhere = reasons_in(["access/*.[ch]", "audit/*.[ch]", "base/*.[ch]", "rpc/*.[ch]", "server/*.[ch]",
                             "gateway/*.[ch]"])
    to_clients = reasons_in(["audit/*.c", "base/json*.[ch]", "rpc/*.c", "server/registry/*.[ch]",
                             "server/service/*.[ch]", "server/watch/*.[ch]", "server/model/*.[ch]"])
    names = {name for name in to_clients
             if re.search(rf'STATUS_\w+,\s*"{name}"|_bad_field\([^;]*"{name}"|{{"{name}"', sources())}
    assert documented_reasons() - everywhere == set()
    assert names - INTERNAL - documented_reasons() == set()


def test_every_reason_of_the_c_library_is_documented():
    page = (ROOT / "docs" / "guides" / "c.md").read_text()
    table = page.split("## Reasons of the library itself")[1].split("\n## ")[0]
    listed = {name for row in table.splitlines() if row.startswith("| `")
              for name in re.findall(r"`([A-Z_]+)`", row.split("|")[2])}
    names = reasons_in(["client/lib/*.c"]) - NO_REASONS
    assert names - listed - documented_reasons() == set()
    everywhere = reasons_in(["client/*.c", "rpc/*.c", "tls/*.c", "base/*.c"])
    assert listed - everywhere == set()


# Methods, a part of a name in a comment, and an error code that is no reason.
NO_REASONS = {"DELETE", "GENERAL", "HEAD", "OPTIONS", "ORIGIN", "PATCH", "POST", "SERVICE"}


def test_every_reason_of_the_gateway_is_documented():
    names = reasons_in(["gateway/http/*.c", "gateway/upstream/*.c", "gateway/configs/*.c",
                        "gateway/events/*.c", "gateway/doors/*.c", "gateway/api.c", "gateway/probes.c"]) - NO_REASONS
    text = (ROOT / "docs" / "protocol.md").read_text()
    over_http = text.split("| status | reasons of the gateway itself |")[1].split("\n\n")[0]
    listed = set(re.findall(r"`([A-Z_]+)`", over_http))
    assert "ROUTE_UNKNOWN" in names
    assert names - listed - documented_reasons() == set()
    assert listed - names == set()


def sources():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True,
                           text=True, check=True).stdout.split()
    return "".join((ROOT / file).read_text() for file in files if not file.startswith("tests/"))
