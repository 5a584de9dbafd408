"""A program's Python searches for cycles seldom, not at all while it loads, and still does afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tre.cli.services import MODULES
from tre.system.paths import CHECKOUT

PROGRAM = """
import gc, sys, weakref
from tre.system.interpreter import BETWEEN_LOOKS, loading, take_turns

class Cycle:
    def __init__(self):
        self.own = self

def is_found():
    left = weakref.ref(Cycle())
    kept = []
    for made in range(3 * BETWEEN_LOOKS):
        kept.append([])
        if left() is None:
            return made
    return None

early = is_found()
with loading():
    meanwhile = is_found()
late = is_found()
take_turns()
assert early < BETWEEN_LOOKS / 2, early
assert meanwhile is None, meanwhile
assert BETWEEN_LOOKS / 2 < late <= 2 * BETWEEN_LOOKS, late
assert gc.get_freeze_count() > 1000
assert sys.getswitchinterval() < 0.005
"""


def test_cycles_are_found_later_and_not_never() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_searches_again_although_loading_failed() -> None:
    program = """
import gc
from tre.system.interpreter import run
try:
    run("tre.nowhere:main")
except ModuleNotFoundError:
    assert gc.isenabled()
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", sorted(set(MODULES.values())))
def test_every_service_is_loaded_so(service: str) -> None:
    """By its own `__main__`, which tests and children may import without starting anything."""
    main = Path(CHECKOUT, *service.split("."), "__main__.py").read_text(encoding="utf-8")
    assert re.search(r"^    (?:run\(|with loading\(\):)", main, re.MULTILINE)
    assert 'if __name__ == "__main__":' in main


def test_the_public_service_loads_nothing_of_the_desk() -> None:
    program = """
import sys
import tre.portal.__main__
import tre.portal.public_program
print(*sorted(name for name in sys.modules if name.startswith("tre.")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "tre.portal.public_applications" in loaded
    assert not [name for name in loaded if name.startswith("tre.portal.api.")]
    assert not loaded & {"tre.portal.applications", "tre.portal.enter", "tre.portal.internal"}
    pages = {name.rpartition(".")[2] for name in loaded if name.startswith("tre.portal.routes.")}
    assert pages == {"public", "register", "public_account", "public_committee", "plain_words"}


def test_libraries_find_nothing_left_behind_as_a_program_ends() -> None:
    done = subprocess.run([sys.executable, "-m", "tre", "bench", "--help"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
