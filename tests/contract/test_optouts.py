"""Opt-outs in a running workspace: gone from its mounts at once, and whoever still reads is found."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_runtimes import _cannot
from tests.support.machine import Machine, running_machine, wait_for
from tre.domain.errors import Reason
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.sandbox
if _cannot():
    pytest.skip(f"no sandbox on this machine: {_cannot()}", allow_module_level=True)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="tre-optouts-", dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        with running_machine(Path(made) / "root", server="agent") as found:
            yield found


def test_who_leaves_a_slice_leaves_a_running_mount_and_those_who_still_read_are_counted(machine: Machine) -> None:
    """An open file, and a mapped one, go on; the launcher sees both, and no other program."""
    plan = machine.plan("optout")
    place = machine.layout.slices / "s-optout"
    for name in ("open.dcm", "mapped.dcm", "stays.dcm"):
        (place / name).write_bytes(b"x" * 8192)
        (place / name).chmod(0o644)
        os.link(place / name, machine.layout.root / f"store-{name}")  # the store keeps its own name
    machine.start(plan)
    assert machine.runtime.count_stale_readers(plan) == 0
    code = (
        "import mmap, os, time\n"
        "opened = open('/data/cxr/open.dcm', 'rb')\n"
        "with open('/data/cxr/mapped.dcm', 'rb') as file:\n"
        "    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "stays = open('/data/cxr/stays.dcm', 'rb')\n"
        "told, tell = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    {}\n"
        "    os.write(tell, b'x')\n"
        "    time.sleep(30)\n"
        "    os._exit(0)\n"
        "result = os.read(told, 1).decode()\n"
    )
    for other in ("mapped.close()", "opened.close()"):
        assert machine.inside(plan, code.format(other))["result"] == "x"
    assert machine.runtime.count_stale_readers(plan) == 0
    for name in ("open.dcm", "mapped.dcm"):
        (place / name).unlink()
    seen = machine.inside(plan, "import os\nresult = sorted(os.listdir('/data/cxr'))")["result"]
    assert seen == ["image.dcm", "stays.dcm"]
    assert machine.runtime.count_stale_readers(plan) == 2
    machine.runtime.end(plan.identity, Reason.DataWithdrawn)
    wait_for(lambda: machine.runtime.verify_dead(plan).dead, 5.0)
    assert machine.await_phase(plan, RunPhase.Ended).reason is Reason.DataWithdrawn
    assert machine.runtime.count_stale_readers(plan) == 0
