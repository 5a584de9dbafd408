"""What a policy says of the review itself: how many people, by when, what an exception needs, which words are at hand.

Guarantees: every value has a default and bounds beyond which it would switch its rule off by mistake.

Does not guarantee: that a site keeps its promise. A request that waits too long says so.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.exports.clocks import DayHours, Weekday, WorkingTime, ZoneName
from tre.domain.model import Line, Record


class Need(StrEnum):
    """What an exception from a finding of severity E needs.

    `reason`: each checker's own reason; `steward`: that, and the written yes of a data manager from outside;
    `never`: there is none, so that the finding blocks like one of severity B.
    """

    reason = "reason"
    steward = "steward"
    never = "never"


STEWARDED = frozenset({"P01", "P02", "P03"})
"""Findings that need a steward unless a policy says otherwise: what was found are people's own records."""


class Reply(Record):
    """Words that checkers often need: chosen on the page, then changed as the case demands."""

    name: Annotated[Line, Field(min_length=1, max_length=80)]
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class ReviewRules(Record):
    """How many people must say yes, and how long things may wait.

    `hours`, `working_days`, `holidays` and `time_zone` say when hours count: always, as they stand.
    """

    minimum_reviewers: Annotated[int, Field(ge=2, le=9)] = 2
    service_level_hours: Annotated[int, Field(ge=1, le=24 * 60)] = 48
    """Working hours. Two days: what public committee airlocks mostly keep."""

    claim_hours: Annotated[int, Field(ge=1, le=24 * 60)] = 8
    """Working hours for which a checker who took a request keeps a seat without handing in a review: one day."""

    attempts_per_day: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Runs of the checks of one project within a day, beyond which it looks like probing."""

    link_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24
    """Hours for which a one-time link to a release works. AzureTRE's default is 1; TREs that send links give days."""

    draft_days: Annotated[int, Field(ge=1, le=365)] = 30
    context_words: Annotated[int, Field(ge=1, le=500)] = 5
    """Fewest words of a group's context and of its controls; a quarter of all returns lack context."""

    working_days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = tuple(Weekday)
    hours: DayHours = "00:00-24:00"
    holidays: Annotated[tuple[date, ...], Field(max_length=1000)] = ()
    time_zone: ZoneName = "UTC"

    @property
    def working(self) -> WorkingTime:
        """When hours count."""
        return WorkingTime(days=self.working_days, hours=self.hours, holidays=self.holidays, zone=self.time_zone)
