"""Both sides of each moment at which a quiet workspace is warned and stopped."""

from __future__ import annotations

import pytest

from tre.domain.workspaces.idling import (
    FRESH_SECONDS,
    WARNING_SECONDS,
    Quiet,
    is_due,
    is_near,
    is_outdated,
    minutes_until_stopped,
    seconds_left,
)

HOUR = 3600.0


@pytest.mark.parametrize(
    ("lasted", "near", "due"),
    [(0.0, False, False), (HOUR - WARNING_SECONDS - 1, False, False), (HOUR - WARNING_SECONDS, True, False),
     (HOUR - 1, True, False), (HOUR, True, True), (2 * HOUR, True, True)],
)  # fmt: skip
def test_a_quiet_run_is_warned_and_then_stopped(lasted: float, near: bool, due: bool) -> None:
    quiet = Quiet(lasted, 0.0)
    assert (is_near(60, quiet), is_due(60, quiet)) == (near, due)
    assert seconds_left(60, quiet) == max(0.0, HOUR - lasted)


@pytest.mark.parametrize(("looked", "known"), [(None, False), (FRESH_SECONDS + 1, False), (FRESH_SECONDS, True)])
def test_where_nobody_looks_nothing_is_stopped(looked: float | None, known: bool) -> None:
    quiet = Quiet(2 * HOUR, looked)
    assert (is_near(60, quiet), is_due(60, quiet), quiet.is_known) == (known, known, known)


@pytest.mark.parametrize(
    ("began", "now", "outdated"),
    [("a", "a", False), ("a", "b", True), (None, "b", False), ("a", None, False), (None, None, False)],
)
def test_programs_are_outdated_where_both_are_known_and_differ(
    began: str | None, now: str | None, outdated: bool
) -> None:
    assert is_outdated(began, now) is outdated


@pytest.mark.parametrize(
    ("profile", "renewal", "outdated", "expected"),
    [(None, 60, False, None), (None, 60, True, 60), (30, 60, True, 30), (90, 60, True, 60), (90, None, True, 90)],
)
def test_the_shorter_of_two_times_counts(
    profile: int | None, renewal: int | None, outdated: bool, expected: int | None
) -> None:
    assert minutes_until_stopped(profile, renewal, outdated=outdated) == expected
