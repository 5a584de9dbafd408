"""A machine to run workspaces on: directories, a launcher process, plans; and the means to look from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tre.domain.errors import TREError
from tre.domain.people import Subject
from tre.domain.workspaces.models import Limits, Mount, MountKind, WorkspacePlan
from tre.runtimes.bubblewrap import limits
from tre.runtimes.bubblewrap.program import check_usable
from tre.runtimes.bubblewrap.runtime import BubblewrapRuntime
from tre.runtimes.bubblewrap.state import DOOR, RunState
from tre.runtimes.protocol import Observation, RunPhase
from tre.system import installation
from tre.system.layout import Layout
from tre.system.process import ProcessHandle
from tre.system.settings import load_settings
from tre.system.sockets import request

CHECKOUT = Path(__file__).resolve().parents[2]
FIRST_UID = 25000 + os.getpid() % 1300 * 25
"""Tests that run at once must not take each other's processes for their own."""
CGROUPS = [Path("/sys/fs/cgroup", name, "tre") for name in ("memory", "cpu", "pids", ".")]
"""Where control groups of workspaces lie, by whichever version of them a machine has."""
SMALL = Limits(memory_bytes=2**30, home_bytes=2**26, processes=256)


def lacking_for_workspaces() -> str:
    """Why this machine cannot run the whole launcher with real workspaces; empty where it can."""
    if not (CHECKOUT / ".venv-workspace" / "bin" / "python").exists():
        return "the workspace environment is not built: make setup"
    if os.geteuid() != 0:
        return "these tests start services under users of their own: run them as root"
    try:
        check_usable()
    except TREError as error:
        return str(error)
    return ""


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something real to happen, bounded; fail with a clear word when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.005)


class Machine:
    """One root directory with a launcher, as root or as the user who runs the tests."""

    def __init__(self, root: Path, *options: str, server: str = "stubborn") -> None:
        self.layout = Layout(root)
        installation.initialise(self.layout, "tre.localhost", 8000)
        self.settings = load_settings(root)
        installation.make_secrets(self.layout)
        installation.arrange(self.layout, self.settings)
        self.arguments = [server, *options]
        self.runtime = BubblewrapRuntime(self.layout)
        self.process: subprocess.Popen[bytes] | None = None
        self._next_uid = FIRST_UID

    def start_launcher(self) -> None:
        """Start the launcher and wait until it answers."""
        command = [sys.executable, "-m", "tests.support.launcher_process", str(self.layout.root), *self.arguments]
        with (self.layout.logs / "launcher.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True)
        wait_for(lambda: self.layout.socket("launcher").exists() and self._answers())

    def _answers(self) -> bool:
        with contextlib.suppress(Exception):
            return bool(self.runtime.means())
        return False

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Ask the launcher as the controller does, word by word."""
        return request(self.layout.socket("launcher"), question)

    def kill_launcher(self) -> None:
        """As a power cut of one process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def plan(
        self,
        name: str,
        *,
        seconds: float = 120.0,
        cap: int | None = None,
        instance: int = 1,
        shared: str = "",
        limits: Limits = SMALL,
    ) -> WorkspacePlan:
        """A plan for a workspace of this name, its directories made as the storekeeper would.

        `shared` names a folder that it shares with others; there everybody may write, as its access list would say.
        """
        uid = os.geteuid()
        if uid == 0:
            uid, self._next_uid = self._next_uid, self._next_uid + 1
        workspace = f"w-{name:a<12}"
        slice_directory = self.layout.slices / f"s-{name}"
        slice_directory.mkdir(exist_ok=True, mode=0o755)
        (slice_directory / "image.dcm").write_bytes(b"not a real image")
        mounts = [Mount(kind=MountKind.slice, source=str(slice_directory), target="/data/cxr", name="cxr")]
        for kind, parent, target in (
            (MountKind.home, self.layout.homes, "/home/researcher"),
            (MountKind.outbox, self.layout.outboxes, "/outbox"),
            (MountKind.inbox, self.layout.inboxes, "/inbox"),
        ):
            path = parent / workspace
            path.mkdir(exist_ok=True, mode=0o700)
            if os.geteuid() == 0:
                os.chown(path, uid, uid)
            mounts.append(Mount(kind=kind, source=str(path), target=target))
        if shared:
            path = self.layout.shared / shared
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
            mounts.append(Mount(kind=MountKind.shared, source=str(path), target="/shared"))
        return WorkspacePlan(
            workspace=workspace,
            instance=instance,
            grant="grant",
            subject=Subject(issuer="local", id="alice"),
            uid=uid,
            mounts=tuple(mounts),
            limits=limits,
            end=datetime.now(UTC) + timedelta(seconds=seconds),
            cap_seconds=cap or max(1, int(seconds) + 60),
        )

    def observation(self, plan: WorkspacePlan) -> Observation | None:
        """What the runtime reports of a run."""
        return next((run for run in self.runtime.observe() if run.identity == plan.identity), None)

    def await_phase(self, plan: WorkspacePlan, phase: RunPhase, seconds: float = 20.0) -> Observation:
        """Wait until a run is in a phase."""

        def reached() -> bool:
            found = self.observation(plan)
            assert found is None or phase is RunPhase.Ended or found.phase is not RunPhase.Ended, found
            return found is not None and found.phase is phase

        wait_for(reached, seconds)
        found = self.observation(plan)
        assert found is not None
        return found

    def start(self, plan: WorkspacePlan) -> Observation:
        """Start a run and wait until it is ready."""
        self.runtime.start(plan)
        return self.await_phase(plan, RunPhase.Ready)

    def await_dead(self, plan: WorkspacePlan, seconds: float = 5.0) -> float:
        """Wait for the proof of its death; returns how many seconds it took."""
        began = time.monotonic()
        wait_for(lambda: self.runtime.verify_dead(plan).dead, seconds)
        return time.monotonic() - began

    def await_forgotten(self, plan: WorkspacePlan, seconds: float = 5.0) -> None:
        """Wait until there is no trace of a run."""
        wait_for(lambda: self.observation(plan) is None, seconds)
        assert not self.layout.workspace_run(plan.identity).exists()

    def mark(self, plan: WorkspacePlan) -> object:
        """The process that holds a run."""
        return self.supervisor(plan)

    def state(self, plan: WorkspacePlan) -> RunState:
        """What a run's supervisor wrote down."""
        state = RunState.read(self.layout.workspace_run(plan.identity))
        assert state is not None
        return state

    def supervisor(self, plan: WorkspacePlan) -> int:
        """The process number of a run's supervisor."""
        return self.state(plan).supervisor.pid

    def first_process(self, plan: WorkspacePlan) -> ProcessHandle:
        """A run's first process, as the machine numbers it."""
        found = self.state(plan).init
        assert found is not None
        return found.handle()

    def inside(self, plan: WorkspacePlan, code: str, seconds: float = 20.0) -> dict[str, Any]:
        """Have a workspace's agent run code: `{"result": …}` of its variable `result`, or `{"refused": …, "errno": …}`.

        An empty answer where the process that ran it was killed.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(str(self.layout.workspace_run(plan.identity) / DOOR / "lab.sock"))
            connection.sendall(code.encode() + b"\0")
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return dict(json.loads(answer)) if answer else {}

    def set_clock(self, seconds: float) -> None:
        """Set the launcher's and its supervisors' wall clock in one step, by so much."""
        new = self.layout.root / "new-offset"
        new.write_text(str(seconds))
        new.rename(self.layout.root / "clock-offset")

    def close(self) -> None:
        """End everything that was started here."""
        for run in self.runtime.observe():
            pid = self.supervisor(run.plan)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None and self.process.poll() is None:
            self.kill_launcher()
        limits.choose(self.layout.run.name).sweep((), patience=2.0)
        shutil.rmtree(self.layout.run, ignore_errors=True)


@contextlib.contextmanager
def running_machine(root: Path, *options: str, server: str = "stubborn") -> Iterator[Machine]:
    """A machine with its launcher running; everything of it is gone afterwards.

    `server` is what its workspaces run: one that outlives what it can, an agent (see `inside`), or JupyterLab (`lab`).
    With the option `gaps` some workspaces have a hole in their walls (see `tests.support.gaps`); with `clock` the
    launcher's wall clock is off by the seconds in the file `clock-offset` (see `set_clock`).
    """
    machine = Machine(root, *options, server=server)
    try:
        machine.start_launcher()
        yield machine
    finally:
        machine.close()


def processes_of(uid: int) -> list[int]:
    """Processes of a user, read straight from the kernel: shares no code with what is tested."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                lines = (path / "status").read_text().splitlines()
                uids = next(line for line in lines if line.startswith("Uid:")).split()
                state = next(line for line in lines if line.startswith("State:")).split()[1]
                if int(uids[1]) == uid and state != "Z":
                    found.append(int(path.name))
    return found
