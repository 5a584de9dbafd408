"""The hard-link farm: a slice's files as further names of files in the store.

Guarantees: every name in the farm is the same inode as its file in the store, so no byte is copied and an unlinking
is seen in mounts that are already there; directories are made for the dataset's group to read and nobody else; no
mode, owner or content of a file is ever changed, since the store shares it. Work is split by patient over two
threads (the kernel's directory insertion is the limit; linkat releases the interpreter's lock).

Does not guarantee: anything where store and slices lie on different file systems: that is refused (EXDEV), because
an unlinked name proves nothing about a copy.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import DirectoryLayout
from tre.slices.files import DIRECTORY_MODE, Ownership, directory
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX, patient_directory
from tre.slices.watch import Watcher

THREADS = 2
PAYLOAD = "data"
"""BagIt's name for the payload directory (RFC 8493 section 2.1.2)."""

_BATCH = 16_384
_AHEAD = 64
_COLUMNS = ["path", "kind", "pseudonym", "sop_uid", "sha256"]


@dataclass(frozen=True, slots=True)
class Link:
    """One file: its directory and name in the payload, whose it is, and its name in the patient's store directory."""

    parent: str
    name: str
    pseudonym: str
    stored: str


def links(files: Path, layout: DirectoryLayout) -> Iterator[Link]:
    """Every link of a slice, from a kept plan's list of files, patient after patient."""
    with pq.ParquetFile(files) as file:
        for batch in file.iter_batches(_BATCH, columns=_COLUMNS):
            columns = [batch.column(name).to_pylist() for name in _COLUMNS]
            for path, kind, pseudonym, sop_uid, content in zip(*columns, strict=True):
                suffix = IMAGE_SUFFIX if kind == "image" else SIDECAR_SUFFIX
                parent, name = placed(layout, path, pseudonym, sop_uid + suffix)
                yield Link(parent, name, pseudonym, content.hex() + suffix)


def placed(layout: DirectoryLayout, path: str, pseudonym: str, short: str) -> tuple[str, str]:
    """Directory and name of a file in the payload."""
    if layout is DirectoryLayout.nccid:
        parent, _, name = path.rpartition("/")
        return parent, name
    return (pseudonym if layout is DirectoryLayout.patient else ""), short


@dataclass(frozen=True)
class Farm:
    """Where the links go, where the files are, and to whom directories belong."""

    payload: Path
    tier: Path
    owner: Ownership
    made: dict[str, bool] = field(default_factory=dict)


def plant(farm: Farm, wanted: Iterable[Link], total: int, watcher: Watcher) -> int:
    """Make every link; return how many. Raises `OSError`, and `TREError(ContentChanged)` for a missing file."""
    done = 0
    waiting: deque[Future[int]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="link") as pool:
        for pseudonym, group in groupby(wanted, key=lambda link: link.pseudonym):
            patient = list(group)
            _make_directories(farm, {link.parent for link in patient})
            waiting.append(pool.submit(_link_patient, farm, pseudonym, patient))
            if len(waiting) >= _AHEAD:
                done += waiting.popleft().result()
                watcher.progress(done, total)
        while waiting:
            done += waiting.popleft().result()
            watcher.progress(done, total)
    return done


def _make_directories(farm: Farm, parents: set[str]) -> None:
    for parent in sorted(parents):
        here = ""
        for part in parent.split("/") if parent else ():
            here = f"{here}/{part}" if here else part
            if here not in farm.made:
                make_shared(farm.payload / here, farm.owner)
                farm.made[here] = True


def make_shared(path: Path, owner: Ownership) -> None:
    """Make a directory that the dataset's group may read. Its set-group bit hands the group on to what is inside."""
    path.mkdir(mode=DIRECTORY_MODE & 0o777)
    if owner.uid != -1:
        os.chown(path, owner.uid, -1, follow_symlinks=False)


def make_top(path: Path, owner: Ownership) -> None:
    """Make the slice's own directory: everything inside takes its group from here."""
    path.mkdir(mode=0o700)
    path.chmod(DIRECTORY_MODE)  # before the group changes: a set-group bit for a foreign group would be refused
    owner.give(path)


def _link_patient(farm: Farm, pseudonym: str, patient: list[Link]) -> int:
    source = farm.tier / patient_directory(pseudonym)
    try:
        with directory(source) as stored:
            for parent, group in groupby(patient, key=lambda link: link.parent):
                with directory(farm.payload / parent) as target:
                    for link in group:
                        os.link(
                            link.stored,
                            link.name,
                            src_dir_fd=stored,
                            dst_dir_fd=target,
                            follow_symlinks=False,
                        )
    except FileNotFoundError as error:
        raise TREError(
            Reason.ContentChanged,
            "A file that the release lists is no longer in the store.",
            why=f"{error.filename} under {source} is missing.",
            remedy="Add the delivery again; then build the slice.",
        ) from error
    return len(patient)
