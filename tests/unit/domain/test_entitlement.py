"""The one answer: each rule closes by itself, and nothing else does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import (
    ALICE,
    DIGEST,
    END,
    EVE,
    LEGAL_END,
    NOON,
    START,
    grant_record,
    slice_plain,
    spec_plain,
    suspension,
)
from tre.domain.canonical import digest
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord, SuspensionScope
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import ENDED_PHASES, GrantPhase
from tre.domain.people import Subject

OTHER = "sha256:" + "cd" * 32
TWO_SLICES = {
    "slices": [slice_plain("cxr", planDigest=DIGEST), slice_plain("ct", planDigest=OTHER)],
    "approval": spec_plain()["approval"] | {"planDigest": digest({"cxr": DIGEST, "ct": OTHER})},
}


def test_a_member_of_an_active_grant_is_entitled_to_its_slices() -> None:
    verdict = is_entitled(grant_record(), ALICE, NOON)
    assert verdict
    assert verdict.reason is Reason.Entitled
    assert verdict.slices == {"cxr"}


@pytest.mark.parametrize(
    ("changes", "now", "reason"),
    [
        ({"phase": GrantPhase.Closed}, NOON, Reason.GrantClosed),
        ({"phase": GrantPhase.Revoked}, NOON, Reason.GrantRevoked),
        ({"phase": GrantPhase.Expired}, NOON, Reason.GrantExpired),
        ({"revoked_at": NOON}, NOON, Reason.GrantRevoked),
        ({"revoked_at": NOON, "phase": GrantPhase.Closed}, NOON, Reason.GrantClosed),
        ({}, END, Reason.GrantExpired),
        ({"evidence_verified": False}, NOON, Reason.EvidenceUnverified),
        ({}, START - timedelta(seconds=1), Reason.NotYetValid),
        ({"activated_at": None}, NOON, Reason.GrantPending),
        ({"confirmed_until": NOON}, NOON, Reason.SourceStale),
        ({"suspensions": (suspension(),)}, NOON, Reason.GrantSuspended),
        ({"suspensions": (suspension(SuspensionScope.member, "local:alice"),)}, NOON, Reason.MemberSuspended),
        ({"suspensions": (suspension(SuspensionScope.organisation, "org-1"),)}, NOON, Reason.OrganisationSuspended),
        ({"suspensions": (suspension(SuspensionScope.slice, "cxr"),)}, NOON, Reason.SliceSuspended),
    ],
)
def test_each_rule_closes_by_itself(changes: dict[str, Any], now: datetime, reason: Reason) -> None:
    verdict = is_entitled(grant_record(**changes), ALICE, now)
    assert not verdict
    assert verdict.reason is reason
    assert verdict.slices == frozenset()


def test_the_legal_basis_ends_access_with_its_own_reason() -> None:
    grant = grant_record({"legalBasis": {"name": "COPI", "ends": LEGAL_END.isoformat()}})
    assert is_entitled(grant, ALICE, LEGAL_END - timedelta(microseconds=1))
    assert is_entitled(grant, ALICE, LEGAL_END).reason is Reason.LegalBasisEnded


@pytest.mark.parametrize(
    "stranger", [EVE, Subject(issuer="local", id="Alice"), Subject(issuer="https://idp", id="alice")]
)
def test_strangers_learn_nothing_but_that_they_are_strangers(stranger: Subject) -> None:
    for changes in ({}, {"phase": GrantPhase.Revoked}, {"evidence_verified": False}):
        assert is_entitled(grant_record(**changes), stranger, NOON).reason is Reason.NotAMember


def test_the_first_moment_is_one_of_access() -> None:
    assert is_entitled(grant_record(), ALICE, START)


def test_confirmation_in_time_keeps_access() -> None:
    assert is_entitled(grant_record(confirmed_until=NOON + timedelta(seconds=1)), ALICE, NOON)


def test_a_suspended_slice_ends_what_mounts_it_and_only_that() -> None:
    grant = grant_record(TWO_SLICES, suspensions=(suspension(SuspensionScope.slice, "ct"),))
    assert is_entitled(grant, ALICE, NOON).slices == {"cxr"}
    assert is_entitled(grant, ALICE, NOON, frozenset({"cxr"}))
    assert is_entitled(grant, ALICE, NOON, frozenset({"cxr", "ct"})).reason is Reason.SliceSuspended


moments = st.integers(min_value=-(10**8), max_value=10**8).map(lambda s: NOON + timedelta(seconds=s))
grants = st.builds(
    lambda phase, verified, active, revoked, stops: grant_record(
        phase=phase,
        evidence_verified=verified,
        activated_at=START if active else None,
        revoked_at=NOON if revoked else None,
        suspensions=tuple(suspension(*stop) for stop in stops),
    ),
    st.sampled_from(list(GrantPhase)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.lists(
        st.sampled_from([(SuspensionScope.grant, ""), (SuspensionScope.slice, "cxr"), (SuspensionScope.member, "x:y")]),
        max_size=2,
    ),
)


@given(grants, moments)
def test_entitlement_implies_every_condition(grant: GrantRecord, now: datetime) -> None:
    if is_entitled(grant, ALICE, now):
        assert grant.phase not in ENDED_PHASES
        assert grant.evidence_verified
        assert grant.activated_at is not None
        assert grant.revoked_at is None
        assert grant.spec.not_before <= now < effective_end(grant.spec).at
        assert all(item.scope is SuspensionScope.member or not item.in_force(now) for item in grant.suspensions)
    assert not is_entitled(grant, EVE, now)
