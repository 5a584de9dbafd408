"""The only program of ours that keeps root: it turns plans into supervisors, and looks whether runs are dead.

Guarantees: it serves the controller's user and root alone; it carries out a plan only if every path in it lies in the
directories that plans may name, and every user and group in the ranges set aside for workspaces and datasets; a
supervisor is forked from it ready to run (no start-up cost) and does not die with it; one run has one supervisor,
however often and however early its start is asked for again.

Does not guarantee: that a plan is deserved. The controller decides; a controller that was taken over can start
workspaces, but not as another user, and not over other directories.

Threat: a service with a database and a network face that can also become root.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter

from tre.domain.clock import Clock
from tre.domain.costs.meters import Used
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.domain.workspaces.models import MountKind, WorkspacePlan
from tre.runtimes.bubblewrap import limits, observer
from tre.runtimes.bubblewrap.launch import Machine
from tre.runtimes.bubblewrap.state import RunState, boot_id, holder, note_holder, take_hold
from tre.runtimes.bubblewrap.supervisor import supervise
from tre.system.files import make_directory
from tre.system.health import Check, health_answer
from tre.system.layout import Layout
from tre.system.settings import Settings, UidRange
from tre.system.sockets import check_caller, listen, read_line

log = structlog.get_logger()

ASKED = Counter("tre_launcher_asked", "Requests of the controller that were answered.", ["ask", "outcome"])


@dataclass(frozen=True)
class Bounds:
    """What a plan may name: directories by kind of mount, numeric identities, and devices."""

    directories: dict[MountKind, Path]
    uids: UidRange
    groups: UidRange
    one_user: bool
    devices: frozenset[str] = frozenset()

    @classmethod
    def of(cls, layout: Layout, settings: Settings) -> Bounds:
        """The bounds of this installation."""
        return cls(
            directories={
                MountKind.slice: layout.slices,
                MountKind.home: layout.homes,
                MountKind.shared: layout.shared,
                MountKind.outbox: layout.outboxes,
                MountKind.inbox: layout.inboxes,
            },
            uids=settings.workspace_uids,
            groups=settings.data_groups,
            one_user=os.geteuid() != 0,
            devices=frozenset((*settings.gpu.devices, *settings.gpu.common)),
        )

    def check(self, plan: WorkspacePlan) -> None:
        """Raise `TREError(NotPermitted)` unless the plan keeps to the bounds."""
        for mount in plan.mounts:
            source = Path(mount.source)
            if source.parent != self.directories[mount.kind] or source.is_symlink():
                raise TREError(Reason.NotPermitted, f"A plan may not mount {source} as {mount.kind}.")
        if self.one_user:
            self._check_one_user(plan)
        elif not self.uids.first <= plan.uid <= self.uids.last:
            raise TREError(Reason.NotPermitted, f"User {plan.uid} is not set aside for workspaces.")
        if not all(self.groups.first <= group <= self.groups.last for group in plan.data_groups):
            raise TREError(Reason.NotPermitted, "A plan names a group that is not set aside for datasets.")

    def check_devices(self, plan: WorkspacePlan) -> None:
        """Raise `TREError(NotPermitted)` unless each device is set aside now: asked of a start, not of an ending, for
        one that was set aside when its run began may not be any more."""
        if not self.devices.issuperset(plan.devices):
            raise TREError(Reason.NotPermitted, "A plan names a device that is not set aside for workspaces.")

    def _check_one_user(self, plan: WorkspacePlan) -> None:
        if plan.uid != os.geteuid():
            raise TREError(Reason.NotPermitted, "Without root every workspace runs as the user who started it.")


class Launcher:
    """Answers what the controller asks (`answers`), one caller at a time; health and numbers, too."""

    def __init__(self, machine: Machine, bounds: Bounds, clock: Clock) -> None:
        self.machine, self.bounds, self.clock = machine, bounds, clock
        self.limits = limits.choose(machine.run.name)
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "start": self.start,
            "verify": self.verify,
            "kill": self.kill,
            "readers": self.readers,
            "used": self.used,
            "forget": self.forget,
            "means": lambda _asked: {"means": self.limits.means()},
        }
        self.checks: dict[str, Check] = {"sandbox": self._sandbox, "runs": self._runs}

    def serve(self, server: socket.socket) -> None:
        """Answer until the process ends."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are nobody's to wait for
        self.limits.sweep([path.name for path in (self.machine.run / "workspaces").glob("*")])
        while True:
            connection, _ = server.accept()
            with connection:
                self._answer(connection, server)

    def _answer(self, connection: socket.socket, server: socket.socket) -> None:
        connection.settimeout(2.0)
        try:
            check_caller(connection, {0, os.geteuid(), self.machine.controller_uid})
            line = read_line(connection)
            self._inherited = (connection, server)
            said = health_answer(line, self.checks) or _as_line(self._answered(json.loads(line)))
        except TREError as error:
            said = _as_line({"error": error.as_dict()})
        except (OSError, ValueError, KeyError, AttributeError) as error:
            said = _as_line({"error": TREError(Reason.BadInput, f"This was not understood: {error!r}.").as_dict()})
        try:
            connection.sendall(said)
        except OSError as error:
            log.warning("caller-gone", error=str(error))

    def _answered(self, asked: dict[str, Any]) -> dict[str, Any]:
        kind = asked.pop("ask")
        answer = self.answers[kind]
        try:
            found = answer(asked)
        except TREError as error:
            ASKED.labels(kind, error.reason.value).inc()
            raise
        ASKED.labels(kind, "ok").inc()
        return found

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Fork a supervisor for a plan; a run that exists already is left as it is."""
        plan = parse_record(WorkspacePlan, asked["plan"], source="plan")
        self.bounds.check(plan)
        self.bounds.check_devices(plan)
        hold = take_hold(make_directory(self.machine.run / "workspaces" / plan.identity, 0o711))
        if hold is None:
            return {"started": False}
        try:
            if RunState.read(self.machine.run / "workspaces" / plan.identity) is not None:
                return {"started": False}
            pid = os.fork()
            if pid == 0:
                self._become_supervisor(plan)
            note_holder(hold, pid)
        finally:
            os.close(hold)  # the supervisor has its own
        return {"started": True, "supervisor": pid}

    def _become_supervisor(self, plan: WorkspacePlan) -> None:
        """In the child: leave the launcher's session and sockets, and never return into its loop."""
        try:
            os.setsid()
            self._take_shelter(plan)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in self._inherited:
                inherited.close()
            supervise(plan, self.machine, self.limits, self.clock)
        except BaseException as error:  # noqa: BLE001 - nothing may run on in the launcher's place
            log.error("supervisor-failed", identity=plan.identity, error=repr(error))
        finally:
            os._exit(0)

    def _take_shelter(self, plan: WorkspacePlan) -> None:
        """Leave the launcher's control group: whoever ends the launcher's would end every workspace."""
        try:
            self.limits.shelter()
        except OSError as error:
            log.warning("supervisor-unsheltered", identity=plan.identity, error=str(error))

    def verify(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Look for life in a plan's run, whether or not it left a trace."""
        plan = parse_record(WorkspacePlan, asked["plan"], source="plan")
        self.bounds.check(plan)
        directory = self.machine.run / "workspaces" / plan.identity
        target = observer.Target.of(plan, RunState.read(directory), holder(directory))
        return observer.look(target, directory, self.clock.now()).as_plain()

    def readers(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Count a run's processes that have files open which left its slices: their numbers stay here."""
        plan = parse_record(WorkspacePlan, asked["plan"], source="plan")
        self.bounds.check(plan)
        directory = self.machine.run / "workspaces" / plan.identity
        target = observer.Target.of(plan, RunState.read(directory), holder(directory))
        mounted = [mount.target for mount in plan.mounts if mount.kind is MountKind.slice]
        return {"readers": len(observer.stale_readers(target, mounted))}

    def used(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What runs have used: the kernel's count, or a run's last word where it has ended in order."""
        found = {directory.name: self._used(directory) for directory in map(self._run_directory, asked["identities"])}
        return {"used": {name: used.as_plain() for name, used in found.items() if used != Used()}}

    def _used(self, directory: Path) -> Used:
        state = RunState.read(directory)
        if state is not None and state.used is not None:
            return state.used
        return self.limits.used(directory.name)

    def kill(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Kill a run whose supervisor does not answer; the kernel kills its sandbox with it."""
        directory = self._directory(asked)
        state = RunState.read(directory)
        noted = [] if state is None or state.boot_id != boot_id() else [state.supervisor, state.init]
        handles = [holder(directory), *(item.handle() for item in noted if item is not None)]
        for handle in handles:
            if handle is not None and handle.alive():
                os.kill(handle.pid, signal.SIGKILL)
                log.warning("killed", run=directory.name, pid=handle.pid)
        return {}

    def forget(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Remove the directory of a run in which nothing lives."""
        directory = self._directory(asked)
        state = RunState.read(directory)
        if state is None:
            self._forget_unborn(directory)
            return {}
        proof = observer.look(observer.Target.of(state.plan, state, holder(directory)), directory, self.clock.now())
        if not proof.dead:
            raise TREError(
                Reason.Conflict,
                f"The run {state.identity} still lives.",
                why=proof.model_dump_json(),
            )
        self._remove(directory)
        return {}

    def _remove(self, directory: Path) -> None:
        """Whatever a run left, also one whose supervisor could not clean up."""
        try:
            self.limits.remove(directory.name)
        except OSError as error:
            raise TREError(Reason.RuntimeFailed, f"The limits of {directory.name} stay.", why=f"{error}.") from error
        _remove_run(directory)

    def _forget_unborn(self, directory: Path) -> None:
        """Remove what is left of a supervisor that died before its first word; nothing ran under it."""
        hold = take_hold(directory) if directory.is_dir() else None
        if hold is not None:
            self._remove(directory)
            os.close(hold)

    def _sandbox(self) -> str | None:
        """What `/healthz` asks: starting a sandbox only to see that it starts is the doctor's."""
        path = self.machine.program.path
        return None if os.access(path, os.X_OK) else f"{path} cannot be run any more"

    def _runs(self) -> str | None:
        place = self.machine.run
        return None if place.is_dir() and os.access(place, os.W_OK) else f"{place} cannot be written to"

    def _directory(self, asked: dict[str, Any]) -> Path:
        return self._run_directory(str(asked["identity"]))

    def _run_directory(self, identity: str) -> Path:
        if "/" in identity or not identity.startswith("w-"):
            raise TREError(Reason.BadInput, f"{identity!r} does not name a run.")
        return self.machine.run / "workspaces" / identity


def _as_line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _remove_run(directory: Path) -> None:
    """Remove what a run left. The door belonged to a workspace, which may have nested folders without end in it:
    `rm` neither follows links nor runs out of stack."""
    result = subprocess.run(
        ["rm", "-rf", "--one-file-system", "--", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise TREError(Reason.RuntimeFailed, f"{directory} cannot be removed.", why=result.stderr.strip()[:300])


def open_socket(layout: Layout, controller_uid: int) -> socket.socket:
    """The launcher's socket, for the controller's user alone."""
    return listen(layout.socket("launcher"), mode=0o660, group=controller_uid)
