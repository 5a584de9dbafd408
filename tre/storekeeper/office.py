"""What every piece of the storekeeper's work needs: where things are, the record, the time, and whose hand it is.

Guarantees: files go to the storekeeper's user and the dataset's group where this process may give files away (root,
or CAP_CHOWN); an ordinary user keeps all files. What is done in the office is done alike by the service and by the
command line on the same machine; locks keep them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.names import check_resource_name
from tre.domain.people import Subject
from tre.slices.files import Ownership, ownership
from tre.slices.places import DatasetPlaces, SlicePlaces
from tre.store.database import Database, new_id
from tre.system.layout import Layout
from tre.system.settings import Settings

PATIENCE = 120.0
"""Seconds that one build waits for another to finish."""


SALT = "dataset-salt.key"
"""The secret of this installation from which each dataset's own keys come."""


@dataclass(frozen=True)
class Office:
    """One launcher's files and record, and who is at work."""

    layout: Layout
    settings: Settings
    database: Database
    clock: Clock
    actor: Subject

    def event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        """An event of whoever is at work."""
        return Event(id=new_id(), at=self.clock.now(), actor=self.actor, kind=kind, object=subject, detail=detail)

    def dataset(self, name: str) -> DatasetPlaces:
        """A dataset's directories. Raises `TREError(BadInput)` for a name that cannot be one."""
        return DatasetPlaces(self.layout.datasets / check_resource_name(name))

    @property
    def slices(self) -> SlicePlaces:
        """The directory of slices."""
        return SlicePlaces(self.layout.slices)

    def owner(self, group: int = -1) -> Ownership:
        """To whom new files are given: the storekeeper, and a dataset's group."""
        return ownership(self.settings.services.storekeeper, group)

    def secret(self) -> bytes:
        """The secret that draws are made with. Raises `TREError(SetupIncomplete)` where it cannot be read."""
        path = self.layout.keys / SALT
        try:
            return path.read_bytes()
        except OSError as error:
            raise TREError(
                Reason.SetupIncomplete,
                "Nobody can be drawn, for a sample or for validation: the datasets' secret cannot be read.",
                why=f"{path}: {error.strerror}.",
                remedy="Run this as the storekeeper or as root; `tre init` makes the secret.",
            ) from error
