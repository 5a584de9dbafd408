"""Pairs of keys that sign evidence, in PEM form.

Guarantees: a private key comes from the system's randomness and is without a password, since programs read it alone;
who may read its file is seen to by whoever writes it.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.domain.errors import Reason, TREError

COMMITTEE_KEY, COMMITTEE_PUBLIC = "committee-signing.key", "committee-signing.pub"
"""This service's own pair: what the committee decided here is signed with it."""

SOURCE_KEY, SOURCE_PUBLIC = "source-signing.key", "source-signing.pub"
"""The pair with which this service signs what a source elsewhere states."""

OWN_SIGNER = "this-installation.pub"
"""What a public key is called among the signers that count, where this installation made it."""


def new_pair() -> tuple[bytes, bytes]:
    """A new private key and its public half."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private, key.public_key().public_bytes(serialization.Encoding.PEM, form)


def read_private(path: Path) -> Ed25519PrivateKey:
    """A private key that a program signs with. Raises `TREError(SetupIncomplete)`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:  # a TypeError asks for a password
        why = error.strerror if isinstance(error, OSError) else "It holds no private key in PEM form without a password"
        raise _useless(path, f"{why}.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _useless(path, "It holds a key of another kind than Ed25519.")
    return key


def _useless(path: Path, why: str) -> TREError:
    return TREError(
        Reason.SetupIncomplete,
        f"Nothing can be signed with {path}.",
        why=why,
        remedy="Run `tre init` for this root again: it makes a key that is missing.",
    )
