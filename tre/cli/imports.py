"""`tre import list|show|begin|upload|submit|withdraw`: requests to bring files in, on the machine itself.

Guarantees: the same functions as behind the portal's pages, with the acting person named by `--as`; whoever can run
this reads the database anyway, so it is for the operator's machine only. Without `--as`, `list` shows states and
clocks, no names of files. Decisions are made in the portal, where people have signed in, and nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tre.cli.arguments import AsOption, person_of
from tre.cli.common import (
    Installation,
    JsonOption,
    RootOption,
    command,
    operator,
    out,
    print_json,
    print_table,
    when,
)
from tre.domain.errors import Reason, TREError, passes
from tre.domain.imports.models import ImportRequest
from tre.domain.imports.states import ImportState
from tre.portal import import_actions
from tre.portal.context import Portal
from tre.portal.guard import LARGEST_UPLOAD
from tre.portal.import_uploads import refusal
from tre.portal.import_views import placed_files
from tre.portal.uploads import Arriving, Uploads
from tre.store import imports

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Requests to bring files in.")

PIECE = 2**20
ImportArgument = Annotated[str, typer.Argument(metavar="IMPORT", help="for example i-abcdefghijkl")]


def _portal(installed: Installation) -> Portal:
    return Portal(
        settings=installed.settings, layout=installed.layout, database=installed.database, clock=installed.clock
    )


def _summary(request: ImportRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "grant": request.grant,
        "author": request.author.as_plain(),
        "state": request.state.value,
        "reason": request.reason.value,
        "files": len(request.files),
        "changedAt": request.changed_at.isoformat(),
        "deadline": request.deadline.isoformat() if request.deadline else None,
    }


@app.command("list")
@command
def list_requests(acting: AsOption = "", as_json: JsonOption = False, root: RootOption = None) -> None:
    """Show import requests: every one in brief, or those a person may see."""
    installed = Installation.open(root)
    portal = _portal(installed)
    with installed.database.read() as connection:
        found = imports.by_state(connection, ImportState)
        if acting:
            person = person_of(acting, installed.settings)
            found = [
                request for request in found if passes(import_actions.find)(portal, connection, person, request.id)
            ]
    if as_json:
        print_json([_summary(request) for request in found])
        return
    rows = [(r.id, escape(r.grant), r.state, r.reason, len(r.files), when(r.deadline)) for r in found]
    print_table("", ("import", "grant", "state", "reason", "files", "due"), rows)


@app.command("show")
@command
def show(name: ImportArgument, acting: AsOption, as_json: JsonOption = False, root: RootOption = None) -> None:
    """Show one request as a person may see it."""
    installed = Installation.open(root)
    request = import_actions.found_now(_portal(installed), person_of(acting, installed.settings), name).request
    if as_json:
        print_json(request.as_plain() | {"manifest": request.manifest})
        return
    out.print(f"{request.id} of {escape(request.grant)}: {request.state} ({request.reason})")
    for text in (request.purpose, request.message):
        if text:
            out.print(escape(text))
    run = request.check_run
    rows = [
        (
            escape(file.path),
            file.type,
            file.size,
            file.sha256,
            ", ".join(f"{item.check} {item.severity}" for item in (run.of(file.sha256) if run else ())),
        )
        for file in request.files
    ]
    print_table("", ("file", "type", "bytes", "SHA-256", "findings"), rows)
    if request.state is ImportState.Placed:
        for item in placed_files(request):
            out.print(escape(item.command or item.path))


@app.command("begin")
@command
def begin(grant: Annotated[str, typer.Argument(metavar="GRANT")], acting: AsOption, root: RootOption = None) -> None:
    """Begin a request to bring files into a project, and print its name."""
    installed = Installation.open(root)
    name = import_actions.begin(
        _portal(installed), person_of(acting, installed.settings), grant, keyboard=str(operator())
    )
    out.print(name)


@app.command("upload")
@command
def upload(
    name: ImportArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", exists=True, dir_okay=False, readable=True)],
    acting: AsOption,
    folder: Annotated[str, typer.Option("--folder", help="the folder in the inbox, for example tools")] = "",
    root: RootOption = None,
) -> None:
    """Send files into a request; they are copied and checked."""
    installed = Installation.open(root)
    portal, person = _portal(installed), person_of(acting, installed.settings)
    import_actions.check_upload(portal, person, name)
    if sum(file.stat().st_size for file in files) > LARGEST_UPLOAD:
        raise TREError(Reason.FileRefused, f"At most {LARGEST_UPLOAD} bytes can be sent at once.")
    os.umask(0o002)  # the checker, by its group, takes the directory away again
    arriving = Uploads(installed.layout.uploads).begin(sum(file.stat().st_size for file in files))
    try:
        for file in files:
            _send(arriving, file, f"{folder.strip('/')}/{file.name}" if folder.strip("/") else file.name)
        if arriving.left_out:
            raise refusal(tuple(arriving.left_out), kept=0)
        arriving.seal()
        sent = (arriving.name, tuple(arriving.paths))
        import_actions.ask_receive(portal, person, name, sent, keyboard=str(operator()))
    except BaseException:
        arriving.discard()
        raise
    out.print(f"{name}: {len(arriving.paths)} sent, to be copied and checked")


def _send(arriving: Arriving, file: Path, path: str) -> None:
    if not arriving.begin(path):
        return
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            arriving.write(piece)
    arriving.finish()


@app.command("submit")
@command
def submit(
    name: ImportArgument,
    acting: AsOption,
    purpose: Annotated[str, typer.Option("--purpose", help="what the files are for, in words")],
    root: RootOption = None,
) -> None:
    """Hand a request to the checkers."""
    installed = Installation.open(root)
    person = person_of(acting, installed.settings)
    done = import_actions.submit(_portal(installed), person, name, purpose, keyboard=str(operator()))
    out.print(f"{done.id}: {done.state}")


@app.command("withdraw")
@command
def withdraw(name: ImportArgument, acting: AsOption, root: RootOption = None) -> None:
    """Take a request back for good."""
    installed = Installation.open(root)
    done = import_actions.withdraw(
        _portal(installed), person_of(acting, installed.settings), name, keyboard=str(operator())
    )
    out.print(f"{done.id}: {done.state}")
