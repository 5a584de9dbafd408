"""`tre satre`: how this installation stands against SATRE, by looking at it.

Guarantees: nothing is changed; the record is read through a connection that cannot write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tre.cli import common
from tre.cli.common import JsonOption, RootOption, command, require_record
from tre.cli.satre.page import as_html
from tre.cli.satre.place import Place, project_directory
from tre.cli.satre.score import Score, Scored, as_json, score
from tre.cli.satre.statements import Importance, load
from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.store.roles import Role
from tre.system.clock import SystemClock
from tre.system.files import write_atomically
from tre.system.layout import Layout
from tre.system.settings import load_settings, root_from

app = typer.Typer(help="How this installation stands against SATRE.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """How this installation stands against SATRE, the standard for trusted research environments."""


@app.command("score")
@command
def score_it(
    root: RootOption = None,
    as_json_: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page too; it must not exist.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every statement, not only the mandatory ones at 0.")
    ] = False,
    pages: Annotated[
        Path | None, typer.Option("--pages", metavar="DIR", help="The directory that holds docs/ [the checkout's].")
    ] = None,
) -> None:
    """Score the installation against SATRE; exit 1 where the software itself fails a mandatory statement."""
    if html is not None and html.exists():
        raise TREError(Reason.AlreadyExists, f"{html} exists.", why="Nothing is overwritten.", remedy="Name another.")
    place = _place(root, pages or project_directory())
    try:
        found = score(load(), place)
    finally:
        place.database.close()
    if html is not None:
        write_atomically(html, as_html(found, place.settings.base, place.now).encode(), mode=0o644)
    if as_json_:
        common.print_json(as_json(found))
    else:
        _show(found, found.statements if every else [one for one in found.statements if _is_wanting(one)])
    if found.blocking:
        raise typer.Exit(1)


def _place(root: Path | None, pages: Path) -> Place:
    layout = Layout(root_from(root))
    settings = load_settings(layout.root)
    require_record(layout, settings)
    database = Database.open(layout, settings, Role.operator, read_only=True)
    return Place(layout, settings, database, SystemClock().now(), pages)


def _is_wanting(one: Scored) -> bool:
    return one.statement.importance.is_mandatory and one.score == 0


def _show(found: Score, listed: list[Scored]) -> None:
    rows = [
        (f"{one.id} {one.title}", one.verdict, one.mandatory, one.recommended, one.optional, one.organisation)
        for one in found.capabilities
    ]
    heads = ("capability", "comes to", "mandatory", "recommended", "optional", "organisation")
    common.print_table(f"{found.specification} {found.version}: scored, and 1 or more", heads, rows)
    shown = [
        (one.statement.id, one.statement.importance, one.statement.kind, one.shown, escape(_said(one)))
        for one in listed
    ]
    common.print_table("", ("statement", "importance", "who", "score", "why"), shown)
    mandatory = found.tally(Importance.mandatory, Importance.mandatory_but)
    recommended, optional = found.tally(Importance.recommended), found.tally(Importance.optional)
    blocking = ", ".join(one.statement.id for one in found.blocking) or "none"
    common.out.print(
        f"Mandatory {mandatory}, recommended {recommended}, optional {optional} of those scored. "
        f"Mandatory, the software's own, and not met: {blocking}.",
        markup=False,
        highlight=False,
    )


def _said(one: Scored) -> str:
    return f"{one.statement.line} {one.reason}".strip()
