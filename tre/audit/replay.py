"""Growing the log again from its events, and comparing.

Guarantees: linear in the number of leaves, with memory for one hash per level. Whatever does not fit is a `Fault`
with the first position it concerns and the kind of tampering it looks like. Shared by the verifier of the database
and the verifier of an exported file, so that both judge alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from tre.audit.checkpoint import (
    Checkpoint,
    ForeignSignatureError,
    SignedCheckpoint,
    WrongSignatureError,
    check,
    parse,
)
from tre.audit.keychange import KeyRing
from tre.audit.keys import PublicKey
from tre.audit.merkle import Coordinate, Frontier
from tre.domain.errors import TREError
from tre.domain.model import Line, Record, UtcTime


class Tampering(StrEnum):
    """What a fault looks like."""

    changed_event = "changed event"
    deleted_event = "deleted event"
    deleted_leaf = "deleted leaf"
    rewritten_log = "rewritten log"
    truncated_log = "truncated log"
    unsigned_tail = "unsigned tail"
    changed_node = "changed inner hash"
    changed_checkpoint = "changed checkpoint"
    foreign_signature = "foreign signature"
    overdue_event = "overdue event"
    retired_key = "retired key"
    false_key_change = "false change of key"


class Fault(Record):
    """Something that does not fit, from `position` on."""

    position: int
    looks_like: Tampering
    message: str


class Replay:
    """One pass over a log: leaves in order, each checkpoint when its size is reached."""

    def __init__(self, keys: Sequence[PublicKey], seen: Iterable[Checkpoint] = ()) -> None:
        self._ring = KeyRing(keys)
        self._frontier = Frontier()
        self._seen = sorted(seen, key=lambda item: item.size)
        self._seen_checked = 0
        self._suspect: int | None = None
        self.faults: list[Fault] = []
        self.checkpoints = 0
        self.last: Checkpoint | None = None

    @property
    def size(self) -> int:
        """Leaves taken so far."""
        return self._frontier.size

    def root(self) -> bytes:
        """Root over the leaves taken so far."""
        return self._frontier.root()

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """The keys that count now."""
        return self._ring.trusted

    @property
    def breaks(self) -> list[tuple[int, str]]:
        """Where the signing key was lost, so that only somebody's word connects what follows."""
        return self._ring.breaks

    def event(self, leaf: bytes) -> None:
        """Look at the bytes of the leaf that comes next: some events change the key."""
        if (wrong := self._ring.take_event(self.size, leaf)) is not None:
            self.fault(self.size, Tampering.false_key_change, wrong)

    def leaf_hash(self, value: bytes) -> list[tuple[Coordinate, bytes]]:
        """Take the next leaf by its hash; the inner subtrees it completes."""
        self._compare_seen()
        return self._frontier.append(value)

    def checkpoint(self, note: str, stored: tuple[int, bytes, datetime] | None = None) -> None:
        """Judge a checkpoint whose size is reached now: signature, columns beside it, root, order of time."""
        try:
            signed = parse(note)
        except TREError as error:
            self.fault(self.size, Tampering.changed_checkpoint, f"{error}")
            return
        found = signed.checkpoint
        self.checkpoints += 1
        if not self._is_signed(signed):
            return
        if stored is not None and stored != (found.size, found.root, found.at):
            self.fault(found.size, Tampering.changed_checkpoint, "Columns and signed text of a checkpoint differ.")
        elif found.size != self.size:
            self.fault(self.size, Tampering.changed_checkpoint, f"A checkpoint of size {found.size} stands here.")
        elif found.root != self._frontier.root():
            self._rewritten(found)
        elif self.last is not None and found.at < self.last.at:
            self.fault(found.size, Tampering.changed_checkpoint, "A checkpoint is older than the one before it.")
        else:
            self._judge_suspect()
            self.last = found

    def suspect(self, coordinate: Coordinate) -> None:
        """Note that a stored inner hash differs from what the leaves give; the next checkpoint says who is right."""
        if self._suspect is None:
            self._suspect = coordinate.position << coordinate.level

    def finish(self) -> None:
        """Judge what only the end shows: checkpoints seen elsewhere, leaves that nobody signed."""
        self._compare_seen()
        for seen in self._seen[self._seen_checked :]:
            self.fault(
                self.size,
                Tampering.truncated_log,
                f"The log had {seen.size} events on {seen.at.isoformat()} and has {self.size} now.",
            )
        signed = 0 if self.last is None else self.last.size
        if signed < self.size and not self.faults:
            self.fault(signed, Tampering.unsigned_tail, f"No checkpoint covers the leaves from {signed} on.")

    def fault(self, position: int, looks_like: Tampering, message: str) -> None:
        """Note something that does not fit."""
        self.faults.append(Fault(position=position, looks_like=looks_like, message=message))

    def _is_signed(self, signed: SignedCheckpoint) -> bool:
        size = signed.checkpoint.size
        try:
            signer = check(signed, self._ring.trusted)
        except ForeignSignatureError:
            names = ", ".join(item.name for item in signed.signatures)
            self.fault(
                size,
                Tampering.foreign_signature,
                f"The checkpoint of size {size} is signed by {names} only.{self._lost()}",
            )
            return False
        except WrongSignatureError:
            self.fault(size, Tampering.changed_checkpoint, f"The signature of the checkpoint of size {size} is false.")
            return False
        if (wrong := self._ring.retire(signer, signed)) is not None:
            self.fault(size, Tampering.retired_key, wrong)
            return False
        return True

    def _lost(self) -> str:
        """What the log itself says about a key that is not trusted here."""
        return f" {self.breaks[-1][1]}" if self.breaks else ""

    def _judge_suspect(self) -> None:
        if self._suspect is not None:
            message = "An inner hash was changed; the events and the signature above it are intact."
            self.fault(self._suspect, Tampering.changed_node, message)
            self._suspect = None

    def _rewritten(self, found: Checkpoint) -> None:
        first = 0 if self.last is None else self.last.size
        if self._suspect is not None:
            first, self._suspect = max(first, self._suspect), None
        if not any(first <= fault.position < found.size for fault in self.faults):
            self.fault(
                first,
                Tampering.rewritten_log,
                f"Events and hashes between {first} and {found.size} fit each other, but not what was signed.",
            )

    def _compare_seen(self) -> None:
        while self._seen_checked < len(self._seen) and self._seen[self._seen_checked].size == self.size:
            seen = self._seen[self._seen_checked]
            self._seen_checked += 1
            if seen.root != self._frontier.root():
                self.fault(
                    0 if self.last is None else self.last.size,
                    Tampering.rewritten_log,
                    f"The first {seen.size} events are not those that were signed on {seen.at.isoformat()}.",
                )


class Break(Record):
    """Where the log's key was lost, so that a new one goes on with it and nothing proves that it may."""

    position: int
    message: str


class VerifyReport(Record):
    """What a verification found.

    `waiting`: events committed but not yet in the log, which is no fault by itself. `ok` is whether nothing was found.
    `breaks`: where a lost key was replaced by one that is trusted here. They are no faults, and have to be read.
    `keys`: the public keys that count, in their text form: those given, and those the log was handed over to.
    """

    ok: bool
    size: int
    checkpoints: int
    root: str
    signed_at: UtcTime | None
    waiting: int
    faults: tuple[Fault, ...]
    breaks: tuple[Break, ...] = ()
    keys: tuple[Line, ...] = ()

    @property
    def first(self) -> Fault | None:
        """The fault with the lowest position."""
        return min(self.faults, key=lambda fault: fault.position, default=None)


def report(replay: Replay, waiting: int = 0) -> VerifyReport:
    """The report of a finished replay."""
    values: dict[str, Any] = {
        "ok": not replay.faults,
        "size": replay.size,
        "checkpoints": replay.checkpoints,
        "root": replay.root().hex(),
        "signed_at": None if replay.last is None else replay.last.at,
        "waiting": waiting,
        "faults": tuple(sorted(replay.faults, key=lambda fault: fault.position)),
        "breaks": tuple(Break(position=position, message=message) for position, message in replay.breaks),
        "keys": tuple(key.line() for key in replay.keys),
    }
    return VerifyReport(**values)
