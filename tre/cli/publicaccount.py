"""`tre incident` and `tre consultation`: the public account from the keyboard.

Guarantees: the same rules and events as at the desk; who sits at the keyboard acts as an operator, under their name on
the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tre.cli.common import Installation, JsonOption, RootOption, command, operator, out, print_json, print_table, when
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role
from tre.domain.publicaccount.models import IncidentType, Item
from tre.domain.publicaccount.states import ItemKind
from tre.portal import account_actions as do
from tre.portal import account_public
from tre.portal.context import Portal
from tre.store import publicaccount as store

incident = typer.Typer(help="Incidents that the public reads of: declare, list.", no_args_is_help=True)
consultation = typer.Typer(
    help="Changes of a policy that are open for comment: open, decide, list.", no_args_is_help=True
)

MOST_BYTES = 2**17
"""Of a policy file: a long one has ten thousand."""

_NONE = "No policy is like this."


def _portal(here: Installation) -> Portal:
    return Portal(settings=here.settings, layout=here.layout, database=here.database, clock=here.clock)


def _keyboard() -> Person:
    subject = operator()
    return Person(subject=subject, display_name=subject.id, roles=frozenset({Role.operator}))


def _told(item: Item, what: str, as_json: bool) -> None:
    if as_json:
        print_json(item.as_plain())
    else:
        out.print(f"{item.id}: {what}", highlight=False)


@incident.command("declare")
@command
def declare(
    title: Annotated[str, typer.Option(help="in one line; name nobody")],
    happened: Annotated[str, typer.Option(metavar="DAY", help="the day it happened, as 2026-11-30")],
    text: Annotated[str, typer.Option(help="what happened, in plain words")],
    done: Annotated[str, typer.Option(help="what was done so far")],
    kind: Annotated[IncidentType, typer.Option(help="what kind of thing went wrong")] = IncidentType.other,
    project: Annotated[str, typer.Option(help="the project that it concerns, by its public name")] = "",
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Tell everybody what happened. It is public at once."""
    fields = {"title": title, "happened": happened, "text": text, "done": done}
    fields |= {"type": kind.value, "project": project}
    item = do.declare_incident(_portal(Installation.open(root)), _keyboard(), fields)
    _told(item, "declared, and public", as_json)


@incident.command("list")
@command
def list_incidents(as_json: JsonOption = False, root: RootOption = None) -> None:
    """Every incident as the public reads it, newest first."""
    with Installation.open(root).database.read() as connection:
        found = account_public.incidents(connection)
    if as_json:
        print_json([one.as_plain() for one in found])
        return
    rows = [(one.id, when(one.happened_at)[:10], escape(one.title), when(one.resolved_at) or "open") for one in found]
    print_table("", ("incident", "happened", "what", "resolved"), rows)


@consultation.command("open")
@command
def open_change(
    before: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the policy file as it is")],
    after: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the file as it would be")],
    title: Annotated[str, typer.Option(help="in one line")],
    text: Annotated[str, typer.Option(help="why, in plain words")],
    closes: Annotated[str, typer.Option(metavar="DAY", help="the last day for comments, as 2026-11-30")],
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Open a change of a policy for comment. It is public at once."""
    fields = {"title": title, "text": text, "closes": closes, "before": _read(before), "after": _read(after)}
    item = do.open_consultation(_portal(Installation.open(root)), _keyboard(), fields)
    _told(item, f"open for comment until the end of {closes}", as_json)


def _read(path: Path) -> str:
    """The text of a policy file. Raises `TREError(BadInput)`."""
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise TREError(
            Reason.BadInput, f"{path} is longer than {MOST_BYTES:,} bytes.", why=_NONE, remedy="Name a policy file."
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TREError(
            Reason.BadInput, f"{path} is not text in UTF-8.", why=_NONE, remedy="Name a policy file."
        ) from error


@consultation.command("decide")
@command
def decide(
    name: Annotated[str, typer.Argument(metavar="ID", help="the change, as `tre consultation list` names it")],
    reply: Annotated[str, typer.Option(help="what was decided, and why")],
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Say what was decided, once the time for comments is over. The change is closed by that."""
    portal = _portal(Installation.open(root))
    with portal.database.read() as connection:
        item = store.get(connection, name, [ItemKind.consultation])
    found = do.act(portal, _keyboard(), item.id, "decide", {"reply": reply, "version": str(item.version)})
    _told(found, "decided, and public", as_json)


@consultation.command("list")
@command
def list_changes(as_json: JsonOption = False, root: RootOption = None) -> None:
    """Every change that is or was open for comment, newest first."""
    portal = _portal(Installation.open(root))
    with portal.database.read() as connection:
        found = account_public.changes(portal, connection)
    if as_json:
        print_json([one.as_plain() for one in found])
        return
    rows = [
        (
            one.id,
            escape(one.title),
            "open" if one.open else when(one.decided_at) or "to be decided",
            when(one.closes_at),
        )
        for one in found
    ]
    print_table("", ("change", "what", "state or decision", "comments until"), rows)
