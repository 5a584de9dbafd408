"""What a person writes of a standing: whole days, the last one included.

Guarantees: a day is written as YYYY-MM-DD and nothing else is taken for one; a standing of a day's end holds through
that day in UTC; one that would be over already, or would last beyond twenty years, is a mistake and refused.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.slices.spec import ResourceName
from tre.domain.standing.models import Holder, Standing, StandingKind
from tre.domain.standing.rules import check_new

LONGEST = timedelta(days=20 * 366)
_DAY = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")


def _iso_day(value: object) -> object:
    if isinstance(value, str) and _DAY.fullmatch(value) is None:
        msg = "a day is due, written as 2027-06-30"
        raise ValueError(msg)
    return value


Day = Annotated[date, BeforeValidator(_iso_day)]


class AskedStanding(Record):
    """A standing as it is typed; `until` is its last day, `since` its first: today where nothing was said."""

    kind: StandingKind
    name: ResourceName
    until: Day
    since: Day | None = None
    reference: Annotated[Line, Field(max_length=200)] = ""


def standing_of(asked: AskedStanding, holder: Holder, now: datetime) -> Standing:
    """The standing that was meant. Raises `TREError(BadInput)`."""
    since = now if asked.since is None else datetime.combine(asked.since, time(), UTC)
    until = datetime.combine(asked.until, time(), UTC) + timedelta(days=1)
    if until <= since:
        raise TREError(Reason.BadInput, "It would end before it begins.", remedy="Give a last day after the first.")
    if until > now + LONGEST:
        raise TREError(Reason.BadInput, "It would last beyond twenty years.", remedy="Look at the year that you gave.")
    found = Standing(
        holder=holder, kind=asked.kind, name=asked.name, reference=asked.reference, since=since, until=until
    )
    check_new(found, now)
    return found
