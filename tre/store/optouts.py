"""Lists of opt-outs in the record, by intent.

Guarantees: a batch moves along its table only; people enter the deny set in the same transaction in which their batch
becomes `Denied`; what the custodian listed is removed as soon as it was applied or taken back, and whom it withdrew
stays, without a reason, because there is no column for one.

Does not guarantee: that files follow the record: that is the storekeeper's work, step by step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.optouts.batches import Batch, Counted
from tre.domain.optouts.lists import deepest
from tre.domain.optouts.states import AT_WORK, BATCH_TRANSITIONS, WAITING, BatchState
from tre.domain.people import Subject
from tre.domain.withdrawals import DenySet, Withdrawal, WithdrawalLevel
from tre.store import datasets
from tre.store.database import Change
from tre.store.tables.data import withdrawals
from tre.store.tables.optouts import withdrawal_batches as batches
from tre.store.tables.optouts import withdrawal_people as people

PROGRAM, COUNT = "storekeeper", "withdrawal.count"
"""The job by which the desk has a list compared with a dataset."""


class Part(StrEnum):
    """Which people of a batch."""

    listed = "listed"
    withdrawn = "withdrawn"


Levels = Mapping[str, WithdrawalLevel]


def propose(change: Change, batch: Batch, listed: Levels) -> None:
    """Put a list into the record, to be counted."""
    datasets.require(change.connection, batch.dataset)
    values = batch.model_dump(exclude={"counted", "proposed_by", "confirmed_by", "second_by"})
    who = {"proposed_issuer": batch.proposed_by.issuer, "proposed_id": batch.proposed_by.id}
    change.connection.execute(insert(batches).values(**values, **who, counted=None, people=0, report={}))
    _add(change, batch.id, Part.listed, listed)


def _add(change: Change, batch: str, part: Part, levels: Levels) -> None:
    if levels:
        rows = [{"batch": batch, "part": part, "pseudonym": one, "level": level} for one, level in levels.items()]
        change.connection.execute(insert(people), rows)


def _remove(change: Change, batch: str, part: Part) -> None:
    change.connection.execute(delete(people).where(people.c.batch == batch, people.c.part == part))


def get(connection: Connection, batch: str) -> Batch | None:
    """One batch."""
    row = connection.execute(select(batches).where(batches.c.id == batch)).one_or_none()
    return None if row is None else _batch(row)


def require(connection: Connection, batch: str) -> Batch:
    """One batch; raises `TREError(ObjectNotFound)`."""
    if (found := get(connection, batch)) is None:
        raise TREError(
            Reason.ObjectNotFound,
            f"There is no list of opt-outs {batch!r}.",
            why="The record knows none of that name.",
            remedy="See `tre withdraw`.",
        )
    return found


def of_dataset(connection: Connection, dataset: str) -> list[Batch]:
    """Every batch of a dataset, newest first."""
    rows = connection.execute(
        select(batches).where(batches.c.dataset == dataset).order_by(batches.c.proposed_at.desc(), batches.c.id)
    )
    return [_batch(row) for row in rows]


def everything(connection: Connection) -> list[Batch]:
    """Every batch, newest first."""
    return [_batch(row) for row in connection.execute(select(batches).order_by(batches.c.proposed_at.desc()))]


def at_work(connection: Connection, states: Iterable[BatchState] = AT_WORK) -> list[Batch]:
    """Batches in these states, oldest first."""
    query = select(batches).where(batches.c.state.in_(sorted(states))).order_by(batches.c.changed_at, batches.c.id)
    return [_batch(row) for row in connection.execute(query)]


def report_of(connection: Connection, batch: str) -> dict[str, Any]:
    """What the steps so far did."""
    found = connection.execute(select(batches.c.report).where(batches.c.id == batch)).scalar_one_or_none()
    return dict(found or {})


def people_of(connection: Connection, batch: str, part: Part) -> dict[str, WithdrawalLevel]:
    """A batch's people and their levels."""
    rows = connection.execute(
        select(people.c.pseudonym, people.c.level).where(people.c.batch == batch, people.c.part == part)
    )
    return {name: WithdrawalLevel(level) for name, level in rows}


def levels_of(connection: Connection, dataset: str) -> dict[str, WithdrawalLevel]:
    """Everybody who is withdrawn from a dataset, and how far: the deepest level that was ever asked."""
    first = select(withdrawals.c.pseudonym, withdrawals.c.level).where(withdrawals.c.dataset == dataset)
    later = (
        select(people.c.pseudonym, people.c.level)
        .join(batches, batches.c.id == people.c.batch)
        .where(batches.c.dataset == dataset, batches.c.deny_version > 0, people.c.part == Part.withdrawn)
    )
    found: dict[str, WithdrawalLevel] = {}
    for query in (first, later):
        for name, word in connection.execute(query):
            level = WithdrawalLevel(word)
            found[name] = deepest(found.get(name, level), level)
    return found


def set_state(change: Change, batch: str, target: BatchState, now: datetime, **values: Any) -> None:
    """Move a batch along its table. Raises `TREError(StateForbids)`."""
    current = require(change.connection, batch).state
    if current is not target:
        BATCH_TRANSITIONS.check(current, target)
    waiting = WAITING.get(target)
    reason = waiting.reason if waiting else Reason.Requested
    moved: dict[str, Any] = {"state": target, "reason": reason, "message": "", "changed_at": now} | values
    moved["message"] = as_line(moved["message"])
    change.connection.execute(update(batches).where(batches.c.id == batch).values(**moved))


def keep_counted(change: Change, batch: str, counted: Counted, now: datetime) -> None:
    """Keep a dry run. Whatever was confirmed before was confirmed for another count, and is void."""
    void = dict.fromkeys(("confirmed_issuer", "confirmed_id", "second_issuer", "second_id"))
    set_state(change, batch, BatchState.Proposed, now, counted=counted.as_plain(), people=counted.people, **void)


def confirm(change: Change, batch: str, who: Subject, target: BatchState, now: datetime) -> None:
    """Keep that this person typed the count; `target` is where that leads (`check_confirmation`)."""
    known = require(change.connection, batch)
    column = "confirmed" if known.confirmed_by is None else "second"
    values: dict[str, Any] = {f"{column}_issuer": who.issuer, f"{column}_id": who.id}
    if target is BatchState.Accepted:
        values["accepted_at"] = now
    set_state(change, batch, target, now, **values)


def cancel(change: Change, batch: str, now: datetime, message: str = "") -> None:
    """Take a batch back; nothing of its list stays."""
    set_state(change, batch, BatchState.Cancelled, now, message=message)
    _remove(change, batch, Part.listed)


def deny(change: Change, batch: Batch, selected: Levels, now: datetime) -> DenySet:
    """Bar these people from every plan from now on; what was listed is needed no more."""
    found = [
        Withdrawal(pseudonym=one, level=level, source=batch.source, received_at=batch.proposed_at)
        for one, level in selected.items()
    ]
    after = datasets.withdraw(change, batch.dataset, found)
    _remove(change, batch.id, Part.listed)
    _add(change, batch.id, Part.withdrawn, selected)
    set_state(change, batch.id, BatchState.Denied, now, deny_version=after.version)
    return after


def keep_report(change: Change, batch: str, report: Mapping[str, Any]) -> None:
    """Keep what was done so far."""
    change.connection.execute(update(batches).where(batches.c.id == batch).values(report=dict(report)))


def say(change: Change, batch: str, reason: Reason, message: str) -> None:
    """Keep why a batch does not go on."""
    values = {"reason": reason, "message": as_line(message)}
    change.connection.execute(update(batches).where(batches.c.id == batch).values(**values))


def applied(connection: Connection, dataset: str) -> tuple[int, datetime | None]:
    """How many people lists have withdrawn from a dataset so far, and when one was applied last."""
    row = connection.execute(
        select(func.coalesce(func.sum(batches.c.people), 0), func.max(batches.c.accepted_at)).where(
            batches.c.dataset == dataset, batches.c.state.in_(sorted(AT_WORK | {BatchState.Receipted}))
        )
    ).one()
    return int(row[0]), row[1]


def _batch(row: Row[Any]) -> Batch:
    values = dict(row._mapping)
    for name in ("proposed", "confirmed", "second"):
        issuer, identifier = values.pop(f"{name}_issuer"), values.pop(f"{name}_id")
        values[f"{name}_by"] = None if issuer is None else Subject(issuer=issuer, id=identifier)
    for name in ("people", "report"):
        del values[name]
    return Batch.model_validate(values)
