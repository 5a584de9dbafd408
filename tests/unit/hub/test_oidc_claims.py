"""What an identity provider says of a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.hub.oidc_claims import Expected, display_name, groups_of, has_second_factor, read_id_token, read_person

EXPECTED = Expected("https://idp.example", "tre-hub")
KEY = "k" * 32


def token(**changes: Any) -> str:
    now = datetime.now(UTC)
    claims = {"iss": EXPECTED.issuer, "aud": "tre-hub", "sub": "ada", "iat": now, "exp": now + timedelta(minutes=5)}
    return jwt.encode({name: value for name, value in (claims | changes).items() if value is not None}, KEY)


def test_a_token_for_us_is_read() -> None:
    assert read_id_token(token(), EXPECTED)["sub"] == "ada"
    assert read_id_token(token(aud=["tre-hub"]), EXPECTED)["sub"] == "ada"
    assert read_id_token(token(aud=["tre-hub", "other"], azp="tre-hub"), EXPECTED)["sub"] == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://idp.example/"},
        {"iss": "https://IDP.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"aud": ["tre-hub", "other"]},
        {"aud": ["tre-hub", "other"], "azp": "other"},
        {"azp": "other"},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"exp": None},
        {"iat": None},
        {"iat": datetime(2100, 1, 1, tzinfo=UTC)},
        {"sub": None},
    ],
)
def test_any_other_token_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TREError) as caught:
        read_id_token(token(**changes), EXPECTED)
    assert caught.value.reason is Reason.LoginFailed


@pytest.mark.parametrize("bad", [None, 7, "", "a.b.c", {"sub": "ada"}])
def test_no_token_is_refused(bad: object) -> None:
    with pytest.raises(TREError):
        read_id_token(bad, EXPECTED)


def test_two_answers_must_name_one_person() -> None:
    person = read_person({"sub": "ada"}, {"sub": "ada", "groups": ["dac"]}, "groups", EXPECTED)
    assert (person.subject.issuer, person.subject.id, person.groups) == (EXPECTED.issuer, "ada", {"dac"})
    for other in ({"sub": "Ada"}, {"sub": "ada "}, {}):
        with pytest.raises(TREError):
            read_person({"sub": "ada"}, other, "groups", EXPECTED)


@pytest.mark.parametrize("sub", ["", " ada", "a\nb", "x" * 256, 7, None])
def test_names_that_cannot_be_kept_exactly_are_refused(sub: Any) -> None:
    with pytest.raises(TREError):
        read_person({"sub": sub}, {"sub": sub}, "groups", EXPECTED)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"amr": ["mfa"]}, True),
        ({"amr": ["pwd", "otp"]}, True),
        ({"amr": ["pin", "hwk"]}, True),
        ({"acr": "https://refeds.org/profile/mfa"}, True),
        ({"acr": "phr"}, True),
        ({"amr": ["pwd"]}, False),
        ({"amr": ["otp"]}, False),
        ({"amr": ["pwd", "pin"]}, False),
        ({"amr": ["pwd", "sms"]}, False),
        ({"amr": ["hwk", "fpt"]}, False),
        ({"amr": "mfa"}, False),
        ({"amr": ["mfa", 7]}, False),
        ({"amr": None}, False),
        ({"acr": "1"}, False),
        ({}, False),
    ],
)
def test_second_factors(claims: dict[str, Any], expected: bool) -> None:
    assert has_second_factor(claims) is expected


def test_a_demanded_second_factor_is_the_difference() -> None:
    claims = {"sub": "ada", "amr": ["pwd"]}
    demanding = Expected(EXPECTED.issuer, "tre-hub", require_mfa=True)
    with pytest.raises(TREError) as caught:
        read_person(claims, {"sub": "ada"}, "groups", demanding)
    assert caught.value.reason is Reason.SecondFactorRequired
    assert read_person(claims, {"sub": "ada"}, "groups", EXPECTED)
    assert read_person(claims | {"amr": ["mfa"]}, {"sub": "ada"}, "groups", demanding)


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        (["a", "b", "a"], {"a", "b"}),
        ("admin", set()),
        ({"a": 1}, set()),
        (["a", None], set()),
        (["", "x" * 256, "ok"], {"ok"}),
        ([f"g{number}" for number in range(501)], set()),
        (None, set()),
    ],
)
def test_misshapen_groups_give_no_role(value: Any, groups: set[str]) -> None:
    assert groups_of({"groups": value}, {}, "groups") == groups


def test_groups_may_stand_in_the_token() -> None:
    assert groups_of({}, {"roles": ["a"]}, "roles") == {"a"}
    assert groups_of({"roles": ["b"]}, {"roles": ["a"]}, "roles") == {"b"}


@given(st.one_of(st.none(), st.integers(), st.text()), st.one_of(st.none(), st.text()))
def test_a_screen_name_is_always_one_short_line(name: Any, other: Any) -> None:
    shown = display_name({"name": name, "preferred_username": other, "email": "never@example.org"})
    assert 0 < len(shown) <= 300
    assert shown == shown.strip()
    assert shown.isprintable()
    assert "never@example.org" not in shown


@pytest.mark.parametrize(
    ("userinfo", "claims", "found"),
    [
        ({"email": "ada@example.org", "email_verified": True}, {}, "ada@example.org"),
        ({}, {"email": "ada@example.org", "email_verified": True}, "ada@example.org"),
        ({"email": "ada@example.org"}, {"email_verified": True}, None),
        ({"email": "ada@example.org", "email_verified": "true"}, {}, None),
        ({"email": "ada@example.org", "email_verified": False}, {}, None),
        ({"email": "mallory@example.org"}, {"email": "ada@example.org", "email_verified": True}, None),
        ({"email": "a@b.org\nBcc: c@d.org", "email_verified": True}, {}, None),
        ({"email": ["ada@example.org"], "email_verified": True}, {}, None),
        ({}, {}, None),
    ],
)
def test_an_address_counts_where_the_same_answer_says_it_was_verified(
    userinfo: dict[str, Any], claims: dict[str, Any], found: str | None
) -> None:
    person = read_person({"sub": "ada"} | claims, {"sub": "ada"} | userinfo, "groups", EXPECTED)
    assert person.email == found
