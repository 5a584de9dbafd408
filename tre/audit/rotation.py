"""Changing the key that signs the log: in order, and after it was lost.

Guarantees: whatever moment the power goes, doing it again ends it, with the same new key: it is written first, then the
statement becomes an event that the earlier key still covers with a checkpoint, then the public file names both, and
only then the new key takes the earlier one's place. Until then the log can be signed with the earlier one. Nothing else
may sequence meanwhile: the caller holds the lock.

Does not guarantee: that copies of the earlier key are gone. Destroy them: who holds one could write another past, which
only a checkpoint kept elsewhere shows.

Threat: a key that was used too long or seen by somebody; a disk that died with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tre.audit.keychange import KeyChange, state
from tre.audit.keys import (
    PRIVATE_KEY_FILE,
    PUBLIC_KEY_FILE,
    PublicKey,
    Signer,
    generate,
    load_private,
    load_public,
    write_private,
    write_public,
)
from tre.audit.lease import Lease
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.witness import Witness
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.store import events
from tre.store.database import Database
from tre.system.files import flush_directory

NEXT_KEY_FILE = "audit-signing.key.next"
"""Under `keys/`: the new key while it has not taken the place of the earlier one."""


@dataclass(frozen=True)
class Place:
    """Where a log and its keys are: `record` makes the event; `owner` is given the new key where root makes it."""

    keys: Path
    database: Database
    clock: Clock
    record: Callable[[str, str, str], Event]
    witness: Witness | None = None
    lease: Lease | None = None
    owner: int = -1


def rotate(place: Place, *, lost: bool = False) -> KeyChange:
    """Let a new key sign from now on.

    Raises `TREError(AuditBroken)` where the log is not what was signed, `TREError(StateForbids)` where `lost` is said
    of a key that is there, `TREError(SetupIncomplete)` where it is missing and `lost` is not said.
    """
    known = load_public(place.keys / PUBLIC_KEY_FILE)
    earlier, signer = known[0], None if lost else load_private(place.keys / PRIVATE_KEY_FILE, place.owner)
    if lost and (place.keys / PRIVATE_KEY_FILE).exists():
        raise TREError(
            Reason.StateForbids,
            f"{place.keys / PRIVATE_KEY_FILE} is there.",
            why="A key that is there signs its own change, and the log stays one chain.",
            remedy="Leave out --lost. If the file is damaged, move it away first.",
        )
    later = _next_key(place, earlier.name)
    before = tuple(key for key in known if key != later.public)  # a former try may have named the new one already
    change = KeyChange(before[0], later.public, place.clock.now(), lost=lost)
    if not _is_said(place, change):
        _say(place, change, [later] if signer is None else [signer, later])
    _sequence(place, signer or later, before)
    write_public(place.keys, [later.public, *before])
    (place.keys / NEXT_KEY_FILE).rename(place.keys / PRIVATE_KEY_FILE)
    flush_directory(place.keys)
    _sequence(place, later, before)
    return change


def _next_key(place: Place, name: str) -> Signer:
    path = place.keys / NEXT_KEY_FILE
    if path.exists():
        return load_private(path, place.owner)
    signer = generate(name)
    write_private(path, signer, owner=place.owner)
    return signer


def _is_said(place: Place, change: KeyChange) -> bool:
    """Whether a former try came as far as the event."""
    with place.database.read() as connection:
        found = events.of_object(connection, _object(change))
    return any(stored.event.kind == change.kind() for stored in found)


def _object(change: KeyChange) -> str:
    return f"key/{change.later.key_id.hex()}"


def _say(place: Place, change: KeyChange, signers: list[Signer]) -> None:
    event = place.record(change.kind(), _object(change), state(change, signers))
    with place.database.change(event):
        pass  # the event is all there is to keep


def _sequence(place: Place, signer: Signer, before: tuple[PublicKey, ...]) -> None:
    earlier = tuple(key for key in before if key != signer.public)
    terms = Terms(witness=place.witness, earlier_keys=earlier, lease=place.lease)
    sequencer = Sequencer(place.database, signer, place.clock, terms)
    sequencer.mend_queue()
    sequencer.catch_up()
