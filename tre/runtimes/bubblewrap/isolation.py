"""Whether a run is isolated: what the probe found inside, held against what the same probe finds unsealed.

Guarantees: the two get one list of targets and run in the same minute; no verdict is given before both have
answered; a probe or a control that fails is no proof, and without proof a run never becomes Ready.

Threat: a machine whose configuration promises isolation and whose kernel does not deliver it.
"""

from __future__ import annotations

import platform
import socket
import threading
import time
from datetime import UTC, datetime
from typing import Any

from tre.domain.workspaces.models import MountKind, WorkspacePlan
from tre.runtimes.bubblewrap.launch import Machine
from tre.runtimes.bubblewrap.sandbox import ENVIRONMENT, INIT
from tre.runtimes.init import control, targets
from tre.runtimes.init.verdict import verdict

PROBE_SECONDS = 1.2
CONTROL_SECONDS = 15.0
_ABSENT = ("/root", "/etc/shadow", "/etc/machine-id", "/var/lib", "/sys/class/net")


class Isolation:
    """Runs the control beside the start, takes in the probe's answers, and judges."""

    def __init__(self, plan: WorkspacePlan, machine: Machine) -> None:
        self._neighbour = f"tre-neighbour-{plan.identity}"
        surroundings = targets.Surroundings(
            loopback=machine.loopback_ports,
            read_only=("/usr", ENVIRONMENT, INIT, *_slices(plan)),
            absent=(*_ABSENT, str(machine.run / "workspaces")),
            unix=(
                str(machine.run / "controller" / "sock"),
                str(machine.run / "launcher" / "sock"),
                f"@{self._neighbour}",
            ),
            x86=platform.machine() == "x86_64",
        )
        self._targets = targets.targets(surroundings)
        self._control: list[dict[str, Any]] | None = None
        self._control_error = ""
        self._sealed: list[dict[str, Any]] | None = None
        self._sealed_error = ""
        self._begun = time.monotonic()
        self._times: dict[str, str] = {}

    def probe(self) -> dict[str, Any]:
        """The probe's part of the first process' instruction."""
        return {"targets": self._targets, "seconds": PROBE_SECONDS}

    def begin_control(self) -> None:
        """Start the control beside the sandbox, and a neighbour that would answer a sandbox that is not alone."""
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._listening.bind(f"\0{self._neighbour}")
        self._listening.listen(1)
        threading.Thread(target=self._run_control, daemon=True).start()

    def _run_control(self) -> None:
        try:
            self._control = control.run(targets.for_control(self._targets), CONTROL_SECONDS)
            self._times["controlledAt"] = _now()
        except (control.ControlError, OSError, ValueError) as error:
            self._control_error = f"the control could not run: {error}"

    def take(self, event: dict[str, Any]) -> None:
        """Take in what the first process reported of the probe."""
        self._times["probedAt"] = _now()
        self._sealed = list(event.get("results", []))
        self._sealed_error = str(event.get("error", ""))

    def verdict(self) -> dict[str, Any] | None:
        """The judgement, once there is one: `proven`, a summary, when both sides answered, and the items by kind."""
        if self._control_error or self._sealed_error:
            return {"proven": False, "summary": self._control_error or self._sealed_error}
        if self._control is None or self._sealed is None:
            late = time.monotonic() > self._begun + CONTROL_SECONDS + PROBE_SECONDS
            return {"proven": False, "summary": "the probe did not answer in time"} if late else None
        self._listening.close()
        found = verdict(self._sealed, self._control)
        return {
            **self._times,
            "proven": found.holds,
            "summary": _summary(found.failed, found.unproven, len(found.proven)),
            "provenItems": list(found.proven),
            "failed": list(found.failed),
            "unproven": list(found.unproven),
            "uncontrolled": list(found.uncontrolled),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _slices(plan: WorkspacePlan) -> list[str]:
    return [mount.target for mount in plan.mounts if mount.kind is MountKind.slice]


def _summary(failed: tuple[str, ...], unproven: tuple[str, ...], proven: int) -> str:
    if failed:
        return f"possible inside: {', '.join(failed)}"
    if unproven:
        return f"without a working control: {', '.join(unproven)}"
    return f"{proven} ways out tried and closed, each open to the control"
