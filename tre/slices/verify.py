"""Comparing a slice with what was approved: file by file, by inode, without reading a single image.

Guarantees: a file that was added, is missing, or is another file under the right name is found, since the same device
and inode mean the same bytes; a file that the slice's own record calls a copy, and only such a file, is read and must
have the stored SHA-256; documents and table are compared by digest with the recorded content digest. Expected
names come from the kept plan, checked against its digest first, never from the slice itself.

Does not guarantee: that the bytes in the store are what they were at ingest (a re-hash says that); inodes prove that
slice and store are one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tre.domain.errors import Reason, TREError
from tre.domain.slices.cover import HEADERS_TABLE
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.spec import Headers
from tre.slices import copies, documents
from tre.slices.contents import FILES, check_contents
from tre.slices.farm import PAYLOAD, Link, links
from tre.slices.files import directory
from tre.slices.index import rows_digest
from tre.slices.places import DatasetPlaces, SlicePlaces, patient_directory


class Fault(StrEnum):
    """How a slice differs."""

    missing = "missing"
    added = "added"
    replaced = "replaced"
    changed = "changed"


@dataclass(frozen=True, order=True)
class Difference:
    """One way in which a slice is not what was built."""

    path: str
    fault: Fault

    def as_plain(self) -> dict[str, str]:
        """For `--json`."""
        return {"path": self.path, "fault": self.fault.value}


@dataclass(frozen=True)
class Verified:
    """How many files were compared, and everything that differs."""

    files: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Recorded:
    """What the record says was built."""

    slice_id: str
    plan: SlicePlan
    content_digest: str
    version: int


def verify(recorded: Recorded, slices: SlicePlaces, dataset: DatasetPlaces) -> Verified:
    """Compare a slice with the store and the record.

    Raises `TREError(SliceNotFound)` where there is no such directory, `TREError(ContentChanged)` where the kept plan
    itself was changed.
    """
    here = slices.slice(recorded.slice_id)
    if not here.is_dir() or here.is_symlink():
        raise TREError(
            Reason.SliceNotFound,
            f"The slice {recorded.slice_id} is not there.",
            remedy="Build it again: `tre slice build SPEC`.",
        )
    contents = dataset.plan(recorded.plan.plan_digest)
    check_contents(contents, recorded.plan.identity)
    spec = recorded.plan.spec
    expected = _expected(links(contents / FILES, spec.layout))
    store = _Store(dataset.tier(spec.tier), copies.copies_of(here))
    found = [*_compare(here / PAYLOAD, expected, store), *_compare_documents(here, recorded)]
    return Verified(sum(map(len, expected.values())), tuple(sorted(found)))


Expected = dict[str, dict[str, Link]]


def _expected(wanted: Iterator[Link]) -> Expected:
    by_directory: Expected = {}
    for link in wanted:
        by_directory.setdefault(link.parent, {})[link.name] = link
    return by_directory


class _Store:
    """Inodes of the files in the store, one patient's directory at a time."""

    def __init__(self, tier: Path, copied: copies.Copies) -> None:
        self._tier = tier
        self.copied = copied
        self._known: tuple[str, dict[str, tuple[int, int]]] = ("", {})

    def file(self, link: Link) -> tuple[int, int] | None:
        """Device and inode of the file that a link should be; `None` where the store lacks it."""
        if self._known[0] != link.pseudonym:
            path = self._tier / patient_directory(link.pseudonym)
            inodes = _inodes(path)[0] if path.is_dir() else {}
            self._known = (link.pseudonym, inodes)
        return self._known[1].get(link.stored)


def _inodes(path: Path) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Regular files of a directory by (device, inode); and the names of everything else."""
    with directory(path) as descriptor, os.scandir(descriptor) as entries:
        device = os.fstat(descriptor).st_dev
        files, others = {}, []
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                files[entry.name] = (device, entry.inode())
            else:
                others.append(entry.name)
        return files, others


def _compare(payload: Path, expected: Expected, store: _Store) -> Iterator[Difference]:
    wanted = _ancestors(expected)
    waiting, seen = [""], set()
    while waiting:
        parent = waiting.pop()
        path = payload / parent
        if not path.is_dir() or path.is_symlink():
            continue
        seen.add(parent)
        files, others = _inodes(path)
        for name in others:
            below = f"{parent}/{name}" if parent else name
            if below in wanted:
                waiting.append(below)
            else:
                yield Difference(f"{PAYLOAD}/{below}", Fault.added)
        yield from _compare_files(parent, files, expected.get(parent, {}), store)
        yield from _compare_copies(path, files, expected.get(parent, {}), store)
    for parent in expected.keys() - seen:
        for name in expected[parent]:
            yield Difference(_payload_path(parent, name), Fault.missing)


def _ancestors(expected: Expected) -> set[str]:
    found = set()
    for parent in expected:
        parts = parent.split("/")
        found |= {"/".join(parts[: count + 1]) for count in range(len(parts))}
    return found


def _payload_path(parent: str, name: str) -> str:
    return "/".join(part for part in (PAYLOAD, parent, name) if part)


def _compare_files(
    parent: str, files: dict[str, tuple[int, int]], wanted: dict[str, Link], store: _Store
) -> Iterator[Difference]:
    for name in files.keys() - wanted.keys():
        yield Difference(_payload_path(parent, name), Fault.added)
    for name, link in wanted.items():
        if name not in files:
            yield Difference(_payload_path(parent, name), Fault.missing)
        elif files[name] != store.file(link) and link.path not in store.copied:
            yield Difference(_payload_path(parent, name), Fault.replaced)


def _compare_copies(
    path: Path, files: dict[str, tuple[int, int]], wanted: dict[str, Link], store: _Store
) -> Iterator[Difference]:
    """Copies are compared by their bytes; one that is the stored file itself needs no look."""
    if not store.copied.paths:
        return
    read = [
        (name, link.stored)
        for name, link in wanted.items()
        if name in files and link.path in store.copied and files[name] != store.file(link)
    ]
    with directory(path) as descriptor:
        for name in copies.differing(descriptor, read):
            yield Difference(_payload_path(wanted[name].parent, name), Fault.replaced)


def _compare_documents(here: Path, recorded: Recorded) -> Iterator[Difference]:
    names = {documents.README, documents.SPEC, documents.IMAGES, documents.BAG}
    names |= {documents.BAG_INFO, documents.MANIFEST, documents.TAG_MANIFEST, documents.DICTIONARY, documents.WHO}
    names.add(documents.DICTIONARY_CSV)
    if recorded.plan.spec.headers is Headers.full:
        names.add(documents.HEADERS)
    clinical = recorded.plan.spec.tables.clinical
    if clinical is not None:
        names.add(documents.CLINICAL)
    if copies.record_digest(here) is not None:
        names.add(copies.RECORD)
    files, others = _inodes(here)
    names |= {documents.CHANGES, documents.TOMBSTONES} & files.keys()
    yield from (Difference(name, Fault.added) for name in files.keys() - names)
    yield from (Difference(name, Fault.added) for name in others if name != PAYLOAD)
    missing = names - files.keys()
    yield from (Difference(name, Fault.missing) for name in missing)
    if missing:
        return
    yield from _changed_documents(here, names - {documents.TAG_MANIFEST})
    if _content_digest(here, recorded) != recorded.content_digest:
        yield Difference(documents.MANIFEST, Fault.changed)


def _changed_documents(here: Path, names: set[str]) -> Iterator[Difference]:
    text = (here / documents.TAG_MANIFEST).read_text(encoding="utf-8", errors="replace")
    listed = {line[66:]: line[:64] for line in text.splitlines()}
    for name in names:
        if listed.get(name) != hashlib.sha256((here / name).read_bytes()).hexdigest():
            yield Difference(name, Fault.changed)


def _content_digest(here: Path, recorded: Recorded) -> str:
    data = (here / documents.MANIFEST).read_bytes()
    tables = {}
    if recorded.plan.spec.tables.clinical is not None:
        tables["clinical"] = _table_digest(here / documents.CLINICAL)
    if recorded.plan.spec.headers is Headers.full:
        tables[HEADERS_TABLE] = _table_digest(here / documents.HEADERS)
    if (copied := copies.record_digest(here)) is not None:
        tables[copies.RECORD] = copied
    manifest = "sha256:" + hashlib.sha256(data).hexdigest()
    plan = recorded.plan.plan_digest
    return documents.content_digest(plan, manifest, tables, recorded.version)


def _table_digest(path: Path) -> str:
    try:
        table = pq.read_table(path)
    except pa.ArrowException:  # no Parquet file any more
        return "unreadable"
    names = ",".join(table.column_names)
    return rows_digest([(names,), *(tuple(row.values()) for row in table.to_pylist())])
