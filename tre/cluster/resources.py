"""The launcher's own kinds on a cluster, and what is reported in their status.

Guarantees: the custom resource definitions of the chart are generated from these records and from the domain's
(`tools/generate_crds.py`), so the API server's schema, the launcher's checks and these pages do not drift apart.

Does not guarantee: that a resource means anything. It is a door, whose evidence is verified, and a window; the record
is the truth, and who can write a resource cannot mint access by it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tre.cluster.protocol import Kind
from tre.domain.errors import Reason
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import GrantPhase
from tre.domain.model import Record, UtcTime
from tre.domain.people import Subject
from tre.domain.workspaces.states import Wanted, WorkspacePhase

GROUP, VERSION = "tre.research", "v1alpha1"
ACCESS_GRANT = Kind(GROUP, VERSION, "AccessGrant", "accessgrants")
WORKSPACE = Kind(GROUP, VERSION, "Workspace", "workspaces")
DATASET = Kind(GROUP, VERSION, "Dataset", "datasets")

FINALIZER = "tre.research/access-ended"
"""Keeps a deleted grant's resource until nobody has access by it any more."""

Short = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(max_length=63)]


class StatusCondition(Record):
    """One thing that is so or not, why, and since when."""

    type: Annotated[str, Field(max_length=100)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(max_length=100)]
    message: Annotated[str, Field(max_length=4096)] = ""
    observed_generation: int = 0
    last_transition_time: UtcTime


class SliceStatus(Record):
    """How one slice of a grant stands."""

    name: Name
    state: Annotated[str, Field(max_length=20)]
    slice_id: Annotated[str, Field(max_length=20)]
    content_digest: Annotated[str | None, Field(max_length=80)] = None
    files: int = 0


class GrantStatus(Record):
    """What the record says of a grant.

    `recordGeneration` is the generation in force there: it stays where it was when an edit was not taken over.
    """

    phase: GrantPhase
    observed_generation: int
    record_generation: int | None = None
    effective_end: UtcTime | None = None
    effective_end_reason: Reason | None = None
    confirmed_until: UtcTime | None = None
    members: int | None = None
    running: int | None = None
    conditions: Annotated[tuple[StatusCondition, ...], Field(max_length=32)] = ()
    slices: Annotated[tuple[SliceStatus, ...], Field(max_length=50)] = ()


class GrantResource(Record):
    """An approval: project, people, slices, dates, and the signature of who approved."""

    spec: AccessGrantSpec
    status: GrantStatus | None = None


class WorkspaceResourceSpec(Record):
    """Whose workspace of which grant this is. Written by the launcher: editing it starts and stops nothing."""

    grant: Name
    subject: Subject


class WorkspaceStatus(Record):
    """What the record says of a workspace."""

    phase: WorkspacePhase
    wanted: Wanted
    reason: Reason
    message: Short = ""
    instance: int = 0
    ready_at: UtcTime | None = None
    ends_at: UtcTime | None = None
    conditions: Annotated[tuple[StatusCondition, ...], Field(max_length=32)] = ()


class WorkspaceResource(Record):
    """One grant and one member, as the record has them: a window, not a switch."""

    spec: WorkspaceResourceSpec
    status: WorkspaceStatus | None = None


class DatasetResourceSpec(Record):
    """What the collection is called. Written by the launcher."""

    title: Annotated[str, Field(min_length=1, max_length=300)]


class ReleaseStatus(Record):
    """One release of a dataset: an index that never changes."""

    name: Annotated[str, Field(max_length=64)]
    index_digest: Annotated[str, Field(max_length=80)]
    patients: int
    files: int
    created_at: UtcTime


class DatasetStatus(Record):
    """What the record says of a dataset: its newest releases first."""

    latest_release: Annotated[str | None, Field(max_length=64)] = None
    deny_version: int = 0
    releases: Annotated[tuple[ReleaseStatus, ...], Field(max_length=50)] = ()


class DatasetResource(Record):
    """A registered, pseudonymised collection, as the record has it: a window."""

    spec: DatasetResourceSpec
    status: DatasetStatus | None = None
