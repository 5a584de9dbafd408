"""The thin spawner: JupyterHub waits for the record, it starts and stops nothing.

Guarantees: `start` returns only when the record says Running, and ends by itself, before JupyterHub's own limit,
with a reason from the one vocabulary; `stop` never ends a workspace that is still wanted, and returns for one that
is not only after the record says that nothing of it runs; `poll` never raises, and says "stopped" only on the word
of a record that answered. No option that a person can send is read, and no address is probed: the Hub's opinion of
a workspace cannot touch the workspace.

Does not guarantee: that JupyterHub remembers a workspace. When it forgets one, the controller tells it again.

Threat: a crash, a timeout or a clean-up path of the Hub that ends somebody's running analysis.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

from jupyterhub.objects import Server
from jupyterhub.spawner import Spawner, SpawnException
from traitlets import Float, Unicode

from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase
from tre.hub.record import ENDED, HubRecord, RecordReader

STEPS: dict[StartStep, tuple[int, str]] = {
    StartStep.GrantChecked: (20, "The grant was checked."),
    StartStep.SlicesMounted: (50, "The permitted data are mounted, read-only."),
    StartStep.IsolationProven: (75, "The workspace is sealed: no network was found from inside."),
    StartStep.ServerReady: (95, "JupyterLab answers."),
}
"""How far each step of a start is, in percent, and what people read."""


class _NoHeaders:
    """What `User._wait_up` looks at in the answer of a probe."""

    headers: dict[str, str] = {}


class RecordServer(Server):  # type: ignore[misc]  # JupyterHub carries no types
    """A server whose readiness is the record's word: nothing is dialled."""

    def wait_up(self, *_args: object, **_kwargs: object) -> Awaitable[type[_NoHeaders]]:
        """Up, by definition: `TreSpawner.start` returned, or the record was not seen to say otherwise."""

        async def up() -> type[_NoHeaders]:
            """An answer without a header."""
            return _NoHeaders

        return up()


class TreSpawner(Spawner):  # type: ignore[misc]  # JupyterHub carries no types
    """One workspace as JupyterHub sees it: the user's name and the server's name find its record, nothing else does."""

    controller_socket = Unicode("", help="The controller's unix socket.", config=True)
    own_deadline = Float(65.0, help="Seconds after which a start that did not end is given up.", config=True)
    look_again = Float(0.25, help="Seconds between two looks at the record.", config=True)
    address = Unicode("http://127.0.0.1:9", help="The constant that stands for every workspace.", config=True)
    _gave_up = False

    @property
    def server(self) -> Any:
        """JupyterHub's own object, in the variety that is never probed.

        This leans on the private `Spawner._server`; `tests/contract/test_hub_restart.py` notices if that moves.
        """
        found = Spawner.server.fget(self)
        if found is not None and type(found) is Server:
            found = self._server = RecordServer(orm_server=found.orm_server)
        return found

    @server.setter
    def server(self, value: Any) -> None:
        """JupyterHub's own setter."""
        Spawner.server.fset(self, value)

    def get_state(self) -> dict[str, Any]:
        """Nothing: the state is the record."""
        return {}

    def load_state(self, _state: dict[str, Any]) -> None:
        """Nothing to load."""

    async def start(self) -> str:
        """Wait until the record says Running. Raises `SpawnException` with the record's reason."""
        self._gave_up = False
        try:
            return await self._wait_for_running()
        except SpawnException:
            self._gave_up = True
            raise

    async def _wait_for_running(self) -> str:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + self.own_deadline
        while True:
            verdict, last_seen = await self._look()
            if verdict is WorkspacePhase.Running:
                return str(self.address)
            if clock.time() >= deadline:
                raise _too_late(last_seen)
            await asyncio.sleep(self.look_again)

    async def _look(self) -> tuple[WorkspacePhase | None, HubRecord | None]:
        try:
            record = await self._read()
        except TREError as error:
            self.log.warning("No record of %s while it starts: %s", self._log_name, error)
            return None, None
        if record is None:
            raise _refused(Reason.NotPermitted, "There is no such workspace.", 404)
        if record.phase is WorkspacePhase.Refused:
            raise _refused(record.reason, record.message or "The workspace was refused.", 403)
        if record.wanted is Wanted.Stopped:
            raise _refused(Reason.StateForbids, "Nobody asked for this workspace at its project's page.", 409)
        return record.phase, record

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 - JupyterHub's signature
        """Return at once while the workspace is wanted; else wait until the record says that it ended.

        After a start that gave up nothing was ever shown as running, so there is nothing to wait for.
        """
        while not self._gave_up and not await self._may_forget():
            await asyncio.sleep(self.look_again)

    async def _may_forget(self) -> bool:
        try:
            record = await self._read()
        except TREError as error:
            self.log.warning("No record of %s while it stops: %s", self._log_name, error)
            return False
        if record is not None and record.wanted is Wanted.Running:
            self.log.warning("%s is wanted: the Hub forgets it, the workspace goes on", self._log_name)
            return True
        return record is None or record.phase in ENDED

    async def poll(self) -> int | None:
        """`None` while the workspace runs or nobody knows; 0 once a record says that nothing of it runs."""
        try:
            record = await self._read()
        except TREError as error:
            self.log.warning("No record of %s: %s", self._log_name, error)
            return None
        return 0 if record is not None and record.phase in ENDED else None

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """The steps of a start as events, each once, in order; JupyterHub ends the stream when the start does."""
        told: set[StartStep] = set()
        while True:
            for event in await self._new_steps(told):
                yield event
            await asyncio.sleep(self.look_again)

    async def _new_steps(self, told: set[StartStep]) -> list[dict[str, Any]]:
        try:
            record = await self._read()
        except TREError:
            self.log.warning("No record of %s for its progress", self._log_name)
            return []
        events = []
        for step in record.progress if record is not None else ():
            if step.step not in told:
                told.add(step.step)
                percent, words = STEPS[step.step]
                events.append({"progress": percent, "message": step.message or words})
        return events

    async def _read(self) -> HubRecord | None:
        reader = RecordReader(Path(self.controller_socket))
        try:
            return await reader.read(str(self.user.name), str(self.name))
        except TREError:
            raise
        except Exception as error:
            # JupyterHub takes any other exception of poll() or stop() for "it is gone".
            raise TREError(Reason.ServiceUnavailable, "The record could not be read.", why=f"{error!r}.") from error


def refuse_options(_spawner: TreSpawner, options: dict[str, Any]) -> None:
    """Refuse whatever somebody sends as options: a workspace is what its record says. Raises `SpawnException`."""
    if options:
        raise _refused(Reason.BadInput, "A workspace takes no options here; its grant decides.", 400)


def _refused(reason: Reason, message: str, status: int) -> SpawnException:
    return SpawnException(message, reason=reason.value, status_code=status)


def _too_late(last_seen: HubRecord | None) -> SpawnException:
    if last_seen is None:
        return _refused(Reason.ServiceUnavailable, "The controller does not answer; try again in a minute.", 503)
    return _refused(Reason.StartTimeout, "The workspace is still starting; look again at its page.", 503)
