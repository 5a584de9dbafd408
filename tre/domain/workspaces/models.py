"""A workspace and the complete instruction that a runtime carries out.

Guarantees: a `WorkspacePlan` holds everything a runtime needs and nothing it must look up, so that two runtimes
given one plan do the same; mount targets are absolute, canonical, and none lies inside another's read-only slice.

Does not guarantee: that a path exists on the machine. The runtime refuses a plan it cannot carry out.
"""

from __future__ import annotations

import posixpath
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tre.domain import names
from tre.domain.canonical import digest
from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase


def _canonical_path(text: str) -> str:
    if not text.startswith("/") or text != posixpath.normpath(text) or text.startswith("//"):
        msg = "an absolute path without dot segments is due"
        raise ValueError(msg)
    return text


AbsolutePath = Annotated[Line, AfterValidator(_canonical_path)]


class MountKind(StrEnum):
    """What a mount is for; slices are read-only, the others belong to the workspace."""

    slice = "slice"
    home = "home"
    shared = "shared"
    outbox = "outbox"
    inbox = "inbox"


READ_ONLY_KINDS = frozenset({MountKind.slice, MountKind.inbox})


class Mount(Record):
    """One directory of the machine as the workspace sees it.

    `name` is the slice's name for slices. Home and slices are separate mounts on purpose: a hard link across mounts
    fails, so nobody can keep an image by linking it into the home.
    """

    kind: MountKind
    source: AbsolutePath
    target: AbsolutePath
    name: Line = ""

    @property
    def read_only(self) -> bool:
        """Whether the workspace may only read it."""
        return self.kind in READ_ONLY_KINDS


class Limits(Record):
    """What a workspace may use of the machine: bytes, thousandths of a core, processes, GPUs."""

    memory_bytes: Annotated[int, Field(ge=2**26)] = 4 * 2**30
    cpu_millis: Annotated[int, Field(ge=100)] = 2000
    processes: Annotated[int, Field(ge=32)] = 512
    home_bytes: Annotated[int, Field(ge=2**20)] = 10 * 2**30
    shared_memory_bytes: Annotated[int, Field(ge=2**20)] = 2**30
    open_files: Annotated[int, Field(ge=256)] = 4096
    gpus: Annotated[int, Field(ge=0)] = 0


class HourlyBudgets(Record):
    """Bytes that a browser may draw from a workspace in an hour."""

    file_reads: Annotated[int, Field(ge=0)] = 20 * 2**20
    kernel_output: Annotated[int, Field(ge=0)] = 100 * 2**20


class WorkspacePlan(Record):
    """The complete instruction for one run of a workspace.

    `instance` counts the runs of a workspace from 1: what is left of an older run can never be taken for this one.
    `end` is wall-clock time; `cap_seconds` bounds the run on the boot-time clock, so that setting the wall clock
    back gains nothing. `uid` is used by this workspace alone, until its certificate of destruction. `devices` are those
    of this machine that it may use, its GPUs: nobody else's for as long as the run lives. `idle_minutes` is for how
    long nothing may happen in it; the controller ends it then. `environment` names the programs that it begins with.
    """

    workspace: Annotated[Line, Field(pattern=r"^w-[a-z2-7]{12}$")]
    instance: Annotated[int, Field(ge=1)]
    grant: Line
    subject: Subject
    uid: Annotated[int, Field(ge=0)]
    data_groups: tuple[int, ...] = ()
    mounts: tuple[Mount, ...]
    devices: tuple[AbsolutePath, ...] = ()
    limits: Limits = Limits()
    budgets: HourlyBudgets = HourlyBudgets()
    profile: Line = "small"
    idle_minutes: Annotated[int, Field(ge=1)] | None = None
    environment: Line | None = None
    end: UtcTime
    cap_seconds: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _mounts_apart(self) -> WorkspacePlan:
        for number, mount in enumerate(self.mounts):
            others = [other.target for position, other in enumerate(self.mounts) if position != number]
            inside = [other for other in others if f"{other}/".startswith(f"{mount.target}/")]
            if inside:
                msg = f"mount {inside[0]} lies inside mount {mount.target}"
                raise ValueError(msg)
        return self

    @property
    def identity(self) -> str:
        """Names this run in directories, logs and proofs: `w-…-3`."""
        return names.run_identity(self.workspace, self.instance)

    @property
    def slices(self) -> frozenset[str]:
        """Names of the slices it mounts."""
        return frozenset(mount.name for mount in self.mounts if mount.kind is MountKind.slice)

    def digest(self) -> str:
        """The digest that the audit log keeps of the instruction."""
        return digest(self.as_plain())


class Progress(Record):
    """One step of a start, reached at a time."""

    step: StartStep
    at: UtcTime
    message: Line = ""


class Workspace(Record):
    """One grant and one member: what is wanted, what is, and why.

    `phase` is `Stopped` only after death was observed. `reason` explains the phase in the one vocabulary.
    """

    name: Line
    grant: Line
    subject: Subject
    wanted: Wanted = Wanted.Stopped
    phase: WorkspacePhase = WorkspacePhase.Stopped
    reason: Reason = Reason.Requested
    message: Line = ""
    instance: int = 0
    uid: int | None = None
    plan: WorkspacePlan | None = None
    progress: tuple[Progress, ...] = ()
    changed_at: UtcTime
    started_at: UtcTime | None = None
    ready_at: UtcTime | None = None
    stopped_at: UtcTime | None = None

    @classmethod
    def name_for(cls, grant: str, subject: Subject) -> str:
        """The name of the one workspace of this grant and member."""
        return names.workspace_name(grant, subject.issuer, subject.id)
