"""Taking apart what an ended grant leaves: workspaces first, then slices, then homes, then a certificate.

Guarantees: nothing is removed while anything of the grant still lives; each removal is done by the storekeeper and
answered with a receipt; the grant is Closed only when every receipt is there, and the certificate that says so is
in the log. Homes are kept for the retention time, unless an operator closes the grant before.

Does not guarantee: anything about backups; see the documentation of backup and restore.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tre.controller.context import Context
from tre.controller.metrics import GRANT_MOVES
from tre.controller.receipts import PROGRAM, REMOVE, removal, worth_asking_again
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import ALIVE_PHASES
from tre.store import grant_slices, jobs, workspaces
from tre.store import grants as grant_store
from tre.store.grant_slices import SliceState
from tre.store.overview import Overview

DESTROY = "workspace.destroy"
_LOOK_AGAIN = timedelta(minutes=1)


class Closing:
    """Looks at one ended grant and does the next thing that is due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cleared: set[str] = set()

    def at_rest(self, seen: Overview, now: datetime) -> datetime | None:
        """When to look again at an ended grant that only waits for its retention time; `None` where there is more."""
        grant = seen.grant
        alive = any(item.phase in ALIVE_PHASES for item in seen.workspaces)
        left = any(item.state is not SliceState.Gone for item in seen.slices)
        due = self._destruction_due(grant)
        if grant.name not in self._cleared or alive or left or seen.close_asked or now >= due:
            return None
        return min(due, now + timedelta(hours=1))

    def reconcile(self, grant: GrantRecord, now: datetime) -> datetime | None:
        """Do what is due; return when to look again, `None` once it is closed."""
        with self._context.database.read() as connection:
            present = workspaces.of_grant(connection, grant.name)
            close_asked = grant_store.close_asked(connection, grant.name)
        if any(item.phase in ALIVE_PHASES for item in present):
            return now + _LOOK_AGAIN  # each ending wakes this grant by its event
        slices_gone = self._remove_slices(grant, now)
        cleared = self._clear(grant.name)
        due = self._destruction_due(grant)
        if not close_asked and now < due:
            return min(due, now + timedelta(hours=1))
        receipts = [self._destroyed(item, now) for item in present]
        if slices_gone and cleared and all(receipt is not None for receipt in receipts):
            self._close(grant, present, receipts, now)
            return None
        return now + _LOOK_AGAIN

    def _clear(self, name: str) -> bool:
        """Nothing comes back into the namespace of an ended grant: what was found empty once is not asked again."""
        if name not in self._cleared and self._context.clear_grant(name):
            self._cleared.add(name)
        return name in self._cleared

    def _destruction_due(self, grant: GrantRecord) -> datetime:
        ended = grant.revoked_at or effective_end(grant.spec).at
        return ended + timedelta(days=self._context.settings.home_retention_days)

    def _remove_slices(self, grant: GrantRecord, now: datetime) -> bool:
        with self._context.database.read() as connection:
            slices = grant_slices.of_grant(connection, grant.name)
        gone = [self._removed(grant, item, now) for item in slices]  # every one is asked for, not only the first
        return all(gone)

    def _removed(self, grant: GrantRecord, item: grant_slices.StoredSlice, now: datetime) -> bool:
        if item.state is SliceState.Gone:
            return True
        with self._context.database.read() as connection:
            job = removal(connection, item.slice_id)
        receipt = self._receipt(REMOVE, f"slice/{item.slice_id}", {"sliceId": item.slice_id}, now, job)
        if receipt is None:
            return False
        event = self._context.event("slice.removed", f"grant/{grant.name}", slice=item.name, receipt=receipt)
        with self._context.database.change(event) as change:
            grant_slices.set_state(change, grant.name, item.name, SliceState.Gone, Reason.GrantClosed)
        return True

    def _destroyed(self, item: Workspace, now: datetime) -> dict[str, Any] | None:
        subject = f"workspace/{item.name}"
        with self._context.database.read() as connection:
            job = jobs.latest(connection, PROGRAM, DESTROY, subject)
        return self._receipt(DESTROY, subject, {"workspace": item.name, "grant": item.grant}, now, job)

    def _receipt(
        self, kind: str, subject: str, payload: dict[str, Any], now: datetime, job: jobs.Job | None
    ) -> dict[str, Any] | None:
        """The storekeeper's receipt, or `None` while it is awaited; asks where nobody asked."""
        if job is not None and job.state is jobs.JobState.done:
            return job.result
        if job is None or worth_asking_again(job, now, _LOOK_AGAIN):
            event = self._context.event("job.asked", subject, job=kind)
            with self._context.database.change(event) as change:
                jobs.ask(change, jobs.JobRequest(program=PROGRAM, kind=kind, subject=subject, payload=payload), now)
        return None

    def _close(
        self, grant: GrantRecord, present: list[Workspace], receipts: list[dict[str, Any] | None], now: datetime
    ) -> None:
        destroyed = {item.name: receipt for item, receipt in zip(present, receipts, strict=True)}
        event = self._context.event("grant.closed", f"grant/{grant.name}", certificate=destroyed)
        with self._context.database.change(event) as change:
            for item in present:
                workspaces.certify_uid(change, item.name, now)
            grant_store.set_phase(change, grant.name, GrantPhase.Closed, now)
        GRANT_MOVES.labels(GrantPhase.Closed.value, Reason.GrantClosed.value).inc()
