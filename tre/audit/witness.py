"""Remembering a checkpoint outside the database.

Guarantees: whoever kept a checkpoint can tell a log that goes on from one that was shortened or rewritten, even by
the holder of the key. The file kept here is the nearest such witness; the register's page, a mail to the data
controller or a second machine are better ones, and `tre audit verify --seen FILE` takes them all.

Does not guarantee: anything against somebody who can write both the database and the witness.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tre.audit.checkpoint import SignedCheckpoint, parse
from tre.domain.errors import Reason, TREError
from tre.system.files import write_atomically


class Witness(Protocol):
    """Something that remembers the last checkpoint it was shown."""

    def last(self) -> SignedCheckpoint | None:
        """What was kept last; `None` if nothing ever was."""
        ...

    def keep(self, signed: SignedCheckpoint) -> None:
        """Remember this checkpoint in place of the last one."""
        ...


def witness_path(root: Path) -> Path:
    """The local witness below the launcher's root; the controller writes the directory, everybody may read it."""
    return root / "audit" / "last-checkpoint"


class FileWitness:
    """A witness in a file that holds one signed note."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> SignedCheckpoint | None:
        """What was kept last; raises `TREError(BadInput)` where the file was damaged."""
        try:
            text = self._path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise TREError(Reason.BadInput, f"{self._path} cannot be read as a checkpoint.") from error
        return parse(text)

    def keep(self, signed: SignedCheckpoint) -> None:
        """Write the checkpoint to the disk; a power cut leaves the old one or the new."""
        write_atomically(self._path, signed.note().encode(), mode=0o644)
