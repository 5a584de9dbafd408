"""Sealing what a backup must not show: keys, with a passphrase, bound to the backup's list of files.

Guarantees: the box opens with the same passphrase and the same list only: whoever changes a byte of the list, or takes
the box of one backup for another's, is found. The key is made by scrypt (RFC 7914) with a salt of its own each time,
128 MiB and about half a second for each guess; the box is AES-256-GCM. Both are constants of the format: a file cannot
ask for weaker ones.

Does not guarantee: anything for a passphrase that can be guessed or lies beside the backup.

Threat: somebody carries the backup away and looks for keys in it; somebody writes a backup of their own over ours.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.model import Record

SHORTEST = 16
"""Bytes of a passphrase: five words drawn by dice, or 16 letters drawn at random."""

_LONGEST = 4096
_COST, _BLOCK, _PARALLEL = 2**17, 8, 1

Hexadecimal = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{2})+$")]


class Box(Record):
    """Something sealed; all three in hexadecimal."""

    salt: Annotated[Hexadecimal, Field(min_length=32, max_length=32)]
    nonce: Annotated[Hexadecimal, Field(min_length=24, max_length=24)]
    sealed: Hexadecimal


def seal(data: bytes, passphrase: bytes, bound_to: bytes) -> Box:
    """Seal bytes; `bound_to` is not hidden, and must be the same when the box is opened."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, data, bound_to)
    return Box(salt=salt.hex(), nonce=nonce.hex(), sealed=sealed.hex())


def unseal(box: Box, passphrase: bytes, bound_to: bytes) -> bytes:
    """What was sealed. Raises `TREError(SignatureInvalid)` with another passphrase or list, or a changed box."""
    cipher = AESGCM(_key(passphrase, bytes.fromhex(box.salt)))
    try:
        return cipher.decrypt(bytes.fromhex(box.nonce), bytes.fromhex(box.sealed), bound_to)
    except InvalidTag as error:
        raise TREError(
            Reason.SignatureInvalid,
            "The backup does not open with this passphrase.",
            why="The passphrase is another one, or somebody changed the backup's list of files.",
            remedy="Give the passphrase with which this backup was made; an earlier backup may have another.",
        ) from error


def read_passphrase(path: Path) -> bytes:
    """A passphrase from a file that its owner alone reads, from a pipe (`/dev/fd/N`), or with `-` from standard input.

    One line break at its end does not count. Raises `TREError(BadInput)`, and `TREError(NotPermitted)` for a file
    that others may read.
    """
    if str(path) == "-":
        text = sys.stdin.buffer.read(_LONGEST + 1)
    else:
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                    raise TREError(
                        Reason.NotPermitted,
                        f"{path} may be read by others.",
                        why="Whoever has the passphrase and a backup has every key.",
                        remedy=f"If nobody else had access: chmod 0600 {path}. Else choose another passphrase.",
                    )
                text = file.read(_LONGEST + 1)
        except OSError as error:
            raise TREError(
                Reason.BadInput,
                f"The passphrase cannot be read from {path}.",
                why=f"{error.strerror}.",
                remedy="Name a file that holds it in one line.",
            ) from error
    return _checked(text.removesuffix(b"\n").removesuffix(b"\r"))


def _checked(text: bytes) -> bytes:
    if not SHORTEST <= len(text) <= _LONGEST or b"\n" in text:
        raise TREError(
            Reason.BadInput,
            f"The passphrase must be one line of {SHORTEST} to {_LONGEST} bytes.",
            why="Whoever holds a backup can try as many as they like.",
            remedy="Draw five words by dice, or take `openssl rand -base64 24`; keep it apart from the backups.",
        )
    return text


def _key(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=_BLOCK, p=_PARALLEL).derive(passphrase)
