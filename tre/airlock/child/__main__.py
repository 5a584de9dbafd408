"""Look at one file behind walls: the instruction and the bytes come in on descriptor 0, one JSON line goes out on 1.

Guarantees: every module is loaded and the walls stand before the first byte of the file is read; whatever goes wrong
afterwards is an answer with F05, a death, or silence, and the parent takes each for a failed check.

Started as a script, isolated (`-I -S`): it finds its own package by its place and nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import encodings.utf_8  # noqa: F401 - loaded before the walls stand, since nothing can be loaded behind them
import json
import struct
from dataclasses import asdict
from typing import Any

from tre.airlock.checks import run_all
from tre.airlock.child.walls import Room, raise_walls
from tre.airlock.identify import parse
from tre.airlock.parsed import Bounds, Counts, FileRefusedError, Observation

_PIECE = 1 << 20


def read_exactly(amount: int) -> bytes:
    """That many bytes of the input, or fewer at its end."""
    pieces: list[bytes] = []
    while amount > 0 and (piece := os.read(0, min(amount, _PIECE))):
        pieces.append(piece)
        amount -= len(piece)
    return b"".join(pieces)


def read_instruction() -> dict[str, Any]:
    """The parent's words: four bytes of length, then JSON."""
    (length,) = struct.unpack(">I", read_exactly(4))
    instruction: dict[str, Any] = json.loads(read_exactly(length))
    return instruction


def answer(value: dict[str, object]) -> None:
    """Write the one line that is the result."""
    rest = memoryview(json.dumps(value, ensure_ascii=True).encode() + b"\n")
    while rest:
        rest = rest[os.write(1, rest) :]


def look(kind: str, bounds: Bounds, counts: Counts) -> list[Observation]:
    """Read the file and let its parser and every check speak."""
    data = read_exactly(1 << 40)
    try:
        return run_all(parse(kind, data, bounds), counts)
    except FileRefusedError as refusal:
        return [refusal.observation]
    except MemoryError:
        return [Observation("F05", "Looking at the file took more memory than allowed.", "Ask for less.")]


def main() -> None:
    """One file, one answer."""
    asked = read_instruction()
    bounds, counts = Bounds(**asked["bounds"]), Counts(**asked["counts"])
    room = Room(asked["seconds"], asked["memory"])
    standing = raise_walls(room)
    found = look(asked["type"], bounds, counts)
    answer({"walls": standing, "observations": [asdict(item) for item in found]})


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # noqa: BLE001 - a traceback would quote the file; the exit code says enough
        os._exit(70)
    os._exit(0)
