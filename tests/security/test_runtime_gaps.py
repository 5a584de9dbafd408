"""One hole in one wall of a real workspace: the probe finds it, and the workspace dies before anybody is let in."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.test_runtimes import _cannot
from tests.support.gaps import GAPS, NO_CONTROL
from tests.support.machine import Machine, running_machine, wait_for
from tre.domain.errors import Reason
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.sandbox
if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)

FOUND = {
    "network": "unix @tre-neighbour-",
    "slice": "create /data/cxr",
    "files": "absent /var/lib",
    "socket": "unix /",
    "seal": "socket inet stream",
}
"""What the probe says of each hole, by its first words."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="tre-gaps-", dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        with running_machine(Path(made) / "root", "gaps") as found, socket.socket(socket.AF_UNIX) as controller:
            controller.bind(str(found.layout.socket("controller")))
            controller.listen()
            found.layout.socket("controller").chmod(0o666)
            yield found


@pytest.mark.parametrize("gap", GAPS)
def test_a_hole_in_one_wall_ends_the_workspace(machine: Machine, gap: str) -> None:
    plan = machine.plan(gap)
    machine.runtime.start(plan)
    run = machine.await_phase(plan, RunPhase.Ended)
    assert run.reason is Reason.IsolationFailed
    assert run.isolation is not None
    assert run.isolation["proven"] is False
    failed = run.isolation["failed"]
    assert isinstance(failed, list)
    assert any(item.startswith(FOUND[gap]) for item in failed), failed
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)


def test_without_its_control_nothing_is_proven(machine: Machine) -> None:
    plan = machine.plan(NO_CONTROL)
    machine.runtime.start(plan)
    run = machine.await_phase(plan, RunPhase.Ended)
    assert run.reason is Reason.IsolationFailed
    assert "the control could not run" in run.detail


NAMED = {
    "the internet": ("tcp internet", "udp internet"),
    "a metadata address": ("tcp metadata",),
    "the host's loopback": ("tcp host port",),
    "names": ("dns", "resolve a name"),
    "IPv6": ("tcp6 internet", "udp6 internet", "socket inet6"),
    "another workspace's socket": ("unix @tre-neighbour",),
    "our sockets": ("unix /",),
    "the slice": ("create /data/cxr", "unlink /data/cxr", "append /data/cxr", "remount /data/cxr"),
    "socket families": ("socket packet", "socket vsock", "socket alg", "socket bluetooth", "socketpair"),
    "io_uring": ("io_uring",),
    "32-bit calls": ("foreign-32-bit", "foreign-x32"),
    "mounts": ("mount",),
    "nested namespaces": ("unshare", "clone"),
    "the first process": ("ptrace", "memory"),
}


def test_a_whole_workspace_is_proven_against_a_control_of_the_same_minute(machine: Machine) -> None:
    plan = machine.plan("whole")
    run = machine.start(plan)
    found = run.isolation
    assert found is not None
    assert (found["proven"], found["failed"], found["unproven"]) == (True, [], [])
    proven, uncontrolled = (list(map(str, found[key])) for key in ("provenItems", "uncontrolled"))  # type: ignore[call-overload]
    for what, items in NAMED.items():
        for item in items:
            assert any(one.startswith(item) for one in proven + uncontrolled), (what, item)
    for what in ("the internet", "a metadata address", "the host's loopback", "names", "the slice"):
        for item in NAMED[what][:2]:
            assert any(one.startswith(item) for one in proven), (what, item)
    both = [datetime.fromisoformat(str(found[side])) for side in ("probedAt", "controlledAt")]
    assert max(both) - min(both) < timedelta(minutes=1)
    machine.runtime.end(plan.identity, Reason.Requested)
