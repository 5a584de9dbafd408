"""When a requirement is met, when its end is announced, and who may record what is held.

Guarantees: what is required and not held at a moment is lacking, whatever was held before or will be; whoever records
that somebody holds something is not that somebody.

Threat: an operator who certifies their own training; a certificate that quietly ran out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tre.domain.duties import Duty, Part, check_apart
from tre.domain.errors import Reason, TREError, passes
from tre.domain.people import Person, Role, Subject
from tre.domain.standing.models import Holder, Required, Standing

WARNING_DAYS = (30, 14, 7, 1)
"""How many days before its end a standing's end is announced."""


def lacking(required: Iterable[Required], now: datetime) -> Required | None:
    """The first requirement that is not met now."""
    return next(
        (one for one in required if not any(span.since <= now < span.until for span in one.spans)),
        None,
    )


def moments(required: Iterable[Required]) -> list[datetime]:
    """Every moment at which the clock alone changes whether a requirement is met."""
    return [moment for one in required for span in one.spans for moment in (span.since, span.until)]


def due_warning(until: datetime, now: datetime) -> int | None:
    """The announcement that is due by now, in days before the end; `None` before the first and after the end."""
    if now >= until:
        return None
    return min((days for days in WARNING_DAYS if now >= until - timedelta(days=days)), default=None)


def is_renewed(standing: Standing, others: Iterable[Standing]) -> bool:
    """Whether another standing of the same holder goes on, without a gap, where this one ends."""
    return any(
        other.holder == standing.holder
        and other.meets == standing.meets
        and other.since <= standing.until < other.until
        for other in others
    )


def check_new(new: Standing, now: datetime) -> None:
    """A standing that is recorded is not over already. Raises `TREError(BadInput)`."""
    if new.until <= now:
        raise TREError(
            Reason.BadInput, "This would be over already.", why=f"It ends {new.until:%Y-%m-%d %H:%M} UTC.",
            remedy="Give an end that lies ahead.",
        )  # fmt: skip


def check_record(person: Person, holder: Holder) -> None:
    """Operators record and end what others hold. Raises `TREError(NotPermitted)`."""
    if not person.holds(Role.operator):
        raise TREError(Reason.NotPermitted, "You cannot change this.", why="It needs the role operator.")
    held_by: tuple[Subject, ...] = () if holder.person is None else (holder.person,)
    check_apart(Duty.record_standing, person.subject, {Part.holder: held_by})


can_record = passes(check_record)
