"""Removes a cluster, whole or half, and looks for what is left.

Guarantees: what is removed is found by the cluster's token, its locks and its records, so it does not matter at
which point a start, a run or a removal was cut off. A directory that holds something else is refused.

The search for leftovers asks the kernel and shares no code with what removes, but for the token.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.harness import cgroups
from tests.cluster.harness.basics import HarnessError, wait_until
from tests.cluster.harness.files import KUBELET_SYSCTLS
from tests.cluster.harness.identity import Record, carries, send, with_token
from tests.cluster.harness.layout import Layout
from tests.cluster.harness.lock import try_lock
from tests.cluster.harness.order import Order

MARK = ".tre-test-cluster"


def read_sysctls() -> dict[str, str]:
    """The machine's values of what a kubelet would change."""
    found = {}
    for name in KUBELET_SYSCTLS:
        with contextlib.suppress(OSError):  # some can be read by root only
            found[name] = Path("/proc/sys", name).read_text().strip()
    return found


def remove(where: Layout) -> Mapping[str, str]:
    """End and delete everything of a cluster; the caller holds its lock.

    Returns the machine's settings as they were before the start, as far as that is known.
    """
    order = Order.read(where)
    _refuse_foreign(where)
    _end_keeper(where)
    _end_stragglers(where)
    if os.geteuid() == 0:
        cgroups.remove(where.token)
        _unmount(where)
    _delete(where)
    return order.sysctls if order else {}


def _refuse_foreign(where: Layout) -> None:
    if where.state.exists() and any(where.state.iterdir()) and not (where.state / MARK).exists():
        raise HarnessError(f"{where.state} holds something that is no test cluster: move it away")


def _end_keeper(where: Layout) -> None:
    """Kill the keeper, and with it all that lives in its namespaces."""

    def is_over() -> bool:
        if not where.keeper_lock.exists():
            return True
        handle = os.open(where.keeper_lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            if try_lock(handle):
                return True
        finally:
            os.close(handle)
        # The lock is held from before the keeper's birth; its record comes a moment later.
        if record := Record.read(where.record):
            record.root.kill()
            record.keeper.kill()
        return False

    wait_until(is_over, f"the keeper of {where.state} should end", 60)


def _end_stragglers(where: Layout) -> None:
    """Whatever was started for this cluster and is still there."""

    def is_over() -> bool:
        left = list(with_token(where.token))
        for pid in left:
            send(pid, signal.SIGKILL, lambda pid=pid: carries(pid, where.token))  # type: ignore[misc]
        return not left

    wait_until(is_over, f"processes of {where.state} should end", 60)


def _unmount(where: Layout) -> None:
    for target in reversed(mounts_below(where.state)):
        subprocess.run(["umount", "--lazy", target], capture_output=True, check=False)


def mounts_below(folder: Path) -> list[str]:
    """The mounts of our own namespace that lie in a folder."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [line.split()[4].replace("\\040", " ") for line in lines]
    return [target for target in targets if Path(target).is_relative_to(folder)]


def _delete(where: Layout) -> None:
    """The mark goes last: a removal that is cut off can be gone on with."""
    if not where.state.exists():
        return
    for path in where.state.iterdir():
        if path.name != MARK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (where.state / MARK).unlink(missing_ok=True)
    where.state.rmdir()


def leftovers(where: Layout, sysctls: Mapping[str, str]) -> list[str]:
    """In words, everything of a cluster that is still on this machine."""
    found = [f"process {pid} ({_name(pid)})" for pid in with_token(where.token)]
    found += [f"process {pid} ({_name(pid)}) in a control group" for pid in cgroups.members(where.token)]
    found += [f"control group {group}" for group in cgroups.groups(where.token)]
    found += [f"mount {target}" for target in mounts_below(where.state)]
    found += [f"file {path}" for path in (where.state, where.lock) if path.exists()]
    now = read_sysctls()
    for name, value in sysctls.items():
        if now.get(name) != value:
            found.append(f"setting {name} is {now.get(name)}, it was {value}")
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone by now"
