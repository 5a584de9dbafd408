"""The first commands that anybody types: what `make` makes of them, and whether the system's packages are to be had.

Both targets take too long to be typed here: what `make` would run is asked of it, in a folder with nothing in it but
the Makefile and in an empty environment. The one is the command with which continuous integration starts these tests;
the other is run to its end by the long test below.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import CHECKOUT, blocks
from tests.support.machine import lacking_for_workspaces

PAGE = CHECKOUT / "README.md"
MAKE, APT, _HELM = (block.lines for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "sh")
EMPTY = {"PATH": os.defpath}
SETUP = "tools/setup.py --quiet"


def made(line: str, place: Path, *more: str) -> list[str]:
    """What a line of the page would run, by make's own word."""
    shutil.copy(CHECKOUT / "Makefile", place)
    words = line.partition("#")[0].split()
    assert words[0] == "make", line
    done = subprocess.run(
        [*words, *more, "--dry-run"], cwd=place, env=EMPTY, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


RUNS = (".venv/bin/tre demo", ".venv/bin/python -m tests 4")


@pytest.mark.parametrize(("line", "runs"), list(zip(MAKE, RUNS, strict=True)))
def test_the_two_commands_set_up_and_run_what_they_say(line: str, runs: str, tmp_path: Path) -> None:
    *before, last = made(line, tmp_path)
    assert last.strip() == runs
    assert before[-1].endswith(SETUP), "what they need is built first"


def test_continuous_integration_types_the_second() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    command = MAKE[1].partition("#")[0].strip()
    assert re.search(rf"^section \S+ \S+ {command}( \|\| true)?$", script, re.MULTILINE)


def test_the_second_runs_tests(tmp_path: Path) -> None:
    """As make puts it together for one small file, so that it ends soon."""
    command = made(MAKE[1], tmp_path, "WORKERS=0", "PYTEST_ARGS=tests/unit/test_version.py")[-1].split()
    assert command[:3] == [".venv/bin/python", "-m", "tests"]
    done = subprocess.run(
        [sys.executable, *command[1:]], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^=+ [1-9]\d* passed", done.stdout, re.MULTILINE)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_first_runs_to_its_end(tmp_path: Path) -> None:
    if lacking := lacking_for_workspaces():
        pytest.skip(lacking)
    place = Path("/var/tmp") / f"tre-readme-{os.getpid()}"  # where sandboxes can be made from
    place.mkdir(mode=0o711)
    (place / ".venv").symlink_to(CHECKOUT / ".venv")
    try:
        command = made(MAKE[0], tmp_path)[-1].split()
        done = subprocess.run(
            ["timeout", "--kill-after=60", "1000", *command],  # asked to end, it takes its services with it
            cwd=place,
            env=os.environ | {"ONCE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=1100,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    finally:
        shutil.rmtree(place)


def apt(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What the package manager says."""
    return subprocess.run(
        [program, *words], env=EMPTY | {"LC_ALL": "C"}, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def packages() -> list[str]:
    """Those that the page names; where the package manager knows none at all nothing can be said of them."""
    (line,) = APT
    words = line.split()
    assert words[:2] == ["apt-get", "install"]
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get on this machine")
    if apt("apt-cache", "show", "make").returncode != 0:
        pytest.skip("apt knows no packages here: apt-get update")
    return words[2:]


def test_the_systems_packages_are_packages(packages: list[str]) -> None:
    done = apt("apt-cache", "show", "--no-all-versions", *packages, "no-such-package-of-anybody")
    assert set(re.findall(r"^Package: (\S+)$", done.stdout, re.MULTILINE)) == set(packages)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_fresh_machine_gets_all_of_them(packages: list[str]) -> None:
    """Simulated, on a machine on which nothing is installed: this one may have some of them from elsewhere."""
    fresh = ("-o", "Dir::State::status=/dev/null", "--simulate", "install")
    done = apt("apt-get", *fresh, *packages)
    assert done.returncode == 0, done.stderr
    assert set(packages) <= set(re.findall(r"^Inst (\S+) ", done.stdout, re.MULTILINE))
    assert apt("apt-get", *fresh, "no-such-package-of-anybody").returncode != 0
