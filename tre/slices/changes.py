"""What a slice says of the people who left it: how many and when, and marks by which copies are recognised.

Guarantees: no name stands in it. A tombstone is a hash over the slice's own identifier and the pseudonym, so that
whoever holds a pseudonym in a table of their own can see that it is gone, and the file says nothing to anybody else;
why somebody left is not known here. Writing the same version twice gives the same text.

Does not guarantee: secrecy of a tombstone from somebody who tries all pseudonyms; everybody who can read it could read
the pseudonyms themselves until that day.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tre.slices.documents import CHANGES, TOMBSTONES

_BEGINNING = """\
# Changes

Files of people who opt out vanish at once, also while you work. Remove what you derived from them: rows of your own
tables whose tombstone is listed in `tombstones.csv`, copies of images, caches. Trained models and published figures
cannot be undone; do not use the rows again.

A tombstone is `sha256("{slice_id} PSEUDONYM")` in hexadecimal. Keeping only rows whose pseudonym still is in
`clinical.parquet` or `manifest.parquet` does the same.

"""
_LINE = re.compile(r"- version (\d+), ")
_HEADING = "tombstone,version,removed_at,files\n"


def tombstone(slice_id: str, pseudonym: str) -> str:
    """The mark of a person in a slice."""
    return hashlib.sha256(f"{slice_id} {pseudonym}".encode()).hexdigest()


def carried(slice_directory: Path) -> tuple[tuple[str, str], ...]:
    """What a slice that stands says of its earlier changes, for the documents of its next version."""
    paths = [slice_directory / name for name in (CHANGES, TOMBSTONES)]
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in paths if path.is_file())


def extended(
    slice_directory: Path, version: int, when: datetime, left: Mapping[str, int]
) -> tuple[tuple[str, str], ...]:
    """The same with a version in which these people left with so many files each."""
    known = dict(carried(slice_directory))
    slice_id, moment = slice_directory.name, f"{when:%Y-%m-%dT%H:%M:%SZ}"
    changes = known.get(CHANGES, _BEGINNING.format(slice_id=slice_id))
    lines = [line for line in changes.splitlines(keepends=True) if _version(_LINE.match(line)) < version]
    people, files = len(left), sum(left.values())
    lines.append(
        f"- version {version}, {when:%d %B %Y at %H:%M} UTC: {people} {'person' if people == 1 else 'people'} opted "
        f"out; {files} files were removed\n"
    )
    rows = known.get(TOMBSTONES, _HEADING).splitlines(keepends=True)
    kept = [row for row in rows if row == _HEADING or int(row.split(",")[1]) < version]
    kept += [f"{tombstone(slice_id, name)},{version},{moment},{count}\n" for name, count in sorted(left.items())]
    kept[1:] = sorted(kept[1:])  # in an order that says nothing of the names
    return ((CHANGES, "".join(lines)), (TOMBSTONES, "".join(kept)))


def _version(found: re.Match[str] | None) -> int:
    return int(found[1]) if found else 0
