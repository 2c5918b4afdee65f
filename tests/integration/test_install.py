"""What `cmake --install` installs, used as from there."""

import json
import re
import shutil
import subprocess

import pytest
from calls import text
from daemon import BUILD
from google.protobuf import descriptor_pb2

# How the build was made: a program of a library with sanitizers needs them, too.
SANITIZED = [f"-fsanitize={kind}" for kind in re.findall(
    r"^CONFREG_SANITIZE:STRING=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.M)]

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


# ---- The C library ----

PROGRAM = """
#include <confreg.h>
#include <stdio.h>
static int log_event; /* a name that the library has inside, too */
int main(int argc, char **argv)
{
    const char *addresses[] = {argv[argc - 1]};
    struct confreg_client_options options = CONFREG_CLIENT_OPTIONS_INIT;
    options.addresses = addresses;
    options.n_addresses = 1;
    struct confreg_client *client = confreg_client_new(&options, NULL);
    struct confreg_text text;
    if (client == NULL || !confreg_call(client, "GetStatus", "{}", 2, NULL, &text, NULL)) {
        return 1;
    }
    puts(text.data);
    confreg_text_free(&text);
    confreg_client_free(client);
    return log_event;
}
int mem_alloc(void);
int mem_alloc(void)
{
    return log_event;
}
"""

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(confreg 0.1 REQUIRED)
add_executable(shared program.c)
target_link_libraries(shared PRIVATE confreg::confreg)
add_executable(static program.c)
target_link_libraries(static PRIVATE confreg::confreg_static)
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    return tmp_path / "program.c"


@pytest.fixture(scope="module")
def moved(installed, tmp_path_factory):
    """The installed files at another place."""
    place = tmp_path_factory.mktemp("moved") / "here"
    shutil.copytree(installed, place, symlinks=True)
    return place


def check_runs(program, confregd, prefix, is_shared):
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True,
                            timeout=60).stdout
    assert ("libconfreg.so.1" in needed) == is_shared
    shown = subprocess.run([program, confregd.listen], capture_output=True, text=True, check=True,
                           timeout=60, env={"LD_LIBRARY_PATH": str(prefix / "lib")}).stdout
    assert json.loads(shown)["writable"]


@pytest.mark.parametrize("package", ["confreg", "confreg-static"])
def test_a_program_by_pkg_config(moved, confregd, program, package):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], capture_output=True,
                           text=True, check=True, timeout=60, env={
                               "PKG_CONFIG_PATH": str(moved / "lib" / "pkgconfig")}).stdout.split()
    made = program.with_suffix("")
    subprocess.run(["cc", *SANITIZED, "-o", made, program, *flags], check=True, timeout=60)
    check_runs(made, confregd, moved, package == "confreg")


def test_a_program_by_cmake(moved, confregd, program):
    (program.parent / "CMakeLists.txt").write_text(LISTS)
    build = program.parent / "build"
    subprocess.run(["cmake", "-S", program.parent, "-B", build, f"-DCMAKE_PREFIX_PATH={moved}",
                    f"-DCMAKE_C_FLAGS={' '.join(SANITIZED)}"], check=True, timeout=120)
    subprocess.run(["cmake", "--build", build], check=True, timeout=120)
    check_runs(build / "shared", confregd, moved, True)
    check_runs(build / "static", confregd, moved, False)


def test_what_is_installed_of_the_library(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*")
             if "confreg" in path.name and path.suffix in {".h", ".a", ".pc", ".cmake"}}
    assert files == {"include/confreg.h", "lib/libconfreg.a", "lib/pkgconfig/confreg.pc",
                     "lib/pkgconfig/confreg-static.pc", "lib/cmake/confreg/confreg-config.cmake",
                     "lib/cmake/confreg/confreg-config-version.cmake"}
    assert (installed / "lib" / "libconfreg.so").resolve().name.startswith("libconfreg.so.0.")
    symbols = subprocess.run(["nm", "--defined-only", "--extern-only",
                              installed / "lib" / "libconfreg.a"], capture_output=True, text=True,
                             check=True, timeout=60).stdout.splitlines()
    names = {line.split()[2] for line in symbols if len(line.split()) == 3}
    assert names and all(name.startswith("confreg_") for name in names)
