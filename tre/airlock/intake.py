"""Taking files out of an outbox into the vault: copy first, decide afterwards, on the copy.

Guarantees: a file is opened once, through `openat2` beneath the outbox without any link; it is a plain file with one
name, no holes and no set-id bits; its bytes are hashed while they are copied; the outbox is never looked at again.
What does not fit is refused with a finding of check F01 or F05, and nothing of it is kept.

Does not guarantee: that the bytes are what the author meant, where a process wrote to the file meanwhile. Then the
file is refused, and the author tries again.

Threats: symbolic and hard links to other people's data, pipes that hold the reader, sparse files that exhaust it,
names that deceive, a file swapped between look and copy.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tre.airlock.beneath import open_beneath, opened_directory
from tre.airlock.identify import type_of
from tre.airlock.naming import colliding, problem_of
from tre.airlock.parsed import Observation
from tre.airlock.vault import TooLargeError, Vault
from tre.domain.exports.rules import FileLimits
from tre.domain.quantities import parse_bytes

_SET_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_WORDS = {
    errno.ELOOP: "It is a symbolic link, or lies behind one.",
    errno.EXDEV: "It lies outside the {place}.",
    errno.ENOENT: "There is no such file in the {place}.",
    errno.ENOTDIR: "There is no such file in the {place}.",
    errno.EACCES: "It cannot be read.",
    errno.ENXIO: "It is not a plain file.",
    errno.EISDIR: "It is a directory.",
}


@dataclass(frozen=True)
class Words:
    """What the directory is called to its people, and what they do about a file that is not plain, or too large."""

    place: str = "outbox"
    plainly: str = "Copy the content into a plain file in the outbox."
    less: str = "Ask for less, or for a summary of it."

    def of(self, error: OSError) -> str:
        """Why a file could not be opened."""
        return _WORDS.get(error.errno or 0, "It cannot be opened.").format(place=self.place)


OUTBOX = Words()


@dataclass(frozen=True)
class TakenFile:
    """A file that is in the vault now."""

    path: str
    sha256: str
    size: int
    type: str


@dataclass(frozen=True)
class RefusedFile:
    """A file that was not taken in, and the finding that says why."""

    path: str
    observation: Observation


@dataclass(frozen=True)
class IntakeResult:
    """What became of every file that was asked for."""

    files: tuple[TakenFile, ...]
    refused: tuple[RefusedFile, ...]


class NotPlainError(Exception):
    """The file is not a plain file that may be taken in; the text says why."""


def take_in(
    outbox: Path, paths: Sequence[str], vault: Vault, limits: FileLimits, words: Words = OUTBOX
) -> IntakeResult:
    """Copy the named files into the vault, each by itself; one that is refused does not stop the others."""
    taken: list[TakenFile] = []
    refused: list[RefusedFile] = []
    twice = colliding(paths)
    room = parse_bytes(limits.request_bytes)
    with opened_directory(outbox) as directory:
        for number, path in enumerate(paths):
            problem = _problem(path, twice, number, limits)
            if problem is None:
                outcome = _take_one(directory, path, vault, min(room, parse_bytes(limits.file_bytes)), words)
                if isinstance(outcome, TakenFile):
                    taken.append(outcome)
                    room -= outcome.size
                    continue
                problem = outcome
            refused.append(RefusedFile(path, problem))
    return IntakeResult(tuple(taken), tuple(refused))


def _problem(path: str, twice: set[str], number: int, limits: FileLimits) -> Observation | None:
    if number >= limits.files:
        return Observation("F05", f"A request holds at most {limits.files} files.", "Make a second request.")
    if path in twice:
        return Observation("F01", "Two names differ by nothing or by case only.", "Rename one of them.")
    found = problem_of(path)
    return Observation("F01", found, "Rename it.") if found else None


def _take_one(directory: int, path: str, vault: Vault, most: int, words: Words) -> TakenFile | Observation:
    try:
        descriptor = open_beneath(directory, path)
    except OSError as error:
        return Observation("F01", words.of(error), words.plainly)
    try:
        before = check_plain(descriptor)
        stored = vault.take_in(descriptor, most)
        after = os.fstat(descriptor)
        if _moment(before) != _moment(after) or stored.size != before.st_size:
            return Observation("F01", "It was written to while it was copied.", "Try again when it is finished.")
    except NotPlainError as error:
        return Observation("F01", str(error), words.plainly)
    except TooLargeError:
        return Observation("F05", "It is larger than the policy allows.", words.less)
    finally:
        os.close(descriptor)
    return TakenFile(path, stored.sha256, stored.size, type_of(path))


def _moment(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def check_plain(descriptor: int) -> os.stat_result:
    """The status of an open file that is plain, has one name, no holes and no set-id bits.

    Raises `NotPlainError`.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NotPlainError("It is not a plain file.")
    if status.st_nlink != 1:
        raise NotPlainError("It has more than one name (hard links).")
    if status.st_mode & _SET_BITS:
        raise NotPlainError("It carries a set-id or sticky bit.")
    if status.st_size and os.lseek(descriptor, 0, os.SEEK_HOLE) < status.st_size:
        raise NotPlainError("It has holes (a sparse file).")
    return status
