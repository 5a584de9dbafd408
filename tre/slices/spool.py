"""What was found in a delivery and what was taken of it so far, in a file beside the store.

Guarantees: memory does not grow with the delivery; files come back in the order of their paths, a patient's images one
after the other, and each image with its sidecar where exactly one of each claims the same place; what was taken comes
back in the order of the index.

Does not guarantee: anything after an interruption: the file is in the staging directory, which the next addition
sweeps.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import Any

from tre.slices.headers import ImageHeader
from tre.slices.index import Instance, Sidecar
from tre.slices.taking import image_place, sidecar_place
from tre.slices.walk import Found, Kind

_APART = "\x01"
"""Between the parts of a path: below every sign that a name may hold, so that texts are in the order of the parts."""

_PATHS, _HEADER, _DAY = 3, 12, 6
"""How many columns come before the header's, how many are the header's, and which of these is the day."""

_BATCH = 500
_TABLES = """
    CREATE TABLE images (place TEXT, parts TEXT, patient TEXT);
    CREATE TABLE sidecars (place TEXT, parts TEXT);
    CREATE TABLE taken (
        place TEXT, parts TEXT, beside TEXT,
        pseudonym TEXT, study_uid TEXT, series_uid TEXT, sop_uid TEXT,
        modality TEXT, body_part TEXT, study_date INTEGER,
        thickness INTEGER,
        manufacturer TEXT, model TEXT, view_position TEXT, burned_in TEXT,
        "partition" TEXT, stem TEXT, sha256 BLOB, size INTEGER, coarse_sha256 BLOB, coarse_size INTEGER,
        sidecar_sha256 BLOB, sidecar_size INTEGER, sidecar_coarse_sha256 BLOB, sidecar_coarse_size INTEGER
    );
    CREATE TABLE late (place TEXT PRIMARY KEY, sha256 BLOB, size INTEGER, coarse_sha256 BLOB, coarse_size INTEGER);
    BEGIN;
"""
_PAIRS = """
    SELECT images.parts, sidecars.parts, images.patient FROM images LEFT JOIN sidecars ON sidecars.place = images.place
    AND (SELECT count(*) FROM images AS other WHERE other.place = images.place) = 1
    AND (SELECT count(*) FROM sidecars AS other WHERE other.place = images.place) = 1
    ORDER BY images.patient, images.parts
"""
_LATE = """
    SELECT sidecars.parts, taken.*
    FROM sidecars LEFT JOIN taken ON taken.place = sidecars.place
    WHERE NOT EXISTS (SELECT 1 FROM taken AS done WHERE done.beside = sidecars.parts) ORDER BY sidecars.parts
"""
_SETTLE = """
    UPDATE taken SET sidecar_sha256 = late.sha256, sidecar_size = late.size,
    sidecar_coarse_sha256 = late.coarse_sha256, sidecar_coarse_size = late.coarse_size
    FROM late WHERE late.place = taken.place
"""
_CLASHES = """
    SELECT taken.rowid, taken.parts, taken.sha256 FROM taken JOIN earlier ON earlier.place = taken.place
    WHERE earlier.sop_uid <> taken.sop_uid ORDER BY taken.parts
"""
_KEEP = "INSERT INTO taken VALUES (?,?,?, ?,?,?,?,?,?,?, ?,?,?,?,?, ?,?,?,?,?,?, ?,?,?,?)"
_KEEP_EARLIER = _KEEP.replace("taken", "earlier", 1)

Row = tuple[Any, ...]

_header = attrgetter(*(field.name for field in fields(ImageHeader)))


def row_of(found: Found, beside: Found | None, one: Instance) -> Row:
    """What is kept of an image that was taken; `beside` is the sidecar that was looked at together with it."""
    parts = None if beside is None else _joined(*beside.parts)
    return _row((_joined(one.directory, one.stem), _joined(*found.parts), parts), one)


def _row(paths: Row, one: Instance) -> Row:
    head = list(_header(one.header))
    if head[_DAY] is not None:
        head[_DAY] = head[_DAY].toordinal()
    files = (one.partition, one.stem, one.sha256, one.size, one.coarse_sha256, one.coarse_size)
    return (*paths, *head, *files, *_sidecar_row(one.sidecar))


def _joined(*parts: str) -> str:
    return _APART.join(parts)


def _sidecar_row(one: Sidecar | None) -> Row:
    return (None,) * 4 if one is None else (one.sha256, one.size, one.coarse_sha256, one.coarse_size)


def _instance(row: Row) -> Instance:
    """The image of a row of the table `taken`."""
    head = list(row[_PATHS : _PATHS + _HEADER])
    if head[_DAY] is not None:
        head[_DAY] = date.fromordinal(head[_DAY])
    *files, sha256, size, coarse_sha256, coarse_size = row[_PATHS + _HEADER :]
    sidecar = None if sha256 is None else Sidecar(sha256, size, coarse_sha256, coarse_size)
    partition, stem, image, image_size, coarse, size_of_coarse = files
    return Instance(ImageHeader(*head), partition, stem, image, image_size, coarse, size_of_coarse, sidecar)


def _found(parts: str, kind: Kind) -> Found:
    return Found(tuple(parts.split(_APART)), kind)


@dataclass(frozen=True)
class Pair:
    """An image, the sidecar that belongs to it and to no other, and whose folder it lies in."""

    image: Found
    sidecar: Found | None
    patient: str


@dataclass(frozen=True)
class Repetition:
    """An image that is left out for another's sake, and why."""

    path: str
    why: str


class Spool:
    """One addition's files. Raises `OSError` when the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None, cached_statements=32)
        self._database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
        self._found: dict[Kind, list[Row]] = {Kind.image: [], Kind.sidecar: []}

    def close(self) -> None:
        """Take the file away."""
        self._database.close()
        self._path.unlink(missing_ok=True)

    def add_found(self, one: Found) -> None:
        """Keep the path of an image or a sidecar."""
        image = one.kind is Kind.image
        place = _joined(*(image_place if image else sidecar_place)(one.parts))
        rows, parts = self._found[one.kind], _joined(*one.parts)
        patient = (one.parts[-4] if place != _APART else "",) if image else ()
        rows.append((place, parts, *patient))
        if len(rows) >= _BATCH:
            self._write_found()

    def _write_found(self) -> None:
        with _disk():
            self._database.executemany("INSERT INTO images VALUES (?, ?, ?)", self._found[Kind.image])
            self._database.executemany("INSERT INTO sidecars VALUES (?, ?)", self._found[Kind.sidecar])
        for rows in self._found.values():
            rows.clear()

    def pairs(self) -> tuple[int, Iterator[Pair]]:
        """How many images there are, and each with its sidecar."""
        self._write_found()
        self._run("CREATE INDEX images_place ON images (place)")
        self._run("CREATE INDEX sidecars_place ON sidecars (place)")
        ((count,),) = self._rows("SELECT count(*) FROM images")
        return count, (
            Pair(_found(image, Kind.image), _found(sidecar, Kind.sidecar) if sidecar else None, patient)
            for image, sidecar, patient in self._rows(_PAIRS)
        )

    def add_taken(self, rows: Iterable[Row]) -> None:
        """Keep images that were taken (`row_of`)."""
        with _disk():
            self._database.executemany(_KEEP, rows)

    def without_repetitions(self) -> Iterator[Repetition]:
        """Leave each image once. The same bytes again are left out; of those with one identifier or place, all are."""
        self._run("CREATE INDEX taken_uid ON taken (sop_uid)")
        for (uid,) in list(self._rows("SELECT sop_uid FROM taken GROUP BY sop_uid HAVING count(*) > 1")):
            same = list(self._rows("SELECT rowid, parts, sha256 FROM taken WHERE sop_uid = ? ORDER BY parts", uid))
            several = len({sha256 for _, _, sha256 in same}) > 1
            yield from self._left_out(same if several else same[1:], "several" if several else "again")
        self._run("DROP INDEX taken_uid")
        self._run("CREATE INDEX taken_place ON taken (place)")
        for (place,) in list(self._rows("SELECT place FROM taken GROUP BY place HAVING count(*) > 1")):
            same = list(self._rows("SELECT rowid, parts, sha256 FROM taken WHERE place = ?", place))
            yield from self._left_out(same, "place")

    def carry_over(self, images: Iterable[Instance]) -> Iterator[Repetition]:
        """Keep images of a release before, but for those that came anew. What came under the place of another image
        of before is left out."""
        self._run("CREATE TABLE earlier AS SELECT * FROM taken WHERE 0")
        with _disk():
            rows = (_row((_joined(one.directory, one.stem), "", None), one) for one in images)
            self._database.executemany(_KEEP_EARLIER, rows)
        self._run("CREATE INDEX earlier_place ON earlier (place)")
        yield from self._left_out(list(self._rows(_CLASHES)), "before")
        self._run("INSERT INTO taken SELECT * FROM earlier WHERE sop_uid NOT IN (SELECT sop_uid FROM taken)")
        self._run("DROP TABLE earlier")

    def _left_out(self, rows: list[Row], why: str) -> Iterator[Repetition]:
        for number, parts, _ in rows:
            self._run("DELETE FROM taken WHERE rowid = ?", number)
            yield Repetition(parts.replace(_APART, "/"), why)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was taken."""
        return not any(True for _ in self._rows("SELECT 1 FROM taken LIMIT 1"))

    def has(self, path: str) -> bool:
        """Whether the image with this path is among those that were taken."""
        parts = path.replace("/", _APART)
        return any(True for _ in self._rows("SELECT 1 FROM taken WHERE parts = ?", parts))

    def alone(self) -> Iterator[tuple[Found, Instance | None]]:
        """The sidecars that were not looked at together with an image, and the image that each belongs to."""
        self._run("CREATE INDEX taken_beside ON taken (beside)")
        for parts, *row in self._rows(_LATE):
            yield _found(parts, Kind.sidecar), None if row[0] is None else _instance(tuple(row))

    def add_sidecars(self, sidecars: Iterable[tuple[Found, Sidecar]]) -> None:
        """Keep sidecars of images that were taken; of several of one image, the last."""
        rows = [(_joined(*sidecar_place(found.parts)), *_sidecar_row(one)) for found, one in sidecars]
        with _disk():
            self._database.executemany("INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?, ?)", rows)

    def instances(self) -> Iterator[Instance]:
        """What was taken, in the order of the index."""
        self._run(_SETTLE)
        for row in self._rows("SELECT * FROM taken ORDER BY place"):
            yield _instance(row)

    def _rows(self, query: str, *values: object) -> Iterator[Row]:
        with _disk():
            yield from self._database.execute(query, values)

    def _run(self, statement: str, *values: object) -> None:
        with _disk():
            self._database.execute(statement, values)


@contextmanager
def _disk() -> Iterator[None]:
    """Let a refusal of the disk be told as one."""
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error
