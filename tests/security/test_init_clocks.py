"""Clocks that jump and machines that sleep, against the first process as it is: real processes, real clocks.

The wall clock is shifted for the first process alone (nobody else on this machine would thank us); the boot-time clock
is moved by the kernel itself, with a time namespace; sleep is a first process that does not run for a while.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.unit.runtimes.init import sandbox as helper
from tests.unit.runtimes.init.sandbox import (
    IN_TIME,
    Sandbox,
    instruction,
    python_inside,
    run_python,
    sandbox,
    wait_until,
)
from tre.runtimes.init.kernel import boottime
from tre.runtimes.init.report import ExitCode

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.getuid() != 0, reason="only root sees every process namespace, and makes time namespaces"),
]

SLEEP = [python_inside(), "-I", "-c", "import signal; signal.pause()"]

SHIFTED = """
import sys, time
plain = time.time
def shifted():
    with open("/clock/offset") as file:
        return plain() + float(file.read())
time.time = shifted
sys.path.insert(0, "/opt/tre")
from init.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that holds by how many seconds the first process' wall clock is off."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        (Path(made) / "shifted.py").write_text(SHIFTED)
        (Path(made) / "offset").write_text("0")
        monkeypatch.setattr(helper, "INSIDE", "/clock/shifted.py")
        yield Path(made) / "offset"


def shift(clock: Path, seconds: float) -> None:
    """Set the clock in one step."""
    new = clock.with_name("new")
    new.write_text(str(seconds))
    new.rename(clock)


def alive(box: Sandbox) -> bool:
    return box.population() > 0


def test_a_wall_clock_set_forward_ends_it(clock: Path) -> None:
    order = instruction(SLEEP, end=time.time() + 3600)
    with sandbox(order, options=("--ro-bind", str(clock.parent), "/clock")) as box:
        box.event("started")
        assert alive(box)
        shift(clock, 7200)
        wait_until(lambda: not alive(box), 1.0 + IN_TIME)
        assert box.finish() == ExitCode.DEADLINE
        assert box.event("deadline")["clock"] == "wall"


def test_a_wall_clock_set_back_gains_nothing_beyond_the_cap(clock: Path) -> None:
    began = time.time()
    order = instruction(SLEEP, end=began + 1.0, cap=2.0)
    with sandbox(order, options=("--ro-bind", str(clock.parent), "/clock")) as box:
        box.event("started")
        shift(clock, -86400)
        wait_until(lambda: time.time() > began + 1.5, 5)
        assert alive(box)  # the other side: by the wall clock it has a day left
        wait_until(lambda: not alive(box), 2.0 + IN_TIME)
        assert box.finish() == ExitCode.DEADLINE
        assert box.event("deadline")["clock"] == "boottime"


def test_a_machine_that_slept_over_the_end_finds_it_at_once() -> None:
    end = time.time() + 0.8
    with sandbox(instruction(SLEEP, end=end)) as box:
        box.event("started")
        os.kill(box.first, signal.SIGSTOP)
        wait_until(lambda: time.time() > end + 0.5, 5)
        assert alive(box)
        woken = time.monotonic()
        os.kill(box.first, signal.SIGCONT)
        wait_until(lambda: not alive(box), IN_TIME)
        assert time.monotonic() - woken < IN_TIME
        assert box.finish() == ExitCode.DEADLINE


def test_a_machine_that_slept_and_woke_before_the_end_goes_on() -> None:
    """Longer than the first process ever waits: it must not take its waking for a word that it should end."""
    with sandbox(instruction(SLEEP, end=time.time() + 3600)) as box:
        box.event("started")
        for _ in range(2):
            os.kill(box.first, signal.SIGSTOP)
            slept = time.monotonic()
            wait_until(lambda slept=slept: time.monotonic() > slept + 1.1, 5)  # type: ignore[misc]
            os.kill(box.first, signal.SIGCONT)
        with pytest.raises(AssertionError):
            wait_until(lambda: not alive(box), 0.3)
        assert box.names() == ["sealed", "started"]


def test_a_machine_whose_boot_time_clock_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container with a clock of its own: the cap counts from the start, by whatever clock it finds."""
    if subprocess.run(["unshare", "--time", "--boottime", "1", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel has no time namespaces")
    plain = helper.sandbox_command
    moved = ["unshare", "--time", "--boottime", "1000000", "--"]
    monkeypatch.setattr(helper, "sandbox_command", lambda *what: [*moved, *plain(*what)])
    began = time.time()
    with sandbox(instruction(SLEEP, end=began + 3600, cap=1.0)) as box:
        assert box.event("started")["boottime"] > boottime() + 900_000
        wait_until(lambda: not alive(box), 1.0 + IN_TIME)
        assert time.time() - began > 0.9
        assert box.event("deadline")["clock"] == "boottime"


JUMP = """
import os, signal, time
from tre.runtimes.init import kernel, reaper
from tre.runtimes.init.rules import CLONE_NEWTIME
if kernel.call("unshare", CLONE_NEWTIME):
    print(json.dumps("no time namespaces"))
    sys.exit()
with open("/proc/self/timens_offsets", "w") as file:
    file.write("boottime {jump} 0")
ahead = os.open("/proc/self/ns/time_for_children", os.O_RDONLY)
began, jumped = time.monotonic(), []
plain = kernel.boottime
def boottime():
    if not jumped and time.monotonic() - began > 0.3:
        jumped.append(kernel.call("setns", ahead, CLONE_NEWTIME))
        os.kill(os.getpid(), signal.SIGTERM)
    return plain()
reaper.boottime = boottime
class Child:
    pid = -1
class Silent:
    def orders(self): return []
signal.pthread_sigmask(signal.SIG_BLOCK, reaper.WATCHED)
deadline = reaper.Deadline(time.time() + 86400, plain(), 3600)
ending = reaper.hold(Child, None, deadline, Silent())
print(json.dumps([ending.event, ending.details.get("clock"), jumped, time.monotonic() - began < 5]))
"""


@pytest.mark.parametrize(("jump", "expected"), [(3700, ["deadline", "boottime"]), (3000, ["terminated", None])])
def test_the_kernels_boot_time_clock_jumps_over_the_cap_or_stays_before_it(jump: int, expected: list[Any]) -> None:
    """As after a sleep of an hour. Right after the jump it is told to end, so that it ends in both cases."""
    found = run_python(JUMP.replace("{jump}", str(jump)))
    if found == "no time namespaces":
        pytest.skip("this kernel has no time namespaces")
    assert found == [*expected, [0], True], sys.version
