"""Limits of memory, processors and processes, by the best means the machine has.

Guarantees: the means in force are named for each limit (`means()`), and shown by `tre doctor` and in each
workspace's status; a limit that cannot be enforced as a sum over the workspace is set for each process and said so.
What a run has used is what the kernel counted for its group, or unknown.

Does not guarantee: fairness among workspaces where only resource limits are available (ordinary user without a
delegated control group).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from tre.domain.costs.meters import Used
from tre.domain.workspaces.models import Limits

CGROUP_ROOT = Path("/sys/fs/cgroup")
_PARENT = "tre"
_CPU_PERIOD_US = 100_000
SUPERVISORS = "supervisors"
"""The group of supervisors: no run has this name."""


class LimitMeans(Protocol):
    """One way of enforcing limits over all processes of a run."""

    def create(self, identity: str, limits: Limits) -> None:
        """Set the limits up before any process exists."""
        ...

    def enter(self, identity: str) -> None:
        """Put the calling process, and so all it will start, under them."""
        ...

    def shelter(self) -> None:
        """Put the calling process, a supervisor, where no service manager counts it among its service's processes."""
        ...

    def remove(self, identity: str) -> None:
        """Take them down after the last process has gone."""
        ...

    def sweep(self, keep: Collection[str], patience: float = 0.0) -> None:
        """Take down what is left of this installation's runs but those to keep; what still lives stays."""
        ...

    def processes(self, identity: str) -> tuple[int, ...]:
        """Processes that are under them now."""
        ...

    def used(self, identity: str) -> Used:
        """What all processes of a run together have used since it began; what this means cannot tell is unknown."""
        ...

    def means(self) -> dict[str, str]:
        """What enforces each limit, in words."""
        ...


class CgroupV2:
    """The unified hierarchy, where its controllers can be used."""

    _CONTROLLERS = ("memory", "cpu", "pids")

    def __init__(self, installation: str, root: Path = CGROUP_ROOT) -> None:
        self._root, self._parent = root, root / _PARENT / installation

    def _path(self, identity: str) -> Path:
        return self._parent / identity

    def create(self, identity: str, limits: Limits) -> None:
        """One group with memory, cpu and pids limits; swap is closed."""
        self._parent.mkdir(exist_ok=True, parents=True)
        for controller in self._CONTROLLERS:
            for group in (self._root / _PARENT, self._parent):
                (group / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
        path = self._path(identity)
        path.mkdir(exist_ok=True)
        (path / "memory.max").write_text(str(limits.memory_bytes), encoding="ascii")
        (path / "memory.oom.group").write_text("0", encoding="ascii")
        with contextlib.suppress(FileNotFoundError):  # the kernel may have no swap accounting
            (path / "memory.swap.max").write_text("0", encoding="ascii")
        quota = limits.cpu_millis * _CPU_PERIOD_US // 1000
        (path / "cpu.max").write_text(f"{quota} {_CPU_PERIOD_US}", encoding="ascii")
        (path / "pids.max").write_text(str(limits.processes), encoding="ascii")

    def enter(self, identity: str) -> None:
        """Move the calling process."""
        (self._path(identity) / "cgroup.procs").write_text("0", encoding="ascii")

    def shelter(self) -> None:
        """A group without limits, beside those of the runs."""
        _move_to(self._path(SUPERVISORS))

    def remove(self, identity: str) -> None:
        """Remove the group; waits for the kernel to let go of its last process."""
        _remove_group(self._path(identity))

    def sweep(self, keep: Collection[str], patience: float = 0.0) -> None:
        """Remove other groups, and the installation's own where none is kept."""
        _sweep(self._parent, keep, patience)

    def processes(self, identity: str) -> tuple[int, ...]:
        """Members of the group."""
        return _members(self._path(identity))

    def used(self, identity: str) -> Used:
        """As the kernel counts it for the group."""
        path = self._path(identity)
        usage = _number(path / "cpu.stat", "usage_usec")
        return Used(cpu_us=usage, peak_bytes=_number(path / "memory.peak"))  # kernels before 5.19 keep no peak

    def means(self) -> dict[str, str]:
        """All three by control group."""
        return dict.fromkeys(("memory", "cpu", "processes"), "control group (v2)")


class CgroupV1:
    """The older hierarchies, one for each controller; processor time is counted where `cpuacct` can be used."""

    _CONTROLLERS = ("memory", "cpu", "pids")
    _ACCOUNTING = "cpuacct"
    _TRACKING = ("systemd", "unified")

    def __init__(self, installation: str, root: Path = CGROUP_ROOT) -> None:
        self._root, self._parent = root, Path(_PARENT) / installation
        counted = os.access(root / self._ACCOUNTING / "cgroup.procs", os.W_OK)
        self._groups = (*self._CONTROLLERS, *((self._ACCOUNTING,) if counted else ()))

    def _path(self, controller: str, identity: str) -> Path:
        return self._root / controller / self._parent / identity

    def create(self, identity: str, limits: Limits) -> None:
        """A group in each hierarchy."""
        for controller in self._groups:
            self._path(controller, identity).mkdir(parents=True, exist_ok=True)
        quota = limits.cpu_millis * _CPU_PERIOD_US // 1000
        settings = {
            ("memory", "memory.limit_in_bytes"): limits.memory_bytes,
            ("cpu", "cpu.cfs_period_us"): _CPU_PERIOD_US,
            ("cpu", "cpu.cfs_quota_us"): quota,
            ("pids", "pids.max"): limits.processes,
        }
        for (controller, file), value in settings.items():
            (self._path(controller, identity) / file).write_text(str(value), encoding="ascii")
        with contextlib.suppress(FileNotFoundError):  # the kernel may have no swap accounting
            path = self._path("memory", identity) / "memory.memsw.limit_in_bytes"
            path.write_text(str(limits.memory_bytes), encoding="ascii")

    def enter(self, identity: str) -> None:
        """Move the calling process in each hierarchy."""
        for controller in self._groups:
            (self._path(controller, identity) / "cgroup.procs").write_text("0", encoding="ascii")

    def shelter(self) -> None:
        """A group in the hierarchies by which systemd tracks processes, where there are any; the others hold limits."""
        for hierarchy in self._TRACKING:
            if (self._root / hierarchy / "cgroup.procs").exists():
                _move_to(self._path(hierarchy, SUPERVISORS))

    def remove(self, identity: str) -> None:
        """Remove the groups."""
        for controller in self._groups:
            _remove_group(self._path(controller, identity))

    def sweep(self, keep: Collection[str], patience: float = 0.0) -> None:
        """Remove other groups in each hierarchy."""
        for controller in (*self._groups, *self._TRACKING):
            _sweep(self._root / controller / self._parent, keep, patience)

    def processes(self, identity: str) -> tuple[int, ...]:
        """Members of the pids group; the others hold the same."""
        return _members(self._path("pids", identity))

    def used(self, identity: str) -> Used:
        """As the kernel counts it for the groups."""
        nanoseconds = _number(self._path(self._ACCOUNTING, identity) / "cpuacct.usage")
        peak = _number(self._path("memory", identity) / "memory.max_usage_in_bytes")
        return Used(cpu_us=None if nanoseconds is None else nanoseconds // 1000, peak_bytes=peak)

    def means(self) -> dict[str, str]:
        """All three by control group."""
        return dict.fromkeys(("memory", "cpu", "processes"), "control group (v1)")


class ResourceLimits:
    """Per-process limits, set by the first process itself: what an ordinary user can have."""

    def create(self, identity: str, limits: Limits) -> None:
        """Nothing to prepare: see `rlimits`."""

    def enter(self, identity: str) -> None:
        """Nothing to enter."""

    def shelter(self) -> None:
        """Nowhere to go."""

    def remove(self, identity: str) -> None:
        """Nothing to take down."""

    def sweep(self, keep: Collection[str], patience: float = 0.0) -> None:
        """Nothing is ever left."""

    def processes(self, identity: str) -> tuple[int, ...]:  # noqa: ARG002 - part of the protocol
        """Unknown by this means: none."""
        return ()

    def used(self, identity: str) -> Used:  # noqa: ARG002 - part of the protocol
        """Unknown by this means: a process whose end nobody waits for takes its count with it."""
        return Used()

    def means(self) -> dict[str, str]:
        """What each process may use; there is no sum over the workspace."""
        return {
            "memory": "resource limit for each process (not their sum)",
            "cpu": "none",
            "processes": "resource limit of the user namespace",
        }


def rlimits(limits: Limits, means: LimitMeans) -> dict[str, list[int]]:
    """Resource limits that the first process gives to everything it starts: name → soft and hard."""
    found = {"CORE": [0, 0], "NOFILE": [limits.open_files, limits.open_files]}
    found["FSIZE"] = [limits.home_bytes, limits.home_bytes]  # no single file outgrows what a whole home may hold
    if isinstance(means, ResourceLimits):
        found["DATA"] = [limits.memory_bytes, limits.memory_bytes]
        found["NPROC"] = [limits.processes, limits.processes]
    return found


def choose(installation: str, root: Path = CGROUP_ROOT) -> LimitMeans:
    """The best means this process can use here; control groups carry the installation's mark, so that two
    installations with a workspace of one name do not share a limit."""
    available = root / "cgroup.controllers"
    if available.is_file() and os.access(root / "cgroup.procs", os.W_OK):
        offered = set(available.read_text(encoding="ascii").split())
        if set(CgroupV2._CONTROLLERS) <= offered and _delegated(root):
            return CgroupV2(installation, root)
    if all(os.access(root / controller / "cgroup.procs", os.W_OK) for controller in CgroupV1._CONTROLLERS):
        return CgroupV1(installation, root)
    return ResourceLimits()


def _delegated(root: Path) -> bool:
    """Whether the kernel lets this process hand the controllers down; inside many containers it does not."""
    try:
        for controller in CgroupV2._CONTROLLERS:
            (root / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
    except OSError:
        return False
    return True


def _move_to(path: Path) -> None:
    path.mkdir(exist_ok=True, parents=True)
    (path / "cgroup.procs").write_text("0", encoding="ascii")


def _members(path: Path) -> tuple[int, ...]:
    try:
        return tuple(int(line) for line in (path / "cgroup.procs").read_text(encoding="ascii").split())
    except FileNotFoundError:
        return ()


def _number(path: Path, key: str = "") -> int | None:
    """What a group's file says, or its line of this key; `None` where the group or the file is not there."""
    try:
        text = path.read_text(encoding="ascii")
    except OSError:  # the group is gone, or goes while it is read
        return None
    found = re.search(rf"^{key} ([0-9]+)$" if key else r"^([0-9]+)$", text, re.MULTILINE)
    return None if found is None else int(found[1])


def _sweep(parent: Path, keep: Collection[str], patience: float) -> None:
    groups = [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    for path in [*(path for path in groups if path.name not in keep), *([] if keep else [parent])]:
        with contextlib.suppress(OSError):  # something lives in it
            _remove_group(path, patience)


def _remove_group(path: Path, patience: float = 2.0) -> None:
    deadline = time.monotonic() + patience
    while path.is_dir():
        try:
            path.rmdir()
        except OSError:  # busy: the kernel still takes the last processes apart
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
