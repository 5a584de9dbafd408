"""Bringing one workspace to where people want it and entitlement allows it.

Guarantees: level-triggered; nothing starts that `is_entitled` refuses at that moment; whatever runs without being
entitled or wanted is ended in the order gateway, processes, mounts, record; `Stopped` is written only with a proof
of death in the same transaction, taken by something that shares no state with the killer, or, where nobody is left to
ask, with a person's statement, which the log calls that. After an ending that the
person did not ask for, the workspace is no longer wanted: it starts again by a person's click, never by itself. A
restart is one click for both: the old run is proven dead and entitlement asked anew before the new one begins. One
ending brings a restart without a click: programs that went on reading files of people who had opted out.

Does not guarantee: speed of a start; see `tre bench start`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tre.controller import statements
from tre.controller.admission import Admission
from tre.controller.context import Context
from tre.controller.costs import RunCosts
from tre.controller.idling import Idling, Renewal
from tre.controller.metrics import (
    ENDING_SECONDS,
    START_SECONDS,
    WORKSPACE_ENDINGS,
    WORKSPACE_REFUSALS,
    count_proof,
)
from tre.controller.plans import PlanMaker
from tre.controller.stale_readers import MESSAGE, StaleReaders
from tre.domain.entitlement import Verdict, is_entitled
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.model import as_line
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import ALIVE_PHASES, StartStep, Wanted, WorkspacePhase
from tre.runtimes.protocol import DeathProof, Observation, RunPhase
from tre.store import costs
from tre.store import workspaces as store
from tre.store.grant_slices import SliceState
from tre.store.overview import Overview

_SOON = timedelta(milliseconds=200)
_PATIENCE = timedelta(seconds=5)
"""How long the death of a run is looked for at every moment; a node takes less to end it and say so."""
_LONG, _NOW_AND_THEN, _RARELY = timedelta(minutes=1), timedelta(seconds=1), timedelta(seconds=10)


def end_of(workspace: Workspace, grant: GrantRecord) -> datetime:
    """Until when a run may last as far as is known now."""
    assert workspace.plan is not None
    return min(workspace.plan.end, effective_end(grant.spec).at)


def had_to_end(workspace: Workspace, grant: GrantRecord) -> datetime:
    """From when a run that is stopping had no right to live: the click, the revocation or the end of its time."""
    if workspace.reason is Reason.GrantRevoked and grant.revoked_at is not None:
        return grant.revoked_at
    return min(workspace.changed_at, end_of(workspace, grant))


def renewal_of(context: Context) -> Renewal:
    """What this installation says of runs that began with older programs."""
    return Renewal(context.settings.renewal.idle_minutes, context.environment)


class WorkspaceReconciler:
    """Looks at one workspace and does the next thing that is due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.admission = Admission(context)
        self.idling = Idling(context.activity, context.clock, renewal_of(context))
        self._plans = PlanMaker(context)
        self._stale = StaleReaders(context)
        self._costs = RunCosts(context)
        self.admission.checks.append(lambda start: self._costs.check_start(start.grant.name))
        self._handlers = {
            WorkspacePhase.Stopped: self._stopped,
            WorkspacePhase.Queued: self._stopped,
            WorkspacePhase.Refused: self._stopped,
            WorkspacePhase.Starting: self._starting,
            WorkspacePhase.Running: self._running,
            WorkspacePhase.Stopping: self._stopping,
        }

    def reconcile(self, workspace: Workspace, grant: GrantRecord, runs: dict[str, Observation]) -> datetime | None:
        """Do what is due, given what the record and the runtime say now; return when to look again."""
        now = self._context.clock.now()
        run = None if workspace.plan is None else runs.get(workspace.plan.identity)
        mounted = workspace.plan.slices if workspace.plan and workspace.phase in ALIVE_PHASES else None
        verdict = is_entitled(grant, workspace.subject, now, mounted)
        return self._handlers[workspace.phase](workspace, grant, verdict, run)

    def at_rest(self, workspace: Workspace, seen: Overview, runs: dict[str, Observation], now: datetime) -> bool:
        """Whether `reconcile` would do nothing: it is stopped and wanted so, or it runs as it should until its end."""
        run = None if workspace.plan is None else runs.get(workspace.plan.identity)
        if workspace.phase in {WorkspacePhase.Stopped, WorkspacePhase.Refused}:
            return workspace.wanted is Wanted.Stopped and run is None
        if workspace.phase is not WorkspacePhase.Running or workspace.plan is None or run is None:
            return False
        mounted = workspace.plan.slices
        built = all(item.state is SliceState.Ready for item in seen.slices if item.name in mounted)
        entitled = is_entitled(seen.grant, workspace.subject, now, mounted)
        asked = workspace.wanted is Wanted.Running and run.phase is not RunPhase.Ended
        fresh = not self._stale.is_due(workspace, seen.slices) and not self.idling.is_near(workspace)
        return bool(entitled) and built and asked and fresh and run.end <= end_of(workspace, seen.grant)

    def _stopped(
        self, workspace: Workspace, grant: GrantRecord, verdict: Verdict, run: Observation | None
    ) -> datetime | None:
        del run  # runs that nobody asked for are the sweep's
        if workspace.wanted is Wanted.Stopped:
            if workspace.phase is WorkspacePhase.Queued:
                self.admission.leave(workspace)
            return None
        if not verdict:
            return self._refuse(workspace, verdict.reason, "")
        try:
            plan = self._plan_or_wait(workspace, grant, verdict)
        except TREError as error:
            return self._refuse(workspace, error.reason, str(error))
        if isinstance(plan, datetime):
            return plan
        event = self._context.event(
            "workspace.starting",
            f"workspace/{workspace.name}",
            grant=grant.name,
            instance=plan.instance,
            plan=plan.digest(),
        )
        with self._context.database.change(event) as change:
            store.begin_start(change, plan, self._context.clock.now())
        self._context.runtime.start(plan)
        return self._context.clock.now() + _SOON

    def _plan_or_wait(self, workspace: Workspace, grant: GrantRecord, verdict: Verdict) -> WorkspacePlan | datetime:
        """The instruction of a start that may begin now, or when to look again. Raises `TREError` for a refusal."""
        self._context.check_granting()
        soon = self._context.clock.now() + timedelta(seconds=5)
        if not self._plans.has_directories(workspace):  # whoever is first in the queue waits for room alone
            return soon
        if not self.admission.admits(workspace, grant):
            return self.admission.enter(workspace)
        return self._plans.make(workspace, grant, verdict) or soon

    def _refuse(self, workspace: Workspace, reason: Reason, message: str) -> datetime | None:
        event = self._context.event("workspace.refused", f"workspace/{workspace.name}", reason=reason.value)
        with self._context.database.change(event) as change:
            store.want(change, workspace.name, Wanted.Stopped)
            store.set_phase(
                change, workspace.name, WorkspacePhase.Refused, reason, self._context.clock.now(), message=message
            )
        WORKSPACE_REFUSALS.labels(reason.value).inc()
        return None

    def _starting(
        self, workspace: Workspace, grant: GrantRecord, verdict: Verdict, run: Observation | None
    ) -> datetime | None:
        assert workspace.plan is not None
        assert workspace.started_at is not None
        ending = self._reason_to_end(workspace, verdict, run)
        deadline = workspace.started_at + timedelta(seconds=self._context.settings.start_seconds)
        now = self._context.clock.now()
        if ending is None and now >= deadline:
            held_up_by = workspace.message if run is None else run.detail
            ending = (Reason.StartTimeout, f"The server did not answer in time. {held_up_by}".strip())
        if ending is not None:
            return self._begin_stop(workspace, grant, *ending)
        if run is None:
            self._start_again(workspace)
            return now + _SOON
        self._say_what_it_waits_for(workspace, run.detail)
        self._keep_progress(workspace, run)
        if run.phase is RunPhase.Ready:
            self._move(workspace, WorkspacePhase.Running, Reason.Entitled, "", step=StartStep.ServerReady)
            START_SECONDS.observe((now - workspace.started_at).total_seconds())
            return workspace.plan.end
        self._shorten(workspace, grant, run)
        return min(deadline, now + timedelta(seconds=1))

    def _start_again(self, workspace: Workspace) -> None:
        """What was asked for and has not begun: there was a crash in between, or it had to wait."""
        assert workspace.plan is not None
        try:
            self._context.runtime.start(workspace.plan)
        except TREError as error:
            self._say_what_it_waits_for(workspace, f"{error.what} [{error.why}]" if error.why else error.what)
            raise

    def _say_what_it_waits_for(self, workspace: Workspace, held_up_by: str) -> None:
        """Tell the person who waits. The part in brackets is another program's, and may change with each look."""
        if as_line(held_up_by).partition(" [")[0] == workspace.message.partition(" [")[0]:
            return
        event = self._context.event("workspace.waiting", f"workspace/{workspace.name}", grant=workspace.grant)
        with self._context.database.change(event) as change:
            store.set_phase(
                change,
                workspace.name,
                workspace.phase,
                workspace.reason,
                self._context.clock.now(),
                message=held_up_by,
            )

    def _keep_progress(self, workspace: Workspace, run: Observation) -> None:
        reached = {step.step for step in workspace.progress}
        proven = run.phase in {RunPhase.Proven, RunPhase.Ready}
        due = [StartStep.SlicesMounted, *([StartStep.IsolationProven] if proven else [])]
        missing = [step for step in due if step not in reached]
        if not missing or not run.means:
            return
        detail = {"instance": run.plan.instance, "steps": [step.value for step in missing]}
        if StartStep.IsolationProven in missing:
            detail["isolation"] = run.isolation
        event = self._context.event("workspace.progressed", f"workspace/{workspace.name}", **detail)
        now = self._context.clock.now()
        with self._context.database.change(event) as change:
            for step in missing:
                store.add_progress(change, workspace.name, step, now)
        if StartStep.IsolationProven in missing:
            count_proof("isolation", holds=True)

    def _running(
        self, workspace: Workspace, grant: GrantRecord, verdict: Verdict, run: Observation | None
    ) -> datetime | None:
        assert workspace.plan is not None
        if run is None:
            return self._begin_stop(workspace, grant, Reason.RuntimeFailed, "no trace of the run was found")
        ending = self._reason_to_end(workspace, verdict, run)
        if ending is None and self._stale.found(workspace):
            ending = Reason.DataWithdrawn, MESSAGE
        ending = ending or self.idling.ending(workspace)
        if ending is not None:
            return self._begin_stop(workspace, grant, *ending)
        return self.idling.next_look(workspace, self._shorten(workspace, grant, run))

    def _shorten(self, workspace: Workspace, grant: GrantRecord, run: Observation) -> datetime:
        """When a run ends; where its approval was cut short, whoever holds it must know without us."""
        assert workspace.plan is not None
        end = end_of(workspace, grant)
        if end < run.end:
            self._context.runtime.shorten(workspace.plan.identity, end)
        return end

    def _reason_to_end(
        self, workspace: Workspace, verdict: Verdict, run: Observation | None
    ) -> tuple[Reason, str] | None:
        if not verdict:
            return verdict.reason, ""
        if self._plans.outdated(workspace):
            return Reason.GrantPending, "a slice was changed and is built anew"
        if run is not None and run.phase is RunPhase.Ended:
            return run.reason or Reason.RuntimeFailed, run.detail
        if workspace.wanted is not Wanted.Running:
            return Reason.Requested, ""
        return None

    def _begin_stop(self, workspace: Workspace, grant: GrantRecord, reason: Reason, message: str) -> datetime | None:
        """First the gateways, then the processes; the record follows what was observed."""
        self._context.publish({"type": "ending", "workspace": workspace.name, "reason": reason.value})
        assert workspace.plan is not None
        self._context.runtime.end(workspace.plan.identity, reason)
        event = self._context.event(
            "workspace.stopping", f"workspace/{workspace.name}", grant=grant.name, reason=reason.value
        )
        restarts = workspace.wanted is Wanted.Restart and reason is Reason.Requested
        with self._context.database.change(event) as change:
            clicked = store.require(change.connection, workspace.name).wanted is not workspace.wanted
            if reason is Reason.DataWithdrawn and not clicked:
                store.want(change, workspace.name, Wanted.Restart)
            elif not restarts and not clicked:  # after any other end, a person decides whether there is another run
                store.want(change, workspace.name, Wanted.Stopped)
            store.set_phase(
                change, workspace.name, WorkspacePhase.Stopping, reason, self._context.clock.now(), message=message
            )
        WORKSPACE_ENDINGS.labels(reason.value).inc()
        if reason is Reason.IsolationFailed:  # what kept it closed was taken away: it is put back
            count_proof("isolation", holds=False)
            self._context.prepare_grant(grant.name)
        return self._context.clock.now()

    def _stopping(
        self, workspace: Workspace, grant: GrantRecord, verdict: Verdict, run: Observation | None
    ) -> datetime | None:
        del verdict  # whatever it says, what is stopping is brought to its end
        assert workspace.plan is not None
        self._context.runtime.end(workspace.plan.identity, workspace.reason)
        proof = self._context.runtime.verify_dead(workspace.plan)
        if not proof.dead or (run is not None and run.phase is not RunPhase.Ended):
            return self._not_dead(workspace, proof, run)
        self._record_death(workspace, self._proven(workspace, proof), statements.before(workspace), run)
        count_proof("death", holds=True)
        self._context.activity.forget(workspace.plan.identity)
        took = self._context.clock.now() - had_to_end(workspace, grant)
        ENDING_SECONDS.labels(workspace.reason.value).observe(max(0.0, took.total_seconds()))
        self._context.runtime.forget(workspace.plan.identity)
        return None

    def _not_dead(self, workspace: Workspace, proof: DeathProof, run: Observation | None) -> datetime | None:
        """Look again, less often the longer it lasts; say what is missed, and hear whether a person vouches for it."""
        assert workspace.plan is not None
        now = self._context.clock.now()
        age = now - workspace.changed_at
        if age < _PATIENCE and statements.MISSED not in workspace.message:
            return now + timedelta(milliseconds=20)
        said = statements.pending(self._context, workspace)
        if said is not None and proof.beyond_reach:
            event = statements.stopped_by(self._context, workspace, said, proof)
            self._record_death(workspace, event, workspace.message, run)
            count_proof("death", holds=False)
            self._context.runtime.forget(workspace.plan.identity, vouched=True)
            return None
        if said is not None:
            statements.refuse(self._context, workspace, said, proof)
        elif proof.unproven and statements.MISSED not in workspace.message:
            missed = statements.missing(workspace, f": {'; '.join(proof.unproven)}.")
            self._say_what_it_waits_for(workspace, missed)
        return now + (_NOW_AND_THEN if age < _LONG else _RARELY)

    def _proven(self, workspace: Workspace, proof: DeathProof) -> Event:
        return self._context.event(
            "workspace.stopped",
            f"workspace/{workspace.name}",
            grant=workspace.grant,
            instance=workspace.instance,
            reason=workspace.reason.value,
            proof=proof.as_plain(),
        )

    def _record_death(self, workspace: Workspace, event: Event, message: str, run: Observation | None) -> None:
        last = self._costs.last(workspace, run)
        with self._context.database.change(event) as change:
            store.set_phase(
                change,
                workspace.name,
                WorkspacePhase.Stopped,
                workspace.reason,
                self._context.clock.now(),
                message=message,
            )
            if last is not None:
                costs.keep_run(change, *last)

    def _move(
        self,
        workspace: Workspace,
        target: WorkspacePhase,
        reason: Reason,
        message: str,
        step: StartStep | None = None,
    ) -> None:
        event = self._context.event(
            f"workspace.{target.lower()}", f"workspace/{workspace.name}", grant=workspace.grant, reason=reason.value
        )
        now = self._context.clock.now()
        with self._context.database.change(event) as change:
            if step is not None:
                store.add_progress(change, workspace.name, step, now)
            store.set_phase(change, workspace.name, target, reason, now, message=message)
