"""`tre application`: what was asked for, where it stands, and handing in from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import Connection

from tre.cli import common
from tre.cli.arguments import AsOption, person_of
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.applications import acts, drafts
from tre.domain.applications.models import Application, ApplicationContent
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.tally import Tally, tally
from tre.domain.grants.models import Metadata
from tre.domain.model import Record
from tre.domain.people import Person, Role
from tre.sources.committee_policy import load_committee
from tre.store import applications as store
from tre.store import committee
from tre.system.resources import read_record

app = typer.Typer(help="Applications for data: look at them, hand one in from a file.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="APPLICATION", help="The application's identifier.")]


class ApplicationFile(Record):
    """An application as it is written in a file; `answers` go to the committee's questions, in their order."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationContent
    answers: tuple[str, ...] = ()


@app.command("list")
@command
def list_applications(
    state: Annotated[list[ApplicationState] | None, typer.Option(help="Only in this state; repeatable.")] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every application that was handed in, the latest change first."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = store.handed_in(connection, state or None)
    if as_json:
        common.print_json([one.as_plain() for one in found])
        return
    rows = [(one.id, one.state, one.organisation, common.when(one.deadline), one.title) for one in found]
    common.print_table("", ("application", "state", "organisation", "decision due", "title"), rows)


@app.command("show")
@command
def show(name: Name, root: RootOption = None, as_json: JsonOption = False) -> None:
    """One application: what is asked, where it stands, which votes are missing."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = store.require(connection, name)
        counted = _counted(here, connection, found)
    if as_json:
        common.print_json(_plain(found, counted))
        return
    common.out.print(f"[bold]{found.id}[/]  {found.title}", highlight=False)
    common.out.print(f"{found.state} ({found.reason}), handed in {found.round} times", highlight=False)
    if found.message:
        common.out.print(found.message, markup=False, highlight=False)
    if found.content is not None:
        common.out.print(found.content.lay_summary, markup=False, highlight=False)
        rows = [(one.name, str(one.subject), one.role, one.organisation) for one in found.content.people]
        common.print_table("people", ("name", "subject", "role", "organisation"), rows)
    plans = [(one.name, one.plan_digest) for one in found.plans]
    common.print_table("plans", ("slice", "plan"), plans)
    if counted is not None:
        _print_count(counted)


def _print_count(counted: Tally) -> None:
    rows = [(one.constituency, str(one.voter), one.choice, common.when(one.at)) for one in counted.counted]
    common.print_table("votes", ("constituency", "member", "vote", "at"), rows)
    for seat, why in counted.recused:
        common.out.print(f"{seat.name} takes no part: {why}.", markup=False, highlight=False)
    for text in counted.lacking or ([counted.why] if counted.outcome else ["Open: not everybody has voted."]):
        common.out.print(text, markup=False, highlight=False)


def _counted(here: Installation, connection: Connection, found: Application) -> Tally | None:
    if found.state is not ApplicationState.InReview:
        return None
    terms = load_committee(here.layout.root).spec
    return tally(found, committee.ballot(connection, found.id), terms, here.clock.now())


def _plain(found: Application, counted: Tally | None) -> dict[str, Any]:
    plain: dict[str, Any] = {**found.as_plain(), "title": found.title, "matter": found.matter, "votes": None}
    if counted is not None:
        plain["votes"] = {
            "counted": [vote.as_plain() for vote in counted.counted],
            "void": [{"vote": one.vote.as_plain(), "why": one.why} for one in counted.void],
            "recused": [{"seat": seat.id, "why": why} for seat, why in counted.recused],
            "waiting": [seat.id for seat in counted.waiting],
            "lacking": list(counted.lacking),
            "outcome": counted.outcome,
        }
    return plain


@app.command("submit")
@command
def submit(
    file: Annotated[Path, typer.Argument(help="A YAML file of the kind Application.")],
    person: AsOption,
    again: Annotated[str | None, typer.Option("--again", help="The application that came back with questions.")] = None,
    varies: Annotated[str | None, typer.Option("--varies", help="The running grant that it would change.")] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand an application in for a person: a new one, or one that came back (--again).

    What the committee decides is public; of what it declines the title, the kind of organisation, the day, and why.
    """
    here = Installation.open(root)
    given = read_record(ApplicationFile, file)
    who = person_of(person, here.settings).model_copy(update={"roles": frozenset({Role.researcher})})
    found = _handed_in(here, given, who, again, varies)
    advice = drafts.advice_on(found.draft)
    if as_json:
        common.print_json({"id": found.id, "state": found.state, "round": found.round, "advice": advice})
        return
    common.out.print(f"{found.id} is handed in; its slices are planned next.", highlight=False)
    for text in advice:
        common.out.print(f"lay summary: {text}", markup=False, highlight=False)


def _handed_in(
    here: Installation, given: ApplicationFile, who: Person, again: str | None, varies: str | None
) -> Application:
    now, name = here.clock.now(), again or store.new_application_id()
    with here.database.change(
        here.event("application.submitted", f"application/{name}", author=str(who.subject))
    ) as change:
        before = store.require(change.connection, name) if again else store.begin(change, who, now, varies, name)
        typed = acts.edit(before, who, given.spec.as_plain(), now)
        if before.questions:
            typed = acts.answer(typed, who, given.answers, now)
        return store.save(change, before, acts.submit(typed, who, now))
