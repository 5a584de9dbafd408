"""Units, amounts and money.

Guarantees: amounts are exact decimals made from whole counters; money is an amount times its price and nothing else;
without a price there is no money, and where part of an amount is unknown the money says that it is at least so much.

Does not guarantee: that a price is right. It is the operator's, from `tre.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.costs.meters import Count, Kept, RunMeter, months_between
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record

_MS_IN_HOUR, _US_IN_HOUR, _S_IN_DAY = 3_600_000, 3_600_000_000, 86_400
_KIB_IN_GIB, _MIB_IN_GIB = 2**20, 2**10
_THOUSANDTHS, _HUNDREDTHS = Decimal("0.001"), Decimal("0.01")
LARGEST = Decimal(10**12)


class Unit(StrEnum):
    """What is counted."""

    cpu_used = "cpu-hours-used"
    """Hours of one processor that programs really computed."""

    cpu_reserved = "cpu-hours-reserved"
    """Hours for which a processor was set aside, used or not."""

    memory = "memory-gib-hours"
    """GiB of memory set aside, times hours."""

    gpu = "gpu-hours"
    """Hours for which a graphics processor was set aside."""

    storage = "storage-gib-days"
    """GiB kept on disk, times days."""


def parse_amount(text: str, what: str = "an amount") -> Decimal:
    """A decimal number from 0 on, as people write it: `12.5`. Raises `TREError(BadInput)`."""
    plain = text.strip()
    digits = plain.replace(".", "", 1)
    if not (plain.isascii() and digits.isdecimal() and len(plain) <= 20 and plain[0] != "." and plain[-1] != "."):
        raise TREError(
            Reason.BadInput,
            f"{text!r} is not {what}.",
            why="A number from 0 on is due, without a unit.",
            remedy="Write for example 120 or 12.5.",
        )
    found = Decimal(plain)
    if found > LARGEST:
        raise TREError(
            Reason.BadInput,
            f"{text!r} is too much for {what}.",
            why="Nothing here is as large.",
            remedy=f"Write at most {LARGEST:f}.",
        )
    return found


Price = Annotated[Decimal, Field(ge=0, le=LARGEST)]


class Prices(Record):
    """What one of each unit costs. A unit without a price costs nothing here, and is counted all the same."""

    currency: Annotated[Line, Field(pattern=r"^[A-Z]{3}$")]
    """The three letters of ISO 4217: `GBP`."""

    units: dict[Unit, Price] = {}
    """Prices in quotes, by unit: `cpu-hours-reserved: "0.04"`."""

    def of(self, unit: Unit) -> Decimal:
        """What one costs."""
        return self.units.get(unit, Decimal(0))


class Use(Record):
    """What was used, in whole counters, over any runs and any time; sums of these are exact."""

    life_ms: Count = 0
    known_ms: Count = 0
    cpu_us: Count = 0
    reserved_cpu_ms: Count = 0
    """Milliseconds times thousandths of a processor."""

    memory_mib_ms: Count = 0
    gpu_ms: Count = 0
    kept_kib_s: dict[Kept, Count] = {}
    peak_bytes: Count | None = None
    """The most memory that one run had at one moment."""

    def __add__(self, other: Use) -> Use:
        """Both together."""
        numbers = ("life_ms", "known_ms", "cpu_us", "reserved_cpu_ms", "memory_mib_ms", "gpu_ms")
        places = {*self.kept_kib_s, *other.kept_kib_s}
        peaks = [one.peak_bytes for one in (self, other) if one.peak_bytes is not None]
        return Use(
            **{name: getattr(self, name) + getattr(other, name) for name in numbers},
            kept_kib_s={place: self.kept_kib_s.get(place, 0) + other.kept_kib_s.get(place, 0) for place in places},
            peak_bytes=max(peaks, default=None),
        )

    def amounts(self) -> dict[Unit, Decimal]:
        """How much of each unit, exactly."""
        return {
            Unit.cpu_used: Decimal(self.cpu_us) / _US_IN_HOUR,
            Unit.cpu_reserved: Decimal(self.reserved_cpu_ms) / (1000 * _MS_IN_HOUR),
            Unit.memory: Decimal(self.memory_mib_ms) / (_MIB_IN_GIB * _MS_IN_HOUR),
            Unit.gpu: Decimal(self.gpu_ms) / _MS_IN_HOUR,
            Unit.storage: sum((self.kept(place) for place in Kept), Decimal(0)),
        }

    def kept(self, place: Kept) -> Decimal:
        """GiB-days of one place."""
        return Decimal(self.kept_kib_s.get(place, 0)) / (_KIB_IN_GIB * _S_IN_DAY)

    @property
    def unknown_hours(self) -> Decimal:
        """Hours of life for which nobody could tell how much was computed."""
        return Decimal(max(0, self.life_ms - self.known_ms)) / _MS_IN_HOUR

    @property
    def is_cpu_known(self) -> bool:
        """Whether the used processor time is known at all: it is not where none of a life that was is."""
        return self.known_ms > 0 or self.life_ms == 0


def live(meter: RunMeter, now: datetime, month: str | None = None) -> Use:
    """What was reserved for a run since it was counted last, in a month or at all: nobody has written it down yet."""
    spans = dict(months_between(meter.counted_to, now))
    life = sum((span for name, span in spans.items() if month in {None, name}), timedelta(0))
    life_ms = life // timedelta(milliseconds=1)
    return Use(
        life_ms=life_ms,
        reserved_cpu_ms=life_ms * meter.cpu_millis,
        memory_mib_ms=life_ms * meter.memory_mib,
        gpu_ms=life_ms * meter.gpus,
    )


def hourly(cpu_millis: int, memory_bytes: int, gpus: int = 0) -> Use:
    """What an hour of an open workspace of this size sets aside."""
    return Use(
        life_ms=_MS_IN_HOUR,
        reserved_cpu_ms=_MS_IN_HOUR * cpu_millis,
        memory_mib_ms=_MS_IN_HOUR * (memory_bytes // 2**20),
        gpu_ms=_MS_IN_HOUR * gpus,
    )


def money(amounts: Mapping[Unit, Decimal], prices: Prices) -> Decimal:
    """What these amounts cost."""
    return sum((amount * prices.of(unit) for unit, amount in amounts.items()), Decimal(0))


def forecast(so_far: Decimal, since: datetime, now: datetime, end: datetime) -> Decimal:
    """What it will have come to at the end, if it goes on as it went on average since it began.

    Over less than a day nothing can be said of an average: then a whole day is taken.
    """
    passed, left = max(now - since, timedelta(days=1)), max(end - now, timedelta(0))
    return so_far + so_far * Decimal(left // timedelta(seconds=1)) / Decimal(passed // timedelta(seconds=1))


def shown(amount: Decimal) -> str:
    """An amount as people read it: thousandths, half up, without empty places."""
    text = f"{amount.quantize(_THOUSANDTHS, ROUND_HALF_UP):,f}"
    return text.rstrip("0").rstrip(".")


def shown_money(amount: Decimal, currency: str) -> str:
    """Money as people read it: `12.30 GBP`."""
    return f"{amount.quantize(_HUNDREDTHS, ROUND_HALF_UP):,f} {currency}"
