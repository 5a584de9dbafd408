"""Signatures over the records of a committee's decisions, whatever they decided.

Guarantees: the signature covers the digest of the whole record, behind words that no grant's signature has in front; a
key that is not configured, a changed byte and a record that contradicts itself are told apart and refused alike.

Threat: a decision edited afterwards; one that never was; a signature over something else put under it.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tre.domain.committee.decision import DecisionRecord, recount
from tre.domain.committee.signed import SignedDecision
from tre.domain.errors import Reason, TREError
from tre.sources.signed import COMMITTEE, KINDS, key_id

_CONTEXT = b"tre.research committee decision v1\0"


def sign_record(record: DecisionRecord, key: Ed25519PrivateKey) -> SignedDecision:
    """The record with this service's signature."""
    signature = base64.b64encode(key.sign(_CONTEXT + record.digest().encode("ascii"))).decode()
    return SignedDecision(record=record, key=key_id(key.public_key()), signature=signature)


def check_record(signed: SignedDecision, keys: dict[str, Ed25519PublicKey]) -> None:
    """Whether a decision was signed here and follows from its own votes; `keys` as `load_signers` gives them.

    Raises `TREError(SignatureInvalid)`.
    """
    kind = KINDS[COMMITTEE]
    key = None if ":" in signed.key else keys.get(kind.mark + signed.key)
    if key is None:
        raise _invalid(
            f"The decision was signed with key {signed.key}, which is not configured here.",
            f"Put the signer's public key into keys/{kind.directory}/, if you trust it.",
        )
    try:
        key.verify(base64.b64decode(signed.signature), _CONTEXT + signed.record.digest().encode("ascii"))
    except InvalidSignature as error:
        raise _invalid("The decision was changed after it was signed.", "Ask for it again.") from error
    if found := recount(signed.record):
        raise _invalid(f"The decision contradicts itself: {'; '.join(found)}.", "Tell the chair.")


def _invalid(what: str, remedy: str) -> TREError:
    return TREError(Reason.SignatureInvalid, what, why="Only whole records that were signed here count.", remedy=remedy)
