"""The cluster's own branch of the machine's control groups, on version 1, version 2 and both side by side.

Guarantees: the kubelet gets a root of its own, so that two on one machine do not remove each other's pods; on
version 1 its cpuset is filled as the parent's is. Its pods are as nice to others as the process is that makes it.
Removal kills what is inside first.

Does not guarantee: that controllers which were switched on for children of the version 2 root are switched off
again; that is how systemd leaves them too.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.identity import send

MOUNT = Path("/sys/fs/cgroup")
SHARES = {"cpu.shares": 8192, "cpu.weight": 800}
"""Most of what works on a node are its pods; by default all of them together get as much as one process beside them."""

EACH_STEP = 0.8
"""What is left of a share for each step of niceness: the kernel's weights stand 1 to 1.25 (sched(7))."""

WANTED = ("cpu", "cpuset", "memory", "pids", "hugetlb", "io")


def is_unified() -> bool:
    """Whether the machine has version 2 alone."""
    return (MOUNT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """The roots beneath which pods get groups."""
    if is_unified():
        return [MOUNT]
    folders = [path for path in MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]
    return sorted(path for path in folders if (path / "cgroup.procs").exists())


def make(token: str) -> None:
    """The branch of this cluster in every hierarchy."""
    if is_unified():
        offered = (MOUNT / "cgroup.controllers").read_text().split()
        for name in (n for n in WANTED if n in offered):
            (MOUNT / "cgroup.subtree_control").write_text(f"+{name}")
    for root in hierarchies():
        branch = root / token
        branch.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (branch / name).exists() and not is_unified():
                (branch / name).write_text((root / name).read_text())
        for name, share in SHARES.items():
            if (branch / name).exists():
                (branch / name).write_text(str(round(share * EACH_STEP ** os.nice(0))))


def be_as_nice(session: int) -> None:
    """Make a process that began a session as nice to others as this one is.

    Where the kernel shares time out among sessions first, niceness counts within each alone (sched(7), autogroup).
    """
    told = Path(f"/proc/{session}/autogroup")
    if told.exists():
        told.write_text(str(os.nice(0)))


def groups(token: str) -> Iterator[Path]:
    """All groups of a cluster, children before their parents."""
    for root in hierarchies():
        for folder, _, _ in os.walk(root / token, topdown=False):
            yield Path(folder)


def members(token: str) -> set[int]:
    """The processes inside."""
    found: set[int] = set()
    for group in groups(token):
        with contextlib.suppress(OSError):  # a group may go while one looks
            found |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    return found


def remove(token: str) -> None:
    """End what is inside and remove the branch."""

    def emptied() -> bool:
        for pid in members(token):
            send(pid, signal.SIGKILL, lambda pid=pid: pid in members(token))  # type: ignore[misc]
        return not members(token)

    def removed() -> bool:
        for group in groups(token):
            with contextlib.suppress(OSError):  # busy for a moment after its last process
                group.rmdir()
        return not any(groups(token))

    wait_until(emptied, f"processes in the control group {token} should end")
    wait_until(removed, f"the control group {token} should go")
