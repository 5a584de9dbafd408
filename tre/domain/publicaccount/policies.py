"""How long the team has for each thing, and how much a stranger may send: a site's policy file, with defaults.

Guarantees: pure arithmetic on working days of the site; a day is one on which the site works in its own time zone.

Sources: three working days to acknowledge a complaint are those of the NHS complaints regulations (2009, no. 309,
regulation 13); twenty to answer a question are those of the Freedom of Information Act 2000, section 10. The others
are choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.clocks import Weekday, WorkingTime, ZoneName
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.model import Line, Record
from tre.domain.publicaccount.states import ItemKind

Days = Annotated[int, Field(strict=True, ge=1, le=400)]
DAY_HOURS = 24
MOST_WAITING = 500
"""Questions and comments that may wait at once: more than a team answers in a year."""


class Name(Record):
    """The one name of this policy."""

    name: Literal["public-account"] = "public-account"


class Clocks(Record):
    """Working days that the team has, and ordinary days after which a project is asked what came of it."""

    answer_enquiry: Days = 20
    read_comment: Days = 5
    look_at_outcome: Days = 10
    acknowledge_complaint: Days = 3
    answer_complaint: Days = 40
    update_incident: Days = 20
    decide_consultation: Days = 20
    consultation_at_least: Days = 20
    outcome_every: Annotated[int, Field(strict=True, ge=30, le=1000)] = 365
    outcome_after_end: Annotated[int, Field(strict=True, ge=1, le=1000)] = 90


class Limits(Record):
    """What may be sent within a quarter of an hour: from one address, and by everybody together."""

    by_address: Annotated[int, Field(strict=True, ge=1, le=100)] = 5
    in_total: Annotated[int, Field(strict=True, ge=1, le=1000)] = 60


class AccountSpec(Record):
    """The policy's values."""

    working_days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = (
        Weekday.mon,
        Weekday.tue,
        Weekday.wed,
        Weekday.thu,
        Weekday.fri,
    )
    holidays: Annotated[tuple[date, ...], Field(max_length=1000)] = ()
    time_zone: ZoneName = "UTC"
    clocks: Clocks = Clocks()
    limits: Limits = Limits()
    complaints_to: Annotated[Line, Field(max_length=300)] = ""


class AccountPolicy(Record):
    """`policies/public-account.yaml`."""

    api_version: Literal["tre.research/v1alpha1"] = "tre.research/v1alpha1"
    kind: Literal["PublicAccountPolicy"] = "PublicAccountPolicy"
    metadata: Name = Name()
    spec: AccountSpec = AccountSpec()

    def after(self, start: datetime, days: int) -> datetime:
        """The moment at which so many working days have passed."""
        spec = self.spec
        working = WorkingTime(days=spec.working_days, holidays=spec.holidays, zone=spec.time_zone)
        return working.after(start, DAY_HOURS * days)

    def first_due(self, kind: ItemKind, start: datetime) -> datetime:
        """Until when the team has to act on what begins at a moment."""
        clocks = self.spec.clocks
        days = {
            ItemKind.enquiry: clocks.answer_enquiry,
            ItemKind.comment: clocks.read_comment,
            ItemKind.outcome: clocks.look_at_outcome,
            ItemKind.incident: clocks.update_incident,
            ItemKind.complaint: clocks.acknowledge_complaint,
            ItemKind.consultation: clocks.decide_consultation,
        }
        return self.after(start, days[kind])


def outcome_due(
    policy: AccountPolicy, began: datetime, ended: datetime | None, reported: Sequence[datetime]
) -> datetime | None:
    """When a project is next asked what came of it; `None` once it was told after its end.

    While a project runs: a year after it began, or after its last word. After its end: once more.
    """
    clocks = policy.spec.clocks
    if ended is not None:
        told = any(at >= ended for at in reported)
        return None if told else ended + timedelta(days=clocks.outcome_after_end)
    return max([began, *reported]) + timedelta(days=clocks.outcome_every)


def ended_at(grant: GrantRecord, now: datetime) -> datetime | None:
    """When a project ended; `None` while it goes on."""
    end = min([effective_end(grant.spec).at, *([grant.revoked_at] if grant.revoked_at else [])])
    return end if end <= now else None


def check_room(waiting: int) -> None:
    """A stranger's text still finds room in the queue. Raises `TREError(RateLimited)`."""
    if waiting >= MOST_WAITING:
        raise TREError(
            Reason.RateLimited,
            "We cannot take more questions at the moment.",
            why="Too many wait for an answer.",
            remedy="Try again in some days.",
        )


has_room = passes(check_room)
