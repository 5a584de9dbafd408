"""The window: what the record says, shown in the status of resources.

Guarantees: pure; what is shown follows from the record and from the door's verdict alone, and what did not change is
equal to what stands there, so that nothing is written twice. No text in it comes from inside a workspace.

Does not guarantee: that it is up to date. It is for people who look; nothing of ours ever reads it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tre.cluster.conditions import Condition, merged, stamp, summary
from tre.cluster.protocol import Object
from tre.cluster.resources import DATASET, WORKSPACE, DatasetStatus, ReleaseStatus
from tre.domain.datasets import Dataset, Release
from tre.domain.errors import Reason
from tre.domain.grants.states import GrantPhase
from tre.sources.kubernetes.door import Verdict
from tre.store.outlines import GrantOutline, SliceOutline, WorkspaceOutline

RELEASES = 50
_SHOWN = "tre.research/window"
LABELS = {"app.kubernetes.io/managed-by": "tre-launcher", _SHOWN: "true"}
_PHASES = {
    GrantPhase.Pending: (False, Reason.GrantPending, "It waits: see the other conditions."),
    GrantPhase.Active: (True, Reason.Entitled, ""),
    GrantPhase.Suspended: (False, Reason.GrantSuspended, "It is suspended for now."),
    GrantPhase.Expired: (False, Reason.GrantExpired, "Its time is over; nobody has access."),
    GrantPhase.Revoked: (False, Reason.GrantRevoked, "It was revoked; nobody has access."),
    GrantPhase.Closed: (False, Reason.GrantClosed, "It is closed: its workspaces and its data are gone."),
}
_STUCK = frozenset(
    {
        Reason.BadInput,
        Reason.Conflict,
        Reason.EvidenceUnverified,
        Reason.StateForbids,
        Reason.GrantExpired,
        Reason.GrantRevoked,
        Reason.GrantClosed,
    }
)
"""What only a person can change, or nobody."""
_INFORMS = frozenset({"MembersSeen"})
"""Conditions that nothing waits for."""


def grant_status(item: Object, verdict: Verdict, record: GrantOutline | None, now: datetime) -> Object:
    """What the status of a grant's resource must be (`GrantStatus`).

    `record` is the grant as the record has it, `None` where this resource's content never came into force.
    """
    generation = int(item["metadata"]["generation"])
    before = item.get("status") or {}
    status: Object = {"phase": GrantPhase.Pending.value, "observedGeneration": generation, "slices": []}
    if record is not None:
        status |= _of_record(record)
    standing, informing = _standing(verdict, record, now)
    waits = not any(condition.reason in _STUCK for condition in standing if not condition.holds)
    found = [*summary(standing, waits=waits), *informing]
    status["conditions"] = merged(before.get("conditions") or [], found, generation, now)
    return status


def _of_record(record: GrantOutline) -> Object:
    end = record.end
    found: Object = {
        "phase": record.phase.value,
        "recordGeneration": record.generation,
        "effectiveEnd": stamp(end.at),
        "effectiveEndReason": end.reason.value,
        "members": len(record.spec["members"]),
        "running": record.running,
        "slices": [_slice(one) for one in record.slices],
    }
    return found | _moments(confirmedUntil=record.confirmed_until)


def _slice(one: SliceOutline) -> Object:
    found: Object = {"name": one.name, "state": one.state, "sliceId": one.slice_id, "files": one.files}
    return found if one.content_digest is None else found | {"contentDigest": one.content_digest}


def _moments(**named: datetime | None) -> Object:
    """Those that there are, as the API server keeps them: in whole seconds, so that what is read back is equal."""
    return {name: stamp(moment) for name, moment in named.items() if moment is not None}


def _standing(verdict: Verdict, record: GrantOutline | None, now: datetime) -> tuple[list[Condition], list[Condition]]:
    """Conditions that access depends on, and those that only inform."""
    found = verdict.conditions
    if record is None:
        return found, []
    ours = {condition.type for condition in found}
    kept = [_kept(item) for item in record.conditions if item["type"] not in ours]
    stale = record.confirmed_until is not None and record.confirmed_until <= now
    holds, reason, message = _PHASES[record.phase]
    confirmed = Condition("Confirmed", not stale, Reason.SourceStale if stale else Reason.Entitled)
    needed = [condition for condition in kept if condition.type not in _INFORMS]
    informing = [condition for condition in kept if condition.type in _INFORMS]
    return [*found, *needed, confirmed, Condition("Active", holds, reason, message)], informing


def _kept(item: dict[str, Any]) -> Condition:
    return Condition(item["type"], item["status"] == "True", Reason(item["reason"]), item.get("message", ""))


def workspace_objects(workspace: WorkspaceOutline, namespace: str) -> tuple[Object, Object]:
    """A workspace's resource, and the same with its status (`WorkspaceStatus`)."""
    metadata = {"name": workspace.name, "namespace": namespace}
    spec = {"grant": workspace.grant, "subject": {"issuer": workspace.issuer, "id": workspace.subject}}
    head = {"apiVersion": WORKSPACE.api_version, "kind": WORKSPACE.kind}
    status: Object = {
        "phase": workspace.phase,
        "wanted": workspace.wanted,
        "reason": workspace.reason,
        "message": workspace.message,
        "instance": workspace.instance,
        "conditions": [],
    }
    status |= _moments(readyAt=workspace.ready_at, endsAt=workspace.ends)
    return (
        head | {"metadata": metadata | {"labels": LABELS}, "spec": spec},
        head | {"metadata": metadata, "status": status},
    )


def dataset_objects(dataset: Dataset, releases: Sequence[Release], namespace: str) -> tuple[Object, Object]:
    """A dataset's resource, and the same with its status; its newest releases first."""
    metadata = {"name": dataset.name, "namespace": namespace}
    head = {"apiVersion": DATASET.api_version, "kind": DATASET.kind}
    newest = sorted(releases, key=lambda one: one.created_at, reverse=True)[:RELEASES]
    status = DatasetStatus(
        latest_release=newest[0].name if newest else None,
        deny_version=dataset.deny_version,
        releases=tuple(
            ReleaseStatus(
                name=one.name,
                index_digest=one.index_digest,
                patients=one.counts.patients,
                files=one.counts.files,
                created_at=one.created_at,
            )
            for one in newest
        ),
    )
    return (
        head | {"metadata": metadata | {"labels": LABELS}, "spec": {"title": dataset.title}},
        head | {"metadata": metadata, "status": _plain(status)},
    )


def holds(item: Object | None, wanted: Object) -> bool:
    """Whether everything that is wanted of an object stands there already; what others added does not matter."""
    return item is not None and _within(wanted, item)


def _within(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and _within(value, found[key]) for key, value in wanted.items()
        )
    return bool(wanted == found)


def _plain(record: Any) -> Object:
    """As the API server keeps it: times in whole seconds, so that what is read back is equal."""
    found = _seconds(record.model_dump(by_alias=True, exclude_none=True))
    assert isinstance(found, dict)
    return found


def _seconds(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, dict):
        return {key: _seconds(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_seconds(item) for item in value]
    return str(value) if isinstance(value, str) else value
