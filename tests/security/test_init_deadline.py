"""The end of a workspace, against a child that does everything to outlive it. Death is observed from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtimes.init.sandbox import (
    IN_TIME,
    INIT,
    Sandbox,
    instruction,
    needs_sandbox,
    python_inside,
    run_python,
    sandbox,
    wait_until,
)
from tre.runtimes.init.report import ExitCode

pytestmark = pytest.mark.sandbox

SLEEPERS = 20

# Ignores every signal that can be ignored, leaves 20 sleepers with sessions of their own, attacks the first
# process by every way a process of the same user has, says how that went, and never ends.
HOSTILE = f"""
import ctypes, json, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in range(1, 65):
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 32, 33):
        signal.signal(number, signal.SIG_IGN)
for _ in range({SLEEPERS}):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                signal.pause()
        os._exit(0)
    os.wait()
def attempt(function):
    try:
        return function() or "done"
    except OSError as error:
        return error.errno
def call(*arguments):
    if libc.syscall(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
said = {{
    "stop": attempt(lambda: os.kill(1, signal.SIGSTOP)),
    "kill": attempt(lambda: os.kill(1, signal.SIGKILL)),
    "memory": attempt(lambda: os.open("/proc/1/mem", os.O_RDONLY)),
    "environment": attempt(lambda: os.open("/proc/1/environ", os.O_RDONLY)),
    "descriptors": attempt(lambda: os.listdir("/proc/1/fd")),
    "trace": attempt(lambda: call({101 if os.uname().machine == "x86_64" else 117}, 16, 1, 0, 0)),
    "namespace": attempt(lambda: call({272 if os.uname().machine == "x86_64" else 97}, 0x10000000)),
    "own": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
}}
print(json.dumps(said), flush=True)
while True:
    signal.pause()
"""

SLEEP = [python_inside(), "-I", "-c", "import signal; signal.pause()"]

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root sees every process namespace from outside")


def python(code: str) -> list[str]:
    return [python_inside(), "-I", "-c", code]


def said(box: Sandbox) -> dict[str, Any]:
    assert box.process.stdout is not None
    answer: dict[str, Any] = json.loads(box.process.stdout.readline())
    return answer


def dead_within(box: Sandbox, end: float) -> float:
    """Wait until the namespace is empty as seen from outside; returns the delay after `end` (wall clock)."""
    wait_until(lambda: box.population() == 0, max(0.1, end - time.time()) + IN_TIME + 2)
    return time.time() - end


@needs_root
def test_a_hostile_child_is_dead_at_the_end() -> None:
    end = time.time() + 1.5
    with sandbox(instruction(python(HOSTILE), end=end), stdout=subprocess.PIPE) as box:
        attacks = said(box)
        assert attacks["stop"] == attacks["kill"] == "done"
        for refused in ("memory", "environment", "descriptors", "trace", "namespace"):
            assert attacks[refused] in {1, 13}, (refused, attacks)
        assert attacks["own"] == [0, 1, 2]
        assert box.population() >= SLEEPERS + 2
        assert dead_within(box, end) < IN_TIME
        assert box.finish() == ExitCode.DEADLINE
        assert box.event("deadline")["clock"] == "wall"
        assert 0 <= box.event("deadline")["at"] - end < 0.2
        assert box.event("ended")["empty"] is True


@needs_root
def test_without_an_end_the_same_child_lives_on_until_it_is_told() -> None:
    with sandbox(instruction(python(HOSTILE), end=time.time() + 3600), stdout=subprocess.PIPE) as box:
        said(box)
        assert box.population() >= SLEEPERS + 2
        started = time.monotonic()
        os.kill(box.first, signal.SIGTERM)
        wait_until(lambda: box.population() == 0, IN_TIME)
        assert time.monotonic() - started < IN_TIME
        assert box.finish() == ExitCode.TERMINATED
        told = box.event("terminated")
        assert (told["signal"], told["inside"]) == ("SIGTERM", False)


@needs_root
def test_the_boot_time_clock_ends_it_too() -> None:
    started = time.time()
    with sandbox(instruction(python(HOSTILE), end=started + 3600, cap=1.0), stdout=subprocess.PIPE) as box:
        said(box)
        assert dead_within(box, started + 1.0) < IN_TIME
        assert box.finish() == ExitCode.DEADLINE
        assert box.event("deadline")["clock"] == "boottime"


BOMBS = {
    "fork": "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
    "dying children": "import os\nwhile True:\n try:\n  if os.fork() == 0: os._exit(0)\n except OSError: pass",
    "orphans": (
        "import os\nwhile True:\n try:\n  if os.fork() == 0:\n   if os.fork(): os._exit(0)\n   os.setsid()\n"
        " except OSError: pass"
    ),
    "signals": "import os, signal\nwhile True: os.kill(1, signal.SIGCHLD)",
}


@needs_root
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_does_not_move_the_end(bomb: str) -> None:
    end = time.time() + 1.0
    with sandbox(instruction(python(bomb), end=end, rlimits={"NPROC": [120, 120], "CORE": [0, 0]})) as box:
        box.event("started")
        assert dead_within(box, end) < IN_TIME
        assert box.finish() == ExitCode.DEADLINE


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_from_inside_ends_it_and_is_told_apart(signum: signal.Signals) -> None:
    code = f"import os, signal\nos.kill(1, {int(signum)})\nsignal.pause()"
    with sandbox(instruction(python(code))) as box:
        assert box.finish() == ExitCode.TERMINATED
        told = box.event("terminated")
        assert (told["signal"], told["inside"]) == (signum.name, True)


@pytest.mark.parametrize("end", [-3600.0, -0.01])
def test_after_the_end_nothing_starts(end: float) -> None:
    with sandbox(instruction(python("print('ran', flush=True)"), end=time.time() + end), stdout=subprocess.PIPE) as box:
        assert box.finish() == ExitCode.DEADLINE
        assert box.names() == ["sealed", "deadline", "ended"]
        assert box.process.stdout is not None
        assert box.process.stdout.read() == b""


@pytest.mark.parametrize(
    ("code", "status", "killed_by", "expected"),
    [
        ("pass", 0, None, ExitCode.CHILD_SUCCEEDED),
        ("raise SystemExit(7)", 7, None, ExitCode.CHILD_FAILED),
        ("import os; os.kill(os.getpid(), 9)", None, 9, ExitCode.CHILD_FAILED),
    ],
)
def test_it_ends_with_its_child(code: str, status: int | None, killed_by: int | None, expected: ExitCode) -> None:
    left_behind = "import os, signal\nif os.fork() == 0:\n os.setsid()\n signal.pause()\n" + code
    with sandbox(instruction(python(left_behind))) as box:
        assert box.finish() == expected
        told = box.event("child_exited")
        assert (told["status"], told["signal"]) == (status, killed_by)
        assert box.names() == ["sealed", "started", "child_exited", "ended"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"argv": ["/no/such/program"]}, "program: ENOENT"),
        ({"cwd": "/no/such/directory"}, "working directory: ENOENT"),
        ({"rlimits": {"NOFILE": [1 << 30, 1 << 30]}}, "limits: E"),
    ],
)
def test_a_child_that_cannot_start_says_why(changes: dict[str, Any], why: str) -> None:
    with sandbox(instruction(python("pass")) | changes) as box:
        assert box.finish() == ExitCode.CHILD_NOT_STARTED
        assert box.event("start_failed")["why"].startswith(why)


@pytest.mark.parametrize("order", [b"", b"{}", b'{"version": 1'])
def test_a_refused_instruction_starts_nothing(order: bytes) -> None:
    with sandbox(order) as box:
        assert box.finish() == ExitCode.INSTRUCTION_REFUSED
        assert box.names() == ["refused"]


def test_an_unknown_key_is_refused_by_name() -> None:
    with sandbox(instruction(python("pass"), unsealed=True)) as box:
        assert box.finish() == ExitCode.INSTRUCTION_REFUSED
        assert box.event("refused")["why"] == "unsealed: unknown key"


SURROUNDINGS = """
import json, os, resource, signal
print(json.dumps({
    "environment": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0), "leader": os.getsid(0) == os.getpid(),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE), "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "first": [open("/proc/1/cmdline").read(), open("/proc/1/comm").read().strip()],
    "status": [l.strip() for l in open("/proc/self/status") if l.startswith(("NoNewPrivs", "Seccomp:", "CapEff"))],
}), flush=True)
"""


def test_the_child_gets_exactly_what_was_written_and_nothing_of_the_host() -> None:
    leaked = os.open(INIT, os.O_RDONLY | os.O_DIRECTORY)
    argv = [python_inside(), "-I", "-c", SURROUNDINGS]
    order = instruction(argv, env={"ONE": "1", "LC_CTYPE": "C.UTF-8"}, umask=0o027, rlimits={"NOFILE": [64, 99]})
    try:
        with sandbox(order, stdout=subprocess.PIPE, leak=leaked) as box:
            found = said(box)
            assert box.finish() == 0
    finally:
        os.close(leaked)
    assert found["environment"] == order["env"]
    assert (found["cwd"], found["umask"], found["leader"]) == ("/tmp", 0o027, True)
    assert found["descriptors"] == [0, 1, 2]
    assert (found["files"], found["blocked"]) == ([64, 99], [])
    assert found["status"] == ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    words = found["first"][0].split("\0")
    assert words[1:5] == ["-I", "-S", "-B", "/opt/tre/init/__main__.py"]
    assert str(INIT) not in found["first"][0]
    assert "w-test" not in found["first"][0]


@pytest.fixture
def started_in_the_background() -> Iterator[None]:
    """As a shell without job control starts what it does not wait for: deaf to the keyboard."""
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGQUIT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.usefixtures("started_in_the_background")
def test_no_signal_is_ignored_or_blocked_for_the_child() -> None:
    """A kernel that ignored an interruption could not be stopped from its notebook."""
    program = os.path.realpath("/bin/grep")
    argv = [program, "-hE", "^Sig(Ign|Blk)", "/proc/self/status"]
    with sandbox(instruction(argv), stdout=subprocess.PIPE) as box:
        assert box.process.stdout is not None
        lines = box.process.stdout.read().split()
        assert box.finish() == 0
    assert lines[::2] == [b"SigBlk:", b"SigIgn:"]
    theirs = ~(0b11 << 31)  # 32 and 33 belong to the C library: no program can set them, nor inherit them on purpose
    assert [int(mask, 16) & theirs for mask in lines[1::2]] == [0, 0]


@needs_root
def test_the_first_process_holds_nothing_that_the_launcher_leaked() -> None:
    leaked = os.open(INIT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with sandbox(instruction(SLEEP), leak=leaked) as box:
            box.event("started")
            held = [str(entry.readlink()) for entry in Path(f"/proc/{box.first}/fd").iterdir()]
            assert not any(str(INIT) in name for name in held), held
            assert sum(name.startswith("pipe:") for name in held) <= 3
    finally:
        os.close(leaked)


def test_outside_a_process_namespace_it_does_nothing() -> None:
    """`kill(-1)` would reach every process of the user, so it refuses before it reads anything."""
    command = [sys.executable, "-I", "-S", "-B", str(INIT / "__main__.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == ExitCode.NOT_FIRST_PROCESS
    assert "nothing was started" in done.stderr


def test_hidden_memory_is_what_refuses() -> None:
    """The other side: the same user reads the memory of a process that did not hide it."""
    needs_sandbox()
    readable = run_python(
        "import os, signal\n"
        "from tre.runtimes.init import kernel\n"
        "def readable(hide):\n"
        "    ready, told = os.pipe()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        if hide: kernel.hide()\n"
        "        os.write(told, b'x'); signal.pause()\n"
        "    os.read(ready, 1)\n"
        "    try: os.close(os.open(f'/proc/{child}/mem', os.O_RDONLY)); return True\n"
        "    except PermissionError: return False\n"
        "    finally: os.kill(child, 9); os.waitpid(child, 0)\n"
        "print(json.dumps([readable(False), readable(True)]))",
        ordinary_user=True,
    )
    assert readable == [True, False]
