"""What a member's pack says: the agenda, each application with what it would give, what was decided before.

Guarantees: no application that concerns the member and is not decided is in it, not even by its name; plans come in
their shown form, small numbers hidden by the dataset's policy. It tells who has voted on what is not decided, and of no
vote, of no round: nobody votes after somebody's lead.

Threat: a member who reads at home what they stood aside from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from markupsafe import Markup
from sqlalchemy import Connection

from tre.domain.applications.models import Application, ApplicationContent
from tre.domain.applications.states import DECIDED, ApplicationState
from tre.domain.committee.decision import DecisionRecord
from tre.domain.committee.eligibility import check_sits, recusal_of
from tre.domain.committee.models import Seat, Vote
from tre.domain.committee.policy import CommitteePolicy
from tre.domain.committee.tally import Ballot, Outcome, Tally, tally
from tre.domain.committee.voting import Act
from tre.domain.people import Subject
from tre.portal.applying import words
from tre.portal.applying.changes import Difference, differences
from tre.portal.applying.fields import Plain
from tre.portal.applying.views import ApplicationView, shown_plan, view_of
from tre.portal.context import Portal
from tre.portal.deciding.views import Group, groups_of, name_in
from tre.slices.planpage import plan_body
from tre.sources.committee_policy import load_committee
from tre.store import applications, committee
from tre.store.applications import ApplicationLine

MOST = 100
"""Applications in one pack, the earliest deadline first; a pack says how many more there are."""

SINCE = timedelta(days=31)
"""How far back the minutes go unless somebody says otherwise."""

_FEW, _LOOKED_THROUGH = 5, 50
_S = ApplicationState


@dataclass(frozen=True)
class Earlier:
    """What somebody applied for before: its line, and what each part of it would give."""

    line: ApplicationLine
    plans: tuple[tuple[str, Plain], ...]


@dataclass(frozen=True)
class PackItem:
    """One application in a pack."""

    view: ApplicationView
    count: Tally
    groups: tuple[Group, ...]
    decisions: tuple[DecisionRecord, ...]
    earlier: tuple[Earlier, ...]
    alike: tuple[DecisionRecord, ...]
    differences: tuple[Difference, ...]

    @property
    def matter(self) -> str:
        """What is voted on."""
        return self.view.application.matter or ""

    @property
    def asked(self) -> ApplicationContent:
        """What was handed in."""
        content = self.view.application.content
        assert content is not None, "what is in review was handed in"
        return content

    def plan(self, shown: Plain) -> Markup:
        """A plan as its page has it: `plan_body` escapes what people wrote."""
        return Markup(plan_body(shown))  # noqa: S704  # nosec B704


@dataclass(frozen=True)
class Pack:
    """Everything that a pack says. `aside` are the applications that it leaves out, `more` how many found no room."""

    seat: Seat
    seats: Sequence[Seat]
    policy: CommitteePolicy
    now: datetime
    since: datetime
    items: tuple[PackItem, ...]
    aside: tuple[str, ...]
    more: int
    minutes: tuple[DecisionRecord, ...]

    @property
    def matters(self) -> dict[str, str]:
        """What is voted on, by application."""
        return {item.view.id: item.matter for item in self.items}

    @property
    def sitting(self) -> list[Seat]:
        """Who sits now."""
        return [seat for seat in self.seats if seat.in_force(self.now)]

    def name_of(self, subject: Subject) -> str:
        """What a member is called."""
        return name_in(self.seats, subject)

    def votes_in(self, record: DecisionRecord) -> Sequence[Vote]:
        """The votes that the minutes tell: of what was given back, there will be others."""
        return () if record.outcome is Outcome.deferred else record.votes

    def title_of(self, constituency: str) -> str:
        """What a constituency is called."""
        rule = self.policy.spec.constituencies.get(constituency)
        return rule.title if rule else constituency


@dataclass(frozen=True)
class Chosen:
    """Which applications go into a member's pack at one moment."""

    found: tuple[tuple[Application, Ballot], ...]
    aside: tuple[str, ...]
    more: int

    @property
    def matters(self) -> dict[str, str]:
        """What is voted on, by application."""
        return {app.id: app.matter or "" for app, _ in self.found}


def choose(connection: Connection, act: Act) -> Chosen:
    """What is open and does not concern the member. Raises `TREError(NotPermitted | SeatEnded)` as `check_sits`."""
    seats = committee.seats(connection)
    seat = check_sits(act.person, seats, act.now)
    found: list[tuple[Application, Ballot]] = []
    aside: list[str] = []
    lines = applications.handed_in(connection, [_S.InReview])
    for line in sorted(lines, key=lambda one: (one.deadline or one.changed_at, one.id)):
        app, recusals = applications.require(connection, line.id), committee.recusals_of(connection, line.id)
        if recusal_of(seat, app, recusals):
            aside.append(app.id)
        else:
            found.append((app, Ballot(seats, committee.votes_on(connection, app.id), recusals)))
    return Chosen(tuple(found[:MOST]), tuple(aside), len(found[MOST:]))


@dataclass(frozen=True)
class Gathering:
    """Gathers a pack from the record as it is in one transaction."""

    portal: Portal
    connection: Connection
    act: Act
    since: datetime | None = None

    def pack(self) -> Pack:
        """What the member's pack says now. Raises as `choose`."""
        chosen, seats = choose(self.connection, self.act), committee.seats(self.connection)
        seat = check_sits(self.act.person, seats, self.act.now)
        begin = self.act.now - SINCE if self.since is None else self.since
        records = [one.record for one in committee.decided_since(self.connection, begin)]
        return Pack(
            seat=seat,
            seats=seats,
            policy=self._policy,
            now=self.act.now,
            since=begin,
            items=tuple(self._item(app, ballot, seat) for app, ballot in chosen.found),
            aside=chosen.aside,
            more=chosen.more,
            minutes=tuple(one for one in records if not self._concerns(seat, one.application)),
        )

    def _concerns(self, seat: Seat, name: str) -> bool:
        """Whether the member takes no part in an application that is not decided."""
        app = applications.require(self.connection, name)
        recusals = committee.recusals_of(self.connection, name)
        return app.state not in DECIDED and bool(recusal_of(seat, app, recusals))

    def _item(self, app: Application, ballot: Ballot, seat: Seat) -> PackItem:
        count = tally(app, ballot, self._policy.spec, self.act.now)
        return PackItem(
            view=view_of(self.portal, self.connection, self.act.person, app, words.DESK_EVENTS),
            count=count,
            groups=groups_of(count, ballot.seats, self._policy.spec),
            decisions=tuple(one.record for one in committee.decisions_on(self.connection, app.id)),
            earlier=self._earlier(app, seat),
            alike=self._alike(app),
            differences=differences(self.connection, app),
        )

    @cached_property
    def _policy(self) -> CommitteePolicy:
        return load_committee(self.portal.layout.root)

    @cached_property
    def _plans(self) -> dict[str, Plain | None]:
        return {}

    def _plan(self, digest: str) -> Plain | None:
        if digest not in self._plans:
            self._plans[digest] = shown_plan(self.portal, self.connection, digest)
        return self._plans[digest]

    def _earlier(self, app: Application, seat: Seat) -> tuple[Earlier, ...]:
        written = applications.of_person(self.connection, app.author)
        handed = [line for line in written if line.round > 0 and line.id != app.id]
        lines = [line for line in handed[:_LOOKED_THROUGH] if not self._concerns(seat, line.id)][:_FEW]
        return tuple(Earlier(line, self._plans_of(line)) for line in lines)

    def _plans_of(self, line: ApplicationLine) -> tuple[tuple[str, Plain], ...]:
        planned = applications.require(self.connection, line.id).plans
        found = ((one.name, self._plan(one.plan_digest)) for one in planned)
        return tuple((name, plan) for name, plan in found if plan is not None)

    @cached_property
    def _decided(self) -> list[Application]:
        lines = applications.handed_in(self.connection, [_S.Approved, _S.Declined], _LOOKED_THROUGH)
        return [applications.require(self.connection, line.id) for line in lines]

    def _alike(self, app: Application) -> tuple[DecisionRecord, ...]:
        """The last decisions on what asked the same datasets, or came from the same organisation."""
        marks = _marks(app)
        names = [one.id for one in self._decided if one.id != app.id and marks & _marks(one)][:_FEW]
        decisions = (committee.decisions_on(self.connection, name) for name in names)
        return tuple(found[-1].record for found in decisions if found)


def _marks(app: Application) -> set[tuple[str, str]]:
    if app.content is None:
        return set()
    asked = {("dataset", one.spec.dataset) for one in app.content.slices}
    return asked | {("organisation", app.content.organisation.id or app.content.organisation.name)}
