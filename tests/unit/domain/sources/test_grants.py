"""What an entitlement elsewhere opens: a signed template's content, for the people named, until the earliest end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.factories import END, NOON, access_grant
from tests.support.sources import BEGUN, RESOURCE, entitlement, rems_source, template
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.names import is_resource_name
from tre.domain.sources.grants import (
    begun_at,
    check_name,
    check_template,
    derive,
    gives_no_more,
    grant_name,
    takes_away,
)
from tre.domain.sources.truth import Entitlement

SOURCE = rems_source()


def record(*people: Entitlement) -> GrantRecord:
    grant = derive(template(), people, SOURCE, 1)
    return GrantRecord(name=grant.metadata.name, generation=1, spec=grant.spec)


def test_a_template_opens_the_resource_that_was_signed() -> None:
    assert check_template(template(), "rems") == RESOURCE


@pytest.mark.parametrize("wrong", [access_grant(), template(source="other")])
def test_a_signed_grant_of_people_or_of_another_source_is_no_template(wrong: object) -> None:
    with pytest.raises(TREError, match="no template") as caught:
        check_template(wrong, "rems")  # type: ignore[arg-type]
    assert caught.value.reason is Reason.EvidenceUnverified


def test_the_source_adds_people_and_times_and_nothing_else() -> None:
    found = derive(template(), [entitlement(), entitlement("bob")], SOURCE, 1)
    assert [str(member.subject) for member in found.spec.members] == ["local:alice", "local:bob"]
    assert (found.spec.not_before, found.spec.expires) == (BEGUN, END)
    own = {"members", "approval", "not_before", "expires"}
    assert found.spec.model_dump(exclude=own) == template().spec.model_dump(exclude=own)
    assert found.spec.approval.evidence is None
    assert found.spec.approval.plan_digest == template().spec.approval.plan_digest
    assert found.spec.approval.reference == f"rems application 7, {RESOURCE}"


def test_the_earliest_end_counts() -> None:
    soon = NOON + timedelta(days=30)
    assert derive(template(), [entitlement(end=soon), entitlement("bob")], SOURCE, 1).spec.expires == soon
    assert derive(template(), [entitlement(end=None)], SOURCE, 1).spec.expires == END
    short = rems_source(longestDays=20)
    assert derive(template(), [entitlement(end=None)], short, 1).spec.expires == BEGUN + timedelta(days=20)


def test_no_time_left_is_refused() -> None:
    with pytest.raises(TREError) as caught:
        derive(template(), [entitlement(start=END, end=None)], SOURCE, 1)
    assert caught.value.reason is Reason.GrantExpired


def test_a_law_that_ends_before_is_refused_in_words() -> None:
    law = {"name": "COPI", "ends": "2026-11-02T00:00:00Z"}
    with pytest.raises(TREError, match=r"legalBasis\.ends") as caught:
        derive(template(legalBasis=law), [entitlement()], SOURCE, 1)
    assert caught.value.reason is Reason.BadInput


def test_names_are_valid_and_differ() -> None:
    keys = [(7, RESOURCE), (7, "urn:other"), (70, RESOURCE)]
    names = {grant_name(source, key, number) for source in ("rems", "a" * 20) for key in keys for number in (1, 2)}
    assert len(names) == 12
    assert all(is_resource_name(name) for name in {*names, grant_name("a" * 20, (2**53, RESOURCE), 1)})


def test_evidence_of_a_source_counts_for_its_own_names_alone() -> None:
    check_name(derive(template(), [entitlement()], SOURCE, 1))
    with pytest.raises(TREError, match="does not begin with 'from-'"):
        check_name(access_grant())


def test_taking_away_is_told_from_giving() -> None:
    both = record(entitlement(), entitlement("bob"))
    alone = record(entitlement())
    sooner = record(entitlement(end=NOON + timedelta(days=1)))
    other = derive(template(conditions=["DUO:0000006"]), [entitlement()], SOURCE, 1).spec
    assert takes_away(both, both.spec)
    assert takes_away(both, alone.spec)
    assert takes_away(alone, sooner.spec)
    assert not takes_away(alone, both.spec)
    assert not takes_away(sooner, alone.spec)
    assert not takes_away(alone, other)
    assert not takes_away(alone, record(entitlement(start=BEGUN - timedelta(days=1))).spec)
    digest = alone.spec.approval.model_copy(update={"plan_digest": "sha256:" + "cd" * 32})
    assert not takes_away(alone, alone.spec.model_copy(update={"approval": digest}))


def test_what_a_grant_still_opens_is_held_against_the_truth() -> None:
    both = record(entitlement(), entitlement("bob"))
    assert gives_no_more(both, [entitlement(), entitlement("bob"), entitlement("carol")])
    assert not gives_no_more(both, [entitlement()])
    assert gives_no_more(both, [entitlement(end=None), entitlement("bob")])
    assert not gives_no_more(both, [entitlement(end=NOON), entitlement("bob")])


def test_the_newest_beginning_counts() -> None:
    assert begun_at([entitlement(), entitlement("bob", start=NOON)]) == NOON
