"""The duties of a clearinghouse (GA4GH Passport v1 and AAI OIDC profile), one test each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import NOON
from tests.support.sources import BEGUN, RESOURCE, entitlement
from tre.domain.errors import Reason, TREError
from tre.domain.sources.policy import VisaPolicy
from tre.domain.sources.visas import check_head, confirmed_until

ISSUER, KEYS = "https://rems.example.org/", "https://rems.example.org/api/jwk"
POLICY = VisaPolicy(issuer=ISSUER, keys=KEYS)
ENDS = NOON + timedelta(days=100)


def head(**changes: Any) -> dict[str, Any]:
    return {"alg": "RS256", "typ": "JWT", "jku": KEYS, "kid": "one"} | changes


def claims(visa: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    own = {
        "type": "ControlledAccessGrants",
        "asserted": int(BEGUN.timestamp()),
        "value": RESOURCE,
        "source": "https://no.where/",
        "by": "dac",
    }
    plain = {"iss": ISSUER, "sub": "alice", "iat": 1, "exp": int(ENDS.timestamp())}
    return plain | {"ga4gh_visa_v1": own | (visa or {})} | changes


def until(visa: dict[str, Any] | None = None, **changes: Any) -> object:
    return confirmed_until(claims(visa, **changes), entitlement(), POLICY, NOON)


def test_a_visa_of_rems_confirms() -> None:
    assert check_head(head(), claims(), POLICY) == "one"
    assert until() == ENDS


@pytest.mark.parametrize("typ", [None, "JWT", "vnd.ga4gh.visa+jwt"])
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_both_algorithms_and_all_types_are_taken(typ: str | None, alg: str) -> None:
    assert check_head(head(typ=typ, alg=alg), claims(), POLICY) == "one"


@pytest.mark.parametrize(
    "wrong",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"alg": None},
        {"typ": "at+jwt"},
        {"crit": ["x"]},
        {"jku": "https://attacker.example/api/jwk"},
        {"jku": KEYS.upper()},
        {"jku": None},
        {"kid": None},
        {"kid": ""},
        {"kid": 5},
    ],
)
def test_1_issuer_and_place_of_keys_are_trusted_before_anything_is_fetched(wrong: dict[str, Any]) -> None:
    with pytest.raises(TREError) as caught:
        check_head(head(**wrong), claims(), POLICY)
    assert caught.value.reason is Reason.SignatureInvalid


def test_1_the_issuer_too() -> None:
    with pytest.raises(TREError):
        check_head(head(), claims(iss=ISSUER.rstrip("/")), POLICY)


@pytest.mark.parametrize("value", [RESOURCE.upper(), RESOURCE + "/", "urn:nhs", "", None, [RESOURCE]])
def test_2_values_are_compared_whole_and_by_case(value: Any) -> None:
    assert until({"value": value}) is None


@pytest.mark.parametrize("conditions", [[[{"type": "AffiliationAndRole"}]], {"a": 1}, "x", 1])
def test_3_conditions_that_nobody_evaluates_make_it_count_for_nothing(conditions: Any) -> None:
    assert until({"conditions": conditions}) is None
    assert until({"conditions": []}) == ENDS


@pytest.mark.parametrize("kind", ["AffiliationAndRole", "ResearcherStatus", "Invented", None])
def test_4_other_types_are_ignored(kind: Any) -> None:
    assert until({"type": kind}) is None


@pytest.mark.parametrize("who", ["bob", "Alice", None])
def test_5_another_person_is_another_person(who: Any) -> None:
    assert until(sub=who) is None


@pytest.mark.parametrize("by", [None, "me", "DAC"])
def test_who_granted_it_is_due(by: Any) -> None:
    assert until({"by": by}) is None
    assert until({"source": ""}) is None


def test_6_it_holds_no_longer_than_its_expiry_and_the_longest_time() -> None:
    short = VisaPolicy(issuer=ISSUER, keys=KEYS, longest_days=20)
    assert confirmed_until(claims(), entitlement(), short, NOON) == BEGUN + timedelta(days=20)


def test_7_nothing_is_confirmed_once_it_ended() -> None:
    assert confirmed_until(claims(), entitlement(), POLICY, ENDS) is None
    assert confirmed_until(claims(), entitlement(), POLICY, ENDS - timedelta(microseconds=1)) == ENDS


@pytest.mark.parametrize("moment", [None, "1", True, -1, 2**80, 1.5])
def test_times_are_whole_seconds(moment: Any) -> None:
    assert until({"asserted": moment}) is None
    assert until(exp=moment) is None


def test_what_was_asserted_in_the_future_confirms_nothing() -> None:
    assert until({"asserted": int(NOON.timestamp()) + 60}) is None


@pytest.mark.parametrize("visa", [None, [], "text"])
def test_a_token_without_a_visa_is_none(visa: Any) -> None:
    assert confirmed_until(claims() | {"ga4gh_visa_v1": visa}, entitlement(), POLICY, NOON) is None
