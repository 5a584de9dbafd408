"""What a grant file may say, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import DIGEST, access_grant, grant_plain, slice_plain, spec_plain
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, AccessGrantSpec
from tre.domain.model import parse_record
from tre.domain.people import Subject

OTHER = "sha256:" + "cd" * 32


def refused(plain: dict[str, Any]) -> str:
    with pytest.raises(TREError) as caught:
        parse_record(AccessGrant, plain)
    assert caught.value.reason is Reason.BadInput
    return str(caught.value)


def test_the_example_of_the_design_parses() -> None:
    plain = grant_plain(
        legalBasis={"name": "COPI", "ends": "2027-06-30T23:59:59Z"},
        conditions=["DUO:0000025"],
        workspace={"profile": "small", "budgets": {"fileReads": "20Mi/h", "kernelOutput": "100Mi/h"}},
        export={"policy": "default", "reviewers": 2},
    )
    grant = parse_record(AccessGrant, plain)
    assert grant.spec.as_plain() == AccessGrantSpec.model_validate(grant.spec.as_plain()).as_plain()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expires": "2026-10-01T00:00:00Z"}, "expires must lie after notBefore"),
        ({"legalBasis": {"name": "COPI", "ends": "2026-01-01T00:00:00Z"}}, "legalBasis.ends must lie after"),
        ({"expires": "2027-10-31T23:59:59"}, "a time needs its zone"),
        ({"expires": True}, "not a truth value"),
        ({"members": []}, "at least 1"),
        ({"members": [{"subject": {"issuer": "local", "id": "alice"}}] * 2}, "twice"),
        ({"slices": []}, "at least 1"),
        ({"unknown": 1}, "no such key"),
        ({"conditions": ["DUO:25"]}, "of the form"),
        ({"workspace": {"budgets": {"fileReads": "20MB/h"}}}, "is not an amount"),
        ({"workspace": {"profile": "../etc"}}, "cannot be a name"),
        ({"slices": [slice_plain(release="a/../b")]}, "cannot name a release"),
        ({"slices": [slice_plain(dataset="other")]}, "names another dataset"),
        ({"slices": [slice_plain(name="a\nb")]}, "control characters"),
        ({"slices": [slice_plain("a"), slice_plain("b")]}, "each needs its planDigest"),
        ({"slices": [slice_plain("a", planDigest=DIGEST), slice_plain("b", planDigest=OTHER)]}, "not the digest over"),
        ({"slices": [slice_plain(planDigest=OTHER)]}, "not the digest over"),
        ({"export": {"reviewers": 0}}, "a number from 1 on is due"),
        ({"export": {"reviewers": True}}, "reviewers"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    assert words in refused(grant_plain(**changes))


def test_no_end_is_refused() -> None:
    plain = grant_plain()
    del plain["spec"]["expires"]
    assert "spec.expires: this key is required" in refused(plain)


def test_a_mistyped_key_gets_a_suggestion() -> None:
    plain = grant_plain()
    plain["spec"]["expirs"] = plain["spec"].pop("expires")
    assert "did you mean 'expires'?" in refused(plain)


@pytest.mark.parametrize("name", ["../x", "a\nb", "", "A", "a" * 64, "-a", "a-", "ä", "a b", " a"])
def test_names_that_could_mean_something_else_are_refused(name: str) -> None:
    assert "metadata.name" in refused(grant_plain(name))


def test_a_lay_summary_has_at_most_250_words() -> None:
    project = spec_plain()["project"]
    access_grant(project=project | {"laySummary": "word " * 249 + "word"})
    assert "at most 250 words, these are 251" in refused(
        grant_plain(project=project | {"laySummary": "word " * 250 + "word"})
    )


def test_a_member_is_found_by_issuer_and_id_exactly() -> None:
    spec = access_grant().spec
    assert spec.member(Subject(issuer="local", id="alice")) is not None
    assert spec.member(Subject(issuer="local", id="Alice")) is None
    assert spec.member(Subject(issuer="other", id="alice")) is None


def test_several_slices_are_signed_by_the_digest_over_their_plans() -> None:
    both = digest({"a": DIGEST, "b": OTHER})
    slices = [slice_plain("a", planDigest=DIGEST), slice_plain("b", planDigest=OTHER)]
    spec = access_grant(slices=slices, approval=spec_plain()["approval"] | {"planDigest": both}).spec
    assert spec.signed_plan_digest("b") == OTHER
    assert access_grant().spec.signed_plan_digest("cxr") == DIGEST


def test_the_signature_covers_everything_but_itself() -> None:
    grant = access_grant()
    with_evidence = access_grant(
        approval=spec_plain()["approval"] | {"evidence": {"source": "portal", "digest": DIGEST}}
    )
    assert grant.signed_content() == with_evidence.signed_content()
    assert grant.signed_content() != access_grant("other-name").signed_content()
    assert grant.signed_content() != access_grant(expires="2028-01-01T00:00:00Z").signed_content()
