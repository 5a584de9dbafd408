"""The hard-link farm: a slice's files as further names of files in the store.

Guarantees: every name in the farm is the same inode as its file in the store, so no byte is copied and an unlinking
is seen in mounts that are already there; directories are made for the dataset's group to read and nobody else; no
mode, owner or content of a file is ever changed, since the store shares it. Work is split by patient over two
threads (the kernel's directory insertion is the limit; linkat releases the interpreter's lock). Where the file system
refuses another name (EXDEV, EMLINK), a copy takes its place, and the record says which files are none of the store's.

Does not guarantee: that a file which is left with one name is in no slice, where copies had to be made.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import DirectoryLayout
from tre.slices.copies import EVERYTHING, Copies, place_copy
from tre.slices.files import DIRECTORY_MODE, Ownership, directory
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX, patient_directory
from tre.slices.watch import Watcher

THREADS = 2
PAYLOAD = "data"
"""BagIt's name for the payload directory (RFC 8493 section 2.1.2)."""

_BATCH = 16_384
_PORTION, _AHEAD = 512, 8
"""Files that a thread is given at a time, whole patients only, and how many such portions wait for one."""

_COLUMNS = ["path", "kind", "pseudonym", "sop_uid", "sha256"]


class Link(NamedTuple):
    """One file: its directory and name in the payload, whose it is, and its name in the patient's store directory."""

    parent: str
    name: str
    pseudonym: str
    stored: str

    @property
    def path(self) -> str:
        """Where it lies below the payload."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


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
    copies: Copies = field(default_factory=Copies)
    counting: threading.Lock = field(default_factory=threading.Lock)

    def placed_copy(self, path: str, *, shared: bool, everything: bool) -> None:
        """Count a copy, and remember its path unless everything is copied anyway."""
        with self.counting:
            self.copies.reflinked += shared
            self.copies.copied += not shared
            self.copies.paths.add(EVERYTHING if everything else path)


def plant(farm: Farm, wanted: Iterable[Link], total: int, watcher: Watcher) -> int:
    """Place every file; return how many. `farm.copies` says how.

    Raises `OSError`, and `TREError(ContentChanged)` for a missing file.
    """
    done = 0
    waiting: deque[Future[int]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="link") as pool:
        for portion in _portions(wanted):
            waiting.append(pool.submit(_link_portion, farm, portion))
            if len(waiting) >= _AHEAD:
                done += waiting.popleft().result()
                watcher.progress(done, total)
        while waiting:
            done += waiting.popleft().result()
            watcher.progress(done, total)
    farm.copies.linked = done - farm.copies.reflinked - farm.copies.copied
    return done


Portion = list[tuple[str, list[Link]]]
"""Patients, each with all files that lie together."""


def _portions(wanted: Iterable[Link]) -> Iterator[Portion]:
    portion: Portion = []
    files = 0
    for pseudonym, group in groupby(wanted, key=lambda link: link.pseudonym):
        portion.append((pseudonym, list(group)))
        files += len(portion[-1][1])
        if files >= _PORTION:
            yield portion
            portion, files = [], 0
    yield portion


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


class _Ladder:
    """Open directories from the payload down to where the next files go; each is made when it is first reached.

    Patients share none but the uppermost, so the threads that make them do not wait for one another.
    """

    def __init__(self, farm: Farm) -> None:
        self._owner = farm.owner
        self._rungs = [os.open(farm.payload, _DIRECTORY)]
        self._parts: list[str] = []

    def reach(self, parent: str) -> int:
        """A descriptor of this directory of the payload, good until the next one is reached."""
        parts = parent.split("/") if parent else []
        same = next((n for n, pair in enumerate(zip(parts, self._parts, strict=False)) if pair[0] != pair[1]), None)
        same = min(len(parts), len(self._parts)) if same is None else same
        self._descend_to(same)
        for part in parts[same:]:
            here = self._rungs[-1]
            try:
                os.mkdir(part, DIRECTORY_MODE & 0o777, dir_fd=here)
            except FileExistsError:  # the uppermost, made for another patient: nobody else writes here
                pass
            else:
                if self._owner.uid != -1:
                    os.chown(part, self._owner.uid, -1, dir_fd=here, follow_symlinks=False)
            self._rungs.append(os.open(part, _DIRECTORY, dir_fd=here))
            self._parts.append(part)
        return self._rungs[-1]

    def _descend_to(self, depth: int) -> None:
        while len(self._parts) > depth:
            self._parts.pop()
            os.close(self._rungs.pop())

    def close(self) -> None:
        """Let go of all of them."""
        while self._rungs:
            os.close(self._rungs.pop())


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _link_portion(farm: Farm, portion: Portion) -> int:
    with closing(_Ladder(farm)) as ladder:
        for pseudonym, patient in portion:
            _link_patient(farm, ladder, pseudonym, patient)
    return sum(len(patient) for _, patient in portion)


def _link_patient(farm: Farm, ladder: _Ladder, pseudonym: str, patient: list[Link]) -> None:
    source = farm.tier / patient_directory(pseudonym)
    try:
        with directory(source) as stored:
            for parent, group in groupby(patient, key=lambda link: link.parent):
                target = ladder.reach(parent)
                for link in group:
                    _place(farm, link, stored, target)
    except FileNotFoundError as error:
        raise TREError(
            Reason.ContentChanged,
            "A file that the release lists is no longer in the store.",
            why=f"{error.filename} under {source} is missing.",
            remedy="Add the delivery again; then build the slice.",
        ) from error


_REFUSALS = frozenset({errno.EXDEV, errno.EMLINK})
"""The file system gives no further name: the store is on another one, or the file has as many as it may."""


def _place(farm: Farm, link: Link, stored: int, target: int) -> None:
    try:
        os.link(link.stored, link.name, src_dir_fd=stored, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        shared = place_copy((stored, link.stored), (target, link.name), farm.owner)
        farm.placed_copy(link.path, shared=shared, everything=error.errno == errno.EXDEV)
