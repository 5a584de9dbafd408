"""How much room there is for workspaces, and what each size of workspace takes of it: settings as the rules want them.

Guarantees: what an operator set counts; else, on one machine, what the machine has, its container's bounds included,
but for what the services need, and enough for one workspace of the largest size in any case. On a cluster nothing is
counted that was not set: its scheduler counts.
"""

from __future__ import annotations

from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.quantities import parse_bytes
from tre.domain.workspaces.admission import Amounts, Quota, Room
from tre.domain.workspaces.models import Limits
from tre.system.settings import Settings

SERVICES_SHARE = 8
"""One part of so many of memory and processes belongs to the services."""

MOST_FOR_SERVICES = 2 * 2**30
_MEMORY = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
_PROCESSES = (
    "sys/fs/cgroup/pids.max",
    "sys/fs/cgroup/pids/pids.max",
    "proc/sys/kernel/pid_max",
    "proc/sys/kernel/threads-max",
)


def limits_of(settings: Settings, name: str) -> Limits:
    """What a size of workspace may use. Raises `TREError(PolicyMissing)` where there is none of this name."""
    profile = settings.profiles.get(name)
    if profile is None:
        raise TREError(
            Reason.PolicyMissing,
            f"There is no workspace profile {name!r}.",
            remedy="Add it under profiles in tre.yaml.",
        )
    return Limits(
        memory_bytes=parse_bytes(profile.memory),
        cpu_millis=profile.cpu_millis,
        processes=profile.processes,
        home_bytes=parse_bytes(profile.home),
        shared_memory_bytes=parse_bytes(profile.shared_memory),
        gpus=profile.gpus,
    )


def needs_of(settings: Settings) -> dict[str, Amounts]:
    """What each size of workspace reserves, by its name."""
    return {name: Amounts.of(limits_of(settings, name)) for name in settings.profiles}


def quota_of(settings: Settings) -> Quota:
    """What one project may hold at once."""
    found = settings.quota
    memory = None if found.memory is None else parse_bytes(found.memory)
    return Quota(workspaces=found.workspaces, memory=memory, cpu_millis=found.cpu_millis, gpus=found.gpus)


def room_of(settings: Settings, machine: Path = Path("/")) -> Room:
    """What workspaces may reserve together; `machine` is where its `proc` and `sys` are."""
    given = settings.capacity
    room = Room(
        memory=None if given.memory is None else parse_bytes(given.memory),
        cpu_millis=given.cpu_millis,
        processes=given.processes,
        gpus=given.gpus,
    )
    if settings.runtime == "kubernetes":
        return room
    largest = needs_of(settings).values()  # of a small machine one workspace at a time may have all
    found = {
        "memory": max(_memory(machine), *(one.memory for one in largest)),
        "processes": max(_processes(machine), *(one.processes for one in largest)),
        "gpus": len(gpus_of(settings)),
    }
    return room.model_copy(update={key: value for key, value in found.items() if getattr(room, key) is None})


def gpus_of(settings: Settings) -> tuple[str, ...]:
    """The GPUs of this machine that workspaces may have: those which the settings name and which are there."""
    return tuple(path for path in settings.gpu.devices if Path(path).is_char_device())


def _memory(machine: Path) -> int:
    lines = (machine / "proc/meminfo").read_text("ascii").splitlines()
    total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    total = min([total, *_bounds(machine, _MEMORY)])
    return total - min(total // SERVICES_SHARE, MOST_FOR_SERVICES)


def _processes(machine: Path) -> int:
    return min(_bounds(machine, _PROCESSES)) * (SERVICES_SHARE - 1) // SERVICES_SHARE


def _bounds(machine: Path, files: tuple[str, ...]) -> list[int]:
    """The numbers that stand in those of these files that there are; `max` bounds nothing."""
    found = [(machine / file).read_text("ascii").strip() for file in files if (machine / file).is_file()]
    return [int(text) for text in found if text.isdigit()]
