"""From a grant and a member to the complete instruction for one run.

Guarantees: a plan mounts exactly the slices that the verdict permits, each from its own directory, read-only; it
ends at the earliest of the grant's ends and the operator's cap for one run; the cap on the boot-time clock is the
same length of time, so a clock set back gains nothing.
"""

from __future__ import annotations

import os
from datetime import timedelta

from tre.controller.context import Context
from tre.controller.receipts import CLICK, worth_asking_again
from tre.domain.entitlement import Verdict
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.quantities import parse_hourly_bytes
from tre.domain.workspaces.models import HourlyBudgets, Limits, Mount, MountKind, Workspace, WorkspacePlan
from tre.store import grant_slices, jobs, workspaces
from tre.store.grant_slices import SliceState, StoredSlice
from tre.system.room import gpus_of, limits_of

PROGRAM = "storekeeper"
PROVISION = "workspace.provision"
TARGETS = {
    MountKind.home: "/home/researcher",
    MountKind.shared: "/shared",
    MountKind.outbox: "/outbox",
    MountKind.inbox: "/inbox",
}


class PlanMaker:
    """Makes plans; has the storekeeper make the directories they need."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def make(self, workspace: Workspace, grant: GrantRecord, verdict: Verdict) -> WorkspacePlan | None:
        """The plan of the next run; `None` while its directories are being made.

        Raises `TREError` for an unknown profile, a slice that is not built, a failed provision.
        """
        limits = limits_of(self._context.settings, grant.spec.workspace.profile)
        uid = self._uid(workspace)
        if not self._provisioned(workspace, uid):
            return None
        slices = self._slices(grant, verdict)
        devices = self._devices(limits)
        now = self._context.clock.now()
        cap = timedelta(hours=self._context.settings.workspace_cap_hours)
        end = min(effective_end(grant.spec).at, now + cap)
        return WorkspacePlan(
            workspace=workspace.name,
            instance=workspace.instance + 1,
            grant=grant.name,
            subject=workspace.subject,
            uid=uid,
            data_groups=tuple(sorted({item.data_group for item in slices if item.data_group is not None})),
            mounts=(*self._slice_mounts(slices), *self._own_mounts(workspace)),
            devices=devices,
            limits=limits,
            budgets=_budgets(grant),
            profile=grant.spec.workspace.profile,
            idle_minutes=self._context.settings.profiles[grant.spec.workspace.profile].idle_stop_minutes,
            environment=self._context.environment(),
            end=end,
            cap_seconds=max(1, int((end - now).total_seconds())),
        )

    def has_directories(self, workspace: Workspace) -> bool:
        """Whether its directories are made; else they are asked for. Raises `TREError` where that failed."""
        return self._provisioned(workspace, self._uid(workspace))

    def outdated(self, workspace: Workspace) -> bool:
        """Whether a run mounts a slice that its grant no longer holds as it was built."""
        mounted = workspace.plan.slices if workspace.plan else frozenset()
        with self._context.database.read() as connection:
            slices = grant_slices.of_grant(connection, workspace.grant)
        return any(item.name in mounted and item.state is not SliceState.Ready for item in slices)

    def _uid(self, workspace: Workspace) -> int:
        if not self._context.own_users:
            return os.geteuid()
        with self._context.database.read() as connection:
            given = workspaces.given_uid(connection, workspace.name)
        if given is not None:  # an event for each look would be a look for each event
            return given
        limits = self._context.settings.workspace_uids
        event = self._context.event("workspace.identity-given", f"workspace/{workspace.name}")
        with self._context.database.change(event) as change:
            return workspaces.allocate_uid(change, workspace.name, limits.first, limits.last, self._context.clock.now())

    def _provisioned(self, workspace: Workspace, uid: int) -> bool:
        subject = f"workspace/{workspace.name}"
        with self._context.database.read() as connection:
            job = jobs.latest(connection, PROGRAM, PROVISION, subject)
        if job is not None and job.state is jobs.JobState.done:
            return True
        now = self._context.clock.now()
        again = job is None or worth_asking_again(job, now, CLICK)
        if job is not None and job.state is jobs.JobState.failed and job.error is not None and not again:
            raise TREError(Reason(job.error["reason"]), job.error["what"], why=job.error["why"])
        payload = {"workspace": workspace.name, "grant": workspace.grant, "uid": uid}
        request = jobs.JobRequest(program=PROGRAM, kind=PROVISION, subject=subject, payload=payload)
        if again:
            event = self._context.event("job.asked", subject, job=PROVISION)
            with self._context.database.change(event) as change:
                jobs.ask(change, request, now)
        return False

    def _slices(self, grant: GrantRecord, verdict: Verdict) -> list[StoredSlice]:
        with self._context.database.read() as connection:
            slices = [item for item in grant_slices.of_grant(connection, grant.name) if item.name in verdict.slices]
        unbuilt = [item.name for item in slices if item.state is not SliceState.Ready]
        if unbuilt:
            raise TREError(Reason.GrantPending, f"The slices {', '.join(unbuilt)} are not built yet.")
        return slices

    def _devices(self, limits: Limits) -> tuple[str, ...]:
        """GPUs of this machine that no run has, and what goes with them; on a cluster its scheduler gives them."""
        settings = self._context.settings
        if not limits.gpus or settings.runtime == "kubernetes":
            return ()
        with self._context.database.read() as connection:
            taken = {device for run in workspaces.alive(connection) if run.plan for device in run.plan.devices}
        free = [device for device in gpus_of(settings) if device not in taken][: limits.gpus]
        if len(free) < limits.gpus:
            raise TREError(
                Reason.GpuMissing,
                "No GPU is free for this workspace.",
                why=f"Its profile has {limits.gpus}, and {len(free)} of this machine's are there and unused.",
                remedy="An operator looks whether capacity.gpus says more than there are.",
            )
        return (*free, *settings.gpu.common)

    def _slice_mounts(self, slices: list[StoredSlice]) -> list[Mount]:
        root = self._context.layout.slices
        return [
            Mount(kind=MountKind.slice, source=str(root / s.slice_id), target=f"/data/{s.name}", name=s.name)
            for s in slices
        ]

    def _own_mounts(self, workspace: Workspace) -> list[Mount]:
        layout = self._context.layout
        sources = {
            MountKind.home: layout.homes / workspace.name,
            MountKind.shared: layout.shared / workspace.grant,
            MountKind.outbox: layout.outboxes / workspace.name,
            MountKind.inbox: layout.inboxes / workspace.name,
        }
        return [Mount(kind=kind, source=str(path), target=TARGETS[kind]) for kind, path in sources.items()]


def _budgets(grant: GrantRecord) -> HourlyBudgets:
    budgets = grant.spec.workspace.budgets
    return HourlyBudgets(
        file_reads=parse_hourly_bytes(budgets.file_reads), kernel_output=parse_hourly_bytes(budgets.kernel_output)
    )
