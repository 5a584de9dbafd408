"""What people sent to be let in, between the portal that wrote it and the checker that copies it.

Guarantees: a file is taken as out of an outbox (`intake`), so no link, device or swap leads outside the upload; an
upload is removed once its copy is answered for, and one that nobody asked about is removed after a day. Removing
follows no link.

Threat: a portal that was taken over and writes links to the vault, or swaps files while they are copied.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tre.airlock.beneath import open_beneath, opened_directory
from tre.airlock.handover import older
from tre.airlock.intake import IntakeResult, NotPlainError, Words, check_plain, take_in
from tre.airlock.vault import Vault
from tre.domain.errors import Reason, TREError
from tre.domain.exports.rules import FileLimits

_NAME = re.compile(r"[0-9a-f]{32}")
_WORDS = Words("upload", "Upload it again, as a plain file.", "Bring in less.")


class Uploads:
    """The directory of uploads: `UPLOAD/PATH`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, upload: str) -> Path:
        if _NAME.fullmatch(upload) is None:
            raise TREError(Reason.BadInput, "That is no upload.")
        return self.root / upload

    def receive(self, upload: str, paths: tuple[str, ...], vault: Vault, limits: FileLimits) -> IntakeResult:
        """Copy an upload's files into the vault.

        Raises `TREError(ContentChanged)` where the upload is gone, `TREError(ServiceUnavailable)` where it cannot be
        read.
        """
        try:
            return take_in(self._path(upload), paths, vault, limits, _WORDS)
        except FileNotFoundError as error:
            raise TREError(Reason.ContentChanged, "The upload is gone.", remedy="Upload the files again.") from error
        except OSError as error:
            why = f"{error.strerror}."
            raise TREError(
                Reason.ServiceUnavailable, "The upload cannot be read.", why=why, remedy="Upload the files again."
            ) from error

    @contextmanager
    def opened(self, upload: str, path: str) -> Iterator[int]:
        """One plain file of an upload, open for reading.

        Raises `TREError(ContentChanged)` where it is gone, is no plain file, or lies elsewhere.
        """
        again = "Send the file again."
        try:
            with opened_directory(self._path(upload)) as directory:
                descriptor = open_beneath(directory, path)
        except OSError as error:
            raise TREError(Reason.ContentChanged, "The upload is gone.", remedy=again) from error
        try:
            check_plain(descriptor)
            yield descriptor
        except NotPlainError as error:
            raise TREError(
                Reason.ContentChanged, "The upload is no plain file.", why=str(error), remedy=again
            ) from error
        finally:
            os.close(descriptor)

    def remove(self, upload: str) -> None:
        """Remove an upload; one that is gone already is no error. Raises `OSError`."""
        _remove(self._path(upload))

    def sweep(self, now: datetime) -> int:
        """Remove uploads that nobody asked about for a day; how many. What cannot be removed is left to the next."""
        listed = list(self.root.iterdir()) if self.root.is_dir() else []
        removed = 0
        for path in listed:
            if older(path, now):
                try:
                    _remove(path)
                except OSError:
                    continue
                removed += 1
        return removed


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # on Linux through descriptors: a directory that becomes a link is an error
        else:
            path.unlink()
    except FileNotFoundError:
        return
