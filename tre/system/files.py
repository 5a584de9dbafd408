"""Writing files so that a power cut leaves the old or the new, never half.

Guarantees: `write_atomically` returns only after the bytes and the name are on the disk; a reader sees either the
old content or the new. Secrets are created with mode 0600 from the first moment.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from tre.domain.errors import Reason, TREError

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}")
"""The names that `write_atomically` gives to files while it writes them."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644, durable: bool = True, group: int = -1) -> None:
    """Replace a file's content in one step.

    `durable=False` skips the flush, for files that die with the machine; `group` is set where root writes.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if group != -1 and os.geteuid() == 0:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)  # the umask must not decide who reads it
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        flush_directory(path.parent)


def sweep_unfinished(directory: Path) -> int:
    """Remove what `write_atomically` left in a directory when it was interrupted; how many files.

    For whoever alone writes there, before it begins: a file that is being written has such a name, too.
    """
    left = [path for path in directory.glob(".*") if _UNFINISHED.fullmatch(path.name)] if directory.is_dir() else []
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def write_json(path: Path, value: Any, *, mode: int = 0o644, durable: bool = True, group: int = -1) -> None:
    """`write_atomically` for a JSON value."""
    data = json.dumps(value, sort_keys=True).encode() + b"\n"
    write_atomically(path, data, mode=mode, durable=durable, group=group)


def flush_directory(path: Path) -> None:
    """Bring a directory's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int, *, owner: int = -1, group: int = -1) -> Path:
    """Make a directory (parents included) and see to its mode and owner; an existing one is set right.

    Raises `TREError(SetupIncomplete)` where a directory that is given away loses a part of its mode without a word: so
    the system does with a set-group bit for a foreign group where the right to it (CAP_FSETID) was given up.
    """
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if os.geteuid() == 0 and (owner, group) != (-1, -1):
        os.chown(path, owner, group)
        path.chmod(mode)  # chown clears set-id bits
        if (found := stat.S_IMODE(path.stat().st_mode)) != mode:
            raise TREError(
                Reason.SetupIncomplete,
                f"{path} has mode {found:04o}, and {mode:04o} is due.",
                why="Files in it would belong to a group that cannot read them, and services could not hand work over.",
                remedy="Arrange it as root with CAP_FSETID, on a file system that keeps set-group bits.",
            )
    return path


def make_private_directory(path: Path) -> Path:
    """Make a directory that only this user enters; refuse one that somebody else made.

    Threat: a stranger prepares the well-known path in a shared folder and waits for our sockets to appear in it.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not path.is_dir() or path.is_symlink() or found.st_uid != os.geteuid():
        raise TREError(
            Reason.SetupIncomplete,
            f"{path} exists and belongs to somebody else.",
            remedy="Remove it, or set XDG_RUNTIME_DIR to a directory of your own.",
        )
    path.chmod(0o700)
    return path
