"""`tre doctor`: looks at everything, changes nothing, and says of each what it means and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from tre.cli import common
from tre.cli.common import JsonOption, RootOption, command
from tre.cli.doctor.fields import FIELDS
from tre.cli.doctor.finding import Field, Finding, Place, State
from tre.cli.doctor.run import ABSENT, examine, worst
from tre.domain.errors import Reason, TREError
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import SETTINGS_FILE, Settings, load_settings, root_from

OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="FIELD", help=f"Look at one field; repeatable: {', '.join(FIELDS)}."),
]
_COLOURS = {State.good: "green", State.weak: "yellow", State.bad: "red"}


@command
def doctor(root: RootOption = None, only: OnlyOption = None, as_json: JsonOption = False) -> None:
    """What this machine can and cannot do for the launcher, and what is not as it should be.

    Changes nothing. Says for each thing it looks at: good, weak (works, and promises less) or bad, what it means and
    what to type. Exit 1 where anything is bad.
    """
    layout = Layout(root_from(root))
    fields = chosen(FIELDS, only or ())
    settings = load_settings(layout.root) if (layout.root / SETTINGS_FILE).is_file() else Settings()
    found = examine(Place(layout, settings, SystemClock().now()), fields)
    report(found, fields, as_json=as_json)


def chosen(fields: Mapping[str, Field], only: Sequence[str]) -> dict[str, Field]:
    """The fields that were asked for, all without a name. Raises `TREError(BadInput)` for one that there is not."""
    if unknown := [name for name in only if name not in fields]:
        raise TREError(
            Reason.BadInput,
            f"There is no field {unknown[0]!r} to look at.",
            why=f"There are: {', '.join(fields)}.",
            remedy="Name one of these with --only.",
        )
    return {name: field for name, field in fields.items() if not only or name in only}


def report(found: Sequence[Finding], fields: Mapping[str, Field], *, as_json: bool) -> None:
    """Print what was found; end with 1 where anything is bad."""
    if as_json:
        common.print_json([one._asdict() for one in found])
    else:
        for name, field in fields.items():
            _print(field.title, [one for one in found if one.field == name])
        counts = [f"{sum(one.state is state for one in found)} {state}" for state in State]
        common.out.print(", ".join(counts), highlight=False)
    if worst(found) is State.bad:
        raise typer.Exit(1)


def _print(title: str, found: Sequence[Finding]) -> None:
    absent = [one for one in found if one.detail.startswith(ABSENT)]
    rows = [_row(one.what, one, _advice(one)) for one in found if one not in absent]
    if absent:
        rows.append(_row(f"{len(absent)} more", absent[0], escape(absent[0].remedy)))
    common.print_table(title, ("what", "state", "detail", "what to do"), rows)


def _row(what: str, one: Finding, advice: str) -> tuple[str, str, str, str]:
    return what, f"[{_COLOURS[one.state]}]{one.state}[/]", escape(one.detail), advice


def _advice(one: Finding) -> str:
    """What it means and what to type, where there is something to do."""
    return "" if one.state is State.good else escape(f"{one.means} {one.remedy}".strip())
