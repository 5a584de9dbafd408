"""The bytes of backups, each under the SHA-256 of what it holds: what two backups share is there once.

Guarantees: an object has its name only when all its bytes are on the disk; what is taken in
again takes the place of what was there, so damage is mended.

Does not guarantee: that nobody changed an object since: `check` says whether its bytes are what its name says.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.system.files import flush_directory

_NAME = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 20
_INCOMING = ".incoming-"


class Objects:
    """The directory `objects/ab/cdef…` of a place for backups; files of mode 0400."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.added = 0
        self.added_bytes = 0

    def path(self, sha256: str) -> Path:
        """Where an object lies. Raises `TREError(BadInput)` for anything but 64 hexadecimal digits."""
        if _NAME.fullmatch(sha256) is None:
            raise TREError(Reason.BadInput, "That is no SHA-256.")
        return self.root / sha256[:2] / sha256[2:]

    def holds(self, sha256: str, size: int) -> bool:
        """Whether an object of this size is there."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def incoming(self) -> Path:
        """A name for bytes that are still being written."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root / f"{_INCOMING}{secrets.token_hex(8)}"

    def take_in(self, source: int) -> tuple[str, int]:
        """Copy an open file from its beginning; its SHA-256 and size."""
        temporary = self.incoming()
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
        hasher, size = hashlib.sha256(), 0
        try:
            with os.fdopen(target, "wb") as file:
                while piece := os.pread(source, _PIECE, size):
                    hasher.update(piece)
                    size += len(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            self._keep(temporary, hasher.hexdigest(), size)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return hasher.hexdigest(), size

    def adopt(self, incoming: Path) -> tuple[str, int]:
        """Keep a file that was written under an `incoming` name; its SHA-256 and size."""
        with incoming.open("rb") as file:
            os.fsync(file.fileno())
            sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
        incoming.chmod(0o400)
        self._keep(incoming, sha256, size)
        return sha256, size

    def _keep(self, temporary: Path, sha256: str, size: int) -> None:
        final, known = self.path(sha256), self.holds(sha256, size)
        final.parent.mkdir(exist_ok=True)
        temporary.replace(final)  # also in place of one that should be the same, and may have been damaged
        flush_directory(final.parent)
        if not known:
            self.added += 1
            self.added_bytes += size

    def check(self, sha256: str, size: int) -> bool:
        """Whether an object is there and whole."""
        try:
            with self.path(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256 and file.tell() == size
        except OSError:
            return False

    def keep_only(self, wanted: set[str]) -> int:
        """Remove every other object; how many."""
        others = [path for path in self.root.glob("??/*") if f"{path.parent.name}{path.name}" not in wanted]
        for path in others:
            path.unlink()
        return len(others)

    def sweep(self) -> int:
        """Remove what an interrupted backup left half written; how many."""
        left = list(self.root.glob(f"{_INCOMING}*")) if self.root.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)
