"""The log as a file that verifies itself: no database and nothing of the launcher's is needed to check it.

Guarantees: JSON lines: a heading with the origin and the size, then every event in its place, each checkpoint after
the last event that it covers. `verify_export` recomputes every leaf and root from the file alone; with the public key
from another source than the file, it proves that the file holds the events that were signed, all of them and in
order, up to the last checkpoint.

Does not guarantee: that the log did not go on afterwards. Compare the last checkpoint with a younger one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from tre.audit.checkpoint import Checkpoint
from tre.audit.keys import PublicKey
from tre.audit.merkle import hash_leaf
from tre.audit.records import last_checkpoint
from tre.audit.replay import Replay, Tampering, VerifyReport, report
from tre.audit.verify import read_checkpoints, read_leaves
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.store.database import Database

FORMAT = "tre-audit-export/1"
MAX_LINE = 16 * 2**20
"""Longest line that is read: no event comes near it."""


def export_log(database: Database, file: BinaryIO) -> int:
    """Write the signed log to a file; the number of events.

    Raises `TREError(AuditBroken)` where an event is missing: `tre audit verify` says more.
    """
    with database.read() as connection:
        last = last_checkpoint(connection)
        size = 0 if last is None else last.size
        _write(file, {"format": FORMAT, "size": size})
        checkpoints = read_checkpoints(connection)
        checkpoint = next(checkpoints, None)
        for leaf in (leaf for chunk in read_leaves(connection) for leaf in chunk):
            if not leaf.data:
                raise TREError(Reason.AuditBroken, f"The event at position {leaf.position} cannot be read.")
            file.write(b'{"event":' + leaf.data + b',"position":%d}\n' % leaf.position)
            while checkpoint is not None and checkpoint.size == leaf.position + 1:
                _write(file, {"checkpoint": checkpoint.note})
                checkpoint = next(checkpoints, None)
    return size


def verify_export(file: BinaryIO, keys: Sequence[PublicKey], seen: Iterable[Checkpoint] = ()) -> VerifyReport:
    """Verify an exported log, reading it once.

    Raises `TREError(BadInput)` where the file is no export at all.
    """
    lines = _lines(file)
    size = _heading(lines)
    replay = Replay(keys, seen)
    for number, line in enumerate(lines, start=2):
        if not _take(replay, line):
            message = f"Line {number} of the file is not what is due after {replay.size} events."
            replay.fault(replay.size, Tampering.changed_event, message)
            break
    else:
        if replay.size != size:
            message = f"The file announces {size} events and holds {replay.size}."
            replay.fault(replay.size, Tampering.truncated_log, message)
    replay.finish()
    return report(replay)


def _heading(lines: Iterator[bytes]) -> int:
    heading = _object(next(lines, b""))
    size = heading.get("size")
    if heading.get("format") != FORMAT or not isinstance(size, int):
        raise TREError(
            Reason.BadInput,
            "This file is not an exported audit log.",
            remedy="Make one with `tre audit export FILE`.",
        )
    return size


def _take(replay: Replay, line: bytes) -> bool:
    """Take one line; whether it was an event in its place or a checkpoint."""
    found = _object(line)
    if found.keys() == {"checkpoint"}:
        replay.checkpoint(str(found["checkpoint"]))
        return True
    if found.keys() != {"event", "position"} or found["position"] != replay.size:
        return False
    try:
        leaf = canonical_bytes(found["event"])
    except TREError:
        return False
    replay.event(leaf)
    replay.leaf_hash(hash_leaf(leaf))
    return True


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE):
        yield line


def _write(file: BinaryIO, value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n")
