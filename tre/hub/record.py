"""What the Hub knows of a workspace: one small read of the controller's record.

Guarantees: the answer is parsed strictly; anything but a whole, valid answer or a clear "no such workspace" counts
as "not known", and nobody acts on what is not known.

Does not guarantee: freshness beyond the moment of asking. Callers ask again.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, parse_record
from tre.domain.workspaces.models import Progress
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.system.local_http import ask

ENDED = frozenset({WorkspacePhase.Stopped, WorkspacePhase.Queued, WorkspacePhase.Refused})
"""Phases in which nothing of a workspace runs: the only ones that the Hub may call stopped."""


class HubRecord(Record):
    """A workspace as the controller shows it to the Hub."""

    wanted: Wanted
    phase: WorkspacePhase
    reason: Reason
    message: Line = ""
    progress: tuple[Progress, ...] = ()


class RecordReader:
    """Reads the record of a workspace from the controller's socket."""

    def __init__(self, socket: Path, *, timeout: float = 5.0) -> None:
        self._socket = socket
        self._timeout = timeout

    async def read(self, user: str, server: str) -> HubRecord | None:
        """The record of a user's server; `None` where the controller knows no such workspace.

        Raises `TREError(ServiceUnavailable)` when there is no clear answer.
        """
        path = f"/v1/hub/{quote(user, safe='')}/{quote(server, safe='')}"
        answer = await ask(self._socket, "GET", path, timeout=self._timeout)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise TREError(Reason.ServiceUnavailable, f"The controller answered {answer.status}.")
        try:
            return parse_record(HubRecord, answer.value, source="the controller's answer")
        except TREError as error:
            raise TREError(
                Reason.ServiceUnavailable, "The controller's answer makes no sense.", why=str(error)
            ) from error
