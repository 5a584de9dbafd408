"""Letters in the record: what is to be sent, what was, and how far the log was read for them.

Guarantees: one letter for an event and a recipient, however often it is written; how far the log was read moves in the
same transaction as the letters it led to, so that neither a power cut nor a restart loses one or writes one twice; a
letter moves along its table only.

Does not guarantee: that a letter is sent once. Between a mail server's yes and the record of it lies a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from tre.domain.errors import Reason
from tre.domain.letters.models import LETTER_TRANSITIONS, UNSENT, Letter, LetterState
from tre.domain.people import Subject
from tre.store.database import Change
from tre.store.tables.letters import letter_reading, letters

KEEP_SENT = timedelta(days=90)
"""How long a letter is kept after it was sent or given up."""

FARTHEST = timedelta(hours=25)
"""Nothing is put off for longer: a day's letters wait for a day at most, and pauses are shorter."""

_ONLY = 1
_UNSENT = tuple(state.value for state in UNSENT)


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the state after it, why, and when to try again."""

    state: LetterState
    reason: Reason
    next_at: datetime
    refused: bool = False


@dataclass(frozen=True)
class Numbers:
    """How many letters are in each state, and since when the oldest that is due was not sent."""

    states: dict[LetterState, int]
    oldest: datetime | None


# How far the log was read.


def read_up_to(connection: Connection) -> int | None:
    """The number of the last event that was read for letters; `None` while no mail is sent."""
    return connection.execute(select(letter_reading.c.number)).scalar()


def keep_read(change: Change, number: int) -> None:
    """Keep how far the log was read."""
    done = change.connection.execute(update(letter_reading).values(number=number))
    if done.rowcount == 0:
        change.connection.execute(insert(letter_reading).values(id=_ONLY, number=number))


def stop_reading(change: Change) -> None:
    """From now on no letters are written: whoever begins again begins with what happens then."""
    change.connection.execute(delete(letter_reading))


# Letters.


def add(change: Change, found: Iterable[Letter], now: datetime) -> int:
    """Keep those of these letters that are not there yet; say how many."""
    wanted = {letter.id: letter for letter in found}
    known = set(change.connection.execute(select(letters.c.id).where(letters.c.id.in_(sorted(wanted)))).scalars())
    rows = [_row(letter, now) for key, letter in wanted.items() if key not in known]
    if rows:
        change.connection.execute(insert(letters), rows)
    return len(rows)


def due(connection: Connection, now: datetime, limit: int) -> list[Letter]:
    """What is to be sent by now, what waited longest for its turn first."""
    query = select(letters).where(letters.c.state.in_(_UNSENT), _is_due(now))
    rows = connection.execute(query.order_by(letters.c.next_at, letters.c.id).limit(limit)).mappings()
    return [_letter(row) for row in rows]


def together_with(connection: Connection, recipient: Subject, now: datetime, limit: int) -> list[Letter]:
    """Everything that is due for somebody in the one message of the day."""
    query = select(letters).where(
        letters.c.issuer == recipient.issuer,
        letters.c.recipient == recipient.id,
        letters.c.together.is_(True),
        letters.c.state.in_(_UNSENT),
        _is_due(now),
    )
    rows = connection.execute(query.order_by(letters.c.at, letters.c.id).limit(limit)).mappings()
    return [_letter(row) for row in rows]


def _is_due(now: datetime) -> ColumnElement[bool]:
    """By now, or at a moment so far ahead that it was set while the clock was wrong."""
    return (letters.c.next_at <= now) | (letters.c.next_at > now + FARTHEST)


def next_due(connection: Connection) -> datetime | None:
    """When the next letter is due; `None` where none is left to be sent."""
    return connection.execute(select(func.min(letters.c.next_at)).where(letters.c.state.in_(_UNSENT))).scalar()


def settle(change: Change, found: Sequence[Letter], outcome: Outcome, now: datetime) -> None:
    """Keep what came of an attempt. Raises `TREError(StateForbids)` for a letter that is settled already."""
    for letter in found:
        stored = change.connection.execute(select(letters.c.state).where(letters.c.id == letter.id)).scalar_one()
        LETTER_TRANSITIONS.check(LetterState(stored), outcome.state)
        values = {
            "state": outcome.state.value,
            "reason": outcome.reason.value,
            "attempts": letters.c.attempts + 1,
            "refusals": letters.c.refusals + int(outcome.refused),
            "next_at": outcome.next_at,
            "changed_at": now,
        }
        change.connection.execute(update(letters).where(letters.c.id == letter.id).values(**values))


def tidy(change: Change, now: datetime) -> None:
    """Remove what was sent or given up long ago; that it was stands in the log for good."""
    over = (LetterState.Sent.value, LetterState.Abandoned.value)
    old = (letters.c.state.in_(over), letters.c.changed_at < now - KEEP_SENT)
    change.connection.execute(delete(letters).where(*old))


def try_again(change: Change, now: datetime) -> int:
    """Have everything that failed or was given up tried now, as if for the first time; say how many letters."""
    again = (LetterState.Failed.value, LetterState.Abandoned.value)
    fresh = {"state": LetterState.Waiting.value, "reason": Reason.Requested.value, "refusals": 0}
    done = change.connection.execute(
        update(letters).where(letters.c.state.in_(again)).values(**fresh, next_at=now, changed_at=now)
    )
    return done.rowcount


def numbers(connection: Connection, now: datetime) -> Numbers:
    """How many letters there are in each state, and since when the oldest waits that should have been sent by now."""
    rows = connection.execute(select(letters.c.state, func.count()).group_by(letters.c.state))
    counted = {LetterState(state): int(count) for state, count in rows}
    failed = letters.c.state == LetterState.Failed.value
    late = letters.c.together.is_(False) | _is_due(now) | failed
    oldest = connection.execute(select(func.min(letters.c.at)).where(letters.c.state.in_(_UNSENT), late)).scalar()
    return Numbers({state: counted.get(state, 0) for state in LetterState}, oldest)


def reasons(connection: Connection) -> dict[str, int]:
    """Why letters failed or were given up, and how many for each reason."""
    in_vain = (LetterState.Failed.value, LetterState.Abandoned.value)
    rows = connection.execute(
        select(letters.c.reason, func.count()).where(letters.c.state.in_(in_vain)).group_by(letters.c.reason)
    )
    return {reason: int(count) for reason, count in sorted(map(tuple, rows))}


def refused_to(connection: Connection, recipient: Subject) -> int:
    """How many letters to somebody could not be sent because their address was refused."""
    in_vain = (LetterState.Failed.value, LetterState.Abandoned.value)
    query = select(func.count()).where(
        letters.c.issuer == recipient.issuer,
        letters.c.recipient == recipient.id,
        letters.c.state.in_(in_vain),
        letters.c.reason == Reason.AddressRefused.value,
    )
    return connection.execute(query).scalar_one()


def _row(letter: Letter, now: datetime) -> dict[str, Any]:
    values = letter.model_dump(mode="python", exclude={"recipient"})
    whose = {"issuer": letter.recipient.issuer, "recipient": letter.recipient.id, "changed_at": now}
    return values | whose | {"state": letter.state.value, "reason": letter.reason.value}


def _letter(row: Any) -> Letter:
    values = {key: value for key, value in row.items() if key not in {"issuer", "recipient", "changed_at"}}
    return Letter.model_validate(values | {"recipient": Subject(issuer=row["issuer"], id=row["recipient"])})
