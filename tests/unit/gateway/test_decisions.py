"""May this session be in this workspace now: each rule alone, and the clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.gateway.world import ALICE, BOB, grant_record, route_record, suspension, utc
from tre.domain.canonical import digest, digest_of_bytes
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.domain.workspaces.routes import Route
from tre.gateway.decisions import (
    LEAD,
    Moment,
    Session,
    Standing,
    decide,
    may_have_access,
    moment_of,
    seconds_to_next_end,
)

NOW = utc()
SESSION = Session("s1", ALICE, "Alice", NOW + timedelta(hours=8))
MOMENT = Moment(NOW, 1000.0)


def standing(*, grant: dict[str, Any] | None = None, route: dict[str, Any] | None = None, **known: Any) -> Standing:
    record = Route.model_validate(route_record(**{"socket": "/run/lab.sock", **(route or {})}))
    return Standing(
        route=record,
        grant=GrantRecord.model_validate(grant_record(**(grant or {}))),
        boottime_end=known.pop("boottime_end", 1000.0 + 5 * 3600),
        trusted_until=known.pop("trusted_until", 1060.0),
        **known,
    )


def test_alice_is_let_in() -> None:
    assert decide(standing(), SESSION, MOMENT).reason is Reason.Entitled


REFUSED: list[tuple[Standing, Reason]] = [
    (standing(grant={"phase": "Revoked", "revokedAt": "2026-01-01T00:00:00Z"}), Reason.GrantRevoked),
    (standing(grant={"phase": "Expired"}), Reason.GrantExpired),
    (standing(grant={"phase": "Closed"}), Reason.GrantClosed),
    (standing(grant={"spec": {"expires": NOW.isoformat()}}), Reason.GrantExpired),
    (standing(grant={"spec": {"legalBasis": {"name": "COPI", "ends": NOW.isoformat()}}}), Reason.LegalBasisEnded),
    (standing(grant={"evidenceVerified": False}), Reason.EvidenceUnverified),
    (standing(grant={"confirmedUntil": NOW.isoformat()}), Reason.SourceStale),
    (standing(grant={"suspensions": [suspension()]}), Reason.GrantSuspended),
    (standing(grant={"suspensions": [suspension("slice", "cxr")]}), Reason.SliceSuspended),
    (standing(grant={"suspensions": [suspension("member", str(ALICE))]}), Reason.MemberSuspended),
    (standing(grant={"suspensions": [suspension("organisation", "org-1")]}), Reason.OrganisationSuspended),
    (standing(grant={"spec": {"members": [{"subject": BOB.as_plain()}]}}), Reason.NotAMember),
    (standing(route={"slices": ["cxr", "another"]}), Reason.SliceSuspended),
    (standing(route={"subject": BOB.as_plain()}), Reason.NotPermitted),
    (standing(route={"phase": "Stopped", "reason": "DeadlineReached"}), Reason.DeadlineReached),
    (standing(route={"phase": "Starting", "reason": "Requested"}), Reason.Requested),
    (standing(route={"phase": "Stopping", "reason": "Entitled"}), Reason.StateForbids),
    (standing(route={"phase": "Refused", "reason": "HomeFull"}), Reason.HomeFull),
    (standing(route={"end": NOW.isoformat()}), Reason.DeadlineReached),
    (standing(route={"end": (NOW + timedelta(seconds=LEAD)).isoformat()}), Reason.DeadlineReached),
    (standing(route={"end": NOW.isoformat(), "grantEnd": NOW.isoformat()}), Reason.GrantExpired),
    (
        standing(route={"end": NOW.isoformat(), "grantEnd": NOW.isoformat(), "grantEndReason": "LegalBasisEnded"}),
        Reason.LegalBasisEnded,
    ),
    (standing(route={"grantEnd": utc(hours=6).isoformat()}, boottime_end=1000.0 + LEAD), Reason.DeadlineReached),
    (standing(boottime_end=None), Reason.StateForbids),
    (standing(trusted_until=1000.0), Reason.StreamStale),
    (standing(trusted_until=None), Reason.StreamStale),
    (standing(ending=Reason.GrantSuspended), Reason.GrantSuspended),
    (standing(session_revoked=True), Reason.LoginRequired),
    (replace(standing(), grant=None), Reason.GrantNotFound),
    (replace(standing(), route=None), Reason.NotPermitted),
    (standing(grant={"name": "another"}), Reason.GrantNotFound),
]


@pytest.mark.parametrize(("known", "reason"), REFUSED, ids=lambda value: str(value)[:20])
def test_each_rule_refuses_alone(known: Standing, reason: Reason) -> None:
    verdict = decide(known, SESSION, MOMENT)
    assert (verdict.entitled, verdict.reason) == (False, reason)


def test_the_door_closes_before_the_end_and_not_long_before() -> None:
    """Who holds the processes kills them at the end itself: the door was closed by then."""
    soon = NOW + timedelta(seconds=LEAD + 0.001)
    assert decide(standing(route={"end": soon.isoformat()}), SESSION, MOMENT)
    assert decide(standing(boottime_end=MOMENT.boottime + LEAD + 0.001), SESSION, MOMENT)


def test_an_ended_session_is_refused() -> None:
    late = Moment(SESSION.expires_at, 1000.0)
    assert decide(standing(), SESSION, late).reason is Reason.LoginRequired


def test_a_workspace_without_its_socket_is_refused() -> None:
    known = standing()
    assert known.route is not None
    bare = replace(known, route=known.route.model_copy(update={"socket": None}))
    assert decide(bare, SESSION, MOMENT).reason is Reason.StateForbids


def test_a_run_without_an_end_is_refused() -> None:
    known = standing()
    assert known.route is not None
    endless = replace(known, route=known.route.model_copy(update={"end": None}))
    assert decide(endless, SESSION, MOMENT).reason is Reason.StateForbids


def test_who_is_not_the_owner_learns_nothing_of_the_grant() -> None:
    known = standing(grant={"phase": "Revoked", "revokedAt": "2026-01-01T00:00:00Z"}, route={"subject": BOB.as_plain()})
    assert decide(known, SESSION, MOMENT).reason is Reason.NotPermitted


def test_a_starting_workspace_may_be_waited_for() -> None:
    known = standing(route={"phase": "Starting", "reason": "Requested"})
    assert may_have_access(known, SESSION, MOMENT)
    assert not decide(known, SESSION, MOMENT)


def test_a_suspended_slice_does_not_bar_waiting_for_a_start_without_it() -> None:
    only = grant_record()["spec"]["slices"][0]
    plans = {name: digest_of_bytes(name.encode()) for name in ("cxr", "ct")}
    two = [{**only, "name": name, "planDigest": plan} for name, plan in plans.items()]
    approval = {**grant_record()["spec"]["approval"], "planDigest": digest(plans)}
    grant = {"suspensions": [suspension("slice", "ct")], "spec": {"slices": two, "approval": approval}}
    assert may_have_access(standing(grant=grant, route={"phase": "Stopped", "slices": ["cxr", "ct"]}), SESSION, MOMENT)
    running = standing(grant=grant, route={"slices": ["cxr", "ct"]})
    assert decide(running, SESSION, MOMENT).reason is Reason.SliceSuspended


def test_setting_the_wall_clock_back_gains_nothing() -> None:
    clock = ManualClock(NOW)
    known = standing(boottime_end=clock.boottime() + 3600, trusted_until=1e9, route={"end": utc(hours=1).isoformat()})
    session = replace(SESSION, expires_at=NOW + timedelta(days=30))
    assert decide(known, session, moment_of(clock))
    clock.advance(3600)
    clock.jump(datetime(2026, 1, 1, tzinfo=UTC) if NOW.year > 2026 else NOW)
    assert decide(known, session, moment_of(clock)).reason is Reason.DeadlineReached
    still = replace(known, boottime_end=clock.boottime() + 1)  # the guard removed: admitted again
    assert decide(still, session, moment_of(clock))


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        (standing(), 60.0),
        (standing(trusted_until=1e9, route={"end": (NOW + timedelta(seconds=7)).isoformat()}), 7.0 - LEAD),
        (standing(trusted_until=1e9, boottime_end=1003.0), 3.0 - LEAD),
        (standing(trusted_until=1e9, grant={"confirmedUntil": (NOW + timedelta(seconds=5)).isoformat()}), 5.0),
        (
            standing(
                trusted_until=1e9,
                grant={"suspensions": [{**suspension(), "since": (NOW + timedelta(seconds=4)).isoformat()}]},
            ),
            4.0,
        ),
    ],
)
def test_the_next_end_is_foreseen(known: Standing, seconds: float) -> None:
    assert seconds_to_next_end(known, SESSION, MOMENT) == pytest.approx(seconds)
