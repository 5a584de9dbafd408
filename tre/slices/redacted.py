"""Marks and leaves in the place of people who were erased from what is kept of plans and lists.

Guarantees: what stands in a person's place is a hash that nobody else has: a mark over the digest of the plan or list
and the pseudonym, by which somebody who is in the deny set is recognised again, and the hashes of the leaves of the
person's files, so that what was signed can still be compared with its digest. Paths, identifiers and contents do not
follow from them.

Does not guarantee: secrecy of a mark from somebody who holds the pseudonym: it says that this person was there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

REDACTED = "redacted.parquet"
"""Beside a plan's content from which somebody was erased."""

FILES_PART, ROWS_PART = "files", "rows"
_SCHEMA = pa.schema(
    [("part", pa.string()), ("place", pa.int64()), ("leaf", pa.binary(32)), ("mark", pa.binary(32))]
)  # fmt: skip


@dataclass(frozen=True)
class Gone:
    """What stood at one place of one list: the hash of its leaf, and the mark of its person."""

    leaf: bytes
    mark: bytes


@dataclass(frozen=True)
class Redacted:
    """Everything that was erased from one plan's content, by place: directories of files, and rows."""

    files: Mapping[int, Gone] = field(default_factory=dict)
    rows: Mapping[int, Gone] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything was erased."""
        return bool(self.files or self.rows)

    def write(self, directory: Path) -> None:
        """Write it beside the content that is left."""
        rows = [
            {"part": part, "place": place, "leaf": one.leaf, "mark": one.mark}
            for part, found in ((FILES_PART, self.files), (ROWS_PART, self.rows))
            for place, one in sorted(found.items())
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), directory / REDACTED)


def mark(digest: str, pseudonym: str) -> bytes:
    """What stands for a person in a plan or list of this digest."""
    return hashlib.sha256(f"{digest} {pseudonym}".encode()).digest()


def strangers(gone: Iterable[Gone], digest: str, denied: Set[str]) -> int:
    """How many of these belong to nobody in the deny set."""
    known = {mark(digest, name) for name in denied}
    return sum(one.mark not in known for one in gone)


def read_redacted(directory: Path) -> Redacted:
    """What was erased from a plan's content; of most plans, nothing. Raises `pa.ArrowException` for another file."""
    path = directory / REDACTED
    if not path.is_file():
        return Redacted()
    found: dict[str, dict[int, Gone]] = {FILES_PART: {}, ROWS_PART: {}}
    for row in pq.read_table(path, schema=_SCHEMA).to_pylist():
        found[row["part"]][row["place"]] = Gone(row["leaf"], row["mark"])
    return Redacted(found[FILES_PART], found[ROWS_PART])
