"""What lies around a file that is judged by itself: the delivery it belongs to, who is known in it, who opted out.

Guarantees: the delivery's root is found from the layout's folder names alone; nothing outside it is read. Who is
known follows from `pseudonyms.txt` where there is one, else from the folders of clinical records; where there is
neither, nobody can be known and the file waits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tre.domain.gate import GateReason
from tre.slices.files import names_in, open_beneath
from tre.slices.headers import ImageHeader
from tre.slices.taking import read_beside
from tre.slices.unfit import UnfitError
from tre.slices.walk import PSEUDONYMS, WITHDRAWALS, kind_of

_GROUPS = frozenset({"ct", "mri", "xray", "unknown"})
_FOLDERS = _GROUPS | {f"{group}-metadata" for group in _GROUPS} | {"data"}
_PARTITIONS = ("training", "validation")
_DEPTH = 5
"""Parts of a path from a group's folder to the file."""

_UNKNOWN = GateReason("unlisted-pseudonym", "PatientID", "no list of the dataset's people is in reach", refuses=False)


def root_of(path: Path) -> Path:
    """The root of the delivery that a path belongs to: above its group or partition, else the path's own directory."""
    parts = path.parts
    for index in range(len(parts) - 1, max(0, len(parts) - 1 - _DEPTH), -1):
        if parts[index] in _FOLDERS and index > 0:
            above = index - 1 if parts[index - 1] in _PARTITIONS else index
            return Path(*parts[:above])
    if path.name in _PARTITIONS:
        return path.parent
    return path if path.is_dir() else path.parent


@dataclass(frozen=True)
class Surroundings:
    """A delivery as far as a single file's verdict needs it."""

    root: Path
    known: frozenset[str] | None
    denied: frozenset[str]

    @classmethod
    def of(cls, root: Path) -> Surroundings:
        """Look around. What cannot be read counts as not there."""
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            listed = _lines(descriptor, PSEUDONYMS)
            denied = _lines(descriptor, WITHDRAWALS) or []
            known = frozenset(listed) if listed is not None else _with_records(descriptor)
            return cls(root, known, frozenset(line.partition(",")[0].strip() for line in denied))
        finally:
            os.close(descriptor)

    def person(self, header: ImageHeader) -> GateReason | None:
        """What speaks against the person of an image."""
        if header.pseudonym in self.denied:
            return GateReason("withdrawn", "PatientID", "the person opted out")
        if self.known is None:
            return _UNKNOWN
        if header.pseudonym not in self.known:
            return GateReason("unlisted-pseudonym", "PatientID", "the person is not known in this dataset")
        return None


def _lines(root: int, name: str) -> list[str] | None:
    try:
        return read_beside(root, name)
    except (OSError, UnfitError):
        return None


def _with_records(root: int) -> frozenset[str] | None:
    """Everybody who has a folder with a clinical record in it; `None` where there is no such folder at all."""
    people: set[str] = set()
    for parts in (("data",), *((partition, "data") for partition in _PARTITIONS)):
        people.update(_people_in(root, parts))
    return frozenset(people) or None


def _people_in(root: int, parts: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    for name in _names(root, parts):
        if any(kind_of((*parts, name, file)) == "clinical" for file in _names(root, (*parts, name))):
            found.add(name)
    return found


def _names(root: int, parts: tuple[str, ...]) -> list[str]:
    try:
        descriptor = open_beneath(root, parts, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        return names_in(descriptor)
    finally:
        os.close(descriptor)
