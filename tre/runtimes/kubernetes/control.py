"""The positive control of a pod's isolation: the controller's own attempt at the same addresses, in the same minute.

Guarantees: an attempt is one run of the very probe that doors run, in a process of its own; what it found is kept with
the time, and counts for attempts of doors that were made within a minute of it. Asking never waits: an attempt runs
beside, and whoever finds none asks again. One that missed an address it must reach is told to who asks right then, and
to nobody later: what was silent a moment ago may answer now, so another attempt is made.

Does not guarantee: that an address which answers here is reached by the same way from a node of a workspace.

Threat: a door that finds everything closed because the address was wrong, or nobody was there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.runtimes import init
from tre.runtimes.init.attempts import OPEN
from tre.runtimes.kubernetes.render.probe import ProbeAddress, network
from tre.runtimes.kubernetes.render.vocabulary import Object

SAME_MINUTE = timedelta(seconds=60)
FRESH = timedelta(seconds=30)
JUST_NOW = timedelta(seconds=2)
KEPT = 8
KEEP_SECONDS = 20.0
"""How often to try while nobody asks; an attempt may take a few seconds, and the next is due before it is too old."""
PATIENCE = 15.0

Attempt = Callable[[list[Object]], list[Object]]


@dataclass(frozen=True)
class Control:
    """When the controller began to try and had done so, and the targets that answered."""

    at: datetime
    done: datetime
    answered: frozenset[str]


def in_a_process(targets: list[Object]) -> list[Object]:
    """Run the probe in a process of its own; raises `TREError(ServiceUnavailable)`."""
    command = [sys.executable, "-I", "-S", "-B", str(Path(init.__file__).parent), "probe"]
    try:
        done = subprocess.run(
            command, input=json.dumps(targets), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        found: list[Object] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise TREError(
            Reason.ServiceUnavailable, "The controller's own attempt at the cluster's addresses broke.", why=str(error)
        ) from error
    return found


class Controls:
    """The attempts of the last minutes."""

    def __init__(self, addresses: Iterable[ProbeAddress], clock: Clock, attempt: Attempt = in_a_process) -> None:
        self._addresses, self._clock, self._attempt = tuple(addresses), clock, attempt
        self._lock = threading.Lock()
        self._found: list[Control] = []
        self._running: threading.Thread | None = None
        self.trouble = ""

    def fresh(self) -> Control | None:
        """The attempt that a start has to go by; where there is none, one is begun and found when asked again."""
        with self._lock:
            last = self._found[-1] if self._found else None
        now = self._clock.now()
        if last is not None and (now - last.done <= JUST_NOW if self._missed(last) else now - last.at <= FRESH):
            return last
        self.begin()
        return None

    def near(self, at: datetime) -> Control | None:
        """The latest attempt within a minute of a time."""
        with self._lock:
            return next((one for one in reversed(self._found) if abs(one.at - at) <= SAME_MINUTE), None)

    def begin(self) -> None:
        """Try now, beside whatever is going on."""
        with self._lock:
            if self._running is not None and self._running.is_alive():
                return
            self._running = threading.Thread(target=self.try_now, name="network-control", daemon=True)
            self._running.start()

    def keep(self, stop: threading.Event) -> None:
        """Have an attempt at hand until told to stop, so that no start waits for one."""
        while not stop.is_set():
            self.begin()
            stop.wait(KEEP_SECONDS)

    def try_now(self) -> None:
        """Try, and keep what was found."""
        at = self._clock.now()
        try:
            answers = self._attempt(network(self._addresses))
        except TREError as error:
            self.trouble = str(error)
            return
        answered = frozenset(str(one["item"]) for one in answers if one["outcome"] == OPEN)
        with self._lock:
            self.trouble = ""
            self._found = [*self._found[1 - KEPT :], Control(at, self._clock.now(), answered)]

    def check(self, control: Control) -> None:
        """Raise `TREError(IsolationUnavailable)` where a proof could not come of it."""
        silent = self._missed(control)
        if not silent:
            return
        raise TREError(
            Reason.IsolationUnavailable,
            "Whether workspaces of this cluster are isolated cannot be told.",
            why=f"The controller itself did not reach {', '.join(silent)}.",
            remedy="Correct `probe` in cluster.yaml, or let the controller's pod reach these addresses.",
        )

    def _missed(self, control: Control) -> tuple[str, ...]:
        """What it had to reach and did not, in words."""
        silent = (one.item for one in self._addresses if not one.optional and one.item not in control.answered)
        return tuple(silent) or (() if control.answered else ("any address of its list",))
