"""The words of a Python package: its file name, its METADATA and WHEEL, its RECORD. Standard library only.

Guarantees: each is read by one rule and in one pass, or refused; two spellings of one project or version compare
equal as installers compare them.

Does not guarantee: that what METADATA says is true.

Source: the packaging specifications "Binary distribution format" (1.1), "Core metadata" (2.4) and "Recording installed
projects".
"""

from __future__ import annotations

import base64
import csv
import re
from dataclasses import dataclass
from typing import NoReturn

from tre.airlock.parsed import FileRefusedError, Observation, quoted

_PIECE = re.compile(r"[A-Za-z0-9_.]+")
_VERSION = re.compile(r"[A-Za-z0-9_.!+]+")
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]*")
_FIELD = re.compile(r"([A-Za-z0-9-]+):[ \t]*(.*)")
_HASH = re.compile(r"sha256=([A-Za-z0-9_-]{43})")
_SIZE = re.compile(r"[0-9]{1,12}")
_LONGEST_FIELD = 1 << 17
_PARTS, _PARTS_WITH_BUILD = 5, 6


@dataclass(frozen=True)
class WheelName:
    """What a file name says: project, version, and the tags of what it is for, each as `python-abi-platform`."""

    project: str
    version: str
    tags: frozenset[str]


def refuse(message: str, remedy: str = "Build the package again.", check: str = "F02") -> NoReturn:
    """Raises `FileRefusedError`, always."""
    raise FileRefusedError(Observation(check, message, remedy))


def normal_project(name: str) -> str:
    """The one spelling of a project's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normal_version(version: str) -> str:
    """One spelling of a version: small letters, no separators around words, points elsewhere."""
    joined = re.sub(r"[-_.]+", ".", version.strip().lower().removeprefix("v"))
    return re.sub(r"\.?([a-z]+)\.?", r"\1", joined)


def read_name(path: str) -> WheelName | None:
    """What the name of a file says; `None` where it is none that a package has."""
    name = path.rsplit("/", 1)[-1]
    parts = name[: -len(".whl")].split("-") if name.lower().endswith(".whl") else []
    if len(parts) == _PARTS_WITH_BUILD and _BUILD.fullmatch(parts[2]):
        del parts[2]
    if (
        len(parts) != _PARTS
        or not _VERSION.fullmatch(parts[1])
        or not all(map(_PIECE.fullmatch, parts[:1] + parts[2:]))
    ):
        return None
    return WheelName(normal_project(parts[0]), normal_version(parts[1]), frozenset(_tags("-".join(parts[2:]))))


def _tags(joined: str) -> list[str]:
    """`py2.py3-none-any` as the tags that it stands for."""
    pythons, abis, platforms = (part.split(".") for part in joined.split("-"))
    return [f"{python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]


def expanded(tags: list[str]) -> frozenset[str]:
    """The tags of WHEEL, compressed ones taken apart; what is no tag is left out."""
    whole = [tag for tag in tags if tag.count("-") == 2 and all(tag.split("-"))]
    return frozenset(single for tag in whole for single in _tags(tag))


def fields_of(text: str, what: str) -> dict[str, list[str]]:
    """The fields before the first empty line, by their names in small letters. Raises `FileRefusedError`."""
    found: dict[str, list[str]] = {}
    last: list[str] | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.removesuffix("\r")
        if not bare:
            break
        if bare[0] in " \t":
            if last is None:
                refuse(f"{what} begins with the continuation of a field.")
            continue
        read = _FIELD.fullmatch(bare)
        if read is None:
            refuse(f"Line {number} of {what} is no field: {quoted(bare)}.")
        last = found.setdefault(read.group(1).lower(), [])
        last.append(read.group(2).strip())
    return found


def only(fields: dict[str, list[str]], name: str, what: str) -> str:
    """The one value of a field. Raises `FileRefusedError` where it is missing or stands twice."""
    values = fields.get(name.lower(), [])
    if len(values) != 1 or not values[0]:
        refuse(f"{what} has no {name}, or more than one.")
    return values[0]


def record_of(text: str) -> dict[str, tuple[bytes, int] | None]:
    """RECORD: SHA-256 and size of each path; `None` where neither stands. Raises `FileRefusedError`."""
    found: dict[str, tuple[bytes, int] | None] = {}
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        rows = [row for row in csv.reader(text.splitlines(), strict=True) if row]
    except csv.Error as error:
        raise FileRefusedError(Observation("F02", "RECORD is no list.", "Build the package again.")) from error
    for row in rows:
        if len(row) != 3:
            refuse(f"A line of RECORD has {len(row)} parts instead of three.")
        path, digest, size = row
        if path in found:
            refuse(f"RECORD lists {quoted(path)} twice.")
        if not digest and not size:
            found[path] = None
            continue
        hashed = _HASH.fullmatch(digest)
        if hashed is None or _SIZE.fullmatch(size) is None:
            refuse(f"RECORD gives no SHA-256 and size of {quoted(path)}.")
        found[path] = (base64.urlsafe_b64decode(hashed.group(1) + "="), int(size))
    return found
