"""Conditions: the three that kubectl goes by, and times that move only when something changed."""

from __future__ import annotations

from datetime import timedelta

from tests.support.factories import NOON
from tre.cluster.conditions import Condition, merged, stamp, summary
from tre.domain.errors import Reason

GOOD = Condition("Accepted", True, Reason.Entitled)
BAD = Condition("EvidenceVerified", False, Reason.EvidenceUnverified, "nobody signed it")


def shown(*found: Condition, waits: bool) -> dict[str, tuple[bool, str]]:
    return {one.type: (one.holds, one.reason.value) for one in summary(found, waits=waits)}


def test_all_good_is_ready() -> None:
    found = shown(GOOD, waits=False)
    assert found["Ready"] == (True, "Entitled")
    assert not found["Reconciling"][0]
    assert not found["Stalled"][0]


def test_what_fails_first_is_the_reason() -> None:
    assert shown(GOOD, BAD, waits=True)["Reconciling"] == (True, "EvidenceUnverified")
    stuck = shown(GOOD, BAD, waits=False)
    assert stuck["Stalled"] == (True, "EvidenceUnverified")
    assert stuck["Ready"] == (False, "EvidenceUnverified")
    assert not stuck["Reconciling"][0]


def test_the_time_moves_with_the_status_only() -> None:
    first = merged([], [GOOD, BAD], 1, NOON)
    later = NOON + timedelta(hours=1)
    same = merged(first, [GOOD, BAD], 1, later)
    assert same == first
    changed = merged(first, [GOOD, Condition("EvidenceVerified", True, Reason.Entitled)], 2, later)
    assert changed[0]["lastTransitionTime"] == stamp(NOON)
    assert changed[1]["lastTransitionTime"] == stamp(later)
    assert changed[1]["observedGeneration"] == 2
