"""The facts of a stored grant, as the airlock's rules take them."""

from __future__ import annotations

import pytest

from tests.support.factories import ALICE, BOB, NOON, grant_record, suspension
from tests.unit.domain.exports.world import World
from tre.domain.errors import Reason
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.situation import grant_facts
from tre.domain.grants.models import SuspensionScope

REQUEST: ExportRequest = World().request  # its author is local:alice


def test_a_running_grant() -> None:
    facts = grant_facts(grant_record({"export": {"reviewers": 3}}), REQUEST.author, NOON)
    assert (facts.name, facts.reviewers) == ("nccid-00123", 3)
    assert (facts.author, facts.stopped) == (Reason.Entitled, None)
    assert facts.is_member(ALICE)
    assert facts.is_member(BOB)
    assert not facts.is_member(ALICE.model_copy(update={"issuer": "other"}))


def test_a_revoked_grant_lets_nothing_out() -> None:
    facts = grant_facts(grant_record(revoked_at=NOON), REQUEST.author, NOON)
    assert (facts.author, facts.stopped) == (Reason.GrantRevoked, Reason.GrantRevoked)


@pytest.mark.parametrize(
    ("scope", "ref", "stopped"),
    [
        (SuspensionScope.grant, "", Reason.GrantSuspended),
        (SuspensionScope.organisation, "org-1", Reason.OrganisationSuspended),
        (SuspensionScope.member, "local:alice", Reason.MemberSuspended),
        (SuspensionScope.member, "local:bob", None),
        (SuspensionScope.slice, "cxr", None),
    ],
)
def test_a_suspension_that_touches_the_author_stops_the_way_out(
    scope: SuspensionScope, ref: str, stopped: Reason | None
) -> None:
    grant = grant_record(suspensions=(suspension(scope, ref),))
    assert grant_facts(grant, REQUEST.author, NOON).stopped is stopped


def test_an_expired_grant_takes_nothing_new_and_does_not_stop_what_was_handed_in() -> None:
    facts = grant_facts(grant_record({"expires": "2026-11-20T00:00:00Z"}), REQUEST.author, NOON)
    assert (facts.author, facts.stopped) == (Reason.GrantExpired, None)


def test_a_revocation_outweighs_a_suspension() -> None:
    grant = grant_record(revoked_at=NOON, suspensions=(suspension(),))
    assert grant_facts(grant, REQUEST.author, NOON).stopped is Reason.GrantRevoked
