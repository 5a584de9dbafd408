"""What workspaces note of jobs that run without a browser, found in their outboxes.

Guarantees: only `.batch/job-NUMBER-ID` in an outbox is opened, beneath it and through no link, as a plain file of
which a few bytes are read; nothing is written there. A job is alive where the kernel says that a process holds the
lock on its note: no bytes can claim it. Of one workspace only the newest notes are read.

Does not guarantee: what the process does that holds a lock; nor anything where a file system keeps no locks (`flock`)
between machines: there a job is told of when it wrote its word.

Threat: a note that is a link, a pipe, or one of ten thousand; a file that says that it is busy.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from itertools import islice
from pathlib import Path

from tre.airlock.beneath import open_beneath, opened_directory
from tre.airlock.jobs import BatchNote
from tre.domain.workspaces.batch import WORDS

FOLDER = ".batch"
FORM = "tre-batch/1"
MOST_NOTES = 8
_MOST_ENTRIES = 1000
_LONGEST = 100
_NOTE = re.compile(r"job-([1-9][0-9]{0,3})-([0-9a-f]{16})")
_OUTBOX = re.compile(r"w-[a-z2-7]{12}")


def batches_in(outboxes: Path) -> tuple[BatchNote, ...]:
    """Every note, by workspace. Raises `OSError` where the directory of outboxes cannot be read."""
    if not outboxes.is_dir():
        return ()
    names = sorted(path.name for path in outboxes.iterdir() if _OUTBOX.fullmatch(path.name))
    return tuple(note for name in names for note in _notes_of(outboxes / name))


def _notes_of(outbox: Path) -> list[BatchNote]:
    try:
        with opened_directory(outbox) as directory:
            folder = open_beneath(directory, FOLDER, flags=os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []  # nobody ran anything there, or it is no folder that may be read
    try:
        return [note for name in _newest(folder) if (note := _read(folder, outbox.name, name))]
    finally:
        os.close(folder)


def _newest(folder: int) -> list[str]:
    found: list[tuple[int, str]] = []
    with os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_ENTRIES):
            if _NOTE.fullmatch(entry.name):
                try:
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
                except OSError:
                    continue  # it went away meanwhile
    return sorted(name for _, name in sorted(found, reverse=True)[:MOST_NOTES])


def _read(folder: int, outbox: str, name: str) -> BatchNote | None:
    match = _NOTE.fullmatch(name)
    assert match is not None
    try:
        descriptor = open_beneath(folder, name)
    except OSError:
        return None  # it went away meanwhile, or is a link
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        alive = _is_locked(descriptor)
        lines = os.read(descriptor, _LONGEST).decode("ascii", "replace").split("\n")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    word = lines[2] if len(lines) == 4 and lines[0] == FORM and lines[2] in WORDS else ""
    return BatchNote(outbox=outbox, id=match[2], number=int(match[1]), alive=alive, word=word)


def _is_locked(descriptor: int) -> bool:
    """Whether another process holds the lock; what is taken here goes with the descriptor."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
