"""Grants as signed files: the evidence is a signature by a key that the operator configured.

Guarantees: the signature covers the grant's name and its whole content but for the evidence itself; a key that is
not configured, a digest that does not fit and a changed byte are told apart and refused alike. Each kind of key in
`KINDS` lies in a directory of its own and signs behind words of its own: those of approving bodies, for anything;
those of data managers, for practice data alone, in grants whose names say so; and those that sign what a committee
decided here, each bound to the record of one decision; and those that sign what a source elsewhere states, in grants
whose names say that they come from there. None is taken for another.

Does not guarantee: that a committee's votes were counted well. That is for `tre.domain.committee`; the record of the
decision, whose digest is signed here too, shows it to whoever looks.

Threat: a grant file edited after the committee signed it, or signed by somebody else; a data manager's key that opens
data of people, or takes over a project's grant and with it the folder that its members share; a decision's signature
put under another decision.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tre.domain.canonical import canonical_bytes, digest_of_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, Evidence
from tre.domain.practice import PREFIX, check_practice_only, is_practice
from tre.domain.sources.grants import check_name

SOURCE = "signed-file"
PRACTICE = "practice"
COMMITTEE = "committee"
ELSEWHERE = "elsewhere"

GRANT_SIGNERS = "grant-signers"
"""The approving bodies' keys; the directories of the other kinds lie beside it."""
PRACTICE_SIGNERS = "practice-signers"
COMMITTEE_SIGNERS = "committee-signers"
SOURCE_SIGNERS = "source-signers"


@dataclass(frozen=True)
class Kind:
    """One kind of signed evidence.

    `context` is signed in front of the content, so that a signature over anything else is never one over a grant.
    `mark` stands in front of a key's name among all that count: names of keys are hexadecimal, so evidence of another
    kind cannot say it. `binds_digest`: the signature covers the evidence's digest too, which is that of a record that
    explains it. `check` raises `TREError(EvidenceUnverified)` for a grant that such keys cannot open.
    """

    source: str
    context: bytes
    directory: str
    mark: str
    binds_digest: bool = False
    check: Callable[[AccessGrant], None] | None = None


def key_id(key: Ed25519PublicKey) -> str:
    """How a key is named in evidence: the beginning of its SHA-256."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return digest_of_bytes(raw)[7:23]


def sign(grant: AccessGrant, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with evidence by this key in place of whatever evidence it had."""
    return _signed(grant, key, KINDS[SOURCE])


def sign_practice(grant: AccessGrant, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with a data manager's evidence. Raises `TREError(EvidenceUnverified)` for one of anything else."""
    _check_practice(grant)
    return _signed(grant, key, KINDS[PRACTICE])


def sign_decision(grant: AccessGrant, decision_digest: str, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with the evidence of a committee's decision: its digest is that of the decision's record."""
    return _signed(grant, key, KINDS[COMMITTEE], decision_digest)


def sign_elsewhere(grant: AccessGrant, stated_digest: str, key: Ed25519PrivateKey) -> AccessGrant:
    """The grant with evidence that a source states it: the digest is that of what it stated, and of the template.

    Raises `TREError(EvidenceUnverified)` for a grant whose name does not say that it comes from elsewhere.
    """
    check_name(grant)
    return _signed(grant, key, KINDS[ELSEWHERE], stated_digest)


def _signed(grant: AccessGrant, key: Ed25519PrivateKey, kind: Kind, digest: str | None = None) -> AccessGrant:
    content = canonical_bytes(grant.signed_content())
    digest = digest or digest_of_bytes(content)
    evidence = Evidence(
        source=kind.source,
        digest=digest,
        key=key_id(key.public_key()),
        signature=base64.b64encode(key.sign(_message(kind, digest, content))).decode(),
    )
    approval = grant.spec.approval.model_copy(update={"evidence": evidence})
    return grant.model_copy(update={"spec": grant.spec.model_copy(update={"approval": approval})})


def _message(kind: Kind, digest: str, content: bytes) -> bytes:
    """What is signed. A digest has one length and canonical JSON no zero byte, so the parts cannot run together."""
    return kind.context + (digest.encode("ascii") + b"\0" if kind.binds_digest else b"") + content


def check_evidence(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> None:
    """Raise `TREError(EvidenceUnverified)` unless a configured key signed exactly this content."""
    evidence = grant.spec.approval.evidence
    name = grant.metadata.name
    if evidence is None or evidence.signature is None or evidence.key is None or evidence.source not in KINDS:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} carries no signature.",
            remedy="Sign it with `tre grant sign FILE`.",
        )
    kind = KINDS[evidence.source]
    if kind.check is not None:
        kind.check(grant)
    key = None if ":" in evidence.key else keys.get(kind.mark + evidence.key)
    if key is None:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} was signed with key {evidence.key}, which is not configured here.",
            remedy=f"Put the signer's public key into keys/{kind.directory}/, if you trust it.",
        )
    message = _message(kind, evidence.digest, canonical_bytes(grant.signed_content()))
    try:
        key.verify(base64.b64decode(evidence.signature), message)
    except InvalidSignature as error:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} was changed after it was signed.",
            remedy="Have the approving body sign the grant as it is now.",
        ) from error


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


KINDS = {
    kind.source: kind
    for kind in (
        Kind(SOURCE, b"tre.research grant v1\0", GRANT_SIGNERS, ""),
        Kind(PRACTICE, b"tre.research practice grant v1\0", PRACTICE_SIGNERS, "practice:", check=_check_practice),
        Kind(COMMITTEE, b"tre.research committee grant v1\0", COMMITTEE_SIGNERS, "committee:", binds_digest=True),
        Kind(ELSEWHERE, b"tre.research source grant v1\0", SOURCE_SIGNERS, "elsewhere:", True, check_name),
    )
}
"""Every kind of signed evidence, by the source that evidence names."""


def is_evidence_good(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> bool:
    """Whether a configured key signed exactly this content."""
    try:
        check_evidence(grant, keys)
    except TREError:
        return False
    return True


def load_signers(directory: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys (`*.pub`, PEM) whose signatures make a grant count, by their marks and names: those of a
    directory itself, and of the other kinds' directories beside it.

    Raises `TREError(SetupIncomplete)` for a file that holds none: a key that nobody sees fail is a key that is missed,
    and for a directory that cannot be read: that is not the same as one in which nobody is trusted.
    """
    found = _load(directory)
    for kind in KINDS.values():
        beside = directory.with_name(kind.directory)
        if kind.mark and beside.is_dir():
            found |= {kind.mark + name: key for name, key in _load(beside).items()}
    return found


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
