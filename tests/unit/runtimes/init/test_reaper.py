"""The two clocks of the end."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runtimes.init.sandbox import run_python
from tre.domain.clock import ManualClock
from tre.runtimes.init.reaper import Deadline

START = datetime(2026, 11, 1, tzinfo=UTC)


def clock_and_deadline(end: float, cap: float) -> tuple[ManualClock, Deadline]:
    clock = ManualClock(START)
    clock.advance(1000)
    return clock, Deadline(clock.now().timestamp() + end, clock.boottime(), cap)


def passed(clock: ManualClock, deadline: Deadline) -> str | None:
    return deadline.passed(clock.now().timestamp(), clock.boottime())


def test_the_first_of_both_clocks_ends_it() -> None:
    clock, deadline = clock_and_deadline(end=100, cap=200)
    clock.advance(99.9)
    assert passed(clock, deadline) is None
    clock.advance(0.1)
    assert passed(clock, deadline) == "wall"
    clock, deadline = clock_and_deadline(end=200, cap=100)
    clock.advance(100)
    assert passed(clock, deadline) == "boottime"


def test_a_wall_clock_set_back_gains_nothing_beyond_the_cap() -> None:
    clock, deadline = clock_and_deadline(end=100, cap=120)
    clock.advance(90)
    clock.jump(START)
    clock.advance(29)
    assert passed(clock, deadline) is None
    clock.advance(1)
    assert passed(clock, deadline) == "boottime"


def test_a_wall_clock_set_forward_ends_it() -> None:
    clock, deadline = clock_and_deadline(end=100, cap=1000)
    clock.jump(datetime(2027, 1, 1, tzinfo=UTC))
    assert passed(clock, deadline) == "wall"


def test_an_end_is_brought_forward_and_never_back() -> None:
    clock, deadline = clock_and_deadline(end=100, cap=200)
    deadline.lower(deadline.end + 500, deadline.last + 500)
    clock.advance(99.9)
    assert passed(clock, deadline) is None
    deadline.lower(deadline.end, clock.boottime() + 0.05)
    clock.advance(0.05)
    assert passed(clock, deadline) == "boottime"
    clock, deadline = clock_and_deadline(end=100, cap=200)
    deadline.lower(clock.now().timestamp() + 1, clock.boottime() + 1000)
    clock.advance(1)
    assert passed(clock, deadline) == "wall"


@given(end=st.floats(-1e6, 1e9), cap=st.floats(0.001, 1e9), wait=st.floats(0, 1e6))
def test_it_is_looked_at_each_second_and_at_the_end(end: float, cap: float, wait: float) -> None:
    deadline = Deadline(end, 50.0, cap)
    pause = deadline.pause(wait, 50.0 + wait)
    assert 0 <= pause <= 1
    if deadline.passed(wait, 50.0 + wait):
        assert pause == 0
    else:
        assert pause > 0


DEAD_CHILDREN = """
import os, signal, time
from tre.runtimes.init import children, reaper
signal.pthread_sigmask(signal.SIG_BLOCK, reaper.WATCHED)
def dead():
    pid = os.fork()
    if pid == 0: os._exit(3)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid
pids = [dead() for _ in range(5)]
reaper._REAP_AT_ONCE = 2
"""


def test_a_flood_of_the_dead_is_taken_in_parts() -> None:
    parts = run_python(DEAD_CHILDREN + "print(json.dumps([len(reaper.reap()) for _ in range(4)]))")
    assert parts == [2, 2, 1, 0]


def test_between_the_parts_the_clocks_are_looked_at_and_nothing_is_waited_for() -> None:
    """One signal announces five deaths; the child that matters is among the last."""
    code = DEAD_CHILDREN + (
        "class Last:\n"
        "    pid = pids[-1]\n"
        "    def ending(self, status): return status\n"
        "class Silent:\n"
        "    def orders(self): return []\n"
        "looks = []\n"
        "class Until(reaper.Deadline):\n"
        "    def passed(self, *now): looks.append(now); return super().passed(*now)\n"
        "started = time.monotonic()\n"
        "status = reaper.hold(Last(), None, Until(time.time() + 60, reaper.boottime(), 60), Silent())\n"
        "print(json.dumps([os.waitstatus_to_exitcode(status), len(looks), time.monotonic() - started < 0.5]))"
    )
    assert run_python(code) == [3, 3, True]


def test_a_child_takes_no_descriptor_of_the_first_process_along() -> None:
    """Not even one that is inheritable, and not even without an `execve`."""
    code = (
        "import os\n"
        "from tre.runtimes.init import children\n"
        "leaked = os.dup2(0, 40, inheritable=True)\n"
        "out, told = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    children._separate(told)\n"
        "    os.write(3, ' '.join(sorted(os.listdir('/proc/self/fd'), key=int)).encode())\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print(json.dumps(os.read(out, 99).decode()))"
    )
    # 4 is the directory that is being listed.
    assert run_python(code) == "0 1 2 3 4"
