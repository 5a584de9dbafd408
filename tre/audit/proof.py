"""Proofs that an event is in the log, and that a log only grew.

Guarantees: an inclusion proof holds the event itself, its position, the path and the signed checkpoint: whoever has
the public key can check it alone, years later, without this database (`verify_proof`). Making one costs a number of
reads that grows with the logarithm of the log.

Threat: an operator who denies an event, or who shows different logs to different people.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import Connection

from tre.audit.checkpoint import Checkpoint, open_note
from tre.audit.keys import PublicKey
from tre.audit.merkle import (
    consistency_path,
    hash_leaf,
    inclusion_path,
    verify_consistency,
    verify_inclusion,
)
from tre.audit.records import CheckpointRow, StoredNodes, checkpoint_after, last_checkpoint
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.model import Record
from tre.store.events import by_id, of_object

Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""32 bytes in base64."""


class InclusionProof(Record):
    """That an event stands at a position of the log whose checkpoint is enclosed."""

    format: Literal["tre-audit-inclusion/1"] = "tre-audit-inclusion/1"
    event: Event
    position: Annotated[int, Field(ge=0)]
    path: tuple[Hash, ...]
    checkpoint: str


class ConsistencyProof(Record):
    """That the log of the first checkpoint is the beginning of the log of the second."""

    format: Literal["tre-audit-consistency/1"] = "tre-audit-consistency/1"
    earlier: str
    later: str
    path: tuple[Hash, ...]


def prove_event(connection: Connection, event_id: str) -> InclusionProof | None:
    """The proof for one event, to the first checkpoint that covers it; `None` while it waits for its place.

    The proof of an event is therefore always the same text, however long the log grows. Raises
    `TREError(BadInput)` where there is no such event.
    """
    found = by_id(connection, event_id)
    if found is None:
        raise TREError(Reason.BadInput, f"There is no event {event_id!r}.")
    if found.position is None or (checkpoint := checkpoint_after(connection, found.position)) is None:
        return None
    return _inclusion(connection, found.event, found.position, checkpoint)


def prove_object(connection: Connection, name: str) -> list[InclusionProof]:
    """The proofs for everything that happened to an object and is in the log, oldest first, to the last checkpoint."""
    last = last_checkpoint(connection)
    if last is None:
        return []
    return [
        _inclusion(connection, stored.event, stored.position, last)
        for stored in of_object(connection, name)
        if stored.position is not None
    ]


def prove_growth(connection: Connection, earlier: Checkpoint, earlier_note: str) -> ConsistencyProof:
    """The proof that the log only grew since an earlier checkpoint.

    Raises `TREError(AuditBroken)` where the log is shorter now than it was then.
    """
    last = last_checkpoint(connection)
    if last is None or last.size < earlier.size:
        raise TREError(Reason.AuditBroken, f"The log has fewer than {earlier.size} events now: it was shortened.")
    path = consistency_path(StoredNodes(connection), earlier.size, last.size)
    return ConsistencyProof(earlier=earlier_note, later=last.note, path=_encoded(path))


def verify_proof(proof: InclusionProof, keys: Sequence[PublicKey]) -> Checkpoint:
    """The checkpoint that the event is proven to be in.

    Raises `TREError(SignatureInvalid)` for a checkpoint that no trusted key signed, `TREError(AuditBroken)` for a
    path that does not lead to its root.
    """
    checkpoint = open_note(proof.checkpoint, keys)
    leaf = hash_leaf(proof.event.leaf())
    if not verify_inclusion(leaf, proof.position, checkpoint.size, _decoded(proof.path), checkpoint.root):
        raise TREError(
            Reason.AuditBroken,
            f"The proof does not show that event {proof.event.id} is at position {proof.position} of the log.",
            why="The event, the position or the path was changed.",
        )
    return checkpoint


def verify_growth(proof: ConsistencyProof, keys: Sequence[PublicKey]) -> Checkpoint:
    """The later checkpoint, proven to go on from the earlier one.

    Raises `TREError(SignatureInvalid)` or `TREError(AuditBroken)` as `verify_proof` does.
    """
    earlier, later = open_note(proof.earlier, keys), open_note(proof.later, keys)
    same = earlier.origin == later.origin
    if not same or not verify_consistency(earlier.head, later.head, _decoded(proof.path)):
        raise TREError(Reason.AuditBroken, "The later log does not go on from the earlier one.")
    return later


def _inclusion(connection: Connection, event: Event, position: int, checkpoint: CheckpointRow) -> InclusionProof:
    path = inclusion_path(StoredNodes(connection), position, checkpoint.size)
    return InclusionProof(event=event, position=position, path=_encoded(path), checkpoint=checkpoint.note)


def _encoded(path: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(base64.b64encode(item).decode() for item in path)


def _decoded(path: Sequence[str]) -> list[bytes]:
    return [base64.b64decode(item, validate=True) for item in path]
