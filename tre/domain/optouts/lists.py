"""Reading the custodian's list, and whom it withdraws.

Guarantees: a list names pseudonyms and, if it likes, levels; no other column is read or kept, so a reason that stands
in the file goes no further. A line that cannot be understood refuses the whole list, naming the line and never what
stands in it: half a list applied is worse than none. A withdraw list concerns who is on it, a keep list everybody who
is not; a keep list that names nobody of the dataset is refused, since it would withdraw everybody.

Does not guarantee: that a list is the right way round. The typed count and the second person see to that
(`tre.domain.optouts.batches`).

Sources: the national data opt-out service answers with the numbers that may stay, custodians of research archives
send those that must go; both occur.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from tre.domain.errors import Reason, TREError
from tre.domain.withdrawals import PSEUDONYM_PATTERN, WithdrawalLevel

MOST_BYTES = 64 << 20
"""A list of two million pseudonyms is half as long."""

_PSEUDONYM = re.compile(PSEUDONYM_PATTERN)
_TITLES = ("pseudonym", "patient_id", "patientid", "patient")
_LEVEL = "level"


class ListKind(StrEnum):
    """Which way round a list is meant."""

    withdraw = "withdraw"
    keep = "keep"


@dataclass(frozen=True)
class ReadList:
    """A list as it was understood: level by pseudonym, digest of the bytes, and how much was not read."""

    people: Mapping[str, WithdrawalLevel]
    digest: str
    repeated: int = 0
    columns_not_read: int = 0


def read_list(data: bytes, kind: ListKind, level: WithdrawalLevel) -> ReadList:
    """A list in CSV: a column `pseudonym` (or the only column), optionally `level`; a title line is optional.

    Who has no level of their own gets `level`. Raises `TREError(BadInput)`.
    """
    rows = _rows(data)
    place, levels, others, begins = _columns(rows)
    if kind is ListKind.keep and levels is not None:
        raise _unfit("A keep list has no levels.", "Who is on it stays; everybody else is withdrawn at one level.")
    people: dict[str, WithdrawalLevel] = {}
    repeated = 0
    for number, row in enumerate(rows[begins:], start=begins + 1):
        if not any(cell.strip() for cell in row):
            continue
        pseudonym = _pseudonym(row, place, number)
        found = level if levels is None else _level(row, levels, number, level)
        repeated += pseudonym in people
        people[pseudonym] = deepest(people.get(pseudonym, found), found)
    if not people:
        raise _unfit("The list names nobody.", "There is no line with a pseudonym in it.")
    return ReadList(people, "sha256:" + hashlib.sha256(data).hexdigest(), repeated, others)


def deepest(one: WithdrawalLevel, other: WithdrawalLevel) -> WithdrawalLevel:
    """The one of two levels that goes further."""
    order = list(WithdrawalLevel)
    return max(one, other, key=order.index)


def _rows(data: bytes) -> list[list[str]]:
    if len(data) > MOST_BYTES:
        raise _unfit("The list is too long.", f"At most {MOST_BYTES >> 20} MiB are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unfit("The list is no text.", "It must be CSV in UTF-8.") from error
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise _unfit("The list is no CSV.", "A quote is not closed, or a line is too long.") from error


def _columns(rows: list[list[str]]) -> tuple[int, int | None, int, int]:
    """Where the pseudonym stands, where the level, how many columns are not read, and where the people begin."""
    titles = [cell.strip().casefold().replace(" ", "_") for cell in rows[0]] if rows else []
    named = [number for number, title in enumerate(titles) if title in _TITLES]
    if not named:
        if any(len(row) > 1 for row in rows):
            raise _unfit("It is not said which column holds the pseudonyms.", "Call it `pseudonym` in the first line.")
        return 0, None, 0, 0
    if len(named) > 1 or titles.count(_LEVEL) > 1:
        raise _unfit("Two columns have the same meaning.", "One column `pseudonym`, at most one column `level`.")
    level = titles.index(_LEVEL) if _LEVEL in titles else None
    return named[0], level, len(titles) - 1 - (level is not None), 1


def _pseudonym(row: list[str], place: int, number: int) -> str:
    found = row[place].strip() if place < len(row) else ""
    if _PSEUDONYM.fullmatch(found) is None:
        raise _unfit(f"Line {number} holds no pseudonym.", "Letters, digits, `.`, `_` and `-`, at most 64 of them.")
    return found


def _level(row: list[str], place: int, number: int, otherwise: WithdrawalLevel) -> WithdrawalLevel:
    word = row[place].strip() if place < len(row) else ""
    if not word:
        return otherwise
    try:
        return WithdrawalLevel(word)
    except ValueError as error:
        raise _unfit(f"Line {number} has no known level.", f"The levels are {', '.join(WithdrawalLevel)}.") from error


def _unfit(what: str, why: str) -> TREError:
    return TREError(Reason.BadInput, what, why=why, remedy="Correct the list; nothing was changed.")


@dataclass(frozen=True)
class Selection:
    """Whom a list withdraws that was not withdrawn as far before, and how much of it has no effect."""

    people: Mapping[str, WithdrawalLevel]
    patients: int
    listed: int
    unknown: int
    already: int


def select(
    kind: ListKind,
    listed: Mapping[str, WithdrawalLevel],
    level: WithdrawalLevel,
    known: Set[str],
    denied: Mapping[str, WithdrawalLevel],
) -> Selection:
    """Compare a list with everybody whom the dataset knows, and with who is withdrawn already (and how far).

    On a withdraw list, people whom the dataset does not know are withdrawn too: they are kept out of later deliveries.
    Raises `TREError(BadInput)` for a keep list that fits nobody.
    """
    unknown = len(listed.keys() - known)
    if kind is ListKind.keep:
        if unknown == len(listed):
            raise _unfit(
                "The list keeps nobody whom the dataset knows.",
                "Everybody would be withdrawn: it is of another dataset.",
            )
        asked: Mapping[str, WithdrawalLevel] = dict.fromkeys(sorted(known - listed.keys()), level)
    else:
        asked = listed
    people = {
        name: wanted
        for name, wanted in asked.items()
        if name not in denied or deepest(denied[name], wanted) is not denied[name]
    }
    return Selection(people, len(known), len(listed), unknown, len(asked) - len(people))
