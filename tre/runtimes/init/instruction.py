"""The instruction that the first process is given, checked by hand.

Guarantees: an instruction that is returned has every field, of the right type and within its bounds; an unknown
key, a missing key, a key given twice, or a value out of bounds is refused with the name of the key, and nothing
is started. No field can weaken the seal.

Does not guarantee: that the program named in it exists, or that the end of time is the right one: the launcher
that writes the instruction is trusted.
"""

from __future__ import annotations

import json
import math
import os
import select
import time
from collections.abc import Callable

LARGEST = 1 << 20
_PATIENCE = 10.0
_LONGEST_CAP = 400 * 86400.0
_VERSION = 1
LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK")


class InstructionError(Exception):
    """The instruction is refused; the text names the key and what is wrong with it, never the value."""


class Instruction:
    """What to run, as whom it appears, and until when.

    `end` is wall-clock time in Unix seconds, `cap` a length in seconds of the boot-time clock counted from the
    start of the first process; the first of the two ends the workspace. `argv[0]` is an absolute path, `env` the
    exact environment. `rlimits` maps a name of `LIMITS` to (soft, hard), -1 for no limit. `probe` is None, or the
    targets and the seconds of an isolation probe (in JSON {"targets": [...], "seconds": number}).
    """

    __slots__ = ("argv", "cap", "cwd", "end", "env", "probe", "rlimits", "umask", "workspace")

    workspace: str
    end: float
    cap: float
    argv: list[str]
    env: dict[str, str]
    cwd: str
    probe: tuple[list[object], float] | None
    rlimits: dict[str, tuple[int, int]]
    umask: int


def parse(text: bytes) -> Instruction:
    """Read and check an instruction; raises `InstructionError`."""
    try:
        given = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InstructionError("the instruction is not valid JSON") from error
    if not isinstance(given, dict):
        raise InstructionError("the instruction is not an object")
    expected = {"version", *_CHECKS}
    for key in sorted(given.keys() - expected):
        raise InstructionError(f"{key[:64]}: unknown key")
    for key in sorted(expected - given.keys()):
        raise InstructionError(f"{key}: missing")
    if given["version"] != _VERSION or isinstance(given["version"], bool):
        raise InstructionError(f"version: only {_VERSION} is understood")
    instruction = Instruction()
    for key, check in _CHECKS.items():
        setattr(instruction, key, check(key, given[key]))
    return instruction


def read(descriptor: int) -> bytes:
    """Read a descriptor to its end and close it; raises `InstructionError` when that fails or takes too long."""
    if not _is_open(descriptor):
        raise InstructionError("no instruction was passed")
    until = time.monotonic() + _PATIENCE
    poll = select.poll()
    parts: list[bytes] = []
    try:
        poll.register(descriptor, select.POLLIN)
        while sum(map(len, parts)) <= LARGEST:
            if not poll.poll(max(0, until - time.monotonic()) * 1000):
                raise InstructionError("the instruction did not come to its end in time")
            part = os.read(descriptor, LARGEST)
            if not part:
                return b"".join(parts)
            parts.append(part)
        raise InstructionError("the instruction is too long")
    except OSError as error:
        raise InstructionError("the instruction cannot be read") from error
    finally:
        os.close(descriptor)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _name(key: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 253 or not value.isprintable():
        raise InstructionError(f"{key}: a printable text of 1 to 253 characters is due")
    return value


def _seconds(key: str, value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:  # type: ignore[arg-type, operator]
        raise InstructionError(f"{key}: a number of seconds above 0 is due")
    return float(value)  # type: ignore[arg-type]


def _length(key: str, value: object) -> float:
    length = _seconds(key, value)
    if length > _LONGEST_CAP:
        raise InstructionError(f"{key}: at most {_LONGEST_CAP:.0f} seconds")
    return length


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise InstructionError(f"{key}: text without a null character is due")
    return value


def _path(key: str, value: object) -> str:
    path = _text(key, value)
    if not path.startswith("/"):
        raise InstructionError(f"{key}: an absolute path is due")
    return path


def _arguments(key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not value:
        raise InstructionError(f"{key}: a list with a program is due")
    return [_path(key, value[0]), *(_text(key, one) for one in value[1:])]


def _environment(key: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InstructionError(f"{key}: an object is due")
    for name in value:
        if not name or "=" in name or "\0" in name:
            raise InstructionError(f"{key}: a name without = is due")
    return {name: _text(key, one) for name, one in value.items()}


def _limits(key: str, value: object) -> dict[str, tuple[int, int]]:
    if not isinstance(value, dict):
        raise InstructionError(f"{key}: an object is due")
    found = {}
    for name, pair in value.items():
        if name not in LIMITS:
            raise InstructionError(f"{key}: {name[:64]} is not a limit that can be set")
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(one) is int for one in pair):
            raise InstructionError(f"{key}: {name} needs two whole numbers, soft and hard")
        soft, hard = pair
        if min(soft, hard) < -1 or (hard != -1 and not -1 < soft <= hard):
            raise InstructionError(f"{key}: {name} needs 0 ≤ soft ≤ hard, or -1 for no limit")
        found[name] = (soft, hard)
    return found


def _mask(key: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= 0o777:
        raise InstructionError(f"{key}: a number from 0 to 511 is due")
    return value


def _probe(key: str, value: object) -> tuple[list[object], float] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"targets", "seconds"}:
        raise InstructionError(f"{key}: null, or an object with targets and seconds, is due")
    if not isinstance(value["targets"], list) or not value["targets"]:
        raise InstructionError(f"{key}: a list of targets is due")
    return value["targets"], _length(key, value["seconds"])


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "workspace": _name,
    "end": _seconds,
    "cap": _length,
    "argv": _arguments,
    "env": _environment,
    "cwd": _path,
    "probe": _probe,
    "rlimits": _limits,
    "umask": _mask,
}
