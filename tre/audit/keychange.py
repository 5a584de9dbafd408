"""A change of the key that signs the log, as an event of that log, and the keys that a reader trusts along it.

Guarantees: a statement names both keys and is signed by both, so whoever trusts the earlier key may trust the later one
and nobody else can bring a key in. Once the later key has signed a checkpoint, the earlier one signs none any more: a
checkpoint of it is a fault. Where the earlier key was lost, the statement says so and only the new key signs it: it
brings no trust, and whoever trusts the new key from elsewhere is told where the chain is broken.

Does not guarantee: anything against whoever stole the earlier key before it was changed. A checkpoint kept elsewhere
does.

Threat: a log that goes on under a key of somebody else's; a retired key that signs on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tre.audit.checkpoint import DASH, TIME, SignedCheckpoint, parse_signature
from tre.audit.keys import PublicKey, Signer, parse_public
from tre.domain.errors import Reason, TREError

CHANGED, LOST = "log.key-changed", "log.key-lost"
"""The kinds of event; the statement stands in the detail as `statement`."""

HEADING = "tre-audit-key/1"


@dataclass(frozen=True)
class KeyChange:
    """That `later` signs from now on instead of `earlier`; `lost` where the earlier one could not sign this."""

    earlier: PublicKey
    later: PublicKey
    at: datetime
    lost: bool = False

    def text(self) -> str:
        """What is signed."""
        how = "lost" if self.lost else "changed"
        at = self.at.astimezone(UTC).strftime(TIME)
        return f"{HEADING}\n{how}\n{self.earlier.line()}\n{self.later.line()}\nat {at}\n"

    def kind(self) -> str:
        """The kind of its event."""
        return LOST if self.lost else CHANGED


def state(change: KeyChange, signers: Sequence[Signer]) -> str:
    """The statement with the signatures under it."""
    data = change.text().encode()
    lines = (
        f"{DASH}{signer.name} {base64.b64encode(signer.public.key_id + signer.sign(data)).decode()}\n"
        for signer in signers
    )
    return f"{change.text()}\n{''.join(lines)}"


def read_statement(note: str, kind: str) -> KeyChange:
    """The change that a statement tells of, signed by the keys that have to.

    Raises `TREError(SignatureInvalid)` for anything else.
    """
    try:
        text, _, lines = note.partition("\n\n")
        heading, how, earlier, later, at = text.split("\n")
        when = datetime.strptime(at.removeprefix("at "), TIME).replace(tzinfo=UTC)
        change = KeyChange(parse_public(earlier), parse_public(later), when, lost=how == "lost")
        signatures = [parse_signature(line) for line in lines.removesuffix("\n").split("\n")]
    except (ValueError, TREError) as error:
        raise _false(f"It cannot be read: {error}.") from error
    if heading != HEADING or change.text() != text + "\n" or change.kind() != kind:
        raise _false("It is not spelled as one.")
    signed = {item.key_id for item in signatures if _fits(change, item.key_id, item.value)}
    needed = {change.later.key_id} if change.lost else {change.earlier.key_id, change.later.key_id}
    if change.earlier.name != change.later.name or not needed <= signed:
        raise _false("The keys it names did not sign it.")
    return change


def _fits(change: KeyChange, key_id: bytes, value: bytes) -> bool:
    data = change.text().encode()
    return any(key.key_id == key_id and key.verifies(data, value) for key in (change.earlier, change.later))


def _false(why: str) -> TREError:
    return TREError(
        Reason.SignatureInvalid, "An event says that the log's key changed, and nothing proves it.", why=why
    )


class KeyRing:
    """The keys whose checkpoints count, while a log is read from its beginning."""

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        self._trusted = list(keys)
        self._retired: set[bytes] = set()
        self._followed: dict[bytes, list[bytes]] = {}
        self.breaks: list[tuple[int, str]] = []

    @property
    def trusted(self) -> tuple[PublicKey, ...]:
        """Keys given, and those that they vouched for."""
        return tuple(self._trusted)

    def take_event(self, position: int, leaf: bytes) -> str | None:
        """Look whether an event changes the key; what is wrong with it, if anything."""
        if b'"log.key-' not in leaf:
            return None
        event = json.loads(leaf)
        if event.get("kind") not in {CHANGED, LOST}:
            return None
        detail = event.get("detail")
        note = detail.get("statement") if isinstance(detail, dict) else None
        try:
            change = read_statement(str(note), event["kind"])
        except TREError as error:
            return str(error)
        return self._take_lost(position, change) if change.lost else self._take_changed(change)

    def retire(self, signer: PublicKey, signed: SignedCheckpoint) -> str | None:
        """Note that a key signed; what is wrong with it, if it was followed by another that signed already."""
        if signer.key_id in self._retired:
            return f"The checkpoint of size {signed.checkpoint.size} is signed by a key that another one had replaced."
        self._retired.update(self._followed.get(signer.key_id, ()))
        return None

    def _take_changed(self, change: KeyChange) -> str | None:
        if change.earlier not in self._trusted or change.earlier.key_id in self._retired:
            return f"A key that does not count (any more) hands the log over to {change.later.key_id.hex()}."
        self._add(change)
        return None

    def _take_lost(self, position: int, change: KeyChange) -> str | None:
        self.breaks.append(
            (
                position,
                f"The key {change.earlier.key_id.hex()} was lost: from event {position} on the log is signed by "
                f"{change.later.key_id.hex()}, and only the operator's word says that it is the same one.",
            )
        )
        if change.later in self._trusted:
            self._add(change)
        return None

    def _add(self, change: KeyChange) -> None:
        earlier = [*self._followed.get(change.earlier.key_id, ()), change.earlier.key_id]
        self._followed[change.later.key_id] = earlier
        if change.later not in self._trusted:
            self._trusted.append(change.later)
