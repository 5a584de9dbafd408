"""What is looked at first."""

from __future__ import annotations

from datetime import timedelta

from tests.support.factories import NOON
from tests.support.kubernetes import plan
from tre.controller.looks import Looks, Moments
from tre.runtimes.protocol import Observation, RunPhase

PLAN = plan()
RUN = Observation(identity=PLAN.identity, plan=PLAN, phase=RunPhase.Ready, at=NOON, end=PLAN.end)


def drained(looks: Looks) -> list[str]:
    found = []
    while (key := looks.urgent() or looks.patient()) is not None:
        found.append(key)
    return found


def test_what_may_end_something_overtakes_what_can_only_begin() -> None:
    looks = Looks()
    looks.lives([RUN])
    starts = [f"workspace/w-{number}" for number in range(3)]
    for key in (*starts, f"workspace/{PLAN.workspace}", "grant/other", f"grant/{PLAN.grant}", "session/all"):
        looks.add(key)
    assert len(looks) == 7
    ends = [f"workspace/{PLAN.workspace}", f"grant/{PLAN.grant}", "session/all"]
    assert drained(looks) == [*ends, *starts, "grant/other"]
    assert len(looks) == 0


def test_without_a_run_nothing_is_urgent_and_each_waits_once() -> None:
    looks = Looks()
    for key in ("workspace/a", f"grant/{PLAN.grant}", "workspace/a"):
        looks.add(key)
    assert not looks.is_urgent
    assert len(looks) == 2
    looks.lives([RUN])
    looks.add(f"grant/{PLAN.grant}")
    assert looks.is_urgent
    looks.add(f"grant/{PLAN.grant}")
    assert drained(looks) == [f"grant/{PLAN.grant}", "workspace/a"]


def test_of_several_moments_the_earliest_counts() -> None:
    moments = Moments()
    assert moments.next() is None
    for hours in (3, 1, 2, 1):
        moments.put(NOON + timedelta(hours=hours), "a")
    moments.put(NOON + timedelta(hours=2), "b")
    assert (len(moments), moments.next()) == (2, NOON + timedelta(hours=1))
    assert moments.due(NOON) == []
    assert moments.due(NOON + timedelta(hours=1)) == ["a"]
    assert moments.due(NOON + timedelta(hours=9)) == ["b"]
    moments.put(NOON, "c")
    assert moments.take_all() == ["c"]
    assert moments.due(NOON) == []
