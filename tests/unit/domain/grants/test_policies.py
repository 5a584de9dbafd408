"""Ends, suspensions, warnings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.factories import ALICE, BOB, END, LEGAL_END, NOON, grant_record, suspension
from tre.domain.errors import Reason
from tre.domain.grants.models import SuspensionScope
from tre.domain.grants.policies import (
    due_announcements,
    due_warnings,
    effective_end,
    suspended_slices,
    suspension_of,
    suspensions_in_force,
)

COPI = {"legalBasis": {"name": "COPI", "ends": LEGAL_END.isoformat()}}


def test_the_earliest_end_wins() -> None:
    assert effective_end(grant_record().spec) == (END, Reason.GrantExpired)
    assert effective_end(grant_record(COPI).spec) == (LEGAL_END, Reason.LegalBasisEnded)
    later = {"legalBasis": {"name": "COPI", "ends": (END + timedelta(days=1)).isoformat()}}
    assert effective_end(grant_record(later).spec) == (END, Reason.GrantExpired)


def test_a_suspension_holds_from_since_until_before_until() -> None:
    one = suspension(until=NOON)
    assert one.in_force(NOON - timedelta(hours=1))
    assert not one.in_force(NOON - timedelta(hours=1, seconds=1))
    assert not one.in_force(NOON)
    assert suspension().in_force(END + timedelta(days=900))


@pytest.mark.parametrize(
    ("scope", "ref", "alice", "bob"),
    [
        (SuspensionScope.grant, "", True, True),
        (SuspensionScope.organisation, "org-1", True, True),
        (SuspensionScope.organisation, "org-2", False, False),
        (SuspensionScope.member, "local:alice", True, False),
        (SuspensionScope.member, "local:ALICE", False, False),
        (SuspensionScope.slice, "cxr", False, False),
        (SuspensionScope.grant, "cxr", False, False),
    ],
)
def test_whom_a_suspension_stops(scope: SuspensionScope, ref: str, alice: bool, bob: bool) -> None:
    grant = grant_record(suspensions=(suspension(scope, ref),))
    assert (suspension_of(grant, ALICE, NOON) is not None) is alice
    assert (suspension_of(grant, BOB, NOON) is not None) is bob


def test_slices_are_suspended_by_name_and_only_while_in_force() -> None:
    over = suspension(SuspensionScope.slice, "ct", until=NOON)
    grant = grant_record(suspensions=(suspension(SuspensionScope.slice, "cxr"), over))
    assert suspended_slices(grant, NOON) == {"cxr"}
    assert len(suspensions_in_force(grant, NOON)) == 1


@pytest.mark.parametrize(
    ("before", "count"),
    [(timedelta(days=8), 0), (timedelta(days=7), 1), (timedelta(hours=2), 2), (timedelta(minutes=10), 4)],
)
def test_warnings_come_due(before: timedelta, count: int) -> None:
    assert len(due_warnings(END, END - before)) == count


def test_nobody_is_warned_of_what_is_over() -> None:
    assert due_warnings(END, END) == ()


@pytest.mark.parametrize(
    ("active", "before", "count"),
    [(60, 31, 0), (60, 30, 1), (60, 14, 2), (60, 7, 3), (60, 0, 0), (29, 20, 0), (29, 14, 1), (10, 7, 1)],
)
def test_early_warnings_are_for_approvals_that_were_in_force_by_then(active: int, before: int, count: int) -> None:
    grant = grant_record(activated_at=END - timedelta(days=active))
    assert len(due_announcements(grant, END - timedelta(days=before))) == count


def test_what_was_never_in_force_announces_no_end() -> None:
    assert due_announcements(grant_record(activated_at=None), END - timedelta(hours=1)) == ()
