"""Where extracts are kept: one file for each pair of bytes and type, beside the vault.

Guarantees: an extract appears whole or not at all; it is found only under the versions of parsers and checks that
made it, so that what people see is never older than what judges it. All of it can be made anew from the vault. What is
kept belongs to the group of the store, so that the portal reads what the checker writes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tre import __version__
from tre.airlock.extract import FORMAT, LONGEST_EXTRACT
from tre.domain.exports.catalogue import ENTRIES
from tre.system.files import sweep_unfinished, write_atomically

_MODE = 0o640
MADE_BY = hashlib.sha256(
    f"{__version__} {FORMAT} {[(entry.id, entry.version) for entry in ENTRIES]}".encode()
).hexdigest()[:12]


class ExtractStore:
    """The directory of extracts: `ab/cdef….TYPE.VERSION.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, kind: str) -> Path:
        """Where the extract of these bytes, read as this type, lies."""
        return self.root / sha256[:2] / f"{sha256[2:]}.{kind}.{MADE_BY}.json"

    def keep(self, sha256: str, kind: str, extract: bytes) -> None:
        """Keep an extract; one that is there is replaced."""
        path = self.path(sha256, kind)
        # Made, never changed: whoever is not in the group of the store, as the checker is not, would take the set-group
        # bit away by a chmod, and the portal could read nothing of what is written here.
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        write_atomically(path, extract, mode=_MODE)

    def find(self, sha256: str, kind: str) -> bytes | None:
        """The extract, or `None` where none is kept."""
        try:
            descriptor = os.open(self.path(sha256, kind), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as source:
            return source.read(LONGEST_EXTRACT + 1)

    def sweep(self) -> int:
        """Remove what an interruption left half written, before anything is kept; how many."""
        return sum(map(sweep_unfinished, self.root.glob("[0-9a-f][0-9a-f]")))

    def forget(self, sha256: str) -> int:
        """Remove every extract of these bytes; how many."""
        found = list((self.root / sha256[:2]).glob(f"{sha256[2:]}.*"))
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)
