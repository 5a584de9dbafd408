"""`tre halt`, the kill switch: workspaces end now, and the command comes back with the proof of their death.

Guarantees: on one machine it needs nobody. The supervisors are spoken to directly; services that are frozen, and a
record that is locked, full or away, keep it waiting for less than a second, and no run of this machine outlives it for
their sake. What the record could not be told is said afterwards, as an error. In a cluster the record is the only way
to the pods, and an error of the record ends the command.

Does not guarantee: anything where the settings cannot be read, or where no record was ever made (`tre init`).

Threat: whoever freezes or fills what the order to end would have to pass through.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.arguments import Seconds, check_reason
from tre.cli.common import Installation, RootOption, command
from tre.cli.failures import known_failure
from tre.cli.services import listens
from tre.cli.workspace import await_phase, chosen
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.states import Wanted
from tre.runtimes.bubblewrap.evidence import living_runs
from tre.runtimes.bubblewrap.runtime import BubblewrapRuntime
from tre.store import workspaces
from tre.system.local_http import ask

_AT_ONCE = 16

_RECORD_FIRST_SECONDS = 0.5
"""The record is told within hundredths of a second, or something is wrong with it; then the supervisors are told."""


@command
def halt(
    grant: Annotated[str | None, typer.Argument(help="The grant to halt.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Halt every workspace.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the log.")] = "kill switch",
    root: RootOption = None,
    wait: Seconds = 30.0,
) -> None:
    """The kill switch: end workspaces now, and come back when their death is proven."""
    if (grant is None) != everything:
        raise TREError(
            Reason.BadInput,
            "It is not clear what is to be halted.",
            why="Both a grant and --all were given." if everything else "Neither a grant nor --all was given.",
            remedy="Name a grant, or say --all.",
        )
    order = _Order(Installation.open(root), grant, check_reason(reason), wait)
    with ThreadPoolExecutor(1) as aside:
        recorded = aside.submit(order.record)
        if order.in_cluster:
            order.await_death(recorded.result())
        else:
            order.end_here(recorded)
    order.await_doors(recorded.result())


@dataclass(frozen=True)
class _Order:
    """One use of the kill switch: which grant, or all; why; and for how long it is waited (seconds)."""

    here: Installation
    grant: str | None
    reason: str
    patience: float
    began: float = field(default_factory=time.monotonic)

    @property
    def in_cluster(self) -> bool:
        """Whether the workspaces are pods elsewhere."""
        return self.here.settings.runtime == "kubernetes"

    def record(self) -> set[str]:
        """Write down that none of them is wanted any more, all at once: the last waits for no other's disk."""
        found = chosen(self.here, self.grant)
        events = [self.here.event("workspace.halted", f"workspace/{one.name}", reason=self.reason) for one in found]
        if events:
            with self.here.database.change(*events) as change:
                for workspace in found:
                    workspaces.want(change, workspace.name, Wanted.Stopped)
        return {one.name for one in found}

    def end_here(self, recorded: Future[set[str]]) -> None:
        """End the runs of this machine and say so, then let out what went wrong with the record. Raises `TREError`."""
        known = self._recorded_soon(recorded)
        names = self._running() if known is None else known
        self._tell_supervisors(names)
        self.await_death(names)
        if known is not None:
            return
        try:
            late = recorded.result()
        except Exception as error:
            raise _record_not_told(error) from error
        self._tell_supervisors(late)  # another may have begun before the record knew that none is wanted
        self.await_death(late)

    def _recorded_soon(self, recorded: Future[set[str]]) -> set[str] | None:
        """Whose end the record knows; `None` where it is too slow or refuses. A mistyped name comes out as an error."""
        try:
            return recorded.result(_RECORD_FIRST_SECONDS)
        except Exception as error:
            unknown = isinstance(error, TREError) and error.reason is Reason.GrantNotFound
            if unknown and not self._running():
                raise
            return None

    def _running(self) -> set[str]:
        """The workspaces whose runs stand on this machine, as the supervisors wrote them down."""
        plans = [run.plan for run in BubblewrapRuntime(self.here.layout).observe()]
        return {plan.workspace for plan in plans if self.grant in (None, plan.grant)}

    def _tell_supervisors(self, names: set[str]) -> None:
        """Say it to the runs of this machine, all at once."""
        runtime = BubblewrapRuntime(self.here.layout)
        found = [run.plan.identity for run in runtime.observe() if run.plan.workspace in names]

        def tell(identity: str) -> None:
            with contextlib.suppress(TREError, OSError):  # the controller says it again; what lives is looked for
                runtime.end(identity, Reason.Requested)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            deque(pool.map(tell, found), maxlen=0)

    def await_death(self, names: set[str]) -> None:
        """Come back when nothing of them lives, and say so. Raises `TREError`."""
        if self.in_cluster:  # the record says Stopped only with the proof that the nodes gave
            for name in sorted(names):
                await_phase(self.here, name, {"Stopped", "Refused"}, max(0.1, self._left()))
        while not self.in_cluster and (living := living_runs(self.here.layout, self.here.clock, names)):
            if self._left() < 0:
                raise TREError(
                    Reason.RuntimeFailed,
                    f"Still alive after {self.patience:.0f} s: {', '.join(run.identity for run in living)}.",
                    why="The services do not run, or the kernel has not ended a process yet.",
                    remedy="Stop the machine's `tre-supervisor` processes: the kernel ends their workspaces with them.",
                )
            time.sleep(0.05)
        many = f"{len(names)} workspace" + "s" * (len(names) != 1)
        common.out.print(f"{many}: nothing lives any more, proven after {self._gone():.2f} s.", highlight=False)

    def await_doors(self, names: set[str]) -> None:
        """Ask the gateway until it leads to none of them. Raises `TREError(RuntimeFailed)` where it still does."""
        socket = self.here.layout.socket("gateway")
        if self.in_cluster or not listens(socket):
            common.out.print("The gateway is not on this machine, or does not run: no door of it was asked.")
            return
        left = names
        while left := {name for name in left if _is_open(socket, name)}:
            if self._left() < 0:
                raise TREError(
                    Reason.RuntimeFailed,
                    f"Nothing lives, but the gateway still leads to {', '.join(sorted(left))}.",
                    why="It has not heard from the controller; there is nobody behind these doors.",
                    remedy="See `tre status`; end the gateway if the controller does not come back.",
                )
            time.sleep(0.02)
        common.out.print(f"The gateway leads to none of them, asked after {self._gone():.2f} s.", highlight=False)

    def _gone(self) -> float:
        return time.monotonic() - self.began

    def _left(self) -> float:
        return self.patience - self._gone()


def _is_open(socket: Path, name: str) -> bool:
    value = asyncio.run(ask(socket, "GET", f"/door?workspace={name}")).value
    return not isinstance(value, dict) or value.get("open") is not False


def _record_not_told(error: Exception) -> TREError:
    known = error if isinstance(error, TREError) else known_failure(error)
    if known is None:
        raise error
    return TREError(
        known.reason,
        "Nothing lives any more on this machine, but the record was not told that it was you who ended it.",
        why=" ".join(filter(None, (known.what, known.why))),
        remedy="Say it again once the record can be written: until then a workspace that waits for room may start.",
    )
