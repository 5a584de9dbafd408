"""Which releases were called back, as a list that a recipient can check without asking anybody.

Guarantees: each line is the recall's own event with the proof that it stands in the signed log, so that nobody can add
a recall that never happened; a bundle whose recall is in the list is refused by name.

Does not guarantee: that the list is complete or of today: it says how far the log reached when it was written, and a
recall after that is not in it. Ask the operator for a new one, or look the release up on the public pages.

Threat: a file that is still handed round after it was found to disclose something.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import Connection

from tre.audit.keys import PublicKey
from tre.audit.proof import InclusionProof, prove_event, verify_proof
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record, UtcTime
from tre.store.events import MAX_PAGE, EventSearch, search

EVENT_KIND = "export.recalled"
FORMAT: Literal["tre-recalls/1"] = "tre-recalls/1"


class RecallList(Record):
    """Every recall that the log held when the list was written."""

    format: Literal["tre-recalls/1"] = FORMAT
    at: UtcTime
    recalls: Annotated[tuple[InclusionProof, ...], Field(max_length=100_000)] = ()


def list_recalls(connection: Connection, at: UtcTime) -> RecallList:
    """The list as of now. A recall that is not in the signed log yet, which takes about a second, is left out."""
    proofs: list[InclusionProof] = []
    before: int | None = None
    while found := search(connection, EventSearch(kind=EVENT_KIND, before=before, limit=MAX_PAGE)):
        proven = (prove_event(connection, stored.event.id) for stored in found)
        proofs += [proof for proof in proven if proof is not None]
        before = found[-1].number
    return RecallList(at=at, recalls=tuple(reversed(proofs)))


def check_not_recalled(request: str, listed: RecallList, keys: tuple[PublicKey, ...]) -> None:
    """Raise `TREError(ReleaseRecalled)` where the list proves that a release was called back.

    Raises `TREError(AuditBroken)` or `TREError(SignatureInvalid)` where a line of the list proves nothing: such a list
    is not used at all.
    """
    for proof in listed.recalls:
        verify_proof(proof, keys)
        if proof.event.kind != EVENT_KIND:
            raise TREError(
                Reason.AuditBroken,
                "The list of recalls names an event that is no recall.",
                remedy="Ask the operator for the list again.",
            )
        if proof.event.object == f"export/{request}":
            raise TREError(
                Reason.ReleaseRecalled,
                f"The release {request} was called back on {proof.event.at:%Y-%m-%d}.",
                why="It was found after the release that it should not have left.",
                remedy="Delete the files and every copy, and tell the operator that you did.",
            )
