"""Taking people out of what a dataset keeps beside its store: contents of plans, and lists of patients.

Guarantees: afterwards no kept content and no kept list names the person, their files or their images; what a committee
signed can still be compared (`tre.slices.redacted`), and a sample that is drawn from a list draws the same people as
before, so nobody moves up into the place of somebody who was erased. A content changes in one step; an interruption
leaves the old or the new; one that cannot be read any more is removed. Doing it twice is doing it once.

Does not guarantee: anything about the published indexes: a sample is drawn from them and signed digests speak of them.
The caller holds the lock of the slices, so nothing is built from a content meanwhile; a slice that stands is never
built of one that changes here, since people leave the slices first.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tre.domain.errors import TREError
from tre.domain.slices.merkle import directory_leaf, name_leaf
from tre.slices.cohorts import redacted_list
from tre.slices.contents import FILES, PATIENCE, PLAN, ROWS, directories
from tre.slices.files import Ownership, discard, exchange, locked, make_private, sync_filesystem
from tre.slices.places import DatasetPlaces
from tre.slices.redacted import Gone, Redacted, mark, read_redacted
from tre.slices.withdraw import holdings
from tre.system.files import write_atomically

_BATCH = 65_536


def erase_from_plans(places: DatasetPlaces, people: Set[str], owner: Ownership) -> int:
    """Take these people out of every kept content; how many contents changed. Raises `OSError`."""
    with locked(places.plan_lock, owner, PATIENCE):
        make_private(places.trash, owner)
        discard(places.plan_staging, places.trash)  # an interruption left it: perhaps with them in it
        return sum(_erase(places, path, people, owner) for path in _kept(places.plans))


def _kept(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _erase(places: DatasetPlaces, here: Path, people: Set[str], owner: Ownership) -> bool:
    """Redact one content; one that nobody can read proves nothing any more, and may name anybody: it goes whole."""
    try:
        return _redact(places, here, people, owner)
    except (TREError, OSError, pa.ArrowException, KeyError) as error:
        if not _spoilt(error.__cause__ if isinstance(error, TREError) else error):
            raise
        discard(here, places.trash)
        return True


def _spoilt(error: BaseException | None) -> bool:
    """Whether a file is at fault, missing or no Parquet (which may come without a number), and not the disk."""
    return not isinstance(error, OSError) or error.errno in {None, errno.ENOENT}


def _redact(places: DatasetPlaces, here: Path, people: Set[str], owner: Ownership) -> bool:
    rows = pq.read_table(here / ROWS)
    if not holdings(here, people, ["pseudonym"]).num_rows and not _named(rows, people).num_rows:
        return False
    staged = make_private(places.plan_staging, owner)
    _gone(here, rows, people).write(staged)
    with pq.ParquetFile(here / FILES) as file, pq.ParquetWriter(
        staged / FILES, file.schema_arrow, compression="zstd"
    ) as writer:  # fmt: skip
        for batch in file.iter_batches(_BATCH):
            writer.write_batch(_others(batch, people))
    pq.write_table(_others(rows, people), staged / ROWS)
    shutil.copyfile(here / PLAN, staged / PLAN)
    for path in staged.iterdir():
        owner.give(path)
    sync_filesystem(staged)
    exchange(staged, here)
    discard(staged, places.trash)
    return True


def _named(rows: pa.Table, people: Set[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows.column("pseudonym"), value_set=pa.array(sorted(people), pa.string())))


def _others(rows: pa.Table | pa.RecordBatch, people: Set[str]) -> pa.Table | pa.RecordBatch:
    named = pc.is_in(rows.column("pseudonym"), value_set=pa.array(sorted(people), pa.string()))
    return rows.filter(pc.invert(named))


def _gone(here: Path, rows: pa.Table, people: Set[str]) -> Redacted:
    """What is to stand in these people's places, and what stands in those of others already."""
    digest, before = f"sha256:{here.name}", read_redacted(here)
    found = [
        (parent.split("/", 2)[1], directory_leaf(parent, root)) for parent, root in sorted(directories(here / FILES))
    ]
    names = [(name, name_leaf(name)) for name in sorted(rows.column("pseudonym").to_pylist())]
    return Redacted(
        dict(before.files) | dict(_placed(found, before.files, people, digest)),
        dict(before.rows) | dict(_placed(names, before.rows, people, digest)),
    )


def _placed(
    leaves: Sequence[tuple[str, bytes]], before: Mapping[int, Gone], people: Set[str], digest: str
) -> Iterator[tuple[int, Gone]]:
    """These people's leaves, by their place in the whole list."""
    free = (place for place in range(len(leaves) + len(before)) if place not in before)
    for place, (name, leaf) in zip(free, leaves, strict=True):
        if name in people:
            yield place, Gone(leaf, mark(digest, name))


def erase_from_lists(places: DatasetPlaces, people: Set[str], owner: Ownership) -> int:
    """Put marks in place of these people into every kept list; how many lists changed. Raises `OSError`."""
    changed = 0
    for path in _kept(places.lists):
        before = path.read_bytes()
        after = redacted_list(before, f"sha256:{path.stem}", people)
        if after != before:
            write_atomically(path, after, mode=0o600)
            owner.give(path)
            changed += 1
    return changed
