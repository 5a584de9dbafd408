"""What people are told about the public account while it waits for them, and when.

Guarantees: what somebody sent is told as "something waits", without its words, its author or how many there are; of a
kind of thing the team is told the same at most once a day, however much is sent. Each clock is told before it runs out,
and once when it has. A project is asked what came of it when a word is due, reminded once, and asked again each year
for as long as it runs. A moment that was put off is a new one, and told anew.

Does not guarantee: that anybody reads it.

Threat: a flood of questions that becomes a flood of letters, in which those are lost that somebody must read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tre.domain.grants.models import GrantRecord
from tre.domain.publicaccount.figures import Clock
from tre.domain.publicaccount.policies import AccountPolicy, ended_at, outcome_due
from tre.domain.publicaccount.states import WAITS_FOR_TEAM, ItemKind, ItemState

WAITING, DUE_SOON, LATE = "waiting", "due-soon", "late"
CLOSING, TO_DECIDE = "consultation.closing", "consultation.to-decide"
OUTCOME_DUE, OUTCOME_REMINDED = "outcome.due", "outcome.reminded"

SENT_BY_OTHERS = frozenset({ItemKind.enquiry, ItemKind.comment, ItemKind.outcome})
"""Kinds that come without anybody of the team, so that it has to be told of them."""

SOON = timedelta(days=3)
"""How long before a clock runs out the team is told; of a shorter one when half of it is over."""

AT_MOST_EVERY = timedelta(days=1)
"""How often the team is told the same of a kind of thing."""

CLOSES_SOON = timedelta(days=7)
REMINDED_AFTER = timedelta(days=30)
ASKED_UNTIL = timedelta(days=60)
"""How long after a word was due a project is still asked for it: later only with the next year."""


@dataclass(frozen=True)
class Notice:
    """Something that is to be told: the kind of its event, its object, and the moment that it is about."""

    kind: str
    object: str
    moment: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by: it was told if its moment is known under it."""
        return (self.object, self.kind)


Told = Mapping[tuple[str, str], datetime]
"""What was told before: the moment of each notice by its key."""


def news(found: Iterable[Notice], told: Told) -> list[Notice]:
    """Those that were not told yet."""
    return [one for one in found if told.get(one.key) != one.moment]


def of_clock(clock: Clock, now: datetime) -> list[Notice]:
    """What the team has to know of one thing now."""
    if clock.state not in WAITS_FOR_TEAM:
        return []
    found = []
    about = f"{clock.kind}/{clock.id}"
    if clock.kind in SENT_BY_OTHERS and clock.state is ItemState.Waiting:
        found.append(Notice(f"{clock.kind}.{WAITING}", about, clock.received_at))
    if clock.due_at is not None and now >= clock.due_at:
        found.append(Notice(f"{clock.kind}.{LATE}", about, clock.due_at))
    elif clock.due_at is not None and now >= clock.due_at - _ahead(clock, clock.due_at):
        found.append(Notice(f"{clock.kind}.{DUE_SOON}", about, clock.due_at))
    return found


def _ahead(clock: Clock, due: datetime) -> timedelta:
    return min(SOON, (due - (clock.acknowledged_at or clock.received_at)) / 2)


def together(found: Iterable[Notice], told: Told, now: datetime) -> dict[Notice, list[Notice]]:
    """One notice for all of a kind that are new, with those that it stands for; none where one was given lately.

    One that lies ahead was given while the clock was wrong, and counts as long ago.
    """
    gathered: dict[str, list[Notice]] = {}
    for one in news(found, told):
        gathered.setdefault(one.kind, []).append(one)
    whole = {Notice(kind, f"{kind.partition('.')[0]}/all", now): parts for kind, parts in gathered.items()}
    return {one: parts for one, parts in whole.items() if not _lately(told.get(one.key), now)}


def _lately(last: datetime | None, now: datetime) -> bool:
    return last is not None and last <= now < last + AT_MOST_EVERY


def of_consultation(identifier: str, closes_at: datetime, now: datetime) -> list[Notice]:
    """What is to be told of a change that is open for comment, and not decided yet."""
    about = f"{ItemKind.consultation}/{identifier}"
    if now >= closes_at:
        return [Notice(TO_DECIDE, about, closes_at)]
    return [Notice(CLOSING, about, closes_at)] if now >= closes_at - CLOSES_SOON else []


def of_project(grant: GrantRecord, reported: list[datetime], policy: AccountPolicy, now: datetime) -> list[Notice]:
    """What a project is to be asked now about what came of it."""
    if grant.activated_at is None:
        return []
    ended = ended_at(grant, now)
    due = outcome_due(policy, grant.activated_at, ended, reported)
    if due is None or now < due:
        return []
    year = timedelta(days=policy.spec.clocks.outcome_every)
    asked = due if ended is not None else due + (now - due) // year * year
    if now >= asked + ASKED_UNTIL:
        return []
    kind = OUTCOME_REMINDED if now >= asked + REMINDED_AFTER else OUTCOME_DUE
    return [Notice(kind, f"grant/{grant.name}", asked)]
