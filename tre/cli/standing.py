"""`tre standing`: training, accreditation and agreements of people and organisations."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.arguments import check_reason, subject_of
from tre.cli.common import Installation, JsonOption, RootOption, command, operator, when
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.domain.people import Person, Role
from tre.domain.standing.asked import AskedStanding, standing_of
from tre.domain.standing.models import Holder, StandingKind, as_detail
from tre.domain.standing.rules import check_record
from tre.store import people, standings

app = typer.Typer(help="What people and organisations must hold: required, list, add, end.", no_args_is_help=True)

OfPerson = Annotated[str, typer.Option("--person", metavar="ISSUER:ID", help="Who holds it, e.g. local:alice.")]
OfOrganisation = Annotated[str, typer.Option("--organisation", metavar="ID", help="The organisation that holds it.")]


def _holder(here: Installation, person: str, organisation: str) -> Holder:
    if bool(person) == bool(organisation):
        raise TREError(
            Reason.BadInput,
            "Somebody must hold it: one person, or one organisation.",
            why="Both were given, or neither.",
            remedy="Give --person ISSUER:ID or --organisation ID.",
        )
    value = {"person": subject_of(person, here.settings)} if person else {"organisation": organisation}
    return parse_record(Holder, value, source="the holder")


def _check_may(holder: Holder) -> None:
    person = Person(subject=operator(), display_name="operator", roles=frozenset({Role.operator}))
    check_record(person, holder)


@app.command("required")
@command
def required(root: RootOption = None, as_json: JsonOption = False) -> None:
    """What is required of each member of a project, and of its organisation, as it is in force."""
    here = Installation.open(root)
    with here.database.read() as connection:
        rules = standings.rules(connection)
    if as_json:
        common.print_json(rules.as_plain())
        return
    rows = [("each person", str(one)) for one in rules.people]
    rows += [("each organisation", str(one)) for one in rules.organisations]
    common.print_table("", ("of whom", "what"), rows)


@app.command("list")
@command
def list_standings(
    person: OfPerson = "", organisation: OfOrganisation = "", root: RootOption = None, as_json: JsonOption = False
) -> None:
    """What is held and was held: by everybody, or by one person or organisation."""
    here = Installation.open(root)
    with here.database.read() as connection:
        if person or organisation:
            found = standings.of(connection, [_holder(here, person, organisation)])
        else:
            found = standings.everything(connection)
    if as_json:
        common.print_json([one.as_plain() for one in found])
        return
    now = here.clock.now()
    rows = [
        (
            one.id,
            one.holder.object,
            str(one.meets),
            when(one.since),
            when(one.until),
            "over" if one.until <= now else "",
            one.reference,
        )
        for one in found
    ]
    common.print_table("", ("standing", "of whom", "what", "since", "until", "", "reference"), rows)


@app.command("add")
@command
def add(
    kind: Annotated[StandingKind, typer.Argument(help="What sort of thing it is.")],
    name: Annotated[str, typer.Argument(help="Which one: the name that policies/standing.yaml asks for.")],
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Its last day, for example 2027-06-30.")],
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="Its first day; today by default.")] = "",
    person: OfPerson = "",
    organisation: OfOrganisation = "",
    reference: Annotated[str, typer.Option("--reference", help="Number of the certificate or contract.")] = "",
    root: RootOption = None,
) -> None:
    """Record what a person or an organisation holds, from the first through the last day."""
    here = Installation.open(root)
    holder = _holder(here, person, organisation)
    _check_may(holder)
    values: dict[str, Any] = {"kind": kind, "name": name, "until": until, "reference": reference}
    asked = parse_record(AskedStanding, values | ({"since": since} if since else {}), source="the standing")
    new = standing_of(asked, holder, here.clock.now())
    event = here.event("standing.added", holder.object, **as_detail(new))
    with here.database.change(event) as change:
        known = holder.person is None or people.by_subject(change.connection, holder.person) is not None
        identifier = standings.add(change, new)
    common.out.print(f"{identifier}: {new.meets} until {when(new.until)}", highlight=False)
    if not known:
        common.out.print(f"  {holder.person} did not sign in here yet: is the name right?", highlight=False)


@app.command("end")
@command
def end(
    identifier: Annotated[str, typer.Argument(metavar="STANDING", help="As `tre standing list` shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it ends early.")],
    root: RootOption = None,
) -> None:
    """End a standing now; where it is required, access ends with it."""
    here = Installation.open(root)
    why = check_reason(reason)
    with here.database.read() as connection:
        found = standings.require(connection, identifier)
    _check_may(found.holder)
    event = here.event("standing.ended", found.holder.object, standing=identifier, what=str(found.meets), reason=why)
    with here.database.change(event) as change:
        standings.end(change, identifier, here.clock.now())
    common.out.print(f"{identifier}: {found.meets} ended", highlight=False)
