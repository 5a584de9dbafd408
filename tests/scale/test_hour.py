"""An hour of real load, with as many workspaces as the machine holds (`make soak`).

`TRE_HOUR_MINUTES` says for how many minutes instead (3 are enough to see whether it works), `TRE_HOUR_SEATS` with how
many workspaces at most, `TRE_HOUR_SEED` repeats what chance had chosen.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.support.hours import DEEDS, ENDS, BusyWorld, Hour, Weight, growth
from tests.support.machine import lacking_for_workspaces
from tre.cli.bench.figures import percentile
from tre.cli.trial.world import running_world

MINUTES = int(os.environ.get("TRE_HOUR_MINUTES", "60"))
SEATS = int(os.environ.get("TRE_HOUR_SEATS", "400"))
SEED = int(os.environ.get("TRE_HOUR_SEED", str(time.time_ns() % 10**6)))
RESERVE_BYTES = 4 * 2**30
"""Memory that is left to the machine: people at work need more than those who only sit there."""

WITHIN = 5.0
"""Seconds in which access has ended, on a machine that is full and busy."""

ENOUGH = 10
"""Minutes in which everything happens, whatever chance chooses."""

REASON = lacking_for_workspaces()


def told(hour: Hour, begin: dict[str, Weight], end: dict[str, Weight]) -> str:
    """Everything that was seen, for whoever reads the run's output."""
    lines = [f"{MINUTES} minutes, {hour.live} workspaces at their end, seed {SEED}"]
    lines.append(f"done: {dict(sorted(hour.done.items()))}")
    lines.append(f"ended, by the log: {dict(sorted(hour.endings().items()))}")
    named = {"start": hour.starts, **hour.ends}
    lines += [
        f"{name}: {len(found)}, p50 {percentile(found, 0.5):.2f} s, p99 {percentile(found, 0.99):.2f} s"
        for name, found in named.items()
    ]
    lines += [
        f"{name}: {was.memory / 2**20:.0f} → {end[name].memory / 2**20:.0f} MiB, "
        f"{was.descriptors} → {end[name].descriptors} descriptors"
        for name, was in begin.items()
    ]
    return "\n".join([*lines, *(f"trouble: {text}" for text in hour.troubles), *hour.wrong])


def say(words: str) -> None:
    """For whoever reads the run's output, at once."""
    print(words, flush=True)  # noqa: T201


@pytest.mark.soak
@pytest.mark.skipif(bool(REASON), reason=REASON)
@pytest.mark.timeout(60 * MINUTES + 3600)
async def test_an_hour_with_as_many_workspaces_as_there_is_room_for() -> None:
    with running_world(BusyWorld) as world:
        assert isinstance(world, BusyWorld)
        hour = Hour(world, SEED)
        try:
            begun = time.monotonic()
            await hour.fill(SEATS, RESERVE_BYTES)
            say(f"{hour.live} workspaces were opened in {time.monotonic() - begun:.0f} s")
            await hour.minute()  # whatever is made once has been made
            begin = hour.weights()
            over = time.monotonic() + 60 * MINUTES
            while (left := over - time.monotonic()) > 0 and not hour.wrong:
                say(f"{left / 60:.0f} minutes left: {sum(hour.done.values())} deeds, troubles: {hour.troubles}")
                await hour.minute()
            end = hour.weights()
            say(told(hour, begin, end))
        finally:
            await hour.leave()
        assert hour.wrong == []
        assert {name: said for name, was in begin.items() if (said := growth(was, end[name]))} == {}
        assert hour.troubles == []
        assert set(hour.endings()) <= set(ENDS.values()), "nothing ends for a reason that nobody gave"
        assert {deed: hour.endings()[reason] for deed, reason in ENDS.items()} == {d: hour.done[d] for d in ENDS}
        assert all(hour.done[deed] for deed in DEEDS) or MINUTES < ENOUGH
        assert all(seconds < WITHIN for found in hour.ends.values() for seconds in found)


def test_growth_is_noticed() -> None:
    mib = 2**20
    begin = Weight(10, 100 * mib, 50)
    assert growth(begin, Weight(10, 150 * mib, 70)) == []
    assert growth(begin, Weight(11, 100 * mib, 50)) == ["it is another process"]
    assert len(growth(begin, Weight(10, 200 * mib, 90))) == 2
