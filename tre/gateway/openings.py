"""Everything that is open between a browser and a workspace, and the knife.

Guarantees: what is registered is cut at once by `cut`: the connection to the browser is aborted, its unsent bytes
thrown away, and nobody inside or outside is asked or waited for. Registration and decision happen in one step of
the event loop, so nothing can open between a judgement and the look at what is open.

Does not guarantee: that the workspace is dead. That is the runtime's; this is only the door.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tre.domain.errors import Reason
from tre.gateway.decisions import Session


@dataclass(eq=False)
class Opening:
    """One open exchange: a websocket, a page on its way, a file being sent."""

    workspace: str
    session: Session
    transport: asyncio.Transport | None
    kind: str
    cut_for: Reason | None = field(default=None)

    def cut(self, reason: Reason) -> None:
        """End it now."""
        self.cut_for = reason
        if self.transport is not None:
            self.transport.abort()


class Openings:
    """All open exchanges, by workspace."""

    def __init__(self) -> None:
        self._open: defaultdict[str, set[Opening]] = defaultdict(set)

    @contextmanager
    def keep(self, opening: Opening) -> Iterator[Opening]:
        """Hold an exchange in the register for as long as it lasts."""
        self._open[opening.workspace].add(opening)
        try:
            yield opening
        finally:
            self._open[opening.workspace].discard(opening)
            if not self._open[opening.workspace]:
                del self._open[opening.workspace]

    def of(self, workspace: str) -> tuple[Opening, ...]:
        """What is open to a workspace."""
        return tuple(self._open.get(workspace, ()))

    def workspaces(self) -> tuple[str, ...]:
        """Workspaces to which anything is open."""
        return tuple(self._open)

    def count(self, kind: str) -> int:
        """How many exchanges of a kind are open."""
        return sum(1 for openings in self._open.values() for opening in openings if opening.kind == kind)
