"""Where the checker puts copies of what was let in, each under its SHA-256, for the storekeeper to read.

Guarantees: a copy appears under its name only when all its bytes are on the disk and are what the name says; putting
it there again changes nothing, and heals one that somebody changed. Its group is that of the directory.

Does not guarantee: that only files which were let in lie there: whoever asks for a copy knows that.

Threats: bytes that changed in the vault after people said yes to them; half a copy after a power cut.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tre.airlock.intake import NotPlainError, check_plain
from tre.airlock.vault import TooLargeError, Vault, copy_hashed, hash_descriptor
from tre.domain.errors import Reason, TREError
from tre.system.files import flush_directory

KEPT_FOR = timedelta(days=1)
"""What an interruption left half written is removed when it is older."""

_TEMPORARY = ".incoming-"
_MODE = 0o640


class Handover:
    """The directory of copies: `SHA256`, mode 0640."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, vault: Vault) -> Path:
        """Where a copy lies. Raises `TREError(BadInput)` for anything but 64 hexadecimal digits."""
        vault.path(sha256)
        return self.root / sha256

    def put(self, sha256: str, vault: Vault) -> None:
        """Put a copy there. Raises `TREError(ContentChanged)` where the vault does not hold these bytes."""
        self.path(sha256, vault)
        if not self.holds(sha256):
            with vault.opened(sha256) as source:
                self.take(sha256, source)

    def holds(self, sha256: str) -> bool:
        """Whether a whole copy lies there, of these very bytes, that its group may read."""
        return _holds(self.root / sha256, sha256)

    def take(self, sha256: str, source: int) -> None:
        """Put a copy of an open file there. Raises `TREError(ContentChanged)` where it does not hold these bytes."""
        self._copy(source, self.root / sha256)
        flush_directory(self.root)

    def _copy(self, source: int, final: Path) -> None:
        temporary = self.root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                _fill(source, target, final.name)
                os.fchmod(target, _MODE)  # the umask must not decide who reads it
                os.fsync(target)
            finally:
                os.close(target)
            temporary.replace(final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def take_back(self, sha256: str, vault: Vault) -> bool:
        """Remove a copy; false where there was none."""
        try:
            self.path(sha256, vault).unlink()
        except FileNotFoundError:
            return False
        flush_directory(self.root)
        return True

    def sweep(self, now: datetime) -> int:
        """Remove what an interruption left half written, if it is older than `KEPT_FOR`; how many."""
        left = list(self.root.glob(f"{_TEMPORARY}*")) if self.root.is_dir() else []
        old = [path for path in left if older(path, now)]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def older(path: Path, now: datetime) -> bool:
    """Whether something was changed longer ago than `KEPT_FOR`; false where it is gone."""
    try:
        changed = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except FileNotFoundError:
        return False
    return now - changed > KEPT_FOR


def _fill(source: int, target: int, sha256: str) -> None:
    try:
        copied = copy_hashed(source, target, os.fstat(source).st_size)
    except TooLargeError:
        copied = None
    if copied is None or copied.sha256 != sha256:
        raise TREError(
            Reason.ContentChanged,
            "A file does not hold the bytes that it was named by.",
            remedy="Tell the operator: the disk or somebody changed it. It was not let in.",
        )


def _holds(path: Path, sha256: str) -> bool:
    """Whether a whole copy lies there already: a plain file of these bytes that its group may read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        plain = check_plain(descriptor).st_mode & 0o777 == _MODE
        return plain and hash_descriptor(descriptor).sha256 == sha256
    except NotPlainError:
        return False
    finally:
        os.close(descriptor)
