"""One small process beside each running workspace: the outer hold on its life.

Guarantees: it outlives every service of ours and is found again by its state file; it ends the sandbox on command,
at the plan's end (wall clock) or cap (boot-time clock), or at an earlier end it was told since (which it passes on to
the first process, and which nothing puts back), when the isolation probe fails, when the home outgrows its
limit, and when it dies itself (the kernel kills the sandbox with it). Ending is SIGKILL to the sandbox' first
process, which takes the whole process namespace with it; nothing inside can delay it. It writes down how it ended,
flushed to the disk, before it goes.

Does not guarantee: that the record knows. It nudges the controller; the controller looks by itself.

Threats: a kernel that ignores TERM; services that were killed; a clock set back; a supervisor that is killed.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap import launch, observer
from tre.runtimes.bubblewrap.endings import Ending, write_ending
from tre.runtimes.bubblewrap.isolation import Isolation
from tre.runtimes.bubblewrap.limits import LimitMeans
from tre.runtimes.bubblewrap.readiness import answers_http
from tre.runtimes.bubblewrap.staging import DirectStaging, MountStaging, Staging
from tre.runtimes.bubblewrap.state import CONTROL, DOOR, ProcessId, RunState, boot_id
from tre.runtimes.bubblewrap.usage import UsageWatch
from tre.runtimes.protocol import RunPhase
from tre.system.files import make_directory
from tre.system.nudge import nudge
from tre.system.process import ProcessHandle, set_name
from tre.system.sockets import check_caller, listen, read_line

_LOOK_EVERY = 0.5
_LOOK_WHILE_STARTING = 0.02
_REASONS = {
    "deadline": Reason.DeadlineReached,
    "terminated": Reason.Requested,
    "child_exited": Reason.RuntimeFailed,
}

log = structlog.get_logger()


class Supervisor:
    """Holds one run from its first process to its proven end."""

    def __init__(self, plan: WorkspacePlan, machine: launch.Machine, limits: LimitMeans, clock: Clock) -> None:
        self.plan, self.machine, self.limits, self.clock = plan, machine, limits, clock
        self.directory = machine.run / "workspaces" / plan.identity
        self.isolation = Isolation(plan, machine)
        self.selector = selectors.DefaultSelector()
        self.end, self.boottime_end = plan.end, clock.boottime() + plan.cap_seconds
        self.ending: Ending | None = None
        self.report = bytearray()
        self.status = bytearray()
        self.init: ProcessHandle | None = None
        self.state = RunState(
            identity=plan.identity,
            plan=plan,
            supervisor=ProcessId(pid=os.getpid(), started=_own_start()),
            boot_id=boot_id(),
            end=plan.end,
            boottime_end_ms=int(self.boottime_end * 1000),
            at=clock.now(),
            began_at=clock.now(),
        )

    def run(self) -> None:
        """From the first directory to the last word."""
        set_name("tre-supervisor")
        self._make_directories()
        self._write()
        try:
            self._start()
            self._hold()
        except Exception as error:  # noqa: BLE001 - whatever went wrong here, the run must end and be accounted for
            log.error("run-failed", identity=self.plan.identity, error=str(error))
            self._decide(Reason.RuntimeFailed, str(error)[:300])
        finally:
            self._finish()

    def _make_directories(self) -> None:
        root = os.geteuid() == 0
        make_directory(self.directory, 0o711)
        make_directory((self.directory / DOOR).parent, 0o710 if root else 0o700, group=self.machine.gateway_group)
        door = make_directory(
            self.directory / DOOR,
            0o2750 if root else 0o700,
            owner=self.plan.uid,
            group=self.machine.gateway_group,
        )
        control = make_directory(self.directory / CONTROL, 0o700).parent
        (self.directory / CONTROL).rmdir()
        make_directory(control, 0o750, owner=0, group=self.machine.controller_uid)
        (door / "lab.sock").unlink(missing_ok=True)
        self.control = listen(self.directory / CONTROL, mode=0o660, group=self.machine.controller_uid)

    def _write(self, **changes: Any) -> None:
        self.state = self.state.model_copy(update={"at": self.clock.now(), **changes})
        self.state.write(self.directory, group=self.machine.controller_uid)
        nudge(self.machine.run)

    def _start(self) -> None:
        staging: Staging = MountStaging(self.directory / "stage") if os.geteuid() == 0 else DirectStaging()
        prepared = launch.prepare(self.plan, self.machine, staging, self.limits, self.isolation.probe())
        started = launch.start(self.plan, prepared, self.limits)
        self.bubblewrap, self.output, self.first_process = started.pid, started.output, started.report
        os.set_blocking(started.report, False)
        self._watch(self.control.fileno(), self._on_control)
        self._watch(started.report, lambda: self._on_report(started.report))
        self._watch(started.status, lambda: self._on_status(started.status))
        self._watch(os.pidfd_open(started.pid), self._on_exit)
        self.usage = UsageWatch(
            self.plan, self.directory / DOOR, self._processes, home_limited=prepared.means["home"] == "loop file"
        )
        self._write(means=prepared.means)
        self.isolation.begin_control()

    def _processes(self) -> set[int]:
        return observer.processes(observer.Target.of(self.plan, self.state))

    def _watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        self.selector.register(descriptor, selectors.EVENT_READ, handler)

    def _hold(self) -> None:
        while self.ending is None:
            for key, _ in self.selector.select(self._pause()):
                key.data()
            self._look()

    def _pause(self) -> float:
        longest = _LOOK_WHILE_STARTING if self.state.phase is not RunPhase.Ready else _LOOK_EVERY
        wall = (self.end - self.clock.now()).total_seconds()
        return max(0.0, min(longest, wall, self.boottime_end - self.clock.boottime()))

    def _look(self) -> None:
        if self.clock.now() >= self.end or self.clock.boottime() >= self.boottime_end:
            self._decide(Reason.DeadlineReached, "the run's end was reached")
        elif self.state.isolation is None and (verdict := self.isolation.verdict()) is not None:
            self._on_isolation(verdict)
        elif self.state.phase is RunPhase.Proven and answers_http(self.directory / DOOR, self.plan.uid):
            self._write(phase=RunPhase.Ready)
        elif (overuse := self.usage.overuse()) is not None:
            self._decide(*overuse)

    def _on_isolation(self, verdict: dict[str, Any]) -> None:
        if verdict["proven"]:
            self._write(phase=RunPhase.Proven, isolation=verdict)
        else:
            self._write(isolation=verdict)
            self._decide(Reason.IsolationFailed, f"the isolation probe failed: {verdict['summary']}"[:300])

    def _on_status(self, descriptor: int) -> None:
        """bubblewrap says which process is the sandbox' first, as the machine numbers it."""
        data = os.read(descriptor, 65536)
        if not data:
            self.selector.unregister(descriptor)
            return
        self.status += data
        found = re.search(rb'"child-pid": *(\d+)', self.status)
        namespace = re.search(rb'"pid-namespace": *(\d+)', self.status)
        if self.init is None and found is not None and namespace is not None:
            self._found_init(int(found[1]), int(namespace[1]))

    def _found_init(self, pid: int, namespace: int) -> None:
        self.init = ProcessHandle.of(pid)
        init = None if self.init is None else ProcessId(pid=pid, started=self.init.started)
        self._write(init=init, pid_namespace=namespace)

    def _on_report(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, 65536)
        except ConnectionResetError:  # it ended without having read the last it was told
            data = b""
        if not data:
            self.selector.unregister(descriptor)
            return
        self.report += data
        *lines, rest = self.report.split(b"\n")
        self.report = bytearray(rest)
        for line in lines:
            if line:
                self._on_event(json.loads(line))

    def _on_event(self, event: dict[str, Any]) -> None:
        """The first process speaks; it is ours, but it lives among strangers, so nothing is believed that matters."""
        if event["event"] == "probe":
            self.isolation.take(event)
        elif event["event"] in _REASONS:
            self._decide(_REASONS[event["event"]], f"the first process reported: {event['event']}")
        elif event["event"] in {"refused", "failed", "start_failed"}:
            self._decide(
                Reason.RuntimeFailed,
                f"the first process reported {event['event']}: {event.get('why', '')}",
            )

    def _on_control(self) -> None:
        connection, _ = self.control.accept()
        with connection:
            connection.settimeout(1.0)
            try:
                check_caller(connection, {0, os.geteuid(), self.machine.controller_uid})
                asked = json.loads(read_line(connection))
                if "until" in asked:
                    self._shorten(_moment(asked["until"]))
                else:
                    self._decide(Reason(asked["end"]), "ended on command")
                    self._kill()
                connection.sendall(b"{}\n")
            except (TREError, OSError, ValueError, KeyError) as error:
                log.warning("control-refused", identity=self.plan.identity, error=str(error))

    def _shorten(self, end: datetime) -> None:
        """Bring the end forward on both clocks, here and in the first process."""
        if end >= self.end:
            return
        within = max(0.0, (end - self.clock.now()).total_seconds())
        self.end, self.boottime_end = end, min(self.boottime_end, self.clock.boottime() + within)
        order = json.dumps({"end": end.timestamp(), "within": within}).encode() + b"\n"
        try:
            os.write(self.first_process, order)
        except OSError as error:  # it has ended, or was told very often and does not listen: this one holds the end
            log.warning("first-process-not-told", identity=self.plan.identity, error=str(error))
        self._write(end=end, boottime_end_ms=int(self.boottime_end * 1000))

    def _on_exit(self) -> None:
        self._decide(Reason.RuntimeFailed, "the sandbox ended")

    def _decide(self, reason: Reason, detail: str) -> None:
        """The first reason stands; a run that failed says with what words."""
        if self.ending is not None:
            return
        if reason is Reason.RuntimeFailed and hasattr(self, "output"):
            detail = f"{detail}; its last words: {launch.last_words(self.output) or 'none'}"
        self.ending = Ending(reason, as_line(detail, 400), self.clock.now())

    def _kill(self) -> None:
        for handle in (self.init, ProcessHandle.of(getattr(self, "bubblewrap", 0))):
            if handle is not None and handle.alive():
                os.kill(handle.pid, signal.SIGKILL)

    def _finish(self) -> None:
        """Kill, wait for the kernel's word, write it down, and leave nothing."""
        assert self.ending is not None
        self._kill()
        self._reap()
        used = self.limits.used(self.plan.identity)  # the last moment at which the kernel can tell
        self._release()
        self._write(phase=RunPhase.Ended, reason=self.ending.reason, detail=self.ending.detail, used=used)
        write_ending(self.machine.endings, self.plan, self.ending)
        nudge(self.machine.run)

    def _reap(self, patience: float = 5.0) -> None:
        pid = getattr(self, "bubblewrap", None)
        if pid is None:
            return
        os.waitpid(pid, 0)
        deadline = time.monotonic() + patience
        while self.init is not None and self.init.alive() and time.monotonic() < deadline:
            time.sleep(0.002)

    def _release(self) -> None:
        """Give up mounts and limits; what cannot be given up is said, and goes with this process at the latest."""
        try:
            self.limits.remove(self.plan.identity)
        except OSError as error:
            log.error("limits-left", identity=self.plan.identity, error=str(error))


def _moment(text: str) -> datetime:
    """An aware time. Raises `ValueError`."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        msg = "a time without its zone"
        raise ValueError(msg)
    return found


def _own_start() -> int:
    handle = ProcessHandle.of(os.getpid())
    assert handle is not None
    return handle.started


def supervise(plan: WorkspacePlan, machine: launch.Machine, limits: LimitMeans, clock: Clock) -> None:
    """The supervisor's whole life, in a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when its run ends; SIGKILL ends both
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket.setdefaulttimeout(5.0)
    Supervisor(plan, machine, limits, clock).run()


def log_path(machine: launch.Machine, identity: str) -> Path:
    """Where a supervisor's own words go."""
    return machine.run / "workspaces" / f"{identity}.log"
