"""Bringing applications from the handing in to what the committee decided: planned, counted, signed, in force.

Guarantees: level-triggered, so it may run at any time and any number of times. An application comes before the
committee only with a plan of every slice, each of which could be built. It is decided by the domain's count alone, made
in the transaction that keeps the decision; an approval is decided only while its plans still hold: each is planned
once more after the last vote, and one that is not covered by what people saw makes their votes void. The signed record
of the decision, the application's new state and the grant with its evidence are one transaction, so that a power cut
leaves all of them or none. A deadline that passes is told and decides nothing.

Does not guarantee: that votes were cast by those whom they name: the portal and the command line see to that, and the
record names the session of each.

Threat: an approval that nobody gave; a grant that is not what was voted on; a plan swapped under the votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from tre.controller.application_plans import ApplicationPlans, Planned
from tre.controller.context import ACTOR, Context
from tre.controller.grant_checks import CheckTerms, problems_of
from tre.domain.applications import acts
from tre.domain.applications.acts import Way
from tre.domain.applications.models import Application, Lane, PlannedSlice
from tre.domain.applications.states import ApplicationState
from tre.domain.applications.variations import Growth, classify
from tre.domain.canonical import digest
from tre.domain.committee.decision import Decided, decided
from tre.domain.committee.grants import Approving, grant_of
from tre.domain.committee.policy import CommitteePolicy
from tre.domain.committee.tally import Ballot, Outcome, Tally, tally
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import ENDED_PHASES
from tre.sources.admission import admit
from tre.sources.committee_policy import load_committee
from tre.sources.decisions import sign_record
from tre.sources.signed import COMMITTEE, sign_decision
from tre.sources.signing_keys import read_private
from tre.store import applications as store
from tre.store import committee, conditions, datasets, grants
from tre.store.database import Change


class ApplicationReconciler:
    """Looks at one application and does the next thing that is due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._plans = ApplicationPlans(context)

    def reconcile(self, name: str) -> datetime | None:
        """Do what is due; return when to look again. `name` may go on with a round and a slice, as jobs name them."""
        with self._context.database.read() as connection:
            application = store.get(connection, name.partition("/")[0])
        if application is None:
            return None
        if application.state is ApplicationState.Submitted:
            return self._submitted(application)
        if application.state is ApplicationState.InReview:
            return self._reviewed(application)
        return None

    # Before the committee.

    def _submitted(self, application: Application) -> datetime | None:
        found = self._plans.first(application)
        if found.failed:
            self._give_back(application, found.failed, found.reason)
        if found.failed or not found.whole:
            return found.again
        now, policy = self._context.clock.now(), load_committee(self._context.layout.root)
        with self._context.database.read() as connection:
            trouble = _trouble(connection, application) or self._obstacles(connection, application, found.plans)
            way = None if trouble else _way(connection, application, found.plans, policy, now)
        if way is None:
            self._give_back(application, (trouble,), Reason.StateForbids)
            return None
        after = acts.taken_up(application, found.plans, way, now)
        with self._context.database.change(self._event("taken-up", after, lane=way.lane.value)) as change:
            store.save(change, application, after)
        return after.deadline

    def _obstacles(self, connection: Connection, application: Application, plans: Sequence[PlannedSlice]) -> str:
        """Why a grant of this could never come into force; nobody is asked to vote on one. Empty where it could.

        Accounts that people have yet to be given are no obstacle.
        """
        planned = application.changed(plans=tuple(plans))
        before = _in_force(connection, application)
        grant = grant_of(planned, Approving(application.author_name or "nobody", self._context.clock.now(), (), before))
        terms = CheckTerms(self._context.layout, self._context.settings, self._context.clock)
        found = [one for one in problems_of(terms, connection, grant) if one.location[-1] != "id"]
        return " ".join(f"{one.expected[:1].upper()}{one.expected[1:]}." for one in found)

    def _give_back(self, application: Application, why: Sequence[str], reason: Reason) -> None:
        after = acts.deferred(application, why, self._context.clock.now(), reason)
        with self._context.database.change(self._event("given-back", after, reason=reason.value)) as change:
            store.save(change, application, after)

    # With the committee.

    def _reviewed(self, application: Application) -> datetime | None:
        now, policy = self._context.clock.now(), load_committee(self._context.layout.root)
        with self._context.database.read() as connection:
            ballot = committee.ballot(connection, application.id)
            trouble = _trouble(connection, application)
        if trouble:
            self._give_back(application, (trouble,), Reason.ContentChanged)
            return None
        found = tally(application, ballot, policy.spec, now)
        if found.outcome is None:
            return self._open(application, ballot, now)
        if found.outcome is Outcome.approved:
            again = self._plans.again(application, _settled_at(application, found))
            if again.failed:
                self._give_back(application, again.failed, again.reason)
            if again.failed or not again.whole:
                return again.again
            if not again.covered and again.plans != application.plans:
                return self._plans_changed(application, again)
        self._decide(application, policy)
        return None

    def _open(self, application: Application, ballot: Ballot, now: datetime) -> datetime | None:
        """Nothing is decided yet: say so when the deadline has passed, and look again when a term begins or ends."""
        late = acts.told_late(application, now)
        if late != application:
            with self._context.database.change(self._event("overdue", late)) as change:
                store.save(change, application, late)
        moments = [moment for seat in ballot.seats for moment in (seat.begins, seat.last)]
        moments += [application.deadline] if application.deadline else []
        return min((moment for moment in moments if moment > now), default=None)

    def _plans_changed(self, application: Application, again: Planned) -> datetime:
        """What people saw does not cover what would be built: their votes are about something else."""
        now = self._context.clock.now()
        after = acts.replanned(application, again.plans, covered=False, now=now)
        with self._context.database.change(self._event("plan-changed", after)) as change:
            store.save(change, application, after)
        return now

    def _decide(self, application: Application, policy: CommitteePolicy) -> None:
        """Count in the transaction that keeps what came of it. Raises `TREError(Conflict)` where votes came between."""
        now = self._context.clock.now()
        event = self._event("decided", application)
        with self._context.database.change(event) as change:
            current = store.require(change.connection, application.id)
            ballot = committee.ballot(change.connection, application.id)
            found = tally(current, ballot, policy.spec, now)
            if current != application or found.outcome is None:
                raise TREError(Reason.Conflict, "The application changed while its votes were counted.")
            before = _in_force(change.connection, application)
            self._keep(change, application, decided(application, found, policy, before, now))

    def _keep(self, change: Change, application: Application, made: Decided) -> None:
        key = read_private(self._context.layout.committee_key)
        committee.keep_decision(change, application, made, sign_record(made.record, key))
        conditions.begin(change, made.record)
        said = {"outcome": made.record.outcome.value, "decision": made.record.digest()}
        change.record(self._event(_VERBS[made.record.outcome], made.application, **said))
        if made.grant is None:
            return
        signed = sign_decision(made.grant, made.record.digest(), key)
        name, now = signed.metadata.name, self._context.clock.now()
        about = {"evidenceVerified": True, "application": application.id, "decision": made.record.digest()}
        about |= {"digest": digest(signed.signed_content())}
        change.record(self._context.event("grant.applied", f"grant/{name}", **about))
        admit(change, signed, COMMITTEE, now, verified=True)

    def _event(self, verb: str, application: Application, **detail: str) -> Event:
        return store.event_of(verb, application, ACTOR, self._context.clock.now(), **detail)


_VERBS = {Outcome.approved: "approved", Outcome.declined: "declined", Outcome.deferred: "deferred"}


def _settled_at(application: Application, found: Tally) -> datetime:
    """When the votes came to what they come to: the last vote, or the closing."""
    closing = application.closing
    return max(vote.at for vote in found.counted) if closing is None else closing.at


def _in_force(connection: Connection, application: Application) -> AccessGrantSpec | None:
    """The running grant that an application would change."""
    if application.varies is None:
        return None
    return grants.require(connection, application.varies).spec


def _trouble(connection: Connection, application: Application) -> str:
    """Why an application that changes a project cannot go on; empty where it can."""
    if application.varies is None:
        return ""
    grant = grants.get(connection, application.varies)
    base = store.approved_content(connection, application.varies)
    if grant is None or base is None or grant.phase in ENDED_PHASES:
        return "The project that this would change has ended. What has ended needs a new application."
    if application.base not in {None, base.digest()}:
        return "The project was changed by another decision meanwhile. Look at what is in force now, and hand in again."
    return ""


def _way(
    connection: Connection,
    application: Application,
    plans: Sequence[PlannedSlice],
    policy: CommitteePolicy,
    now: datetime,
) -> Way:
    """Which way an application takes, and until when."""
    terms = policy.spec
    base = None if application.varies is None else store.approved_content(connection, application.varies)
    if base is None or application.content is None:
        return Way(terms.deadline(now, terms.review_days))
    growth = _growth(connection, store.plans_of(connection, application.varies or ""), plans)
    verdict = classify(base, application.content, growth, terms.fast_lane)
    fast = terms.fast_lane if verdict.lane is Lane.fast else None
    days = terms.review_days if fast is None else fast.review_days
    return Way(terms.deadline(now, days), verdict.lane, tuple(one[:500] for one in verdict.why), base.digest())


def _growth(
    connection: Connection, before: Sequence[PlannedSlice], after: Sequence[PlannedSlice]
) -> Mapping[str, Growth]:
    """How many people each slice had and has, where both plans are known."""
    known = {one.name: datasets.get_plan(connection, one.plan_digest) for one in before}
    found = {}
    for one in after:
        old, new = known.get(one.name), datasets.get_plan(connection, one.plan_digest)
        if old is not None and new is not None:
            found[one.name] = Growth(old.counts.patients, new.counts.patients)
    return found
