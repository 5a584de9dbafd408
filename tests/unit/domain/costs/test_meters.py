"""Meters go forward only, split time at the ends of months, and never take silence for zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tre.domain.costs.meters import Kept, RunMeter, StoreMeter, Used, close, month_of, months_between, read, store

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def meter(began: datetime = NOON) -> RunMeter:
    return RunMeter(
        workspace="w-aaaaaaaaaaaa",
        instance=1,
        grant="g",
        cpu_millis=2000,
        memory_mib=4096,
        began_at=began,
        counted_to=began,
        known_to=began,
    )


def test_a_reading_adds_the_difference_to_the_last_one() -> None:
    first, added = read(meter(), Used(cpu_us=5_000_000, peak_bytes=7), NOON + HOUR)
    assert [(one.month, one.life_ms, one.known_ms, one.cpu_us) for one in added] == [
        ("2026-11", 3_600_000, 3_600_000, 5_000_000)
    ]
    second, more = read(first, Used(cpu_us=6_000_000, peak_bytes=3), NOON + 2 * HOUR)
    assert more[0].cpu_us == 1_000_000
    assert second.peak_bytes == 7
    assert second.restarts == 0


def test_the_same_reading_again_adds_nothing() -> None:
    used = Used(cpu_us=5_000_000)
    once, _ = read(meter(), used, NOON + HOUR)
    again, added = read(once, used, NOON + HOUR)
    assert again == once
    assert all((one.life_ms, one.known_ms, one.cpu_us) == (0, 0, 0) for one in added)


def test_a_counter_that_began_anew_is_seen_and_loses_nothing_that_was_read() -> None:
    once, _ = read(meter(), Used(cpu_us=5_000_000), NOON + HOUR)
    after, added = read(once, Used(cpu_us=400), NOON + 2 * HOUR)
    assert after.restarts == 1
    assert sum(one.cpu_us for one in added) == 400


def test_what_nobody_could_read_is_unknown_and_known_once_it_was_read() -> None:
    blind, added = read(meter(), None, NOON + HOUR)
    assert (added[0].life_ms, added[0].known_ms) == (3_600_000, 0)
    half, added = read(blind, Used(peak_bytes=9), NOON + 2 * HOUR)  # a machine that keeps a peak and no count
    assert (half.peak_bytes, added[0].known_ms) == (9, 0)
    _, added = read(half, Used(cpu_us=8), NOON + 3 * HOUR)
    assert (added[0].life_ms, added[0].known_ms, added[0].cpu_us) == (3_600_000, 3 * 3_600_000, 8)


def test_a_run_over_the_end_of_a_month_is_split_there() -> None:
    begun = meter(datetime(2026, 11, 30, 23, tzinfo=UTC))
    _, added = read(begun, Used(cpu_us=10), datetime(2026, 12, 1, 2, tzinfo=UTC))
    assert [(one.month, one.life_ms, one.cpu_us) for one in added] == [
        ("2026-11", 3_600_000, 3),
        ("2026-12", 7_200_000, 7),
    ]


def test_a_clock_that_was_set_back_adds_no_life_and_keeps_what_was_computed() -> None:
    once, _ = read(meter(), Used(cpu_us=5), NOON + HOUR)
    after, added = read(once, Used(cpu_us=9), NOON)
    assert after.counted_to == NOON + HOUR
    assert [(one.life_ms, one.known_ms, one.cpu_us) for one in added] == [(0, 0, 4)]


def test_a_closed_meter_says_until_when_it_counted() -> None:
    ended, added = close(meter(), Used(cpu_us=5), NOON + HOUR + timedelta(microseconds=900))
    assert ended.ended_at == NOON + HOUR
    assert added[0].cpu_us == 5


def test_months_of_a_span() -> None:
    assert month_of(datetime(2027, 1, 1, tzinfo=UTC)) == "2027-01"
    year = list(months_between(datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)))
    assert year == [("2026-12", timedelta(days=1)), ("2027-01", timedelta(days=31))]
    assert list(months_between(NOON, NOON)) == []


@given(
    st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**9) | st.none()), min_size=1, max_size=8),
)
def test_whatever_the_readings_the_sums_are_exact(steps: list[tuple[int, int | None]]) -> None:
    """Life sums to the span, computed time to what the counter showed, and known time never passes life."""
    now, shown, current = NOON, 0, meter()
    life = known = cpu = 0
    for milliseconds, more in steps:
        now += timedelta(milliseconds=milliseconds)
        shown += more or 0
        current, added = read(current, None if more is None else Used(cpu_us=shown), now)
        life += sum(one.life_ms for one in added)
        known += sum(one.known_ms for one in added)
        cpu += sum(one.cpu_us for one in added)
    assert life == (now - NOON) // timedelta(milliseconds=1)
    assert known <= life
    assert cpu == current.last_cpu_us
    assert current.restarts == 0


def test_a_place_counts_what_was_found_before_until_it_is_measured_again() -> None:
    begun = StoreMeter(grant="g", place=Kept.homes, kib=0, counted_to=NOON)
    first, added = store(begun, 100, NOON)
    assert (first.kib, added) == (100, [])
    second, added = store(first, 7, NOON + timedelta(seconds=10, microseconds=5))
    assert added == [("2026-11", 1000)]
    assert second.counted_to == NOON + timedelta(seconds=10)
    assert store(second, 7, NOON) == (second, [])  # taken in twice, or by a clock that was set back
