"""What workspaces ask to have checked, found in their outboxes.

Guarantees: only `.preflight/ask-ID` in an outbox is opened, beneath it and through no link, as a plain file of bounded
size; nothing is written there, and nothing in it is parsed: an ask is a first line that names its form, then one path a
line. Of one workspace's asks only so many are read, so that none crowds out another's.

Does not guarantee: that the files are there, or what they are. The intake looks at them as at all others.

Threat: an ask that is a link, a pipe, endless, or one of ten thousand.
"""

from __future__ import annotations

import os
import re
import stat
from itertools import islice
from pathlib import Path

from tre.airlock.beneath import open_beneath, opened_directory
from tre.airlock.jobs import Ask

FOLDER = ".preflight"
FORM = "tre-preflight/1"
LONGEST_ASK = 16 << 10
MOST_PATHS = 50
MOST_ASKS = 4
"""Asks of one workspace that are looked at, the newest: a program asks one at a time, and may leave one behind."""

_LONGEST_PATH = 4096
_MOST_ENTRIES = 1000
_ASK = re.compile(r"ask-([0-9a-f]{32})")
_OUTBOX = re.compile(r"w-[a-z2-7]{12}")


def asks_in(outboxes: Path) -> tuple[Ask, ...]:
    """Every ask, by workspace and id. Raises `OSError` where the directory of outboxes cannot be read."""
    if not outboxes.is_dir():
        return ()
    names = sorted(path.name for path in outboxes.iterdir() if _OUTBOX.fullmatch(path.name))
    return tuple(ask for name in names for ask in _asks_of(outboxes / name))


def _asks_of(outbox: Path) -> list[Ask]:
    try:
        with opened_directory(outbox) as directory:
            folder = open_beneath(directory, FOLDER, flags=os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []  # nobody asked there, or it is no folder that may be read
    try:
        return [ask for identifier in _identifiers(folder) if (ask := _read(folder, outbox.name, identifier))]
    finally:
        os.close(folder)


def _identifiers(folder: int) -> list[str]:
    found: list[tuple[int, str]] = []
    with os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_ENTRIES):
            if match := _ASK.fullmatch(entry.name):
                try:
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, match[1]))
                except OSError:
                    continue  # it went away meanwhile
    return sorted(identifier for _, identifier in sorted(found, reverse=True)[:MOST_ASKS])


def _read(folder: int, outbox: str, identifier: str) -> Ask | None:
    try:
        descriptor = open_beneath(folder, f"ask-{identifier}")
    except OSError:
        return None  # it went away meanwhile, or is a link
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = os.read(descriptor, LONGEST_ASK + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return _ask(outbox, identifier, data)


def _ask(outbox: str, identifier: str, data: bytes) -> Ask:
    problem = "It does not have the form that tre-check writes."
    try:
        first, *paths = data.decode("utf-8").splitlines()
    except (UnicodeDecodeError, ValueError):
        return Ask(outbox=outbox, id=identifier, problem=problem)
    if first != FORM or not paths or not all(0 < len(path) <= _LONGEST_PATH for path in paths):
        return Ask(outbox=outbox, id=identifier, problem=problem)
    if len(data) > LONGEST_ASK or len(paths) > MOST_PATHS:
        return Ask(outbox=outbox, id=identifier, problem=f"At most {MOST_PATHS} files can be checked at once.")
    return Ask(outbox=outbox, id=identifier, paths=tuple(dict.fromkeys(paths)))
