"""What went wrong outside our own rules, in the words of our own errors.

Guarantees: a full disk, a file that may not be written, a record that is locked, damaged or of another version, and a
value that no record takes come out as one `TREError` with cause and next step. Transactions and files written in one
step keep a command from being half done by any of them.

Does not guarantee: words for a mistake of the program itself. That keeps its trace, which belongs into a report.
"""

from __future__ import annotations

import errno

from pydantic import ValidationError
from sqlalchemy.exc import DatabaseError

from tre.domain.errors import Reason, TREError
from tre.domain.model import problems_of
from tre.slices.files import storage_error
from tre.store import postgres

_NAMED_WRONGLY = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
_SPACE = "Free some space, then run it again; nothing was half done."
_RECORD = {
    "disk is full": (Reason.StorageFull, "The record cannot grow: the disk is full.", _SPACE),
    "disk i/o error": (
        Reason.StorageFailed, "The record cannot be read or written.",
        "Is the disk full (`df`)? Then free some space; else `dmesg` says what the disk reports.",
    ),
    "locked": (
        Reason.Conflict, "Another program has held the record for too long.", "Try again; `tre status` shows who runs."
    ),
    "readonly": (
        Reason.NotPermitted, "The record cannot be written by this user.", "Run the command as the user who owns it."
    ),
    "unable to open": (
        Reason.NotPermitted, "The record cannot be opened by this user.", "Run the command as the user who owns it."
    ),
    "no such": (
        Reason.SetupIncomplete, "The record's tables are not those of this program.",
        "Make a backup, then run `tre init`: it brings the record up to date.",
    ),
    "malformed": (
        Reason.StorageFailed, "The record is damaged.", "Stop the services and restore the last backup."
    ),
    "permission denied": (
        Reason.NotPermitted, "The record may not be changed so in this role.",
        "Run `tre init`: it gives every role its rights; then run the command as the user who owns the record.",
    ),
    "does not exist": (
        Reason.SetupIncomplete, "The record's tables are not those of this program.",
        "Make a backup, then run `tre init`: it brings the record up to date.",
    ),
    "not a database": (
        Reason.StorageFailed, "The record's file holds something else.", "Restore the last backup."
    ),
}  # fmt: skip
"""What the database says, what is so, what to do."""


def known_failure(error: Exception) -> TREError | None:
    """The error as a person can act on it; `None` for one that nobody foresaw."""
    if isinstance(error, ValidationError):
        listed = "; ".join(f"{item.where}: {item.expected}" for item in problems_of(error))
        return TREError(
            Reason.StorageFailed,
            f"The record holds a {error.title} that this program does not take.",
            why=f"{listed}.",
            remedy="`tre audit verify` says whether somebody changed it; if not, this is a fault to report.",
        )
    if isinstance(error, DatabaseError):
        return _of_record(error)
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return _of_files(error)
    return None


def _of_record(error: DatabaseError) -> TREError | None:
    if (found := postgres.in_words(error)) is not None:
        return found
    said = str(error.orig)
    for words, (reason, what, remedy) in _RECORD.items():
        if words in said.lower():
            return TREError(reason, what, why=f"The database says: {said}.", remedy=remedy)
    return None


def _of_files(error: OSError) -> TREError:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return TREError(
            Reason.NotPermitted,
            f"{error.filename} cannot be read or written.",
            why=f"{error.strerror}.",
            remedy="Run the command as the user who owns it, or name another place.",
        )
    if error.errno in _NAMED_WRONGLY:
        return TREError(
            Reason.BadInput,
            f"{error.filename} cannot be used.",
            why=f"{error.strerror}.",
            remedy="Name another place; nothing was changed.",
        )
    return storage_error(error, "What was asked")
