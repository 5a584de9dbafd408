"""`tre audit feed`: the signed log as lines of JSON, for a system that watches many logs.

Guarantees: events in the log's order, each line whole; with a cursor every event is handed out at least once, whatever
ends the command, and a second time only where it was ended between the line and the cursor: `id` tells. Where the log
no longer holds what was handed out last, nothing more is handed out.

Threat: a log that was written anew between two readings; a collector that misses what happened while it was away.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from tre.cli.common import Installation, RootOption, command
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record, UtcTime, parse_record
from tre.store.changes import ChangeFeed
from tre.store.events import StoredEvent, leaf_at, signed_after
from tre.system.files import write_json

CURSOR = "tre-audit-cursor/1"


class _Cursor(Record):
    format: str = CURSOR
    position: int = -1
    leaf: str = ""


class _Since(Record):
    since: UtcTime


@command
def feed(
    root: RootOption = None,
    since: Annotated[
        str | None, typer.Option(help="Only what happened at this time or later, such as 2026-11-01T00:00:00Z.")
    ] = None,
    cursor: Annotated[
        Path | None, typer.Option(help="A file that remembers how far was read; the next run goes on there.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events are signed.")] = False,
) -> None:
    """Print the signed log as lines of JSON, in its order, each with its position."""
    here = Installation.open(root)
    earliest = None if since is None else parse_record(_Since, {"since": since}, source="what was typed").since
    found = _read(cursor)
    with closing(ChangeFeed(here.database)) as changes:
        while True:
            with here.database.read() as connection:
                _check(connection, found, cursor)
                coming = signed_after(connection, found.position, earliest)
                leaf = leaf_at(connection, _last(coming)) if coming else None
            if coming and leaf is not None:
                _print(coming)
                found = _Cursor(position=_last(coming), leaf=leaf.hex())
                if cursor is not None:
                    write_json(cursor, found.as_plain())
            elif not follow:
                return
            else:
                changes.wait(1.0)


def _last(coming: Sequence[StoredEvent]) -> int:
    return max(item.position for item in coming if item.position is not None)


def _print(coming: Sequence[StoredEvent]) -> None:
    for item in coming:
        line = {"position": item.position} | item.event.as_plain()
        sys.stdout.write(json.dumps(line, sort_keys=True) + "\n")
    sys.stdout.flush()


def _read(path: Path | None) -> _Cursor:
    """How far was read. Raises `TREError(BadInput)` for a file that does not say so: nothing is left out silently."""
    if path is None or not path.exists():
        return _Cursor()
    try:
        found = parse_record(_Cursor, json.loads(path.read_text(encoding="utf-8")), source=str(path))
    except (OSError, ValueError, RecursionError) as error:
        raise _no_cursor(path) from error
    if found.format != CURSOR:
        raise _no_cursor(path)
    return found


def _no_cursor(path: Path) -> TREError:
    return TREError(
        Reason.BadInput,
        f"{path} does not say how far the log was read.",
        remedy="Name another file; without one the log is read from its beginning.",
    )


def _check(connection: Connection, found: _Cursor, path: Path | None) -> None:
    """Raise `TREError(AuditBroken)` where the log does not hold what was handed out last."""
    if found.position < 0:
        return
    leaf = leaf_at(connection, found.position)
    if leaf is None or leaf.hex() != found.leaf:
        raise TREError(
            Reason.AuditBroken,
            f"The log does not hold at position {found.position} what was handed out before.",
            why=f"It was shortened or written anew, or {path or 'the cursor'} belongs to another log.",
            remedy="Keep what you have been given, and run `tre audit verify`.",
        )
