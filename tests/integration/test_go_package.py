"""The Go module of client/go: its tests, which drive a server, its checks, and how it is fetched."""

import os
import subprocess
import zipfile

import pytest
from daemon import BUILD, ROOT, TOOLS

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

FOLDER = ROOT / "client" / "go"
MODULE = "confreg.io/confreg"
GO = TOOLS / "go"

PROGRAM = """package main

import (
	"fmt"

	"confreg.io/confreg"
	"confreg.io/confreg/confregv1"
)

func main() {
	values, err := confreg.ParseValues([]byte(`{"pool": 10}`))
	fmt.Println(values.Int("pool", 5), err, confregv1.RegistryService_ServiceDesc.ServiceName)
}
"""


def run(*command, folder=FOLDER, **variables):
    """What it prints; it must succeed."""
    ended = subprocess.run([str(part) for part in command], cwd=folder, text=True, check=False,
                           capture_output=True, timeout=600,
                           env={**os.environ, "CONFREG_BUILD": str(BUILD),
                                "PATH": f"{TOOLS}:{os.environ['PATH']}", **variables})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_tests_of_the_module():
    run(GO, "test", "-race", "-count=1", "./...")


def test_the_checks_of_the_module():
    gofmt = f"{run(GO, 'env', 'GOROOT').strip()}/bin/gofmt"
    assert run(gofmt, "-l", ".") == ""
    run(GO, "vet", "./...")
    run(TOOLS / "staticcheck", "-checks", "all", "./...")
    run(GO, "mod", "verify")
    assert run(GO, "mod", "tidy", "-diff") == ""


def test_the_stubs_are_those_of_the_protos(tmp_path):
    run("./generate", BUILD / "confreg.protoset", tmp_path)
    made = {path.name: path.read_text() for path in (tmp_path / "confregv1").iterdir()}
    kept = {path.name: path.read_text() for path in (FOLDER / "confregv1").glob("*.pb.go")}
    assert kept == made, "run client/go/generate build/confreg.protoset"


def serve_module(proxy, version):
    """Makes the files of a module proxy that has the tracked files of the module."""
    tracked = run("git", "ls-files").split()
    folder = proxy / MODULE / "@v"
    folder.mkdir(parents=True)
    (folder / "list").write_text(f"{version}\n")
    (folder / f"{version}.info").write_text(f'{{"Version": "{version}"}}')
    (folder / f"{version}.mod").write_bytes((FOLDER / "go.mod").read_bytes())
    with zipfile.ZipFile(folder / f"{version}.zip", "w") as packed:
        for name in tracked:
            packed.write(FOLDER / name, f"{MODULE}@{version}/{name}")


def test_go_get_brings_all_that_a_program_needs(tmp_path):
    """From a proxy that has the module, and others as they are in the cache; stubs are in the module."""
    serve_module(tmp_path / "proxy", "v0.1.0")
    program = tmp_path / "program"
    program.mkdir()
    (program / "main.go").write_text(PROGRAM)
    cache = run(GO, "env", "GOMODCACHE").strip()
    variables = {"GOPROXY": f"file://{tmp_path}/proxy,file://{cache}/cache/download",
                 "GOSUMDB": "off", "GOFLAGS": "-modcacherw", "GOMODCACHE": str(tmp_path / "modules")}
    run(GO, "mod", "init", "example", folder=program, **variables)
    run(GO, "get", f"{MODULE}@latest", folder=program, **variables)
    # Without paths, so that what was built for another run is not built again.
    run(GO, "build", "-trimpath", "-o", "program", folder=program, **variables)
    assert run("./program", folder=program) == "10 <nil> confreg.v1.RegistryService\n"
