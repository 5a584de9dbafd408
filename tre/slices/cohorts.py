"""Lists of patients from cohort tools, and the draw of a sample.

Guarantees: a list is kept under the digest of what it says (sorted pseudonyms, a line each), read back only if it
still says so, and never changes; the same list in another order or with repetitions is the same list. A sample is
drawn by HMAC-SHA256 of seed and pseudonym with a key of the dataset's own, so that nobody without the key can tell
who is in it, and nobody who knows one dataset's draw knows another's. Where somebody is erased from a kept list, a mark
stands in the place of the name: the list keeps its digest and its sample, and names nobody whom it should not.

Does not guarantee: that a list was made for a good reason: the committee sees how many it names, and the digest.

Threat: a file that holds something else when the slice is built than when the committee saw its plan; a member of a
project who computes from pseudonyms who else was drawn.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import duckdb
import pyarrow as pa

from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import PatientList, SliceSpec
from tre.domain.withdrawals import PSEUDONYM_PATTERN
from tre.slices.files import Ownership, make_private
from tre.slices.places import DatasetPlaces
from tre.slices.redacted import mark
from tre.system.files import write_atomically

COLUMNS = ("pseudonym", "patient_id", "patientid")
"""How the column of pseudonyms may be called, in any case."""

MAX_LIST_BYTES = 256 * 2**20
"""Ten million pseudonyms; what is larger is no list of patients."""

TICKETS = 2**63
"""Draws lie between 0 and this, evenly."""

_SHOWN = 5
_MARK = "#"
_PSEUDONYM = re.compile(PSEUDONYM_PATTERN)
_DOMAIN = b"tre slice sample v1\x00"


@dataclass(frozen=True)
class Cohort:
    """What a plan needs besides the release: the key of samples, and the people on the list."""

    key: bytes = b""
    listed: frozenset[str] | None = None


def sampling_key(secret: bytes, dataset: str) -> bytes:
    """The key of one dataset's samples, from the installation's secret."""
    return hmac.digest(secret, _DOMAIN + dataset.encode(), "sha256")


def read_list(path: Path) -> frozenset[str]:
    """The pseudonyms of a CSV file with a heading. Raises `TREError(BadInput)` naming lines, never their content."""
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise _bad(path, "it is larger than any list of patients")
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(path, file)
    except OSError as error:
        raise _bad(path, f"it cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, "it is no CSV file in UTF-8") from error


def _read(path: Path, file: TextIO) -> frozenset[str]:
    rows = csv.reader(file, strict=True)
    heading = [name.strip().lower() for name in next(rows, [])]
    found = [number for number, name in enumerate(heading) if name in COLUMNS]
    if len(found) != 1:
        raise _bad(path, f"its first line names no column {' or '.join(COLUMNS)}, or more than one")
    people, wrong = set(), []
    for row in rows:
        if not any(row):
            continue
        value = row[found[0]].strip() if len(row) > found[0] else ""
        if _PSEUDONYM.fullmatch(value):
            people.add(value)
        else:
            wrong.append(rows.line_num)
    if wrong:
        lines = ", ".join(map(str, wrong[:_SHOWN])) + (", …" if len(wrong) > _SHOWN else "")
        raise _bad(path, f"no pseudonym stands in {len(wrong)} of its lines ({lines})")
    if not people:
        raise _bad(path, "it lists nobody")
    return frozenset(people)


def _bad(path: Path, why: str) -> TREError:
    return TREError(
        Reason.BadInput,
        f"patients.list: {path} is no list of patients.",
        why=why[0].upper() + why[1:] + ".",
        remedy="A list is a CSV file whose first line names a column `pseudonym`, with one in each line below.",
    )


def _text(people: frozenset[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(people)).encode()


def list_digest(people: frozenset[str]) -> str:
    """The digest that stands for a list."""
    return "sha256:" + hashlib.sha256(_text(people)).hexdigest()


def redacted_list(text: bytes, digest: str, people: Set[str]) -> bytes:
    """A kept list with marks in place of these people."""
    lines = text.decode("ascii").splitlines()
    marked = [f"{_MARK}{mark(digest, line).hex()}" if line in people else line for line in lines]
    return "".join(f"{line}\n" for line in marked).encode()


def settled(
    spec: SliceSpec, base: Path, places: DatasetPlaces, owner: Ownership, erased: Set[str] = frozenset()
) -> SliceSpec:
    """The specification with its list named by digest only; a list that it names by file is read and kept.

    `base` is the directory that a relative path begins at; the kept list does not name who was `erased`. Raises
    `TREError(BadInput)`, also where the file is not the list whose digest stands beside it.
    """
    wanted = spec.patients.list if spec.patients else None
    if spec.patients is None or wanted is None or wanted.file is None:
        return spec
    path = base / wanted.file
    people = read_list(path)
    digest = list_digest(people)
    if wanted.digest not in {None, digest}:
        raise _bad(path, "it is another list than the one whose digest stands beside it")
    target = places.patient_list(digest)
    if not target.is_file():
        make_private(places.root, owner)
        make_private(target.parent, owner)
        write_atomically(target, redacted_list(_text(people), digest, erased), mode=0o600)
        owner.give(target)
    named = spec.patients.model_copy(update={"list": PatientList(digest=digest)})
    return spec.model_copy(update={"patients": named})


def kept_list(wanted: PatientList, places: DatasetPlaces, denied: Set[str] = frozenset()) -> frozenset[str]:
    """The people on a list that was kept, those among the `denied` included of whom it has a mark only.

    Raises `TREError(BadInput)` or `TREError(ContentChanged)`.
    """
    if wanted.digest is None:
        raise TREError(
            Reason.BadInput,
            "patients.list: a list is named by its digest here.",
            why="What is signed must not depend on what a file holds later.",
            remedy="Plan with `tre slice plan SPEC`, and write the digest that it shows into the grant.",
        )
    path = places.patient_list(wanted.digest)
    if not path.is_file():
        raise TREError(
            Reason.BadInput,
            f"patients.list: the list {wanted.digest} is not kept here.",
            why="Lists are kept when a slice is planned with their file.",
            remedy="Plan with the file once: `patients: {list: {file: NAME.csv}}`, `tre slice plan SPEC`.",
        )
    people = _unmarked(path.read_bytes().decode("ascii", "replace").splitlines(), wanted.digest, denied)
    if list_digest(people) != wanted.digest:
        raise TREError(
            Reason.ContentChanged,
            "A kept list of patients is not what its digest says.",
            why=f"{path} was changed.",
            remedy="Delete it and plan with the file again; find out who changed it.",
        )
    return people


def _unmarked(lines: list[str], digest: str, denied: Set[str]) -> frozenset[str]:
    named = {line for line in lines if not line.startswith(_MARK)}
    if len(named) == len(lines):
        return frozenset(named)
    marked = {line for line in lines if line.startswith(_MARK)}
    return frozenset(named | {name for name in denied if f"{_MARK}{mark(digest, name).hex()}" in marked})


def draw(connection: duckdb.DuckDBPyConnection, key: bytes, seed: str) -> pa.Table:
    """A ticket for every patient of an open release: numbers spread evenly below `TICKETS`.

    Raises `TREError(SetupIncomplete)` without the key.
    """
    if not key:
        raise TREError(
            Reason.SetupIncomplete,
            "A sample cannot be drawn here.",
            why="The dataset's secret is not at hand, and a draw without it could be foretold.",
            remedy="Run `tre init`; on a cluster, see that the storekeeper has the secret dataset-salt.key.",
        )
    rows = connection.execute("SELECT patient, pseudonym FROM patients").fetchall()
    begun = hmac.new(key, f"{len(seed)}:{seed}:".encode(), "sha256")
    tickets = []
    for _, name in rows:
        one = begun.copy()
        one.update(name.encode())
        tickets.append(int.from_bytes(one.digest()[:8], "big") >> 1)
    columns = [pa.array([number for number, _ in rows], pa.int32()), pa.array(tickets, pa.int64())]
    return pa.table(columns, names=["patient", "ticket"])
