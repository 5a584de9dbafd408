"""Grants as signed files: the evidence is a signature by a key that the operator configured.

Guarantees: the signature covers the grant's name and its whole content but for the evidence itself; a key that is
not configured, a digest that does not fit and a changed byte are told apart and refused alike.

Threat: a grant file edited after the committee signed it, or signed by somebody else.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tre.domain.canonical import canonical_bytes, digest_of_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, Evidence

SOURCE = "signed-file"
_CONTEXT = b"tre.research grant v1\0"
"""Signed in front of the content, so that a signature over anything else is never one over a grant."""


def key_id(key: Ed25519PublicKey) -> str:
    """How a key is named in evidence: the beginning of its SHA-256."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return digest_of_bytes(raw)[7:23]


def sign(grant: AccessGrant, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with evidence by this key in place of whatever evidence it had."""
    content = canonical_bytes(grant.signed_content())
    evidence = Evidence(
        source=SOURCE,
        digest=digest_of_bytes(content),
        key=key_id(key.public_key()),
        signature=base64.b64encode(key.sign(_CONTEXT + content)).decode(),
    )
    approval = grant.spec.approval.model_copy(update={"evidence": evidence})
    return grant.model_copy(update={"spec": grant.spec.model_copy(update={"approval": approval})})


def check_evidence(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> None:
    """Raise `TREError(EvidenceUnverified)` unless a configured key signed exactly this content."""
    evidence = grant.spec.approval.evidence
    name = grant.metadata.name
    if evidence is None or evidence.signature is None or evidence.key is None or evidence.source != SOURCE:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} carries no signature.",
            remedy="Sign it with `tre grant sign FILE`.",
        )
    if evidence.key not in keys:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} was signed with key {evidence.key}, which is not configured here.",
            remedy="Put the signer's public key into keys/grant-signers/, if you trust it.",
        )
    content = canonical_bytes(grant.signed_content())
    try:
        keys[evidence.key].verify(base64.b64decode(evidence.signature), _CONTEXT + content)
    except InvalidSignature as error:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} was changed after it was signed.",
            remedy="Have the approving body sign the grant as it is now.",
        ) from error


def is_evidence_good(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> bool:
    """Whether a configured key signed exactly this content."""
    try:
        check_evidence(grant, keys)
    except TREError:
        return False
    return True


def load_signers(directory: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys (`*.pub`, PEM) whose signatures make a grant count, by their names.

    Raises `TREError(SetupIncomplete)` for a file that holds none: a key that nobody sees fail is a key that is missed,
    and for a directory that cannot be read: that is not the same as one in which nobody is trusted.
    """
    found = {}
    for path in _files(directory):
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            why = error.strerror if isinstance(error, OSError) else "It holds no public key in PEM form"
            raise _useless(path, f"{why}.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _useless(path, "It holds a key of another kind than Ed25519.")
        found[key_id(key)] = key
    return found


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ".pub")
    except OSError as error:
        raise TREError(
            Reason.SetupIncomplete,
            f"The keys in {directory} cannot be read.",
            why=f"{error.strerror}.",
            remedy="Run `tre init` for this root again, then put the committee's public key there.",
        ) from error


def _useless(path: Path, why: str) -> TREError:
    return TREError(
        Reason.SetupIncomplete,
        f"{path} is no key whose signatures could count.",
        why=why,
        remedy="Put the committee's Ed25519 public key there, or remove the file.",
    )
