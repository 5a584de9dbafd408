"""Where indexes lie: one sealed file a slice, and its key beside it.

Guarantees: an index is encrypted (AES-256-GCM) under a key drawn for this one file, bound to its slice's identifier,
so that a file that was cut, changed or put in another's place does not open, and whoever has it without its key learns
its length. The key is named by the index and written first: a reader finds old and old, or new and new. Both are read
by the storekeeper, who writes them, and the checker (directory 2750, files 0640, the checker's group).

Why the key lies beside: an index is made of the slice that lies on the same volume in the clear, so that a key
elsewhere would protect it from nobody who has the volume; a key a file, drawn anew with each making, needs no secret
in another place, no rotation by hand, and goes with the file when the slice goes. What leaves the volume (a copy of
the index in a backup, a log or a bug report) is worth nothing without it.

Threat: a dictionary of all pseudonyms tried on an index that got out; an index that says another slice was mounted.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tre.domain.datasets import SLICE_ID_PATTERN
from tre.domain.errors import Reason, TREError
from tre.system.files import make_directory, write_atomically

DIRECTORY_MODE = 0o2750
MAGIC = b"TREINDEX1"
LONGEST = 1 << 30
_MODE = 0o640
_KEY_BYTES, _NONCE_BYTES, _NAME_BYTES = 32, 12, 8
_TRIES = 3


@dataclass(frozen=True)
class IndexStore:
    """The directory of indexes: `SLICEID.index` and `SLICEID.NAME.key`."""

    root: Path

    def path(self, slice_id: str) -> Path:
        """Where a slice's index lies. Raises `TREError(BadInput)` for what cannot be a slice's identifier."""
        if re.fullmatch(SLICE_ID_PATTERN, slice_id) is None:
            raise TREError(
                Reason.BadInput, f"{slice_id!r} is no identifier of a slice.", remedy="See `tre slice show`."
            )
        return self.root / f"{slice_id}.index"

    def keep(self, slice_id: str, body: bytes, owner: int = -1) -> None:
        """Put an index in the place of the one before; the files are given to `owner` unless that is -1."""
        path = self.path(slice_id)
        if not self.root.is_dir():
            make_directory(self.root, DIRECTORY_MODE, owner=owner)
        key, nonce = secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
        name = hashlib.blake2b(key, digest_size=_NAME_BYTES).digest()
        beginning = MAGIC + name + nonce
        sealed = beginning + AESGCM(key).encrypt(nonce, body, beginning + slice_id.encode())
        for target, data in ((self._key(slice_id, name), key), (path, sealed)):
            write_atomically(target, data, mode=_MODE)
            if owner != -1:
                os.chown(target, owner, -1, follow_symlinks=False)
        for other in (*self._keys(slice_id), *self._unfinished(slice_id)):
            if other != self._key(slice_id, name):
                other.unlink(missing_ok=True)

    def _unfinished(self, slice_id: str) -> list[Path]:
        """What an interruption left half written of this slice, whose one builder is at work now."""
        return list(self.root.glob(f".{slice_id}.*"))

    def has(self, slice_id: str) -> bool:
        """Whether an index of this slice is kept."""
        return self.path(slice_id).is_file()

    def find(self, slice_id: str) -> bytes | None:
        """The index of a slice, opened; `None` where none is kept.

        Raises `TREError(ContentChanged)` for one that does not open: it was changed, cut off, or is another slice's.
        """
        for _ in range(_TRIES):
            try:
                sealed = _read(self.path(slice_id))
                key = _read(self._key(slice_id, sealed[len(MAGIC) : len(MAGIC) + _NAME_BYTES]))
            except FileNotFoundError:
                if not self.has(slice_id):
                    return None
                continue  # it was renewed between the two looks
            return _opened(slice_id, sealed, key)
        raise _broken(slice_id)

    def require(self, slice_id: str) -> bytes:
        """The same; raises `TREError(SliceNotFound)` where none is kept."""
        if (body := self.find(slice_id)) is None:
            raise TREError(
                Reason.SliceNotFound,
                f"There is no index of the slice {slice_id}.",
                why="Outputs cannot be compared with what was mounted.",
                remedy="Build the slice again: its index is made with it.",
            )
        return body

    def forget(self, slice_id: str) -> None:
        """Remove a slice's index, its keys first: what is left of it then says nothing."""
        for path in (*self._keys(slice_id), *self._unfinished(slice_id), self.path(slice_id)):
            path.unlink(missing_ok=True)

    def _key(self, slice_id: str, name: bytes) -> Path:
        return self.root / f"{slice_id}.{name.hex()}.key"

    def _keys(self, slice_id: str) -> list[Path]:
        self.path(slice_id)
        return sorted(self.root.glob(f"{slice_id}.*.key"))


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LONGEST + 1)


def _opened(slice_id: str, sealed: bytes, key: bytes) -> bytes:
    start = len(MAGIC) + _NAME_BYTES + _NONCE_BYTES
    if len(sealed) > LONGEST or len(key) != _KEY_BYTES or not sealed.startswith(MAGIC):
        raise _broken(slice_id)
    beginning = sealed[:start]
    try:
        return AESGCM(key).decrypt(beginning[-_NONCE_BYTES:], sealed[start:], beginning + slice_id.encode())
    except (InvalidTag, ValueError) as error:
        raise _broken(slice_id) from error


def _broken(slice_id: str) -> TREError:
    return TREError(
        Reason.ContentChanged,
        f"The index of the slice {slice_id} does not open.",
        why="It was changed or cut off, belongs to another slice, or its key is gone.",
        remedy="Build the slice again: its index is made with it.",
    )
