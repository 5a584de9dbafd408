"""One make-believe NCCID of the default size for all tests here that only read it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tre.demodata import NccidSpec, Summary, generate_nccid

SMALL = NccidSpec(seed=7, patients=12, xray_pixels=(32,), ct_pixels=(32,), ct_slices=(2, 3), mr_permille=200)
"""A set that is made in a fraction of a second and has every modality."""


def tree_digest(root: Path) -> str:
    """SHA-256 over every relative path and content, links by their target, in sorted order."""
    hasher = hashlib.sha256()
    entries = (path for path in root.rglob("*") if path.is_symlink() or path.is_file())
    for path in sorted(entries, key=lambda path: path.relative_to(root).as_posix()):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for part in (path.relative_to(root).as_posix().encode(), content):
            hasher.update(len(part).to_bytes(8, "big") + part)
    return hasher.hexdigest()


@dataclass(frozen=True)
class Made:
    """A tree and what its generator said about it."""

    root: Path
    summary: Summary


@pytest.fixture(scope="session")
def default_set(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The set that `NccidSpec()` describes."""
    root = tmp_path_factory.mktemp("nccid") / "store"
    return Made(root, generate_nccid(root, NccidSpec()))


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The set that `SMALL` describes."""
    root = tmp_path_factory.mktemp("nccid") / "store"
    return Made(root, generate_nccid(root, SMALL))
