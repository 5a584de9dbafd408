"""The store of extracts: who can read what the checker keeps."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tre.airlock.extracts import ExtractStore

CHECKER, PORTAL = 19006, 19003


@pytest.fixture
def root() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    outer = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="tre-test-"))
    outer.chmod(0o711)
    made = outer / "extracts"
    made.mkdir()
    os.chown(made, CHECKER, PORTAL)
    made.chmod(0o2750)
    yield made
    shutil.rmtree(outer)


def test_the_portals_group_reads_what_the_checker_keeps(root: Path) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(CHECKER, CHECKER, CHECKER)
            os.setresuid(CHECKER, CHECKER, CHECKER)
            os.umask(0o007)
            for number in range(2):  # into a new directory, and into one that is there
                ExtractStore(root).keep("ab" * 31 + f"{number:02}", "csv", b"{}")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    kept = sorted(root.rglob("*"))
    assert len(kept) == 3
    assert {path.stat().st_gid for path in kept} == {PORTAL}
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in kept} == {oct(0o2750), oct(0o640)}
