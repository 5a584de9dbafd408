"""`tre audit dossier` and `tre grant certificate`: what an inspection and a custodian get of a project."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy import Connection

from tre.audit import dossier as dossiers
from tre.audit.certificate import as_html
from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.destruction import certificate
from tre.store import events, grants
from tre.store.changes import ChangeFeed
from tre.system.files import write_atomically

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds for the controller to give an event its place: it does within one."""

Name = Annotated[str, typer.Argument(metavar="GRANT", help="The grant's name.")]


@command
def dossier(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Is written; it must not exist yet.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything about one grant into a file that `tre audit verify FILE.zip --key KEY` checks anywhere."""
    if file.exists():
        raise TREError(Reason.AlreadyExists, f"{file} exists.", why="Nothing is overwritten.", remedy="Name another.")
    here = Installation.open(root)
    log = _Log(here)
    files = log.awaited(lambda connection: dossiers.contents(connection, name))
    statement = dossiers.statement_of(name, files)
    event = here.event(dossiers.MADE, f"grant/{name}", statement=digest(statement))
    with here.database.change(event):
        pass  # the event is all there is to keep: the log vouches for what is handed out
    dossiers.write(file, files, statement, log.awaited(lambda connection: dossiers.proof_of(connection, event.id)))
    if as_json:
        common.print_json({"file": str(file), "grant": name, "statement": digest(statement), "files": sorted(files)})
    else:
        common.out.print(f"{len(files)} files about {name} written to {file}.", highlight=False)


class _Log:
    """Waits for the controller to give events their place."""

    def __init__(self, here: Installation) -> None:
        self._database, self._feed = here.database, ChangeFeed(here.database)

    def awaited(self, read: Callable[[Connection], T]) -> T:
        """What can be read once nothing waits. Raises `TREError(ServiceUnavailable)` after a while."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self._database.read() as connection:
                    return read(connection)
            except TREError as error:
                if error.reason is not Reason.ServiceUnavailable or time.monotonic() > deadline:
                    raise
            self._feed.wait(0.5)


@command
def show_certificate(
    name: Name,
    root: RootOption = None,
    html: Annotated[Path | None, typer.Option(help="Write it as a page here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The certificate of destruction of a closed grant: what was destroyed, when, and whether in time."""
    here = Installation.open(root)
    with here.database.read() as connection:
        grant = grants.require(connection, name)
        course = [stored.event for stored in events.of_object(connection, f"grant/{name}")]
    found = certificate(grant, course)
    if html is not None:
        write_atomically(html, as_html(found).encode(), mode=0o644)
    if as_json:
        common.print_json(found)
        return
    late = "in time" if found["inTime"] else f"later than {found['limitDays']} days"
    common.out.print(f"[bold]{name}[/]: access ended {found['accessEnded']}", highlight=False)
    common.out.print(f"everything destroyed {found['destroyedAt']}, {late}", highlight=False)
    rows = [(one["slice"], one["removedAt"], _counted(one["files"])) for one in found["slices"]]
    common.print_table("slices", ("slice", "removed", "files"), rows)
    rows = [(one["workspace"], one["destroyedAt"] or "", _counted(one["files"])) for one in found["homes"]]
    common.print_table("homes", ("workspace", "destroyed", "files"), rows)
    common.out.print(found["digest"], highlight=False)


def _counted(files: int | None) -> str:
    return "" if files is None else str(files)
