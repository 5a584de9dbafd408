"""A closed directory above: refused without the way, walked with it, and untouched for everybody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tre.system.reach import closed_ancestor

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

PROGRAM = """
import os, sys
from pathlib import Path
from tre.system.reach import open_the_way
target = Path(sys.argv[1])
if sys.argv[2] == "open":
    print(open_the_way([target]))
beside = sorted(os.listdir(target.parent))
os.setgid(12345)
os.setuid(12345)
try:
    print((target / "file").read_text(), beside)
except PermissionError:
    print("refused")
"""


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    target = tmp_path / "home" / "program"
    target.mkdir(parents=True)
    (target / "file").write_text("words")
    (target.parent / "secret").write_text("private")
    (tmp_path / "file").write_text("words")
    target.parent.chmod(0o700)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
    return target


def run(target: Path, how: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(target), how], capture_output=True, text=True, check=True
    ).stdout


def test_without_the_way_it_is_refused(closed: Path) -> None:
    assert run(closed, "shut") == "refused\n"


def test_with_the_way_it_is_walked_and_nothing_else_is_seen(closed: Path) -> None:
    assert run(closed, "open").splitlines() == [f"[{closed.parent!r}]", "words ['program']"]


def test_outside_nothing_changes(closed: Path) -> None:
    run(closed, "open")
    assert closed.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in closed.parent.iterdir()) == ["program", "secret"]
    assert str(closed) not in Path("/proc/mounts").read_text()


def test_what_is_open_needs_nothing(tmp_path: Path, closed: Path) -> None:
    assert closed_ancestor(tmp_path) is None
    assert closed_ancestor(closed) == closed.parent
    assert run(tmp_path, "open").startswith("[]")
