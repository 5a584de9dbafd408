"""What a profile gives a workspace of the machine beyond files, tried from inside: shared memory and devices.

No GPU is needed: which device nodes are there, and how much memory may be shared, is the same question.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_runtimes import _cannot
from tests.support.machine import CGROUPS, SMALL, Machine
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import Limits, WorkspacePlan

pytestmark = pytest.mark.sandbox
if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)

MIB = 2**20
GPU, OTHER = "/dev/kmsg", "/dev/hwrng"
"""Devices that no workspace has by itself, in a GPU's place."""

TENSOR = """
import mmap, os
def share(size):
    descriptor = os.open("/dev/shm/tensor", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.posix_fallocate(descriptor, 0, size)
    shared = mmap.mmap(descriptor, size)
    for start in range(0, size, 4096):
        shared[start] = 1
    return len(shared)
"""
"""As data loaders do it: a file in /dev/shm of the tensor's size, mapped and written by all."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="tre-shares-", dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        found = Machine(Path(made) / "root", server="agent")
        with (found.layout.root / "tre.yaml").open("a") as settings:
            settings.write(f"gpu: {{devices: [{GPU}]}}\n")
        try:
            found.start_launcher()
            yield found
        finally:
            found.close()


def test_shared_memory_has_the_size_of_the_profile_and_not_a_byte_more(machine: Machine) -> None:
    plan = machine.plan("sharing", limits=Limits(memory_bytes=1024 * MIB, shared_memory_bytes=256 * MIB))
    machine.start(plan)
    assert machine.inside(plan, TENSOR + f"result = share({256 * MIB})") == {"result": 256 * MIB}
    refused = machine.inside(plan, TENSOR + f"result = share({257 * MIB})")
    assert (refused["refused"], refused["errno"]) == ("OSError", 28)  # no space left on device
    machine.runtime.end(plan.identity, Reason.Requested)


def test_what_is_shared_counts_as_memory(machine: Machine) -> None:
    """Nobody doubles their memory by putting half of it under /dev/shm."""
    if not any(path.is_dir() for path in CGROUPS):
        pytest.skip("this machine has no control groups")
    plan = machine.plan("counted", limits=Limits(memory_bytes=192 * MIB, shared_memory_bytes=1024 * MIB))
    machine.start(plan)
    assert machine.inside(plan, TENSOR + f"result = share({64 * MIB})") == {"result": 64 * MIB}
    killed = machine.inside(plan, TENSOR + f"result = share({512 * MIB})")
    assert "result" not in killed
    machine.runtime.end(plan.identity, Reason.Requested)


def devices(machine: Machine, plan: WorkspacePlan) -> set[str]:
    answer = machine.inside(plan, "import os; result = ['/dev/' + name for name in os.listdir('/dev')]")
    return set(answer["result"])


@pytest.mark.skipif(not Path(GPU).is_char_device(), reason=f"this machine has no {GPU}")
def test_a_run_has_the_devices_of_its_plan_and_no_other(machine: Machine) -> None:
    bare, given = machine.plan("bare"), machine.plan("gpu").model_copy(update={"devices": (GPU,)})
    for plan in (bare, given):
        machine.start(plan)
    assert devices(machine, given) - devices(machine, bare) == {GPU}
    code = f"import os, stat; found = os.stat({GPU!r}); result = [stat.S_ISCHR(found.st_mode), found.st_rdev]"
    assert machine.inside(given, code)["result"] == [True, Path(GPU).stat().st_rdev]
    for plan in (bare, given):
        machine.runtime.end(plan.identity, Reason.Requested)


def test_a_device_that_is_not_set_aside_is_refused_by_the_launcher(machine: Machine) -> None:
    plan = machine.plan("thief", limits=SMALL).model_copy(update={"devices": (OTHER,)})
    with pytest.raises(TREError, match="not set aside") as caught:
        machine.runtime.start(plan)
    assert caught.value.reason is Reason.NotPermitted
    assert not machine.layout.workspace_run(plan.identity).exists()
    assert machine.runtime.verify_dead(plan).dead  # an ending asks for no such right: it may have been taken away
