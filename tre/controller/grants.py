"""Bringing one grant to where its approval, its evidence and the clock say it belongs.

Guarantees: level-triggered, so it may run at any time and any number of times; a grant becomes Active only with
verified evidence, a plan that the approval covers, and every slice built; it ends at its earliest end whatever else
is going on; an ended grant loses its workspaces first, then its slices, then (after the retention time, or when an
operator closes it) its homes, and is Closed only when the storekeeper has certified each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tre.controller.closing import Closing
from tre.controller.conditions import Finding, merged
from tre.controller.context import Context
from tre.controller.grant_slices import GrantSlices
from tre.controller.metrics import GRANT_MOVES
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import API_VERSION, AccessGrant, GrantRecord, Metadata, SuspensionScope
from tre.domain.grants.policies import (
    EARLY_WARNINGS,
    WARNINGS,
    due_announcements,
    effective_end,
    suspensions_in_force,
)
from tre.domain.grants.states import ENDED_PHASES, GrantPhase
from tre.domain.identity import turning_points
from tre.domain.people import Subject
from tre.domain.standing.rules import moments as standing_moments
from tre.sources.signed import load_signers
from tre.store import grants as store
from tre.store import people
from tre.store.overview import Overview

_WHOLE = {SuspensionScope.grant, SuspensionScope.organisation}


@dataclass(frozen=True)
class Common:
    """What is the same for every grant at one moment: the keys that count (none where signatures are looked at later),
    what keeps grants from coming into force, who has been met."""

    now: datetime
    signers: dict[str, Ed25519PublicKey] | None
    granting: tuple[Finding, ...]
    met: frozenset[tuple[str, str]]


class GrantReconciler:
    """Looks at one grant and does the next thing that is due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._slices = GrantSlices(context)
        self._closing = Closing(context)

    def reconcile(self, name: str) -> datetime | None:
        """Do what is due; return when the grant must be looked at again even if nothing happens."""
        now = self._context.clock.now()
        with self._context.database.read() as connection:
            grant = store.get(connection, name)
        if grant is None:
            return None
        if grant.phase in {GrantPhase.Expired, GrantPhase.Revoked}:
            return self._closing.reconcile(grant, now)
        if grant.phase is GrantPhase.Closed:
            return None
        end = effective_end(grant.spec)
        if now >= end.at:
            self._move(grant, GrantPhase.Expired, end.reason, now)
            return now
        findings, again = self._findings(grant)
        self._keep_conditions(grant, [*findings, self._members(grant)], now)
        self._advance(grant, findings, now)
        self._warn(grant, now)
        return min([_next_look(grant, now), *([] if again is None else [again])])

    def common(self, met: frozenset[tuple[str, str]], *, verify: bool) -> Common:
        """What `at_rest` needs to know of this moment. Raises `TREError(SetupIncomplete)` where no key can be read."""
        return Common(
            now=self._context.clock.now(),
            signers=load_signers(self._context.layout.keys / "grant-signers") if verify else None,
            granting=tuple(self._trouble()),
            met=met,
        )

    def at_rest(self, seen: Overview, common: Common) -> datetime | None:
        """When a grant that is where it belongs must be looked at again; `None` where `reconcile` has something to do
        now, or might."""
        grant, now = seen.grant, common.now
        if grant.phase in ENDED_PHASES:
            return self._closing.at_rest(seen, now)
        if now >= effective_end(grant.spec).at or not grant.evidence_verified or not self._slices.at_rest(seen):
            return None
        if common.signers is not None and not self._is_signed(grant, common.signers):
            return None
        granting = () if grant.phase is GrantPhase.Active else common.granting
        findings = [_VERIFIED, *self._slices.BUILT, *granting]
        unseen = [m.subject for m in grant.spec.members if m.subject.key not in common.met]
        after = merged(seen.conditions, [*findings, _met(unseen)], grant.generation, now)
        moves = _target(grant, findings, now, lambda: not common.granting) is not None
        warns = _warning(grant, seen.warned_minutes, now) is not None
        return None if after != seen.conditions or moves or warns else _next_look(grant, now)

    def _is_signed(self, grant: GrantRecord, signers: dict[str, Ed25519PublicKey]) -> bool:
        try:
            self._context.verified.check(_resource(grant), signers)
        except TREError:
            return False
        return True

    def _findings(self, grant: GrantRecord) -> tuple[list[Finding], datetime | None]:
        """What is found, and when to try again what failed."""
        evidence = self._evidence(grant)
        if not evidence.holds:
            return [evidence], None
        slices = self._slices.look(grant)
        return [evidence, *slices.findings, *self._granting(grant)], slices.again

    def _evidence(self, grant: GrantRecord) -> Finding:
        try:
            self._context.verified.check(_resource(grant), load_signers(self._context.layout.keys / "grant-signers"))
        except TREError as error:
            if grant.evidence_verified and error.reason is Reason.EvidenceUnverified:
                self._keep_evidence(grant, verified=False)
            return Finding("EvidenceVerified", False, error.reason, str(error))
        if not grant.evidence_verified:
            self._keep_evidence(grant, verified=True)
        return _VERIFIED

    def _keep_evidence(self, grant: GrantRecord, *, verified: bool) -> None:
        """What does not hold any more entitles nobody; while no key can be read, nothing is known, and it stays."""
        kind = "grant.evidence-verified" if verified else "grant.evidence-lost"
        event = self._context.event(kind, f"grant/{grant.name}", generation=grant.generation)
        with self._context.database.change(event) as change:
            store.set_evidence(change, grant.name, verified=verified)

    def _granting(self, grant: GrantRecord) -> list[Finding]:
        """A log or a clock that lets no grant come into force; one that is in force does not ask."""
        return [] if grant.phase is GrantPhase.Active else self._trouble()

    def _trouble(self) -> list[Finding]:
        try:
            self._context.check_granting()
        except TREError as error:
            kind = "ClockInStep" if error.reason is Reason.ClockOutOfStep else "LogWhole"
            return [Finding(kind, False, error.reason, str(error))]
        return []

    def _members(self, grant: GrantRecord) -> Finding:
        """Whom nobody has met yet: told, so that a misspelt name is seen; nothing waits for it."""
        with self._context.database.read() as connection:
            unseen = [m.subject for m in grant.spec.members if people.by_subject(connection, m.subject) is None]
        return _met(unseen)

    def _keep_conditions(self, grant: GrantRecord, findings: list[Finding], now: datetime) -> None:
        with self._context.database.read() as connection:
            before = store.conditions(connection, grant.name)
        after = merged(before, findings, grant.generation, now)
        if before == after:
            return
        failing = next((finding for finding in findings if not finding.holds), None)
        reason = Reason.Entitled if failing is None else failing.reason
        event = self._context.event("grant.conditions-changed", f"grant/{grant.name}", reason=reason.value)
        with self._context.database.change(event) as change:
            store.set_conditions(change, grant.name, after)

    def _advance(self, grant: GrantRecord, findings: list[Finding], now: datetime) -> None:
        target = _target(grant, findings, now, self._context.can_grant)
        if target is not None:
            self._move(grant, target, Reason.GrantSuspended if target is GrantPhase.Suspended else Reason.Entitled, now)

    def _move(self, grant: GrantRecord, target: GrantPhase, reason: Reason, now: datetime) -> None:
        event = self._context.event(f"grant.{_VERBS[target]}", f"grant/{grant.name}", reason=reason.value)
        with self._context.database.change(event) as change:
            store.set_phase(change, grant.name, target, now)
        if target is GrantPhase.Active:
            self._context.prepare_grant(grant.name)
        GRANT_MOVES.labels(target.value, reason.value).inc()

    def _warn(self, grant: GrantRecord, now: datetime) -> None:
        if not due_announcements(grant, now):
            return
        with self._context.database.read() as connection:
            warned = store.warned_minutes(connection, grant.name)
        if (minutes := _warning(grant, warned, now)) is None:
            return
        event = self._context.event("grant.end-announced", f"grant/{grant.name}", minutes=minutes)
        with self._context.database.change(event) as change:
            store.set_warned(change, grant.name, minutes)


_VERIFIED = Finding("EvidenceVerified", True, Reason.Entitled)
_VERBS = {GrantPhase.Active: "activated", GrantPhase.Suspended: "suspended", GrantPhase.Expired: "expired"}


def _resource(grant: GrantRecord) -> AccessGrant:
    metadata = Metadata(name=grant.name)
    return AccessGrant(api_version=API_VERSION, kind="AccessGrant", metadata=metadata, spec=grant.spec)


def _met(unseen: list[Subject]) -> Finding:
    if not unseen:
        return Finding("MembersSeen", True, Reason.Entitled)
    message = f"{', '.join(str(subject) for subject in unseen)} did not sign in here yet."
    return Finding("MembersSeen", False, Reason.MemberNotSeen, message)


def _target(
    grant: GrantRecord, findings: list[Finding], now: datetime, can_grant: Callable[[], bool]
) -> GrantPhase | None:
    """Where a grant that has not ended has to go now, if anywhere."""
    ready = all(finding.holds for finding in findings)
    suspended = any(s.scope in _WHOLE for s in suspensions_in_force(grant, now))
    if grant.phase is GrantPhase.Pending and ready and now >= grant.spec.not_before:
        return GrantPhase.Active
    if grant.phase is GrantPhase.Active and suspended:
        return GrantPhase.Suspended
    if grant.phase is GrantPhase.Suspended and not suspended and can_grant():
        return GrantPhase.Active
    return None


def _warning(grant: GrantRecord, warned: int | None, now: datetime) -> int | None:
    """The warning that is due and was not given: so many minutes before the end."""
    due = due_announcements(grant, now)
    if not due:
        return None
    minutes = int(min(due).total_seconds() // 60)
    return None if warned is not None and warned <= minutes else minutes


def _next_look(grant: GrantRecord, now: datetime) -> datetime:
    """The next moment at which the clock alone changes something about a grant."""
    end = effective_end(grant.spec).at
    moments = [end, grant.spec.not_before, *(end - warning for warning in (*EARLY_WARNINGS, *WARNINGS))]
    for suspension in grant.suspensions:
        moments += [suspension.since, *([suspension.until] if suspension.until else [])]
    if grant.confirmed_until is not None:
        moments.append(grant.confirmed_until)
    for facts in grant.people:
        moments += turning_points(facts)
    moments += standing_moments(grant.organisation_required)
    ahead = [moment for moment in moments if moment > now]
    return min([*ahead, now + timedelta(hours=1)])
