"""How long things take, as everybody reads it: numbers from clocks, without a word of what was said.

Guarantees: times are told in whole days of the calendar; how many people complained goes through the rule for small
numbers, since each is a person.

Does not guarantee: that the middle time is anybody's time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median_low

from tre.domain.publicaccount.states import WAITS_FOR_TEAM, ItemKind, ItemState


@dataclass(frozen=True)
class Clock:
    """The clock of one item: what anybody may know of it before it is published."""

    id: str
    kind: ItemKind
    state: ItemState
    received_at: datetime
    acknowledged_at: datetime | None
    closed_at: datetime | None
    due_at: datetime | None
    refusal: str = ""

    def is_late(self, now: datetime) -> bool:
        """Whether the team should have acted."""
        return self.state in WAITS_FOR_TEAM and self.due_at is not None and self.due_at < now

    @property
    def days(self) -> int | None:
        """Days from its coming to its end."""
        return None if self.closed_at is None else (self.closed_at - self.received_at).days


@dataclass(frozen=True)
class Figures:
    """Numbers of one kind: how many came, wait, are late, were published and refused, and how long it took."""

    came: int
    waiting: int
    late: int
    done: int
    refused: int
    middle_days: int | None
    longest_days: int | None


def figures(clocks: Iterable[Clock], now: datetime) -> Figures:
    """The numbers of these items."""
    found = list(clocks)
    ended = [one for one in found if one.state not in WAITS_FOR_TEAM]
    took = [one.days for one in ended if one.days is not None]
    refused = sum(one.state is ItemState.Refused for one in ended)
    return Figures(
        came=len(found),
        waiting=len(found) - len(ended),
        late=sum(one.is_late(now) for one in found),
        done=len(ended) - refused,
        refused=refused,
        middle_days=median_low(took) if took else None,
        longest_days=max(took, default=None),
    )
