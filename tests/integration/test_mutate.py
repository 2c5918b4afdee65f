"""scripts/mutate, on a project of one file whose changes are known: which are noticed, and which
cannot be."""

import itertools
import json
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib

import pytest
from daemon import BUILD, ROOT

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

PROJECT = {
    "CMakeLists.txt": """
        cmake_minimum_required(VERSION 3.25)
        project(tiny LANGUAGES C)
        enable_testing()
        add_executable(tiny tiny.c test.c)
        add_test(NAME unit_tiny COMMAND tiny)
        """,
    "tests/parts.toml": """
        [tiny]
        files = ["tiny.c"]
        unit = "unit_tiny"
        """,
    "tiny.c": """
        #include <assert.h>
        #define UNCHANGED (1 + 1)
        int greater(int a, int b)
        {
            assert(a != UNCHANGED && "1 == 1");
            return a < b ? b : a; // 1 + 1
        }
        int kind(int n)
        {
            switch (n % 2) {
            case 0:
                break;
            default:
                return 7;
            }
            return 5;
        }
        int up_to(int n)
        {
            volatile int i = 0;
            while (i != n) {
                i++;
            }
            return i;
        }
        """,
    "test.c": """
        int greater(int a, int b), kind(int n), up_to(int n);
        int main(void)
        {
            return greater(4, 3) == 4 && greater(3, 4) == 4 && kind(3) == 7 && kind(4) == 5 &&
                   up_to(3) == 3 ? 0 : 1;
        }
        """,
}
VERDICTS = {
    "tiny.c:6:14:<:<=": "survived",  # alters nothing
    "tiny.c:10:17:2:3": "noticed",
    "tiny.c:11:10:0:1": "noticed",
    "tiny.c:12:9:break:continue": "not-compiled",
    "tiny.c:14:16:7:8": "noticed",
    "tiny.c:16:12:5:6": "noticed",
    "tiny.c:20:22:0:1": "survived",  # no test counts to nothing
    "tiny.c:21:14:!=:==": "noticed",
}


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip())
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "mutate", tmp_path / "scripts")
    (tmp_path / ".gitignore").write_text("/build/\n")
    for arguments in (["init", "--quiet"], ["add", "."],
                      ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "t"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def mutate(project, *arguments):
    return subprocess.run([sys.executable, "scripts/mutate", "--through", "", *arguments],
                          cwd=project, capture_output=True, text=True, check=False)


def test_each_change_gets_its_verdict(project):
    done = mutate(project, *itertools.chain(*(("--only", change) for change in VERDICTS)))
    lines = [line.split() for line in done.stdout.splitlines()[:-1]]
    assert {change: outcome for outcome, change, *_ in lines} == VERDICTS, done.stdout + done.stderr
    assert all(by == ["unit_tiny"] for outcome, _, *by in lines if outcome == "noticed")
    assert done.stdout.splitlines()[-1].startswith("5 of 7 noticed (71.4 %); 0 of them timed out; ")
    assert done.returncode == 1, "some survived"
    assert subprocess.run(["git", "status", "--porcelain"], cwd=project, check=True,
                          capture_output=True, text=True).stdout == ""


def test_tests_that_hang_notice_a_change(project):
    done = mutate(project, "--patience", "1", "--only", "tiny.c:22")
    assert done.stdout.startswith("timed-out     tiny.c:22:10:++:--\n1 of 1 noticed"), done.stdout
    assert done.returncode == 0


def test_a_name_of_no_change_is_refused(project):
    for wrong in ("no/such.c", "tiny.c:1", "tiny.c:6:14:<:>"):
        done = mutate(project, "--only", "tiny.c:10", "--only", wrong)
        assert done.returncode == 2 and done.stderr.endswith(f"begins with {wrong}\n"), done.stderr


def test_a_seed_gives_the_same_changes_again(project):
    first, again, other = (mutate(project, "--list", "--count", "4", "--seed", seed).stdout
                           for seed in ("1", "1", "2"))
    assert first == again != other
    assert len(first.splitlines()) == 4


def test_what_is_not_committed_is_tried(project):
    test = project / "test.c"
    test.write_text(test.read_text().replace("kind(3) == 7", "kind(3) > 0"))
    done = mutate(project, "--only", "tiny.c:14:16:7:8")
    assert done.stdout.startswith("survived "), done.stdout + done.stderr


# ---- The table of this tree ----

@pytest.fixture(scope="module")
def parts():
    return tomllib.loads((ROOT / "tests" / "parts.toml").read_text())


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                            cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).exists()]


def test_each_file_is_in_one_part(parts):
    every = [path for path in tracked("*.c") if not path.startswith("tests/")]
    taken = [path for part in parts.values()
             for path in tracked(*[f":(glob){pattern}" for pattern in part["files"]])]
    assert sorted(taken) == sorted(every)


def test_the_tests_of_parts_exist(parts):
    listed = subprocess.run(["ctest", "--test-dir", BUILD, "--show-only=json-v1"], check=True,
                            capture_output=True, text=True)
    units = [test["name"] for test in json.loads(listed.stdout)["tests"]]
    for name, part in parts.items():
        assert any(re.match(part["unit"], unit) for unit in units), name
        for file in part["integration"]:
            assert (ROOT / "tests" / "integration" / f"{file}.py").exists(), (name, file)
