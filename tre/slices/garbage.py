"""What lies in a dataset and belongs to nothing: stored files that no release names, contents of forgotten plans.

Guarantees: a file counts as left over only if no index of any release of the dataset names it, and it is deleted only
while it has a single name, so that no slice loses anything; only tiers whose names the indexes give are looked at;
without being told to delete, nothing is changed. The caller holds the dataset's lock: files of an addition are named
by no release until it is published.

Does not guarantee: that what is left over is unwanted. It is what additions left that were cut off, or were never
published; adding the same delivery again would use it.

Threat: a store that grows with every interruption, and a clean-up that takes what a slice or a release still needs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Set
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tre.domain.slices.vocabulary import COARSE_TIER, TIERS
from tre.slices.contents import PATIENCE
from tre.slices.files import Ownership, directory, discard, locked, make_private, names_in
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX, DatasetPlaces, patient_directory
from tre.slices.release import connection

_COLUMNS = {
    TIERS[0]: (("sha256", IMAGE_SUFFIX), ("sidecar_sha256", SIDECAR_SUFFIX)),
    COARSE_TIER: (("coarse_sha256", IMAGE_SUFFIX), ("coarse_sidecar_sha256", SIDECAR_SUFFIX)),
}
"""Which columns of an index name the files of a tier."""

_AT_ONCE = 50_000
_TABLES = ("instances", "series", "patients")
_NAMED = """
SELECT DISTINCT p.pseudonym, {columns}
FROM read_parquet($instances) i
JOIN read_parquet($series) s USING (series) JOIN read_parquet($patients) p USING (patient)
"""


@dataclass
class Leftover:
    """What was found: how many files were looked at, how many belong to nothing, and how many of those were deleted."""

    files: int = 0
    unnamed: int = 0
    bytes: int = 0
    held: int = 0
    deleted: int = 0
    plans: int = 0
    plans_deleted: int = 0

    def as_plain(self) -> dict[str, int]:
        """For an event and `--json`."""
        return dict(vars(self))


def index_files(places: DatasetPlaces, release: str) -> list[Path]:
    """The files of an index without which nothing can be said of its store."""
    return [places.release(release) / f"{table}.parquet" for table in _TABLES]


def leftover(places: DatasetPlaces, abandoned: frozenset[str] = frozenset(), *, delete: bool = False) -> Leftover:
    """Look for files that belong to nothing; delete them if told to. What only `abandoned` releases name belongs to
    nothing. Raises `OSError`."""
    found = Leftover()
    for tier, columns in _COLUMNS.items():
        root = places.tier(tier)
        if root.is_dir():
            named = _named(places, abandoned, columns)
            current = next(named, None)
            for pseudonym in _people(root):
                while current is not None and current[0] < pseudonym:
                    current = next(named, None)
                known = current[1] if current is not None and current[0] == pseudonym else set()
                _look(root / patient_directory(pseudonym), known, found, delete=delete)
    return found


def leftover_plans(
    places: DatasetPlaces, forgotten: Set[str], owner: Ownership, found: Leftover, *, delete: bool = False
) -> None:
    """Count the contents of these plans that are kept still; delete them if told to. Raises `OSError`.

    A content that is wanted again is made again by planning.
    """
    kept = [path for digest in sorted(forgotten) if (path := places.plan(digest)).is_dir()]
    found.plans += len(kept)
    if delete and kept:
        with locked(places.plan_lock, owner, PATIENCE):
            make_private(places.trash, owner)
            for path in kept:
                discard(path, places.trash)
                found.plans_deleted += 1


def _people(root: Path) -> list[str]:
    """Whoever has a directory in a tier, in order."""
    with directory(root) as descriptor:
        above = [root / name for name in names_in(descriptor)]
    return sorted(path.name for one in above if one.is_dir() for path in one.iterdir() if path.is_dir())


def _named(
    places: DatasetPlaces, abandoned: frozenset[str], columns: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, set[str]]]:
    """Each patient whom any other release names, in order, with the names of the patient's files."""
    releases = places.root / "releases"
    standing = (path for path in releases.iterdir() if path.is_dir()) if releases.is_dir() else ()
    found = sorted(path for path in standing if path.name not in abandoned)
    parts, bound = [], {}
    for number, release in enumerate(found):
        part = _NAMED.format(columns=", ".join(f"i.{name}" for name, _ in columns))
        for table in _TABLES:
            part = part.replace(f"${table})", f"${table}{number})")
            bound[f"{table}{number}"] = str(release / f"{table}.parquet")
        parts.append(part)
    if not parts:
        return
    with closing(connection()) as connected:
        rows = connected.execute(" UNION ALL ".join(parts) + " ORDER BY 1", bound)
        for pseudonym, of_one in groupby(_fetched(rows), key=lambda row: str(row[0])):
            yield (
                pseudonym,
                {
                    content.hex() + suffix
                    for row in of_one
                    for content, (_, suffix) in zip(row[1:], columns, strict=True)
                    if content is not None
                },
            )


def _fetched(rows: Any) -> Iterator[tuple[Any, ...]]:
    while batch := rows.fetchmany(_AT_ONCE):
        yield from batch


def _look(path: Path, known: set[str], found: Leftover, *, delete: bool) -> None:
    with directory(path) as descriptor:
        for name in names_in(descriptor):
            what = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            found.files += 1
            if name in known or not stat.S_ISREG(what.st_mode):
                continue
            found.unnamed += 1
            found.bytes += what.st_size
            if what.st_nlink > 1:
                found.held += 1
            elif delete:
                os.unlink(name, dir_fd=descriptor)
                found.deleted += 1
