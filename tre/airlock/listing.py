"""What lies in an outbox, for the author to choose from.

Guarantees: bounded in number and depth, no link is followed, nothing is opened for reading but directories; a file
that could not be taken in is shown with the reason. The content is not looked at.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tre.airlock.beneath import open_beneath, opened_directory
from tre.airlock.naming import DEEPEST, problem_of
from tre.airlock.parsed import INVISIBLE

MOST_ENTRIES = 2000


@dataclass(frozen=True)
class ListedFile:
    """One entry: its path, and why it could not be taken in (empty where it could)."""

    path: str
    size: int
    modified_at: datetime
    problem: str = ""


@dataclass
class Listing:
    """The entries found; `complete` says whether all were."""

    files: list[ListedFile] = field(default_factory=list)
    complete: bool = True


def list_outbox(outbox: Path) -> Listing:
    """The files of an outbox, sorted by path. Raises `OSError` where there is no such outbox."""
    listing = Listing()
    with opened_directory(outbox) as directory:
        _walk(directory, "", 1, listing)
    listing.files.sort(key=lambda file: file.path)
    return listing


def _walk(directory: int, prefix: str, depth: int, listing: Listing) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if len(listing.files) >= MOST_ENTRIES:
                listing.complete = False
                return
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                _enter(directory, entry.name, path, depth, listing)
            else:
                _add(entry, path, listing)


def _enter(directory: int, name: str, path: str, depth: int, listing: Listing) -> None:
    if name.startswith("."):
        return  # Jupyter keeps its own folders there; nothing in them can be taken in
    if depth >= DEEPEST:
        listing.complete = False
        return
    try:
        inner = open_beneath(directory, name, flags=os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        listing.complete = False
        return
    try:
        _walk(inner, f"{path}/", depth + 1, listing)
    finally:
        os.close(inner)


def _add(entry: os.DirEntry[str], path: str, listing: Listing) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return  # it went away meanwhile
    problem = problem_of(path)
    if not problem and not stat.S_ISREG(status.st_mode):
        problem = "It is not a plain file."
    if not problem and status.st_nlink != 1:
        problem = "It has more than one name (hard links)."
    shown = INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", path)
    changed = datetime.fromtimestamp(status.st_mtime, tz=UTC)
    listing.files.append(ListedFile(shown, status.st_size, changed, problem))
