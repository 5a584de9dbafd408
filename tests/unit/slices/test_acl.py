"""A project's folder: its members get in, nobody else does. Real users, real files."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tre.slices.acl import admit, named_users
from tre.slices.files import directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acting as other users needs root")
ALICE, BOB, EVE = 20001, 20002, 20003


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        path = Path(made) / "shared"
        path.mkdir(mode=0o700)
        os.chown(path, 19005, 19005)
        yield path


def tries(user: int, command: str, folder: Path) -> bool:
    done = subprocess.run(
        ["sh", "-c", f"umask 077; {command}"], cwd="/", env={"D": str(folder)}, user=user, group=user,
        extra_groups=[], capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def test_members_share_and_others_stay_out(folder: Path) -> None:
    assert not tries(ALICE, "ls $D", folder), "nobody was admitted yet"
    with directory(folder) as descriptor:
        admit(descriptor, ALICE)
        admit(descriptor, BOB)
        admit(descriptor, ALICE)
        assert named_users(descriptor) == [ALICE, BOB]
    assert tries(ALICE, "mkdir $D/sub && echo 1 > $D/sub/file", folder)
    assert tries(BOB, "echo 2 >> $D/sub/file && cat $D/sub/file && rm $D/sub/file", folder)
    assert not tries(EVE, "ls $D", folder)
    assert not tries(EVE, "ls $D/sub", folder)
