"""Meters: what one run, and what is kept on disk, has added up to.

Guarantees: a meter goes forward only. What a reading adds is the difference to the last one, and both are kept
together, so a reading that is taken twice, or after a crash, adds nothing twice and loses nothing. A counter that went
back began anew: what it shows then is new. Time is split at the ends of months, to the millisecond. Processor time
that nobody could read is unknown, never zero: `known_ms` says for how much of a run's life it is known.

Does not guarantee: what a counter lost that began anew between two readings. `restarts` says how often that was seen.

Threat: a project that is charged twice for one hour, or whose use is called nothing because nobody looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.model import Line, Record, UtcTime
from tre.domain.workspaces.models import WorkspacePlan

_MILLISECOND, _SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
_MIB = 2**20
Count = Annotated[int, Field(ge=0)]
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
"""A month in UTC: `2026-11`."""


class Used(Record):
    """What a run has used since it began, as whoever enforces its limits counts it; `None` is not known."""

    cpu_us: Count | None = None
    peak_bytes: Count | None = None


class RunMeter(Record):
    """One run: what was reserved for it, until when it is counted, and the last reading of its counter.

    `known_to` is until when its processor time is known; `last_cpu_us` what the counter showed then.
    """

    workspace: Line
    instance: Annotated[int, Field(ge=1)]
    grant: Line
    cpu_millis: Count
    memory_mib: Count
    gpus: Count = 0
    began_at: UtcTime
    counted_to: UtcTime
    known_to: UtcTime
    ended_at: UtcTime | None = None
    last_cpu_us: Count = 0
    peak_bytes: Count | None = None
    restarts: Count = 0


class Portion(Record):
    """What a run adds to one month: milliseconds of life, those whose processor time is known, and that time."""

    month: Month
    life_ms: Count = 0
    known_ms: Count = 0
    cpu_us: Count = 0


def begin(plan: WorkspacePlan, at: datetime) -> RunMeter:
    """The meter of a run that took room on its machine at a moment."""
    return RunMeter(
        workspace=plan.workspace,
        instance=plan.instance,
        grant=plan.grant,
        cpu_millis=plan.limits.cpu_millis,
        memory_mib=plan.limits.memory_bytes // _MIB,
        gpus=plan.limits.gpus,
        began_at=at,
        counted_to=at,
        known_to=at,
    )


def month_of(moment: datetime) -> str:
    """The month that a moment lies in."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def months_between(begin: datetime, end: datetime) -> Iterator[tuple[str, timedelta]]:
    """Each month of a span and how much of the span lies in it; nothing where it ends before it begins."""
    while begin < end:
        first = begin.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        until = min(end, (first + timedelta(days=32)).replace(day=1))
        yield month_of(begin), until - begin
        begin = until


def read(meter: RunMeter, used: Used | None, at: datetime) -> tuple[RunMeter, list[Portion]]:
    """The meter after a reading at a moment, and what it adds; a moment that was counted already adds no life."""
    at = _whole(meter.counted_to, at, _MILLISECOND)
    found = {month: Portion(month=month, life_ms=span // _MILLISECOND) for month, span in _spans(meter.counted_to, at)}
    after = meter.model_copy(update={"counted_to": at})
    if used is None:
        return after, list(found.values())
    peaks = [peak for peak in (meter.peak_bytes, used.peak_bytes) if peak is not None]
    after = after.model_copy(update={"peak_bytes": max(peaks, default=None)})
    if used.cpu_us is None:
        return after, list(found.values())
    restarted = used.cpu_us < meter.last_cpu_us
    added = used.cpu_us - (0 if restarted else meter.last_cpu_us)
    for portion in _shared(added, meter.known_to, at):
        empty = found.get(portion.month, Portion(month=portion.month))
        found[portion.month] = empty.model_copy(update={"known_ms": portion.known_ms, "cpu_us": portion.cpu_us})
    changes = {"known_to": at, "last_cpu_us": used.cpu_us, "restarts": meter.restarts + restarted}
    return after.model_copy(update=changes), [found[month] for month in sorted(found)]


def close(meter: RunMeter, used: Used | None, at: datetime) -> tuple[RunMeter, list[Portion]]:
    """The meter at the end of its run: the same, and nothing more is added."""
    after, portions = read(meter, used, at)
    return after.model_copy(update={"ended_at": after.counted_to}), portions


def _whole(begin: datetime, end: datetime, step: timedelta) -> datetime:
    """The latest moment up to `end` that lies whole steps after `begin`; `begin` itself where none does."""
    return begin + max(0, (end - begin) // step) * step


def _spans(begin: datetime, end: datetime) -> list[tuple[str, timedelta]]:
    return list(months_between(begin, end))


def _shared(added: int, begin: datetime, end: datetime) -> Iterator[Portion]:
    """Processor time, by the length of each month's part; the last one gets what division leaves."""
    spans = _spans(begin, end) or [(month_of(end), timedelta(0))]
    whole, left = sum((span for _, span in spans), timedelta(0)), added
    for month, span in spans[:-1]:
        part = added * (span // _MILLISECOND) // (whole // _MILLISECOND)
        left -= part
        yield Portion(month=month, known_ms=span // _MILLISECOND, cpu_us=part)
    month, span = spans[-1]
    yield Portion(month=month, known_ms=span // _MILLISECOND, cpu_us=left)


class Kept(StrEnum):
    """What of a project takes room on disk."""

    homes = "homes"
    outboxes = "outboxes"
    shared = "shared"
    slices = "slices"
    """What a slice adds: its tables and folders. Images are links to what the store holds once for everybody."""

    vault = "vault"
    """What it wanted to take out or let in, for as long as the airlock keeps it."""


class StoreMeter(Record):
    """What a project keeps in one place, and until when it is counted."""

    grant: Line
    place: Kept
    kib: Count
    counted_to: UtcTime


def store(meter: StoreMeter, kib: int, at: datetime) -> tuple[StoreMeter, list[tuple[str, int]]]:
    """The meter after a measurement, and the KiB-seconds that it adds by month.

    Until the measurement, what the one before it found counts; a moment that was counted already adds nothing.
    """
    at = _whole(meter.counted_to, at, _SECOND)
    added = [(month, meter.kib * round(span / _SECOND)) for month, span in months_between(meter.counted_to, at)]
    return meter.model_copy(update={"kib": kib, "counted_to": at}), added
