"""Having a grant's slices built, and saying how far they are.

Guarantees: a slice is built only from a plan that the approval covers (the storekeeper computes and compares); it is
asked for once, and again if the attempt was lost or failed a while ago; a failure is a condition with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tre.controller.conditions import Finding
from tre.controller.context import Context
from tre.controller.receipts import BUILD, PROGRAM, REMOVE, building, removal, rested_at
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.store import datasets, jobs
from tre.store import grant_slices as store
from tre.store.grant_slices import SliceState, StoredSlice
from tre.store.overview import Overview


@dataclass(frozen=True)
class Looked:
    """How far the slices are: the conditions `PlanCovered` and `SlicesReady`, and when to try again what failed."""

    findings: list[Finding]
    again: datetime | None


class GrantSlices:
    """The slices of one grant: ask, listen, report."""

    def __init__(self, context: Context) -> None:
        self._context = context

    BUILT = (Finding("PlanCovered", True, Reason.Entitled), Finding("SlicesReady", True, Reason.Entitled))
    """The conditions of a grant whose slices are as they should be."""

    def at_rest(self, seen: Overview) -> bool:
        """Whether every slice that the grant names is built, and every other one gone."""
        wanted = {item.name for item in seen.grant.spec.slices}
        return all(item.state is (SliceState.Ready if item.name in wanted else SliceState.Gone) for item in seen.slices)

    def look(self, grant: GrantRecord) -> Looked:
        """How far they are, after asking for what is missing."""
        with self._context.database.read() as connection:
            slices = store.of_grant(connection, grant.name)
        wanted = {item.name for item in grant.spec.slices}
        removed = [self._remove(item) for item in slices if item.name not in wanted]
        looked = [self._state(grant, item) for item in slices if item.name in wanted]
        states = [item for item, _ in looked]
        uncovered = [item for item in states if item.reason is Reason.PlanNotCovered]
        unready = [item for item in states if item.state is not SliceState.Ready]
        findings = [_finding("PlanCovered", uncovered), _finding("SlicesReady", unready)]
        return Looked(findings, _earliest([*removed, *(again for _, again in looked)]))

    def _state(self, grant: GrantRecord, item: StoredSlice) -> tuple[StoredSlice, datetime | None]:
        """The slice as it is now, and when to try again if its building failed."""
        if item.state is SliceState.Ready:
            return self._followed(item), None
        with self._context.database.read() as connection:
            job = building(connection, item.slice_id)
            again = None if job is None else rested_at(connection, job)
        current = job is not None and job.payload == _payload(grant, item)
        if job is not None and current and job.state is jobs.JobState.done and job.result is not None:
            return self._built(item, job.result), None
        if job is not None and current and job.state is jobs.JobState.failed and job.error is not None:
            item = self._failed(grant, item, job)
            if again is not None and self._context.clock.now() < again:
                return item, again
            current = False
        if not current:  # never asked, asked before the grant was changed, or failed a while ago
            self._ask(grant, item)
        return item, None

    def _followed(self, item: StoredSlice) -> StoredSlice:
        """A slice that people have left in place is of another content and version, and still as it should be."""
        with self._context.database.read() as connection:
            built = datasets.get_slice(connection, item.slice_id)
        if built is None or built.manifest_version <= item.manifest_version:
            return item
        values = {
            "plan_digest": built.plan_digest,
            "content_digest": built.content_digest,
            "manifest_version": built.manifest_version,
            "files": built.files,
        }
        said = _said(built.as_plain())
        event = self._context.event("slice.followed", f"grant/{item.grant}", slice=item.name, **said)
        with self._context.database.change(event) as change:
            store.set_state(change, item.grant, item.name, SliceState.Ready, Reason.Entitled, **values)
        return item.model_copy(update=values)

    def _remove(self, item: StoredSlice) -> datetime | None:
        """A slice that the grant no longer names goes; what mounts it has lost its entitlement already.

        Says when to try again if its removal failed.
        """
        if item.state is SliceState.Gone:
            return None
        subject, now = f"slice/{item.slice_id}", self._context.clock.now()
        with self._context.database.read() as connection:
            job = removal(connection, item.slice_id)
            again = None if job is None else rested_at(connection, job)
        if job is not None and job.state is jobs.JobState.done:
            event = self._context.event("slice.removed", f"grant/{item.grant}", slice=item.name, receipt=job.result)
            with self._context.database.change(event) as change:
                store.set_state(change, item.grant, item.name, SliceState.Gone, Reason.GrantClosed)
        elif again is not None and now < again:
            return again
        elif job is None or again is not None:
            request = jobs.JobRequest(program=PROGRAM, kind=REMOVE, subject=subject, payload={"sliceId": item.slice_id})
            event = self._context.event("job.asked", subject, job=REMOVE)
            with self._context.database.change(event) as change:
                jobs.ask(change, request, now)
        return None

    def _ask(self, grant: GrantRecord, item: StoredSlice) -> None:
        request = jobs.JobRequest(
            program=PROGRAM, kind=BUILD, subject=f"slice/{item.slice_id}", payload=_payload(grant, item)
        )
        now = self._context.clock.now()
        event = self._context.event("slice.build-asked", f"grant/{grant.name}", slice=item.name)
        with self._context.database.change(event) as change:
            jobs.replace(change, request, now)

    def _built(self, item: StoredSlice, result: dict[str, object]) -> StoredSlice:
        values = {
            "plan_digest": result["planDigest"],
            "content_digest": result["contentDigest"],
            "manifest_version": result["manifestVersion"],
            "files": result["files"],
            "data_group": result["dataGroup"],
            "message": "",
        }
        event = self._context.event("slice.ready", f"grant/{item.grant}", slice=item.name, **_said(result))
        with self._context.database.change(event) as change:
            store.set_state(change, item.grant, item.name, SliceState.Ready, Reason.Entitled, **values)
        return item.model_copy(update={"state": SliceState.Ready, "reason": Reason.Entitled})

    def _failed(self, grant: GrantRecord, item: StoredSlice, job: jobs.Job) -> StoredSlice:
        assert job.error is not None
        reason, message = Reason(job.error["reason"]), f"{job.error['what']} {job.error['why']}".strip()[:500]
        if item.state is not SliceState.Failed or item.message != message:
            event = self._context.event("slice.failed", f"grant/{grant.name}", slice=item.name, reason=reason.value)
            with self._context.database.change(event) as change:
                store.set_state(change, item.grant, item.name, SliceState.Failed, reason, message=message)
        return item.model_copy(update={"state": SliceState.Failed, "reason": reason, "message": message})


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _payload(grant: GrantRecord, item: StoredSlice) -> dict[str, object]:
    spec = next(one.spec for one in grant.spec.slices if one.name == item.name)
    return {
        "grant": grant.name,
        "slice": item.name,
        "sliceId": item.slice_id,
        "spec": spec.as_plain(),
        "signedPlanDigest": grant.spec.signed_plan_digest(item.name),
        "notice": _notice(grant),
    }


def _said(result: dict[str, object]) -> dict[str, object]:
    return {key: result[key] for key in ("planDigest", "contentDigest", "files", "manifestVersion")}


def _notice(grant: GrantRecord) -> dict[str, str]:
    """What the slice's own README says of its approval."""
    approval = grant.spec.approval
    return {
        "title": grant.spec.project.title,
        "body": approval.body,
        "reference": approval.reference,
        "expires": grant.spec.expires.isoformat(),
    }


def _finding(kind: str, failing: list[StoredSlice]) -> Finding:
    if not failing:
        return Finding(kind, True, Reason.Entitled)
    message = "; ".join(f"{item.name}: {item.message or item.state}" for item in failing)
    return Finding(kind, False, failing[0].reason, message)
