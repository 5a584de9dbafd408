"""Grants as signed files: the evidence is a signature by a key that the operator configured.

Guarantees: the signature covers the grant's name and its whole content but for the evidence itself; a key that is
not configured, a digest that does not fit and a changed byte are told apart and refused alike. Two kinds of keys
count: those of approving bodies, for anything, and those of data managers, for practice data alone, in grants whose
names say so. Neither is taken for the other.

Threat: a grant file edited after the committee signed it, or signed by somebody else; a data manager's key that opens
data of people, or takes over a project's grant and with it the folder that its members share.
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
from tre.domain.practice import PREFIX, check_practice_only, is_practice

SOURCE = "signed-file"
_CONTEXT = b"tre.research grant v1\0"
"""Signed in front of the content, so that a signature over anything else is never one over a grant."""

PRACTICE = "practice"
PRACTICE_SIGNERS = "practice-signers"
"""Beside the directory of the approving bodies' keys: data managers' keys, for practice data alone."""

_PRACTICE_CONTEXT = b"tre.research practice grant v1\0"
_OF_PRACTICE = "practice:"
"""In front of a data manager's key among all that count. Names of keys are hexadecimal: evidence cannot say this."""


def key_id(key: Ed25519PublicKey) -> str:
    """How a key is named in evidence: the beginning of its SHA-256."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return digest_of_bytes(raw)[7:23]


def sign(grant: AccessGrant, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with evidence by this key in place of whatever evidence it had."""
    return _signed(grant, key, SOURCE, _CONTEXT)


def sign_practice(grant: AccessGrant, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with a data manager's evidence. Raises `TREError(EvidenceUnverified)` for one of anything else."""
    _check_practice(grant)
    return _signed(grant, key, PRACTICE, _PRACTICE_CONTEXT)


def _signed(grant: AccessGrant, key: Ed25519PrivateKey, source: str, context: bytes) -> AccessGrant:
    content = canonical_bytes(grant.signed_content())
    evidence = Evidence(
        source=source,
        digest=digest_of_bytes(content),
        key=key_id(key.public_key()),
        signature=base64.b64encode(key.sign(context + content)).decode(),
    )
    approval = grant.spec.approval.model_copy(update={"evidence": evidence})
    return grant.model_copy(update={"spec": grant.spec.model_copy(update={"approval": approval})})


def check_evidence(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> None:
    """Raise `TREError(EvidenceUnverified)` unless a configured key signed exactly this content."""
    evidence = grant.spec.approval.evidence
    name = grant.metadata.name
    if evidence is None or evidence.signature is None or evidence.key is None or evidence.source not in _CONTEXTS:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} carries no signature.",
            remedy="Sign it with `tre grant sign FILE`.",
        )
    if evidence.source == PRACTICE:
        _check_practice(grant)
    key = None if ":" in evidence.key else keys.get(_PREFIXES[evidence.source] + evidence.key)
    if key is None:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} was signed with key {evidence.key}, which is not configured here.",
            remedy=f"Put the signer's public key into keys/{_DIRECTORIES[evidence.source]}/, if you trust it.",
        )
    content = canonical_bytes(grant.signed_content())
    try:
        key.verify(base64.b64decode(evidence.signature), _CONTEXTS[evidence.source] + content)
    except InvalidSignature as error:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} was changed after it was signed.",
            remedy="Have the approving body sign the grant as it is now.",
        ) from error


_CONTEXTS = {SOURCE: _CONTEXT, PRACTICE: _PRACTICE_CONTEXT}
_PREFIXES = {SOURCE: "", PRACTICE: _OF_PRACTICE}
_DIRECTORIES = {SOURCE: "grant-signers", PRACTICE: PRACTICE_SIGNERS}


def _check_practice(grant: AccessGrant) -> None:
    """Raise `TREError(EvidenceUnverified)` unless it opens practice data alone, under a name no project has."""
    check_practice_only(grant.spec)
    name = grant.metadata.name
    if not is_practice(name):
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} is signed by a data manager and does not begin with {PREFIX!r}.",
            why="It would take the place of a project's grant of that name, and of its shared folder.",
            remedy=f"Call it {PREFIX}{name}.",
        )


def is_evidence_good(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> bool:
    """Whether a configured key signed exactly this content."""
    try:
        check_evidence(grant, keys)
    except TREError:
        return False
    return True


def load_signers(directory: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys (`*.pub`, PEM) whose signatures make a grant count, by their names; data managers' among them.

    Raises `TREError(SetupIncomplete)` for a file that holds none: a key that nobody sees fail is a key that is missed,
    and for a directory that cannot be read: that is not the same as one in which nobody is trusted.
    """
    practice = directory.with_name(PRACTICE_SIGNERS)
    managers = _load(practice) if practice.is_dir() else {}
    return _load(directory) | {_OF_PRACTICE + name: key for name, key in managers.items()}


def _load(directory: Path) -> dict[str, Ed25519PublicKey]:
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
