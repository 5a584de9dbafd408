"""Visas as a second confirmation: what forgers try, and that a visa takes away and never gives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.factories import END, NOON
from tests.support.source_world import World, approved, name_of
from tests.support.sources import RESOURCE, entitlement
from tre.cli.trial.rems import KID, SmallRems, small_rems
from tre.domain.errors import Reason, TREError
from tre.domain.sources.policy import VisaPolicy
from tre.sources.rems.visas import Visas
from tre.store.sources import Channel

WANTED = [entitlement()]


@pytest.fixture(scope="module")
def server() -> Iterator[SmallRems]:
    with small_rems() as found:
        yield found


@pytest.fixture
def rems(server: SmallRems) -> SmallRems:
    server.applications, server.trouble, server.status, server.asked = {7: approved("alice")}, None, 200, []
    return server


@pytest.fixture
def policy(rems: SmallRems) -> VisaPolicy:
    return VisaPolicy(issuer=f"{rems.address}/", keys=f"{rems.address}/api/jwk")


class Keys:
    """Whoever has the keys; how often it was asked for them, and where."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.answer: Any = {"keys": list(keys)}
        self.asked: list[str] = []

    def __call__(self, address: str, most: int) -> Any:
        assert most <= 2**18
        self.asked.append(address)
        return self.answer


@pytest.fixture
def keys(rems: SmallRems) -> Keys:
    return Keys(*rems.keys()["keys"])


def confirm(policy: VisaPolicy, keys: Keys, *tokens: Any) -> tuple[int, list[Reason]]:
    """How many entitlements these visas confirm, and what was refused."""
    found, refused = Visas(policy, keys, NOON).confirm({"ga4gh_passport_v1": list(tokens)}, WANTED)
    return len(found), [error.reason for error in refused]


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def test_a_visa_of_the_issuer_confirms(rems: SmallRems, policy: VisaPolicy, keys: Keys) -> None:
    token = rems.visa(rems.rows()[0])
    assert confirm(policy, keys, token, token) == (1, [])
    assert keys.asked == [policy.keys], "fetched once, from the policy's address"
    found, _ = Visas(policy, keys, NOON).confirm({"ga4gh_passport_v1": [token]}, WANTED)
    assert found[0].end == NOON + timedelta(days=300)


def test_no_visa_confirms_nothing_and_fetches_nothing(policy: VisaPolicy, keys: Keys) -> None:
    assert confirm(policy, keys) == (0, [])
    assert keys.asked == []


def test_an_elliptic_key_counts_for_its_own_algorithm(rems: SmallRems, policy: VisaPolicy) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    shown = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": "ec"}
    header, claims = parts_of(rems.visa(rems.rows()[0]))
    token = jwt.encode(claims, key, algorithm="ES256", headers=header | {"kid": "ec", "alg": "ES256"})
    assert confirm(policy, Keys(shown), token) == (1, [])
    assert confirm(policy, Keys(shown | {"kty": "RSA"}), token)[0] == 0


def test_without_a_signature_it_is_none(rems: SmallRems, policy: VisaPolicy, keys: Keys) -> None:
    header, claims = parts_of(rems.visa(rems.rows()[0]))
    for algorithm in ("none", "None", "NONE", ""):
        token = f"{part(header | {'alg': algorithm})}.{part(claims)}."
        assert confirm(policy, keys, token) == (0, [Reason.SignatureInvalid])
    assert keys.asked == []


def test_a_public_key_is_no_shared_secret(rems: SmallRems, policy: VisaPolicy, keys: Keys) -> None:
    header, claims = parts_of(rems.visa(rems.rows()[0]))
    pem = rems.signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    content = f"{part(header | {'alg': 'HS256'})}.{part(claims)}"
    mac = base64.urlsafe_b64encode(hmac.new(pem, content.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert confirm(policy, keys, f"{content}.{mac}") == (0, [Reason.SignatureInvalid])


def test_another_key_under_the_same_name_is_another_key(rems: SmallRems, policy: VisaPolicy, keys: Keys) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header, claims = parts_of(rems.visa(rems.rows()[0]))
    token = jwt.encode(claims, forger, algorithm="RS256", headers=header)
    assert confirm(policy, keys, token) == (0, [Reason.SignatureInvalid])


def test_a_changed_claim_is_a_forgery(rems: SmallRems, policy: VisaPolicy, keys: Keys) -> None:
    head, claims, signature = rems.visa(rems.rows()[0] | {"user": {"userid": "eve"}}).split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"sub": "alice"}
    assert confirm(policy, keys, f"{head}.{part(changed)}.{signature}") == (0, [Reason.SignatureInvalid])


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"jku": "https://attacker.example/jwk"}, {}),
        ({"jku": None}, {}),
        ({"kid": "other"}, {}),
        ({"typ": "at+jwt"}, {}),
        ({"crit": ["exp"]}, {}),
        ({}, {"iss": "https://attacker.example/"}),
        ({}, {"exp": int(NOON.timestamp()) - 10**9}),
        ({}, {"iat": "now"}),
        ({}, {"sub": None}),
    ],
)
def test_what_the_issuer_would_not_make_is_refused(
    rems: SmallRems, policy: VisaPolicy, keys: Keys, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    token = rems.visa(rems.rows()[0])
    head, plain = parts_of(token)
    forged = jwt.encode(
        {key: value for key, value in (plain | claims).items() if value is not None},
        rems.signing,
        algorithm="RS256",
        headers=head | header,
    )
    assert confirm(policy, keys, forged) == (0, [Reason.SignatureInvalid])
    assert all(address == policy.keys for address in keys.asked)
    assert confirm(policy, keys, forged, token)[0] == 1, "a bad one beside a good one takes nothing away"


@pytest.mark.parametrize("token", [None, 5, [], "", "a.b.c", "..", "a" * 20_000, "[" * 9000])
def test_what_is_no_visa_is_refused(policy: VisaPolicy, keys: Keys, token: Any) -> None:
    assert confirm(policy, keys, token) == (0, [Reason.SignatureInvalid])


def test_a_deep_header_ends_nothing(policy: VisaPolicy, keys: Keys) -> None:
    deep = base64.urlsafe_b64encode(b'{"a":' * 2000).rstrip(b"=").decode()
    assert confirm(policy, keys, f"{deep}.{deep}.AAAA") == (0, [Reason.SignatureInvalid])


def test_a_key_that_is_named_twice_is_none(rems: SmallRems, policy: VisaPolicy) -> None:
    shown = rems.keys()["keys"][0]
    assert confirm(policy, Keys(shown, shown), rems.visa(rems.rows()[0])) == (0, [Reason.SignatureInvalid])
    assert confirm(policy, Keys({"kid": KID, "kty": "RSA"}), rems.visa(rems.rows()[0]))[0] == 0


@pytest.mark.parametrize("answer", [None, [], {}, {"keys": {}}, "x"])
def test_an_issuer_without_keys_is_an_answer_that_cannot_be_used(
    rems: SmallRems, policy: VisaPolicy, answer: Any
) -> None:
    keys = Keys()
    keys.answer = answer
    with pytest.raises(TREError) as caught:
        confirm(policy, keys, rems.visa(rems.rows()[0]))
    assert caught.value.reason is Reason.ServiceUnavailable


@pytest.mark.parametrize("answer", [None, [], {}, {"ga4gh_passport_v1": "x"}, {"ga4gh_passport_v1": [""] * 1001}])
def test_an_answer_without_a_passport_is_none(policy: VisaPolicy, keys: Keys, answer: Any) -> None:
    with pytest.raises(TREError) as caught:
        Visas(policy, keys, NOON).confirm(answer, WANTED)
    assert caught.value.reason is Reason.ServiceUnavailable


@pytest.fixture
def world(tmp_path: Path, rems: SmallRems, policy: VisaPolicy) -> Iterator[World]:
    found = World(tmp_path)
    found.use_rems(rems, pollMinutes=60, visas=policy.as_plain())
    yield found
    found.database.close()


def test_with_its_visa_an_entitlement_counts(world: World, rems: SmallRems) -> None:
    world.settle()
    assert world.verdict("alice", name_of())
    assert "/api/permissions/alice" in rems.asked


def test_without_a_visa_an_entitlement_counts_for_nothing(
    world: World, rems: SmallRems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rems, "visas", lambda _user: [])
    world.settle()
    assert world.grant(name_of()) is None
    assert "No visa confirms application 7" in world.stands().message


def test_a_visa_by_itself_opens_nothing(world: World, rems: SmallRems, monkeypatch: pytest.MonkeyPatch) -> None:
    visa = rems.visa(rems.rows()[0])
    rems.applications = {8: approved("alice", resources=["urn:other"])}
    monkeypatch.setattr(rems, "visas", lambda _user: [visa])
    world.settle()
    assert world.grant(name_of()) is None


def test_an_entitlement_ends_where_its_visa_ends(world: World, rems: SmallRems) -> None:
    rems.applications[7].end = None
    world.settle()
    grant = world.grant(name_of())
    assert grant is not None
    assert grant.spec.expires == min(NOON + timedelta(days=355), END)


def test_visas_are_fetched_once_an_hour_at_most(world: World, rems: SmallRems) -> None:
    world.settle()
    for _ in range(5):
        world.told(Channel.asked, b"")
        world.settle()
    assert rems.asked.count("/api/entitlements") >= 5
    assert rems.asked.count("/api/permissions/alice") == 1
    world.pass_time(timedelta(minutes=60), timedelta(minutes=20))
    assert rems.asked.count("/api/permissions/alice") == 2


def test_a_visa_that_went_ends_access_with_the_next_answer(
    world: World, rems: SmallRems, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle()
    assert world.verdict("alice", name_of())
    monkeypatch.setattr(rems, "visas", lambda _user: [])
    world.pass_time(timedelta(minutes=61), timedelta(minutes=20))
    assert not world.verdict("alice", name_of())


def test_the_resource_is_compared_whole(rems: SmallRems, policy: VisaPolicy, keys: Keys) -> None:
    row = rems.rows()[0] | {"resource": RESOURCE.upper()}
    assert confirm(policy, keys, rems.visa(row)) == (0, [])
