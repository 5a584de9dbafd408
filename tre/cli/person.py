"""`tre person`: everybody whom the launcher knows, and what is known of each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.arguments import subject_of
from tre.cli.common import Installation, JsonOption, RootOption, command, when
from tre.domain.errors import Reason, TREError
from tre.domain.identity import is_in_force
from tre.domain.standing.models import Holder
from tre.domain.standing.rules import lacking
from tre.store import people, standings, workspaces
from tre.store.people import KnownPerson

app = typer.Typer(help="Everybody whom this launcher knows: list, show.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="ISSUER:ID", help="The person, for example local:alice.")]


def state_of(person: KnownPerson, here: Installation) -> str:
    """Whether a person's sign-ins count now, in one word or the reason why not."""
    if person.barred is not None:
        return person.barred.value
    now = here.clock.now()
    return "" if is_in_force(None, person.confirmed_until, now) else Reason.IdentityStale.value


@app.command("list")
@command
def list_people(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Everybody who signed in, or for whom an account was made: roles, and who is kept out and why."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = people.everybody(connection)
    if as_json:
        common.print_json([{"person": str(one.subject), **one.as_plain()} for one in found])
        return
    rows = [
        (one.subject, one.display_name, ", ".join(sorted(one.roles)), when(one.seen_at), state_of(one, here))
        for one in found
    ]
    common.print_table("", ("person", "name", "roles", "last signed in", "kept out"), rows)


@app.command("show")
@command
def show(person: Who, root: RootOption = None, as_json: JsonOption = False) -> None:
    """One person: projects, sign-ins, what is required of everybody, and what this person holds."""
    here = Installation.open(root)
    subject, now = subject_of(person, here.settings), here.clock.now()
    with here.database.read() as connection:
        known = people.by_subject(connection, subject)
        if known is None:
            raise TREError(
                Reason.MemberNotFound,
                f"Nobody here is called {subject}.",
                why="The record knows everybody who signed in, and every local account.",
                remedy="See `tre person list`.",
            )
        holder = Holder(person=subject)
        held = standings.of(connection, [holder])
        required = standings.required_of(standings.rules(connection).people, held, holder)
        running = people.sessions_of(connection, subject, now)
        projects = workspaces.grants_of_person(connection, str(subject))
    missing = lacking(required, now)
    found: dict[str, Any] = {
        **known.as_plain(),
        "keptOut": state_of(known, here),
        "projects": projects,
        "signIns": len(running),
        "required": [str(one.requirement) for one in required],
        "missing": None if missing is None else str(missing.requirement),
        "holds": [one.as_plain() for one in held],
    }
    if as_json:
        common.print_json(found)
        return
    lines = (
        ("person", str(subject)),
        ("name", known.display_name),
        ("roles", ", ".join(sorted(known.roles)) or "none"),
        ("kept out", found["keptOut"] or "no"),
        ("confirmed until", when(known.confirmed_until) or "nobody has to confirm"),
        ("projects", ", ".join(projects) or "none"),
        ("signed in", f"{len(running)} times now"),
        ("missing", found["missing"] or "nothing that is required"),
    )
    common.print_table("", ("", ""), lines)
    rows = [(one.id, str(one.meets), when(one.since), when(one.until), one.reference) for one in held]
    common.print_table("Holds and held", ("standing", "what", "since", "until", "reference"), rows)
