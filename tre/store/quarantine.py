"""Files that wait for a person, in the record, by intent.

Guarantees: a file that is found again with the reasons that were decided about keeps its decision; with others it
waits again. A decision changes files that wait and no others, all that are named or none; nobody's file is let in who
opted out, and what is searched and counted holds nobody who did.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, cast, delete, exists, func, insert, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.quarantine import Decision, QuarantinedFile, QuarantineState, check_seen, decide
from tre.store.database import Change
from tre.store.datasets import deny_set
from tre.store.tables.data import quarantine, withdrawals

_AT_ONCE = 500
_PRESENT = ~exists().where(
    withdrawals.c.dataset == quarantine.c.dataset, withdrawals.c.pseudonym == quarantine.c.pseudonym
)
"""Of somebody who did not opt out."""


@dataclass(frozen=True)
class QuarantineSearch:
    """Which files of a dataset: of a state, whose first reason is this rule, at this attribute, found by then."""

    dataset: str
    state: QuarantineState | None = None
    rule: str = ""
    attribute: str = ""
    until: datetime | None = None

    def chosen(self) -> ColumnElement[bool]:
        """The condition that rows fulfil."""
        conditions = [quarantine.c.dataset == self.dataset, _PRESENT]
        if self.state is not None:
            conditions.append(quarantine.c.state == self.state.value)
        if self.rule:
            conditions.append(quarantine.c.rule == self.rule)
        if self.attribute:
            conditions.append(quarantine.c.attribute == self.attribute)
        if self.until is not None:
            conditions.append(quarantine.c.found_at <= self.until)
        return and_(*conditions)


@dataclass(frozen=True)
class WaitingGroup:
    """Files of a dataset that wait for the same first reason."""

    dataset: str
    rule: str
    attribute: str
    files: int
    oldest: datetime


@dataclass(frozen=True)
class Chosen:
    """How many files a search finds, when the newest of them was found, and what else they wait for."""

    files: int
    newest: datetime | None
    reasons: dict[tuple[str, str], int]
    """Files by rule and attribute; one that waits for several is counted at each."""


def files_of(
    connection: Connection, search: QuarantineSearch, first: int = 0, most: int | None = None
) -> list[QuarantinedFile]:
    """Files of a dataset, by rule and attribute; a page of them."""
    query = select(quarantine).where(search.chosen())
    query = query.order_by(quarantine.c.rule, quarantine.c.attribute, quarantine.c.path, quarantine.c.sha256)
    return [_file(row) for row in connection.execute(query.offset(first).limit(most))]


def waiting_groups(connection: Connection, dataset: str = "") -> list[WaitingGroup]:
    """What waits, in one dataset or in all, by dataset, rule and attribute; the oldest first."""
    keys = (quarantine.c.dataset, quarantine.c.rule, quarantine.c.attribute)
    query = select(*keys, func.count(), func.min(quarantine.c.found_at).label("oldest"))
    query = query.where(quarantine.c.state == QuarantineState.waiting.value, _PRESENT)
    if dataset:
        query = query.where(quarantine.c.dataset == dataset)
    return [WaitingGroup(*row) for row in connection.execute(query.group_by(*keys).order_by("oldest", *keys))]


def choice(connection: Connection, search: QuarantineSearch) -> Chosen:
    """All that a search finds, in a few figures: what somebody sees who decides about the whole of it."""
    listed = cast(quarantine.c.reasons, Text)
    query = select(listed, func.count(), func.max(quarantine.c.found_at)).where(search.chosen()).group_by(listed)
    files, newest, reasons = 0, None, Counter[tuple[str, str]]()
    for text, count, latest in connection.execute(query):
        files += count
        newest = latest if newest is None else max(newest, latest)
        for found in {(one["rule"], one["attribute"]) for one in json.loads(text)}:
            reasons[found] += count
    return Chosen(files, newest, dict(reasons))


def counts_of(connection: Connection, dataset: str) -> dict[tuple[str, str, str], int]:
    """How many files there are, by state, rule and attribute."""
    keys = (quarantine.c.state, quarantine.c.rule, quarantine.c.attribute)
    query = select(*keys, func.count()).where(quarantine.c.dataset == dataset, _PRESENT).group_by(*keys).order_by(*keys)
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(query)}


def decided(connection: Connection, dataset: str) -> dict[str, QuarantinedFile]:
    """Every file that somebody decided about, by the digest of its content."""
    query = select(quarantine).where(
        quarantine.c.dataset == dataset, quarantine.c.state != QuarantineState.waiting.value
    )
    return {one.sha256: one for one in map(_file, connection.execute(query))}


def keep(change: Change, files: Iterable[QuarantinedFile]) -> int:
    """Put files into the record that were found; return how many wait now that did not."""
    found = {one.sha256: one for one in files}
    if not found:
        return 0
    dataset = next(iter(found.values())).dataset
    known = _named(change.connection, dataset, list(found))
    new = [_values(one) for digest, one in found.items() if digest not in known]
    for start in range(0, len(new), _AT_ONCE):
        change.connection.execute(insert(quarantine), new[start : start + _AT_ONCE])
    again = [one for digest, one in found.items() if digest in known and not one.keys <= known[digest].keys]
    for one in again:
        _write(change, one)
    return len(new) + len(again)


def decide_all(
    change: Change, dataset: str, digests: Sequence[str], decision: Decision, marks: Mapping[str, str] | None = None
) -> list[QuarantinedFile]:
    """Decide about these files; `marks` say what was seen of each, where that was asked.

    Raises `TREError(ObjectNotFound | DataWithdrawn)`, and as `decide` and `check_seen` of `tre.domain.quarantine`.
    """
    known = _named(change.connection, dataset, digests)
    if missing := [digest for digest in digests if digest not in known]:
        raise TREError(
            Reason.ObjectNotFound,
            f"No file {missing[0][:12]} of {dataset!r} waits in quarantine.",
            why="The record knows none of that digest.",
            remedy="See `tre dataset quarantine`.",
        )
    if decision.state is QuarantineState.released:
        _check_none_withdrawn(change.connection, dataset, known.values())
    done = [decide(known[digest], decision) for digest in digests]
    for digest, mark in (marks or {}).items():
        check_seen(known[digest], mark)
    for start in range(0, len(done), _AT_ONCE):
        _write_decision(change, done[start : start + _AT_ONCE])
    return done


def _check_none_withdrawn(connection: Connection, dataset: str, files: Iterable[QuarantinedFile]) -> None:
    """Raise `TREError(DataWithdrawn)` where somebody opted out whose file would be let in."""
    denied = deny_set(connection, dataset).pseudonyms
    if gone := sum(one.pseudonym in denied for one in files):
        raise TREError(
            Reason.DataWithdrawn,
            f"{gone} of these files are of people who opted out.",
            why="Nobody can let in what a person has withdrawn.",
            remedy="Reject them, or decide about the others without them.",
        )


def count_of_people(connection: Connection, dataset: str, people: Set[str]) -> int:
    """How many files of these people are on record, decided or not."""
    return sum(
        connection.execute(select(func.count()).select_from(quarantine).where(*found)).scalar_one()
        for found in _of_people(dataset, people)
    )


def forget(change: Change, dataset: str, people: Set[str]) -> int:
    """Remove every file of these people from the record: a row names its person. How many there were."""
    return sum(
        change.connection.execute(delete(quarantine).where(*found)).rowcount for found in _of_people(dataset, people)
    )


def people_in(connection: Connection, dataset: str) -> frozenset[str]:
    """Everybody of whom a file waits or was decided about."""
    query = select(quarantine.c.pseudonym).where(quarantine.c.dataset == dataset).distinct()
    return frozenset(connection.execute(query).scalars())


def waiting_of(connection: Connection, dataset: str, people: Set[str]) -> list[str]:
    """The files of these people that wait for a decision, by the digest of their content."""
    waiting = quarantine.c.state == QuarantineState.waiting.value
    return [
        digest
        for found in _of_people(dataset, people)
        for digest in connection.execute(select(quarantine.c.sha256).where(*found, waiting)).scalars()
    ]


def _of_people(dataset: str, people: Set[str]) -> Iterator[tuple[ColumnElement[bool], ...]]:
    names = sorted(people)
    for start in range(0, len(names), _AT_ONCE):
        yield quarantine.c.dataset == dataset, quarantine.c.pseudonym.in_(names[start : start + _AT_ONCE])


def _write_decision(change: Change, done: Sequence[QuarantinedFile]) -> None:
    """Keep one decision about several files of one dataset."""
    columns = ("state", "decided_by_issuer", "decided_by_id", "decided_at", "reason")
    values = _values(done[0])
    change.connection.execute(
        update(quarantine)
        .where(quarantine.c.dataset == done[0].dataset, quarantine.c.sha256.in_([one.sha256 for one in done]))
        .values({name: values[name] for name in columns})
    )


def _named(connection: Connection, dataset: str, digests: Sequence[str]) -> dict[str, QuarantinedFile]:
    found: dict[str, QuarantinedFile] = {}
    for start in range(0, len(digests), _AT_ONCE):
        query = select(quarantine).where(
            quarantine.c.dataset == dataset, quarantine.c.sha256.in_(digests[start : start + _AT_ONCE])
        )
        found |= {one.sha256: one for one in map(_file, connection.execute(query))}
    return found


def _write(change: Change, one: QuarantinedFile) -> None:
    change.connection.execute(
        update(quarantine)
        .where(quarantine.c.dataset == one.dataset, quarantine.c.sha256 == one.sha256)
        .values(**_values(one))
    )


def _values(one: QuarantinedFile) -> dict[str, Any]:
    by = one.decided_by
    return one.model_dump(exclude={"decided_by", "reasons", "state"}) | {
        "reasons": [reason.as_plain() for reason in one.reasons],
        "state": one.state.value,
        "rule": one.reasons[0].rule,
        "attribute": one.reasons[0].attribute,
        "decided_by_issuer": by and by.issuer,
        "decided_by_id": by and by.id,
    }


def _file(row: Row[Any]) -> QuarantinedFile:
    values = dict(row._mapping)
    issuer, who = values.pop("decided_by_issuer"), values.pop("decided_by_id")
    del values["rule"], values["attribute"]
    return QuarantinedFile.model_validate(values | {"decided_by": issuer and {"issuer": issuer, "id": who}})
