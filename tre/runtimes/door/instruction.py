"""What a door is told, read strictly: an unknown or a missing key is refused, so that no check is left out by a slip.

Guarantees: what is read has every value in the type and range that the program needs; nothing is started otherwise.

Does not guarantee: that it is the truth. The file is written by the controller alone, and cannot be changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = 1
LARGEST = 2**20


class InstructionError(Exception):
    """The instruction is not one; the text says what is wrong."""


@dataclass(frozen=True)
class Instruction:
    """One run's door.

    `port` and `health` are TCP ports; `socket` is where the workspace's server will listen, as user `uid`; `report`
    is where its first process reports; `own` is a directory that nobody else sees, and that outlives this process but
    not the pod. `sealed` are the targets that the first process tries, `network` those that
    the door tries itself every `every` seconds, for `seconds` each time; `answered` names the targets of both lists
    that answered the controller when it wrote this, which is the control of what no process of a pod may reach.
    """

    workspace: str
    port: int
    health: int
    socket: str
    uid: int
    report: str
    own: str
    sealed: tuple[dict[str, Any], ...]
    network: tuple[dict[str, Any], ...]
    answered: frozenset[str]
    seconds: float
    every: float


def read(path: Path) -> Instruction:
    """Read and check an instruction; raises `InstructionError`."""
    try:
        text = path.read_text(encoding="utf-8")
        given = json.loads(text) if len(text) <= LARGEST else None
    except (OSError, ValueError) as error:
        raise InstructionError(f"the instruction cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise InstructionError("the instruction is no object, or too long")
    return parse(given)


def parse(given: dict[str, Any]) -> Instruction:
    """Check an instruction; raises `InstructionError`."""
    expected = {"version", *_CHECKS}
    if given.keys() != expected:
        wrong = sorted(given.keys() ^ expected)
        raise InstructionError(f"unknown or missing: {', '.join(wrong)[:200]}")
    if given["version"] != VERSION or isinstance(given["version"], bool):
        raise InstructionError(f"version: only {VERSION} is understood")
    return Instruction(**{name: check(name, given[name]) for name, check in _CHECKS.items()})


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise InstructionError(f"{name}: printable text is due")
    return value


def _path(name: str, value: object) -> str:
    path = _text(name, value)
    if not path.startswith("/"):
        raise InstructionError(f"{name}: an absolute path is due")
    return path


def _port(name: str, value: object) -> int:
    return _whole(name, value, 1, 65535)


def _uid(name: str, value: object) -> int:
    return _whole(name, value, 0, 2**32 - 2)


def _whole(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InstructionError(f"{name}: a whole number from {least} to {most} is due")
    return value


def _seconds(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.01 <= value <= 3600:
        raise InstructionError(f"{name}: seconds from 0.01 to 3600 are due")
    return float(value)


def _targets(name: str, value: object) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise InstructionError(f"{name}: a list of targets is due")
    return tuple(value)


def _names(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InstructionError(f"{name}: a list of names is due")
    return frozenset(value)


_CHECKS: dict[str, Any] = {
    "workspace": _text,
    "port": _port,
    "health": _port,
    "socket": _path,
    "uid": _uid,
    "report": _path,
    "own": _path,
    "sealed": _targets,
    "network": _targets,
    "answered": _names,
    "seconds": _seconds,
    "every": _seconds,
}
