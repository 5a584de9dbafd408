"""Runs whose programs go on reading files that have left their slices.

Guarantees: each run is looked at once after each change of a slice that it mounts (and once more after a restart of
the controller); where a program still has such a file open or mapped, or where this cannot be seen, the run ends for
`DataWithdrawn` and another begins by itself, since nobody asked for the ending.

Does not guarantee: that a program which copied what it read into its memory is found: the restart of others does not
help there, and the note in the inbox says what is asked of people.

Threat: a notebook that keeps a patient's image open for days after the patient opted out.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from tre.controller.context import Context
from tre.domain.errors import TREError
from tre.domain.workspaces.models import Workspace
from tre.store import grant_slices
from tre.store.grant_slices import StoredSlice

log = structlog.get_logger()

MESSAGE = (
    "People opted out, and a program here still had their files open, so the workspace was started again. Your files "
    "are kept; the note in /inbox says more."
)
Seen = frozenset[tuple[str, int]]


class StaleReaders:
    """Remembers which changes each run was looked at for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looked: dict[str, Seen] = {}

    def is_due(self, workspace: Workspace, slices: Sequence[StoredSlice]) -> bool:
        """Whether a slice that the run mounts changed since it was looked at."""
        return workspace.plan is not None and bool(self._changes(workspace, slices) - self._seen(workspace))

    def found(self, workspace: Workspace) -> bool:
        """Whether the run must begin anew; looks if that is due."""
        assert workspace.plan is not None
        with self._context.database.read() as connection:
            slices = grant_slices.of_grant(connection, workspace.grant)
        if not self.is_due(workspace, slices):
            return False
        try:
            readers = self._context.runtime.count_stale_readers(workspace.plan)
        except TREError as error:  # it is looked at again; what else is due for the run must not wait for it
            log.warning("readers-not-counted", workspace=workspace.name, error=str(error))
            return False
        self._looked = {name: seen for name, seen in self._looked.items() if not _same_workspace(name, workspace)}
        self._looked[workspace.plan.identity] = self._changes(workspace, slices)
        return self._began_before(workspace) if readers is None else readers > 0

    def _began_before(self, workspace: Workspace) -> bool:
        """Where nobody can look into a run, whether it may have opened a file before people left."""
        with self._context.database.read() as connection:
            changed = grant_slices.changed_at(connection, workspace.grant)
        return any(workspace.started_at is None or workspace.started_at < moment for moment in changed)

    def _seen(self, workspace: Workspace) -> Seen:
        assert workspace.plan is not None
        return self._looked.get(workspace.plan.identity, frozenset())

    def _changes(self, workspace: Workspace, slices: Sequence[StoredSlice]) -> Seen:
        mounted = workspace.plan.slices if workspace.plan else frozenset()
        return frozenset(
            (item.name, item.manifest_version) for item in slices if item.name in mounted and item.manifest_version > 1
        )


def _same_workspace(identity: str, workspace: Workspace) -> bool:
    return identity.rpartition("-")[0] == workspace.name
