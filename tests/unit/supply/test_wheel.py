"""The same files give the same wheel, whoever builds it and when."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.unit.supply.conftest import CHECKOUT

PARTS = ("pyproject.toml", "README.md", "LICENSE", "tre")


def built(place: Path, *, umask: int, time: int) -> Path:
    """The wheel of a copy whose files have other modes and times."""
    place.mkdir()
    for part in PARTS:
        source = CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / part)
    for path in place.rglob("*"):
        path.chmod(path.stat().st_mode & ~umask)
        os.utime(path, (time, time))
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    subprocess.run(command, cwd=place, capture_output=True, check=True, umask=umask)
    (wheel,) = (place / "dist").glob("*.whl")
    return wheel


def test_two_builds_are_alike_and_hold_the_package_alone(tmp_path: Path) -> None:
    first = built(tmp_path / "first", umask=0o022, time=1_000_000_000)
    second = built(tmp_path / "second", umask=0o077, time=1_700_000_000)
    digests = {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (first, second)}
    assert len(digests) == 1
    names = zipfile.ZipFile(first).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tre", "tre_launcher"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".key", ".pem"))]
