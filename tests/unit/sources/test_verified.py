"""Signatures are checked once for each content and set of keys, and never taken for granted."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.factories import access_grant
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.sources import verified
from tre.sources.signed import check_evidence, key_id, sign
from tre.sources.verified import VerifiedEvidence

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
MORE = KEYS | {key_id(OTHER.public_key()): OTHER.public_key()}


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of grants whose signature was really looked at."""
    found: list[str] = []

    def check(grant: AccessGrant, keys: object) -> None:
        found.append(grant.metadata.name)
        check_evidence(grant, keys)  # type: ignore[arg-type]

    monkeypatch.setattr(verified, "check_evidence", check)
    return found


def test_the_same_is_checked_once(checked: list[str]) -> None:
    memory, grant = VerifiedEvidence(), sign(access_grant(), KEY)
    for _ in range(3):
        memory.check(grant, KEYS)
    assert checked == [grant.metadata.name]
    memory.check(grant, MORE)
    assert len(checked) == 2  # other keys count now
    memory.check(sign(access_grant("another"), KEY), MORE)
    assert checked[2:] == ["another"]


@pytest.mark.parametrize("what", ["content", "key", "signature"])
def test_what_does_not_hold_is_refused_each_time(checked: list[str], what: str) -> None:
    memory, grant = VerifiedEvidence(), sign(access_grant(), KEY)
    memory.check(grant, KEYS)
    edited = grant.spec.model_copy(update={"expires": grant.spec.expires.replace(year=2090)})
    bad = {
        "content": grant.model_copy(update={"spec": edited}),
        "key": grant,
        "signature": access_grant(),
    }[what]
    for _ in range(2):
        with pytest.raises(TREError) as caught:
            memory.check(bad, {} if what == "key" else KEYS)
        assert caught.value.reason is Reason.EvidenceUnverified
    assert len(checked) == 3
    memory.check(grant, KEYS)  # which is remembered by its content, or checked again
