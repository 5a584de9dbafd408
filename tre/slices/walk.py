"""Finding the files of a delivery, without being led out of it.

Guarantees: no link is followed; whatever is neither a directory nor a regular file is reported, never opened; names
that no manifest line can hold (control characters, bytes that are not UTF-8) are reported, and names of one directory
that differ only in capitals, which another file system would take for one; the order is the same on
every machine. A delivery that is nested deeper than `MAX_DEPTH` is reported there, not walked.

Does not guarantee: that a file is what its name says; that is found out when it is read.

Threat: a delivery with links to `/etc`, devices, or names that break a report or a manifest in two.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tre.slices.files import Beneath

MAX_DEPTH = 20
"""Directories below the delivery's root; the NCCID layout needs six."""

_CLINICAL = re.compile(r"(data|status)_(\d{4}-\d{2}-\d{2})\.json")
_METADATA = "-metadata"
PSEUDONYMS, WITHDRAWALS, TAG_MANIFEST = "pseudonyms.txt", "withdrawals.csv", "tag-manifest.yaml"
"""What a custodian may put at the top of a delivery: who may be in it, who opted out, what is safe in its headers."""


class Kind(StrEnum):
    """What a file's place and name say that it is."""

    image = "image"
    sidecar = "sidecar"
    clinical = "clinical"
    beside = "beside"
    """One of the lists at the top of a delivery."""


@dataclass(frozen=True, order=True)
class Found:
    """A regular file, by the parts of its path below the delivery's root."""

    parts: tuple[str, ...]
    kind: Kind

    @property
    def path(self) -> str:
        """The path as text, for reports."""
        return "/".join(self.parts)


@dataclass(frozen=True, order=True)
class Refusal:
    """A file that is not taken, and the rule that says so; never the offending value."""

    path: str
    rule: str
    message: str

    def line(self) -> str:
        """One line for a report, whatever the path holds."""
        return f"{one_line(self.path)}: {self.rule}: {self.message}"

    def as_plain(self) -> dict[str, str]:
        """For `--json` and for results."""
        return {"path": one_line(self.path), "rule": self.rule, "message": self.message}


def one_line(text: str) -> str:
    """A text without control characters, lone surrogates or line breaks: these are written as escapes."""
    return text.encode("unicode_escape").decode("ascii") if _is_unsafe(text) else text


def _is_unsafe(text: str) -> bool:
    return not text.isprintable()


def kind_of(parts: tuple[str, ...]) -> Kind | None:
    """What a path says the file is; `None` for JSON that is neither a sidecar nor a clinical record."""
    name = parts[-1]
    if len(parts) == 1 and name in {PSEUDONYMS, WITHDRAWALS, TAG_MANIFEST}:
        return Kind.beside
    if not name.lower().endswith(".json"):
        return Kind.image
    if any(part.endswith(_METADATA) for part in parts[:-1]):
        return Kind.sidecar
    return Kind.clinical if _CLINICAL.fullmatch(name) else None


def clinical_name(name: str) -> tuple[str, str]:
    """Kind (`data` or `status`) and day of a clinical record, from its name."""
    found = _CLINICAL.fullmatch(name)
    assert found is not None, "kind_of said so"
    return found[1], found[2]


def walk(root: int) -> Iterator[Found | Refusal]:
    """Every file below an open directory, in order of path; what cannot be taken as a refusal."""
    waiting: list[tuple[str, ...]] = [()]
    delivered = Beneath(root)
    try:
        while waiting:
            parts = waiting.pop()
            here = delivered.open(parts or (".",), os.O_RDONLY | os.O_DIRECTORY)
            try:
                with os.scandir(here) as found:
                    entries = sorted(found, key=_name)
                yield from _listed(parts, entries, waiting)
            finally:
                os.close(here)
    finally:
        delivered.close()


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _listed(
    parts: tuple[str, ...], entries: list[os.DirEntry[str]], waiting: list[tuple[str, ...]]
) -> Iterator[Found | Refusal]:
    """What a directory holds; the directories in it are left to be walked."""
    folded = Counter(entry.name.casefold() for entry in entries)
    for entry in entries:
        here = (*parts, entry.name)
        if folded[entry.name.casefold()] > 1:
            yield Refusal("/".join(here), "path", "another name here differs only in capitals")
        elif not entry.is_dir(follow_symlinks=False) or _is_unsafe(entry.name):
            yield _judge(here, entry)
        elif len(here) <= MAX_DEPTH:
            waiting.append(here)
        else:
            yield Refusal("/".join(here), "path", "nested too deeply")


def _judge(parts: tuple[str, ...], entry: os.DirEntry[str]) -> Found | Refusal:
    path = "/".join(parts)
    if _is_unsafe(parts[-1]):
        return Refusal(path, "path", "the name holds characters that no list can show")
    if entry.is_symlink():
        return Refusal(path, "path", "a link is never followed")
    if not entry.is_file(follow_symlinks=False):
        return Refusal(path, "path", "not a regular file")
    if (kind := kind_of(parts)) is None:
        return Refusal(path, "unknown-file", "neither an image, a sidecar nor a clinical record")
    return Found(parts, kind)
