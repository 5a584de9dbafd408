"""Pairs of keys that sign evidence: whole, and everything that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey

from tre.domain.errors import Reason, TREError
from tre.sources.signing_keys import new_pair, read_private


def test_a_pair_fits_and_no_two_are_the_same(tmp_path: Path) -> None:
    private, public = new_pair()
    (tmp_path / "key").write_bytes(private)
    key = read_private(tmp_path / "key")
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    assert key.public_key().public_bytes(encoding, form) == public
    assert new_pair()[1] != public


def test_what_is_no_key_signs_nothing(tmp_path: Path) -> None:
    other = Ed448PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    locked = Ed448PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    for name, content in (("other", other), ("locked", locked), ("text", b"no key"), ("public", new_pair()[1])):
        (tmp_path / name).write_bytes(content)
    for name in ("none", "other", "locked", "text", "public"):
        with pytest.raises(TREError) as caught:
            read_private(tmp_path / name)
        assert caught.value.reason is Reason.SetupIncomplete
