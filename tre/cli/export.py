"""`tre export list|show|submit|withdraw|recalls`: a researcher's requests, on the machine itself.

Guarantees: the same rules as the portal's, with the acting person named by `--as`; whoever can run this reads the
database anyway, so it is for the operator's machine only. Without `--as`, `list` shows states and clocks, no names of
files. Votes are cast in the portal, where people have signed in, and nowhere else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from sqlalchemy import Connection

from tre.airlock.policy import directories, load_policy
from tre.airlock.recalls import list_recalls
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
from tre.domain.errors import passes
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.situation import Situation, grant_facts
from tre.domain.exports.states import ExportState
from tre.domain.people import Person
from tre.store import exports, grants

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Requests to take files out.")

ExportArgument = Annotated[str, typer.Argument(metavar="EXPORT", help="for example e-abcdefghijkl")]


def _situation(connection: Connection, request: ExportRequest, installed: Installation) -> Situation:
    now = installed.clock.now()
    return Situation(
        grant=grant_facts(grants.require(connection, request.grant), request.author, now),
        policy=load_policy(request.policy, directories(installed.layout.root)),
        now=now,
        release_delay=timedelta(seconds=installed.settings.release_delay_seconds),
    )


def _summary(request: ExportRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "grant": request.grant,
        "author": request.author.as_plain(),
        "state": request.state.value,
        "reason": request.reason.value,
        "turn": request.turn,
        "outputs": len(request.outputs),
        "changedAt": request.changed_at.isoformat(),
        "deadline": request.deadline.isoformat() if request.deadline else None,
    }


@app.command("list")
@command
def list_requests(acting: AsOption = "", as_json: JsonOption = False, root: RootOption = None) -> None:
    """Show export requests: every one in brief, or those a person may see."""
    installed = Installation.open(root)
    with installed.database.read() as connection:
        found = exports.by_state(connection, ExportState)
        if acting:
            person = person_of(acting, installed.settings)
            found = [request for request in found if passes(_view)(connection, person, request.id, installed)]
    if as_json:
        print_json([_summary(request) for request in found])
        return
    rows = [(r.id, escape(r.grant), r.state, r.reason, len(r.outputs), r.turn, when(r.deadline)) for r in found]
    print_table("", ("export", "grant", "state", "reason", "outputs", "turn", "due"), rows)


def _view(connection: Connection, person: Person, export: str, installed: Installation) -> ExportRequest:
    request = exports.require(connection, export)
    facts = grant_facts(grants.require(connection, request.grant), request.author, installed.clock.now())
    return exports.view(connection, export, person, facts)


@app.command("show")
@command
def show(export: ExportArgument, acting: AsOption, as_json: JsonOption = False, root: RootOption = None) -> None:
    """Show one request as a person may see it."""
    installed = Installation.open(root)
    person = person_of(acting, installed.settings)
    with installed.database.read() as connection:
        request = _view(connection, person, export, installed)
    if as_json:
        print_json(request.as_plain())
        return
    out.print(f"{request.id} of {escape(request.grant)}: {request.state} ({request.reason})")
    if request.message:
        out.print(escape(request.message))
    run = request.check_run
    rows = [
        (
            escape(group.name),
            escape(file.path),
            file.kind,
            file.size,
            ", ".join(f"{item.check} {item.severity}" for item in (run.of(file.sha256) if run else ())),
        )
        for group in request.groups
        for file in group.files
    ]
    print_table("", ("group", "file", "kind", "bytes", "findings"), rows)


@app.command("submit")
@command
def submit(export: ExportArgument, acting: AsOption, root: RootOption = None) -> None:
    """Hand a request to the checkers."""
    installed = Installation.open(root)
    _change(installed, export, person_of(acting, installed.settings), "submitted")


@app.command("withdraw")
@command
def withdraw(export: ExportArgument, acting: AsOption, root: RootOption = None) -> None:
    """Take a request back for good."""
    installed = Installation.open(root)
    _change(installed, export, person_of(acting, installed.settings), "withdrawn")


@app.command("recalls")
@command
def recalls(root: RootOption = None) -> None:
    """Print the list of releases that were called back, with proofs; `tre bundle verify --recalls` reads it."""
    installed = Installation.open(root)
    with installed.database.read() as connection:
        print_json(list_recalls(connection, installed.clock.now()).as_plain())


def _change(installed: Installation, export: str, person: Person, verb: str) -> None:
    act = {"submitted": exports.submit, "withdrawn": exports.withdraw}[verb]
    with installed.database.read() as connection:
        request = exports.require(connection, export)
        situation = _situation(connection, request, installed)
    event = exports.event_of(verb, request, person.subject, situation.now, keyboard=str(operator()))
    with installed.database.change(event) as change:
        changed = act(change, request, person, situation)
    out.print(f"{changed.id}: {changed.state}")
