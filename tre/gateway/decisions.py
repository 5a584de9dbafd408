"""May this session be in this workspace at this moment? Pure, and asked again and again.

Guarantees: the answer is `tre.domain.entitlement.is_entitled` with the slices that are really mounted, narrowed by
what only the gateway sees: whose session it is, the end of the run on both clocks, that the workspace runs, that an
ending was not announced already, and that the controller was heard recently enough. It fails closed: what is not
known is refused. No rule here can widen what entitlement allows. At the end of a run the door closes `LEAD` seconds
before the processes die, so that the order is gateway, processes, mounts, record here too.

Does not guarantee: when it is asked. `tre.gateway.sentry` and every request do that.

Threat: a clock set back (the boot-time bound holds), a controller that died (the last it said holds for a limited
time, endings included), a colleague of the same project who opens somebody else's workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tre.domain.clock import Clock
from tre.domain.entitlement import Verdict, is_entitled
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.domain.people import Subject
from tre.domain.workspaces.routes import Route
from tre.domain.workspaces.states import ALIVE_PHASES, WorkspacePhase

LEAD = 0.25
"""Seconds by which the door closes before the end at which the run is killed."""


@dataclass(frozen=True)
class Session:
    """A signed-in person as the gateway's cookies carry them."""

    id: str
    subject: Subject
    display_name: str
    expires_at: datetime


@dataclass(frozen=True)
class Moment:
    """One point in time on both clocks: aware UTC, and seconds since the machine started."""

    now: datetime
    boottime: float


def moment_of(clock: Clock) -> Moment:
    """This moment by a clock."""
    return Moment(clock.now(), clock.boottime())


@dataclass(frozen=True)
class Standing:
    """All that the gateway knows about one workspace.

    `boottime_end` is the run's end in seconds of the boot-time clock; `trusted_until` the boot-time second up to which
    the last words of the controller count, `None` where it was never heard; `ending` a reason already announced.
    """

    route: Route | None
    grant: GrantRecord | None
    boottime_end: float | None
    trusted_until: float | None
    ending: Reason | None = None
    session_revoked: bool = False


def decide(standing: Standing, session: Session, moment: Moment) -> Verdict:
    """Whether the session may use the Lab of the workspace now, and if not, why."""
    verdict = may_have_access(standing, session, moment)
    if not verdict or (route := standing.route) is None:
        return verdict
    reason = _not_running(route) or _run_over(standing, route, moment)
    return verdict if reason is None else Verdict(entitled=False, reason=reason)


def may_have_access(standing: Standing, session: Session, moment: Moment) -> Verdict:
    """The same question but for whether the workspace runs: a workspace that starts may be waited for."""
    reason = check_caller(standing, session, moment) or _closed(standing, moment)
    if reason is not None:
        return Verdict(entitled=False, reason=reason)
    route, grant = standing.route, standing.grant
    if route is None or grant is None or grant.name != route.grant:
        return Verdict(entitled=False, reason=Reason.GrantNotFound)
    mounted = route.slices if route.phase in ALIVE_PHASES else None
    return is_entitled(grant, route.subject, moment.now, mounted)


def check_caller(standing: Standing, session: Session, moment: Moment) -> Reason | None:
    """Why this session may not even see the workspace's shell page; `None` where it may."""
    if standing.session_revoked or moment.now >= session.expires_at:
        return Reason.LoginRequired
    if standing.route is not None and standing.route.subject.key != session.subject.key:
        return Reason.NotPermitted
    return None


def _closed(standing: Standing, moment: Moment) -> Reason | None:
    if standing.trusted_until is None or moment.boottime >= standing.trusted_until:
        return Reason.StreamStale
    if standing.route is None:
        return Reason.NotPermitted
    return standing.ending


def _not_running(route: Route) -> Reason | None:
    if route.phase is not WorkspacePhase.Running:
        return Reason.StateForbids if route.reason is Reason.Entitled else route.reason
    return None if route.is_served else Reason.StateForbids


def _run_over(standing: Standing, route: Route, moment: Moment) -> Reason | None:
    if route.end is None or standing.boottime_end is None:
        return Reason.StateForbids
    left = min((route.end - moment.now).total_seconds(), standing.boottime_end - moment.boottime)
    if left > LEAD:
        return None
    return route.grant_end_reason if route.end >= route.grant_end else Reason.DeadlineReached


def seconds_to_next_end(standing: Standing, session: Session, moment: Moment) -> float:
    """Seconds until a clock alone can change `decide`; negative where one already has, infinite where none will."""
    moments = [session.expires_at]
    if standing.route is not None and standing.route.end is not None:
        moments.append(standing.route.end - timedelta(seconds=LEAD))
    if (grant := standing.grant) is not None:
        moments += [grant.spec.expires, *(s.since for s in grant.suspensions if s.since > moment.now)]
        moments += [] if grant.confirmed_until is None else [grant.confirmed_until]
        moments += [] if grant.spec.legal_basis is None else [grant.spec.legal_basis.ends]
    ends = [(end - moment.now).total_seconds() for end in moments]
    ends += [] if standing.boottime_end is None else [standing.boottime_end - LEAD - moment.boottime]
    ends += [] if standing.trusted_until is None else [standing.trusted_until - moment.boottime]
    return min(ends)
