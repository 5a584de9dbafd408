"""Working time: when so many working hours are over, in a site's own days, hours, holidays and time zone.

Guarantees: pure arithmetic; a moment given in any zone gives the same answer; the hours of a day on which the clocks
change are counted as they really pass.

Does not guarantee: that anybody works then. A policy says what a site promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from tre.domain.model import Code, Line, Record

SHORTEST_DAY = timedelta(hours=1)
"""A working day is no shorter, so that a deadline is found within some thousand days."""


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    mon = "mon"
    tue = "tue"
    wed = "wed"
    thu = "thu"
    fri = "fri"
    sat = "sat"
    sun = "sun"


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _hours(text: str) -> str:
    begins, ends = (_minutes(part) for part in text.split("-"))
    if ends > 24 * 60 or timedelta(minutes=ends - begins) < SHORTEST_DAY:
        msg = "an hour at least is due, within one day, as in `09:00-17:00`"
        raise ValueError(msg)
    return text


def _zone(name: str) -> str:
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises `ValueError` where this machine knows none."""
    if name == "UTC":  # also where no table of zones is installed
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        msg = f"there is no time zone {name!r} here"
        raise ValueError(msg) from error


DayHours = Annotated[Code, Field(pattern=r"^[0-2]\d:[0-5]\d-[0-2]\d:[0-5]\d$"), AfterValidator(_hours)]
ZoneName = Annotated[Line, Field(min_length=1, max_length=60), AfterValidator(_zone)]


class WorkingTime(Record):
    """When a site works. As it stands: always."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = tuple(Weekday)
    hours: DayHours = "00:00-24:00"
    holidays: Annotated[tuple[date, ...], Field(max_length=1000)] = ()
    zone: ZoneName = "UTC"

    def after(self, start: datetime, hours: int) -> datetime:
        """The moment at which so many working hours (at least one) have passed since `start`."""
        left = timedelta(hours=hours)
        spans = self._spans(start)
        while True:
            begins, ends = next(spans)
            if ends - begins >= left:
                return begins + left
            left -= ends - begins

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The working spans from a moment on, without end, in UTC."""
        zone, holidays = zone_of(self.zone), frozenset(self.holidays)
        opens, closes = (timedelta(minutes=_minutes(part)) for part in self.hours.split("-"))
        moment = start.astimezone(UTC)
        day = moment.astimezone(zone).date()
        working = {place for place, name in enumerate(Weekday) if name in self.days}
        while True:
            if day.weekday() in working and day not in holidays:
                begins, ends = _at(day, opens, zone), _at(day, closes, zone)
                if ends > moment:
                    yield max(begins, moment), ends
            day += timedelta(days=1)


def _at(day: date, since_midnight: timedelta, zone: tzinfo) -> datetime:
    wall = datetime.combine(day, time()) + since_midnight
    return wall.replace(tzinfo=zone).astimezone(UTC)
