"""Settings of what workspaces may use: sizes, the room for all of them, what one project may hold, and GPUs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tre.domain.model import Line, Record
from tre.domain.quantities import is_amount
from tre.domain.workspaces.models import AbsolutePath

Amount = Annotated[Line, AfterValidator(is_amount)]
"""Bytes as people write them: `512Mi`, `2Gi`."""


def _device(path: str) -> str:
    if not path.startswith("/dev/"):
        msg = "a device of this machine lies under /dev/"
        raise ValueError(msg)
    return path


DevicePath = Annotated[AbsolutePath, AfterValidator(_device)]
"""A device of the machine: `/dev/nvidia0`."""


class ProfileSettings(Record):
    """A size of workspace. Bytes, thousandths of a core, processes."""

    memory: Amount = "4Gi"
    """Of all processes of a workspace together, where the machine has control groups. What goes beyond is killed."""

    cpu_millis: Annotated[int, Field(ge=100)] = 2000
    """Thousandths of a core: 2000 are two whole cores."""

    processes: Annotated[int, Field(ge=32)] = 512
    """Processes and threads of a workspace together."""

    home: Amount = "10Gi"
    """Size of the home directory, and the most that the outbox may hold."""

    shared_memory: Amount = "1Gi"
    """Size of `/dev/shm` and of `/tmp`, each; what lies there counts as memory."""

    gpus: Annotated[int, Field(ge=0, le=16)] = 0
    """Whole GPUs, each for this workspace alone while it runs. On one machine those under `gpu.devices`, on a cluster
    the resource `gpuResource` of `cluster.yaml`."""

    idle_stop_minutes: Annotated[int, Field(ge=10, le=31 * 24 * 60)] | None = None
    """A workspace in which nothing happened for so long is stopped, its files kept. A kernel that is busy, a cell that
    ran, a terminal that showed or was told something, and a person's work in the notebook all count as happening.
    Default: never, since a program that runs in a terminal and says nothing is not seen."""


class RenewalSettings(Record):
    """How new programs come to those who work: the environment of workspaces on this machine, the image on a cluster.

    What runs keeps what it began with; each start takes the new ones.
    """

    idle_minutes: Annotated[int, Field(ge=10, le=31 * 24 * 60)] | None = None
    """A workspace that began with older programs is stopped, its files kept, when nothing happened in it for so long;
    the same things count as happening as for `idleStopMinutes`. Default: it goes on to its own end."""

    maximum_age_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Nothing starts with an environment of this machine that was made longer ago. Default: no limit. On a cluster
    `maximumImageAgeDays` of `cluster.yaml` is this."""


class CapacitySettings(Record):
    """How much all workspaces together may reserve; what does not fit waits in a queue. More than the machine has lets
    workspaces share what few of them use up."""

    memory: Amount | None = None
    """Default: on one machine its memory but for an eighth, 2 GiB at most, for the services; on a cluster not counted
    here, since its scheduler counts."""

    cpu_millis: Annotated[int, Field(ge=100)] | None = None
    """Thousandths of a core. Default: not counted, since a core that several want is shared."""

    processes: Annotated[int, Field(ge=32)] | None = None
    """Processes and threads. Default: on one machine half of what its kernel can hold; on a cluster not counted."""

    gpus: Annotated[int, Field(ge=0)] | None = None
    """Default: on one machine as many as `gpu.devices` names; on a cluster not counted here."""


class QuotaSettings(Record):
    """The most that the workspaces of one project may hold at once. A grant may ask for less by `workspace.atOnce`,
    never for more."""

    workspaces: Annotated[int, Field(ge=1)] | None = None
    """Workspaces that are open. Default: as many as the project has members."""

    memory: Amount | None = None
    """Their memory together. Default: no bound of its own."""

    cpu_millis: Annotated[int, Field(ge=100)] | None = None
    """Their processors together, in thousandths of a core. Default: no bound of its own."""

    gpus: Annotated[int, Field(ge=0)] | None = None
    """Their GPUs together. Default: no bound of its own."""


class GpuSettings(Record):
    """The GPUs of this machine, where workspaces run on it."""

    devices: Annotated[tuple[DevicePath, ...], Field(max_length=64)] = ()
    """One device for each GPU: `/dev/nvidia0`. A run has the ones it was given and no other."""

    common: Annotated[tuple[DevicePath, ...], Field(max_length=16)] = ()
    """What every program needs beside its GPU: `/dev/nvidiactl`, `/dev/nvidia-uvm`. Given only with a GPU."""

    @model_validator(mode="after")
    def _each_once(self) -> GpuSettings:
        named = (*self.devices, *self.common)
        if len(set(named)) < len(named):
            msg = "each device may be named once"
            raise ValueError(msg)
        return self
