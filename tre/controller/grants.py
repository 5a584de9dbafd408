"""Bringing one grant to where its approval, its evidence and the clock say it belongs.

Guarantees: level-triggered, so it may run at any time and any number of times; a grant becomes Active only with
verified evidence, a plan that the approval covers, and every slice built; it ends at its earliest end whatever else
is going on; an ended grant loses its workspaces first, then its slices, then (after the retention time, or when an
operator closes it) its homes, and is Closed only when the storekeeper has certified each.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tre.controller.closing import Closing
from tre.controller.conditions import Finding, merged
from tre.controller.context import Context
from tre.controller.grant_slices import GrantSlices
from tre.controller.metrics import GRANT_MOVES
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import API_VERSION, AccessGrant, GrantRecord, Metadata, SuspensionScope
from tre.domain.grants.policies import WARNINGS, due_warnings, effective_end, suspensions_in_force
from tre.domain.grants.states import GrantPhase
from tre.sources.signed import check_evidence, load_signers
from tre.store import grants as store
from tre.store import people

_WHOLE = {SuspensionScope.grant, SuspensionScope.organisation}


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
        findings = self._findings(grant)
        self._keep_conditions(grant, [*findings, self._members(grant)], now)
        self._advance(grant, findings, now)
        self._warn(grant, now)
        return _next_look(grant, now)

    def _findings(self, grant: GrantRecord) -> list[Finding]:
        evidence = self._evidence(grant)
        if not evidence.holds:
            return [evidence]
        return [evidence, *self._slices.findings(grant), *self._granting(grant)]

    def _evidence(self, grant: GrantRecord) -> Finding:
        resource = AccessGrant(
            api_version=API_VERSION, kind="AccessGrant", metadata=Metadata(name=grant.name), spec=grant.spec
        )
        try:
            check_evidence(resource, load_signers(self._context.layout.keys / "grant-signers"))
        except TREError as error:
            if grant.evidence_verified and error.reason is Reason.EvidenceUnverified:
                self._keep_evidence(grant, verified=False)
            return Finding("EvidenceVerified", False, error.reason, str(error))
        if not grant.evidence_verified:
            self._keep_evidence(grant, verified=True)
        return Finding("EvidenceVerified", True, Reason.Entitled)

    def _keep_evidence(self, grant: GrantRecord, *, verified: bool) -> None:
        """What does not hold any more entitles nobody; while no key can be read, nothing is known, and it stays."""
        kind = "grant.evidence-verified" if verified else "grant.evidence-lost"
        event = self._context.event(kind, f"grant/{grant.name}", generation=grant.generation)
        with self._context.database.change(event) as change:
            store.set_evidence(change, grant.name, verified=verified)

    def _granting(self, grant: GrantRecord) -> list[Finding]:
        """A log or a clock that lets no grant come into force; one that is in force does not ask."""
        if grant.phase is GrantPhase.Active:
            return []
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
        if not unseen:
            return Finding("MembersSeen", True, Reason.Entitled)
        message = f"{', '.join(str(subject) for subject in unseen)} did not sign in here yet."
        return Finding("MembersSeen", False, Reason.MemberNotSeen, message)

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
        ready = all(finding.holds for finding in findings)
        suspended = any(s.scope in _WHOLE for s in suspensions_in_force(grant, now))
        if grant.phase is GrantPhase.Pending and ready and now >= grant.spec.not_before:
            self._move(grant, GrantPhase.Active, Reason.Entitled, now)
        elif grant.phase is GrantPhase.Active and suspended:
            self._move(grant, GrantPhase.Suspended, Reason.GrantSuspended, now)
        elif grant.phase is GrantPhase.Suspended and not suspended and self._context.can_grant():
            self._move(grant, GrantPhase.Active, Reason.Entitled, now)

    def _move(self, grant: GrantRecord, target: GrantPhase, reason: Reason, now: datetime) -> None:
        event = self._context.event(f"grant.{_VERBS[target]}", f"grant/{grant.name}", reason=reason.value)
        with self._context.database.change(event) as change:
            store.set_phase(change, grant.name, target, now)
        GRANT_MOVES.labels(target.value, reason.value).inc()

    def _warn(self, grant: GrantRecord, now: datetime) -> None:
        due = due_warnings(effective_end(grant.spec).at, now)
        if not due or grant.activated_at is None:
            return
        minutes = int(min(due).total_seconds() // 60)
        with self._context.database.read() as connection:
            warned = store.warned_minutes(connection, grant.name)
        if warned is not None and warned <= minutes:
            return
        event = self._context.event("grant.end-announced", f"grant/{grant.name}", minutes=minutes)
        with self._context.database.change(event) as change:
            store.set_warned(change, grant.name, minutes)


_VERBS = {GrantPhase.Active: "activated", GrantPhase.Suspended: "suspended", GrantPhase.Expired: "expired"}


def _next_look(grant: GrantRecord, now: datetime) -> datetime:
    """The next moment at which the clock alone changes something about a grant."""
    end = effective_end(grant.spec).at
    moments = [end, grant.spec.not_before, *(end - warning for warning in WARNINGS)]
    for suspension in grant.suspensions:
        moments += [suspension.since, *([suspension.until] if suspension.until else [])]
    if grant.confirmed_until is not None:
        moments.append(grant.confirmed_until)
    ahead = [moment for moment in moments if moment > now]
    return min([*ahead, now + timedelta(hours=1)])
