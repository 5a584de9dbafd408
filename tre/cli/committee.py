"""`tre committee`: seats, votes, decisions.

Does not guarantee: that a member stood behind a vote that was typed here. Whoever may use the command line may name
anybody; the record says of each vote from where it came (`session`).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tre.cli import common, decisions
from tre.cli.arguments import AsOption, check_reason, person_of, subject_of
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.models import Choice, Seat, VoteText
from tre.domain.committee.tally import tally
from tre.domain.committee.tracking import OVER, ConditionState
from tre.domain.committee.voting import Act
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.domain.people import Role
from tre.portal.context import Portal
from tre.portal.deciding import pack as packs
from tre.sources.committee_policy import load_committee
from tre.store import applications, conditions
from tre.store import committee as store
from tre.system.files import write_atomically

app = typer.Typer(help="The committee: who sits in it, votes, what it decided.", no_args_is_help=True)
seats = typer.Typer(help="Seats: give one, end one, note a member's interests.", no_args_is_help=True)
app.add_typer(seats, name="seat")
app.add_typer(decisions.app, name="decision")
app.command("verify")(decisions.verify)

Application = Annotated[str, typer.Argument(metavar="APPLICATION", help="The application's identifier.")]
Because = Annotated[str, typer.Option("--reason", help="Why; people will read it.")]


def _act(here: Installation, who: str) -> Act:
    """A member acts through whoever is at the keyboard."""
    person = person_of(who, here.settings).model_copy(update={"roles": frozenset({Role.committee})})
    return Act(person, f"command line of {common.operator().id}", here.clock.now())


@app.command("list")
@command
def list_seats(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every seat there ever was, and whether its term runs now."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = store.seats(connection)
    now = here.clock.now()
    if as_json:
        common.print_json([{**one.as_plain(), "inForce": one.in_force(now)} for one in found])
        return
    rows = [
        (one.id, one.constituency, one.name, str(one.subject), "chair" if one.chair else "", common.when(one.last))
        for one in found
    ]
    common.print_table("", ("seat", "constituency", "name", "subject", "", "until"), rows)


@seats.command("add")
@command
def add_seat(
    member: Annotated[str, typer.Argument(metavar="ISSUER:ID", help="Who sits there, for example local:pat.")],
    constituency: Annotated[str, typer.Option(help="clinician, academic, commissioner, patient, or another of yours.")],
    name: Annotated[str, typer.Option(help="The member's name, as people read it.")],
    organisation: Annotated[str, typer.Option(help="Where the member works, or the group they speak for.")],
    until: Annotated[datetime, typer.Option(help="The end of the term (UTC).")],
    since: Annotated[datetime | None, typer.Option(help="Its beginning (UTC) [now].")] = None,
    organisation_id: Annotated[str, typer.Option(help="The organisation's identifier, as applications give it.")] = "",
    interest: Annotated[list[str] | None, typer.Option(help="A declared interest; repeatable.")] = None,
    chair: Annotated[bool, typer.Option("--chair", help="The member may close votes.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a person a seat for a term. Name, organisation, term and interests are public: tell the person before."""
    here = Installation.open(root)
    typed = {
        "id": store.new_seat_id(),
        "subject": subject_of(member, here.settings),
        "name": name,
        "constituency": constituency,
        "organisation": organisation,
        "organisationId": organisation_id,
        "chair": chair,
        "begins": here.clock.now() if since is None else _utc(since),
        "ends": _utc(until),
        "interests": interest or [],
    }
    seat = parse_record(Seat, typed, source="what was typed")
    terms = load_committee(here.layout.root).spec
    event = here.event("seat.added", f"seat/{seat.id}", constituency=seat.constituency, member=str(seat.subject))
    with here.database.change(event) as change:
        store.add_seat(change, seat, terms)
    if as_json:
        common.print_json(seat.as_plain())
        return
    common.out.print(f"{seat.id}: {seat.name} sits for {constituency} until {common.when(seat.ends)}", highlight=False)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@seats.command("end")
@command
def end_seat(
    seat: Annotated[str, typer.Argument(help="The seat's identifier.")], reason: Because, root: RootOption = None
) -> None:
    """End a term now; votes that the member cast on what is not decided yet count no more. The reason is not public."""
    here = Installation.open(root)
    said = check_reason(reason)
    with here.database.change(here.event("seat.ended", f"seat/{seat}", reason=said)) as change:
        ended = store.end_seat(change, seat, said, here.clock.now())
    common.out.print(f"{ended.id}: the term of {ended.name} has ended", highlight=False)


@seats.command("declare")
@command
def declare(
    seat: Annotated[str, typer.Argument(help="The seat's identifier.")],
    interest: Annotated[list[str] | None, typer.Option(help="An organisation or a person; repeatable.")] = None,
    root: RootOption = None,
) -> None:
    """Note a member's interests in place of those noted before; without any, there are none. They are public."""
    here = Installation.open(root)
    with here.database.change(here.event("seat.interests-declared", f"seat/{seat}")) as change:
        noted = store.declare(change, seat, interest or [])
    common.out.print(f"{noted.id}: {len(noted.interests)} interests", highlight=False)


@app.command("vote")
@command
def vote(
    application: Application,
    person: AsOption,
    choice: Annotated[Choice, typer.Option(help="What the member says.")],
    reasons: Annotated[str, typer.Option(help="Why.")],
    criterion: Annotated[list[str] | None, typer.Option(help="A criterion that is met; repeatable.")] = None,
    condition: Annotated[list[str] | None, typer.Option(help="A condition as DUO code; repeatable.")] = None,
    condition_text: Annotated[list[str] | None, typer.Option(help="A condition in words; repeatable.")] = None,
    question: Annotated[list[str] | None, typer.Option(help="A question to the applicant; repeatable.")] = None,
    for_the_public: Annotated[
        str, typer.Option(help="What anybody may read of it once it is approved or declined; without the name.")
    ] = "",
    root: RootOption = None,
) -> None:
    """Cast a member's vote on an application as it is now."""
    here = Installation.open(root)
    typed: dict[str, Any] = {
        "choice": choice,
        "reasons": reasons,
        "criteria": criterion or [],
        "conditions": condition or [],
        "conditionTexts": condition_text or [],
        "questions": question or [],
        "forThePublic": for_the_public or None,
    }
    text = parse_record(VoteText, typed, source="the vote")
    act, terms = _act(here, person), load_committee(here.layout.root).spec
    with here.database.read() as connection:
        matter = applications.require(connection, application).matter or ""
    with here.database.change(store.event_of("committee.voted", f"application/{application}", act)) as change:
        cast = store.cast(change, application, text, matter, terms, act)
    common.out.print(f"{cast.voter} for {cast.constituency}: {cast.choice}", highlight=False)


@app.command("recuse")
@command
def recuse(application: Application, person: AsOption, reason: Because, root: RootOption = None) -> None:
    """Have a member stand aside in one application."""
    here = Installation.open(root)
    act, said = _act(here, person), check_reason(reason)
    with here.database.change(store.event_of("committee.recused", f"application/{application}", act)) as change:
        store.recuse(change, application, said, act)
    common.out.print(f"{act.person.subject} takes no part in {application}", highlight=False)


@app.command("close")
@command
def close(application: Application, person: AsOption, root: RootOption = None) -> None:
    """Close a vote for the chair: it is counted without those who have not voted. Quorum is needed."""
    here = Installation.open(root)
    act, terms = _act(here, person), load_committee(here.layout.root).spec
    with here.database.change(store.event_of("committee.closed", f"application/{application}", act)) as change:
        store.close(change, application, terms, act)
    common.out.print(f"the vote on {application} is closed", highlight=False)


@app.command("stop")
@command
def stop(
    grant: Annotated[str, typer.Argument(help="The running grant's name.")],
    person: AsOption,
    reason: Because,
    root: RootOption = None,
) -> None:
    """Cast a member's emergency vote: enough of them suspend the whole grant at once."""
    here = Installation.open(root)
    act, said, policy = _act(here, person), check_reason(reason), load_committee(here.layout.root)
    with here.database.change(store.event_of("grant.stop-voted", f"grant/{grant}", act, reason=said)) as change:
        identifier = store.stop(change, grant, said, policy, act)
    stopped = f"suspended; lift it with: tre grant resume {identifier}" if identifier else "more votes are needed"
    common.out.print(f"{grant}: {stopped}", highlight=False)


@app.command("agenda")
@command
def agenda(root: RootOption = None, as_json: JsonOption = False) -> None:
    """What the committee has before it: what is due when, who takes no part, and what each vote still lacks."""
    here = Installation.open(root)
    terms, now = load_committee(here.layout.root).spec, here.clock.now()
    with here.database.read() as connection:
        names = [one.id for one in applications.handed_in(connection, [ApplicationState.InReview])]
        found = [(applications.require(connection, name), store.ballot(connection, name)) for name in names]
    items: list[dict[str, Any]] = []
    for application, ballot in sorted(found, key=lambda one: (one[0].deadline or now, one[0].id)):
        counted = tally(application, ballot, terms, now)
        items.append(
            {
                "application": application.id,
                "title": application.title,
                "lane": application.lane,
                "due": application.deadline,
                "late": application.late,
                "waiting": [seat.name for seat in counted.waiting],
                "aside": [seat.name for seat, _ in counted.recused],
                "lacking": list(counted.lacking),
            }
        )
    if as_json:
        common.print_json(items)
        return
    rows = [
        (one["application"], common.when(one["due"]), ", ".join(one["waiting"]), ", ".join(one["aside"]), one["title"])
        for one in items
    ]
    common.print_table("", ("application", "due", "has to vote", "takes no part", "title"), rows)


@app.command("conditions")
@command
def list_conditions(
    grant: Annotated[str, typer.Argument(metavar="[GRANT]", help="Only those of this project.")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Conditions in words that are not settled; with a project, every one of its."""
    here = Installation.open(root)
    with here.database.read() as connection:
        states = [state for state in ConditionState if state not in OVER]
        found = conditions.of_grant(connection, grant) if grant else conditions.in_states(connection, states)
    if as_json:
        common.print_json([one.as_plain() for one in found])
        return
    rows = [
        (one.id, escape(one.grant), one.state, one.terms.party, common.when(one.terms.due), escape(one.text[:80]))
        for one in found
    ]
    common.print_table("", ("condition", "grant", "state", "who must act", "due", "condition in words"), rows)


@app.command("pack")
@command
def pack(
    file: Annotated[Path, typer.Argument(metavar="FILE.pdf", help="Where the file goes; there must be none yet.")],
    person: AsOption,
    since: Annotated[datetime | None, typer.Option(help="Where the minutes begin (UTC) [31 days ago].")] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a member's pack: agenda, applications that do not concern them, and minutes, as one PDF file."""
    here = Installation.open(root)
    _check_free(file)
    portal = Portal(settings=here.settings, layout=here.layout, database=here.database, clock=here.clock)
    made = packs.make(portal, _act(here, person), _utc(since) if since else None)
    write_atomically(file, made.data, mode=0o600)
    if as_json:
        said = {"file": str(file), "sha256": made.sha256, "bytes": len(made.data), "leftOut": list(made.pack.aside)}
        common.print_json(said | {"matters": made.pack.matters})
        return
    common.out.print(
        f"{file}: {len(made.pack.items)} applications for {made.pack.seat.name}, {len(made.pack.aside)} left out, "
        f"{made.sha256}",
        markup=False,
        highlight=False,
    )


def _check_free(file: Path) -> None:
    """Before the record says that somebody has it: afterwards would be too late."""
    if file.is_symlink() or file.exists():
        raise TREError(Reason.Conflict, f"{file} exists.", why="Nothing is replaced.", remedy="Give another name.")
    if not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        raise TREError(
            Reason.BadInput,
            f"{file} cannot be written.",
            why="Its directory does not exist, or is not yours to write in.",
            remedy="Name a file in a directory that you can write in.",
        )


@app.command("minutes")
@command
def minutes(
    since: Annotated[datetime, typer.Option(help="From this time on (UTC).")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the committee decided from a moment on: outcome, votes, who stood aside."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = store.decided_since(connection, _utc(since))
    if as_json:
        common.print_json([one.as_plain() for one in found])
        return
    rows = [
        (
            common.when(one.record.decided_at),
            one.record.application,
            one.record.outcome,
            one.record.why,
            ", ".join(str(aside.member) for aside in one.record.stood_aside),
            one.record.title,
        )
        for one in found
    ]
    common.print_table("", ("decided", "application", "outcome", "votes", "stood aside", "title"), rows)
