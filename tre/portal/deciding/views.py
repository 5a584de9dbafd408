"""What the committee's pages show: what waits and for whom, one application with its count, what was decided before.

Guarantees: how others voted is shown to a member only once they have voted themselves or the vote is over: nobody votes
after somebody's lead. Whom the application concerns, by a name in it or an interest, reads no vote before it is over.
Who has not voted yet is shown to all, so that somebody can ask them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.applications.models import Application
from tre.domain.applications.permissions import is_named
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.decision import DecisionRecord
from tre.domain.committee.eligibility import recusal_of, seat_of
from tre.domain.committee.models import Seat, Vote
from tre.domain.committee.policy import CommitteeTerms
from tre.domain.committee.tally import Ballot, Tally, tally
from tre.domain.errors import TREError
from tre.domain.people import Role, Subject
from tre.portal.applying.changes import Difference, differences
from tre.portal.applying.fields import Field, Kind, Step
from tre.portal.applying.views import ApplicationView, view_of
from tre.portal.applying.words import CHOICES, CONDITIONS, DESK_EVENTS
from tre.portal.context import Desk
from tre.portal.deciding import actions
from tre.portal.deciding.actions import Matter
from tre.portal.sessions import Visitor
from tre.store import applications, committee
from tre.store.applications import ApplicationLine

LATEST = 10
_S = ApplicationState


@dataclass(frozen=True)
class Group:
    """A constituency in one count: how many have to vote, who did, who has not."""

    title: str
    due: int
    voted: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class DecidingRow:
    """One application in a list; `turn` says what it is to the reader."""

    line: ApplicationLine
    groups: tuple[Group, ...]
    turn: str
    late: bool


@dataclass(frozen=True)
class DecidingView:
    """An application at the committee's desk."""

    view: ApplicationView
    matter: Matter
    count: Tally | None
    seat: Seat | None
    aside: str
    refusal: TREError | None
    actions: tuple[str, ...]
    decisions: tuple[DecisionRecord, ...]
    earlier: tuple[ApplicationLine, ...]
    alike: tuple[ApplicationLine, ...]
    differences: tuple[Difference, ...] = ()

    @property
    def terms(self) -> CommitteeTerms:
        """The rules of the count."""
        return self.matter.policy.spec

    @property
    def groups(self) -> tuple[Group, ...]:
        """The count by constituency."""
        return groups_of(self.count, self.matter.ballot.seats, self.terms) if self.count else ()

    @property
    def own_vote(self) -> Vote | None:
        """How the reader voted on this matter."""
        votes = self.count.counted if self.count else ()
        return next((vote for vote in votes if vote.voter.key == self.view.person.subject.key), None)

    @property
    def votes(self) -> tuple[Vote, ...]:
        """The votes that the reader may see."""
        if self.count is None:
            return ()
        app = self.view.application
        concerned = bool(self.aside) or self.view.own or is_named(self.view.person, app)
        may_look = not concerned and (self.seat is None or self.own_vote is not None)
        over = app.closing is not None or app.state is not _S.InReview
        return self.count.counted if may_look or over else ()

    @property
    def hidden(self) -> int:
        """How many votes are cast that the reader does not see yet."""
        return len(self.count.counted) - len(self.votes) if self.count else 0

    @property
    def conflicts(self) -> list[tuple[str, str]]:
        """Members who take no part, and why."""
        return [(seat.name, why) for seat, why in self.count.recused] if self.count else []

    def name_of(self, subject: Subject) -> str:
        """What a member is called."""
        return name_in(self.matter.ballot.seats, subject)


def name_in(seats: Sequence[Seat], subject: Subject) -> str:
    """The name of somebody who holds or held a seat."""
    return next((seat.name for seat in reversed(seats) if seat.subject.key == subject.key), subject.id)


def groups_of(count: Tally, seats: Sequence[Seat], terms: CommitteeTerms) -> tuple[Group, ...]:
    """A count by constituency."""
    return tuple(
        Group(
            title=rule.title,
            due=count.needed.quorum.get(name, 0),
            voted=tuple(name_in(seats, vote.voter) for vote in count.counted if vote.constituency == name),
            waiting=tuple(seat.name for seat in count.waiting if seat.constituency == name),
        )
        for name, rule in terms.constituencies.items()
    )


def deciding_view(desk: Desk, connection: Connection, who: Visitor, name: str) -> DecidingView:
    """One application. Raises `TREError(NotPermitted | ApplicationNotFound)`."""
    return deciding_views(desk, connection, who, [name])[0]


def deciding_views(desk: Desk, connection: Connection, who: Visitor, names: Sequence[str]) -> list[DecidingView]:
    """Several applications, read together. Raises `TREError(NotPermitted | ApplicationNotFound)`."""
    decided = applications.handed_in(connection, [_S.Approved, _S.Declined], LATEST + 1)
    return [
        _view_of(desk, connection, who, matter, decided) for matter in actions.find_all(desk, connection, who, names)
    ]


def _view_of(
    desk: Desk, connection: Connection, who: Visitor, matter: Matter, decided: Sequence[ApplicationLine]
) -> DecidingView:
    app, ballot, act = matter.application, matter.ballot, actions.act_of(desk, who)
    seat = seat_of(ballot.seats, who.person.subject, act.now)
    handed = applications.of_person(connection, app.author)
    return DecidingView(
        view=view_of(desk, connection, who.person, app, DESK_EVENTS),
        matter=matter,
        count=tally(app, ballot, matter.policy.spec, act.now) if app.matter else None,
        seat=seat,
        aside=recusal_of(seat, app, ballot.recusals) if seat else "",
        refusal=actions.vote_refusal(who, matter, act),
        actions=tuple(actions.allowed(who, matter, act)),
        decisions=tuple(one.record for one in committee.decisions_on(connection, app.id)),
        earlier=tuple(line for line in handed if line.id != app.id and line.round > 0)[:LATEST],
        alike=tuple(line for line in decided if line.id != app.id)[:LATEST],
        differences=differences(connection, app),
    )


def rows_of(
    desk: Desk, connection: Connection, who: Visitor, lines: Sequence[ApplicationLine], terms: CommitteeTerms
) -> list[DecidingRow]:
    """Applications in a list, each counted where it can be voted on."""
    waiting = [line.id for line in lines if line.state is _S.InReview]
    found, ballots = applications.among(connection, waiting), committee.ballots(connection, waiting)
    now = desk.clock.now()
    return [
        _counted(who, line, (found[line.id], ballots[line.id]), terms, now)
        if line.id in found
        else DecidingRow(line, (), "", late=False)
        for line in lines
    ]


def _counted(
    who: Visitor, line: ApplicationLine, matter: tuple[Application, Ballot], terms: CommitteeTerms, now: datetime
) -> DecidingRow:
    app, ballot = matter
    count = tally(app, ballot, terms, now)
    own, turn = seat_of(ballot.seats, who.person.subject, now), ""
    if own is not None and who.person.holds(Role.committee):
        waits = any(seat.id == own.id for seat in count.waiting) and app.closing is None
        turn = "you" if waits else "aside" if recusal_of(own, app, ballot.recusals) else "voted"
    late = line.deadline is not None and line.deadline <= now
    return DecidingRow(line, groups_of(count, ballot.seats, terms), turn, late=late)


FOR_THE_PUBLIC = (
    "You can leave it empty. Everybody reads it when this is approved or declined: in plain words, without your name. "
    "What patient members write stands apart, so where one of them votes, people know whose it is."
)


def vote_step(terms: CommitteeTerms) -> Step:
    """The fields of a vote."""
    criteria = tuple((one.id, one.words) for one in terms.criteria)
    choices = tuple((choice.value, text) for choice, text in CHOICES.items())
    return Step(
        "vote",
        "Your vote",
        (
            Field("criteria", "What holds", Kind.ticks, "Tick what you found to be so.", choices=criteria),
            Field("choice", "Your vote", Kind.pick, choices=choices),
            Field("reasons", "Your reasons", Kind.text, "They become part of the signed record.", 5000),
            Field("forThePublic", "What the public reads of it", Kind.text, FOR_THE_PUBLIC, 1000),
            Field(
                "conditions", "Conditions of use", Kind.ticks, "With an approval under conditions.", choices=CONDITIONS
            ),
            Field("conditionTexts", "Conditions in words", Kind.lines, "One on each line.", 20_000),
            Field("questions", "Questions to the applicant", Kind.lines, "If you ask first. One on each line.", 20_000),
        ),
    )


@dataclass(frozen=True)
class MemberRow:
    """A seat as the page of members shows it."""

    seat: Seat
    constituency: str
    sits: bool


def member_rows(seats: Sequence[Seat], terms: CommitteeTerms, now: datetime) -> list[MemberRow]:
    """Every seat, those whose term runs first, by constituency."""
    titles = {name: rule.title for name, rule in terms.constituencies.items()}
    rows = [MemberRow(seat, titles.get(seat.constituency, seat.constituency), seat.in_force(now)) for seat in seats]
    return sorted(rows, key=lambda row: (not row.sits, row.constituency, row.seat.name))
