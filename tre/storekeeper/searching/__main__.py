"""Search files for names, behind walls: instruction and files come in on descriptor 0, a line for each goes out on 1.

Guarantees: every module is loaded and the walls stand before the first byte of a file is read. Whatever goes wrong
with a file is a line that says it was not searched, or a death, which the parent takes for the same.

Started as a script, isolated (`-I -S`), by `tre.storekeeper.searching.parent`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import encodings.utf_8  # noqa: F401 - loaded before the walls stand, since nothing can be loaded behind them
import hashlib
import json
import struct
from typing import Any

from tre.airlock.child.walls import Room, raise_walls
from tre.storekeeper.searching.tokens import Searcher

PIECE = 1 << 20
MOST_OPENED = 256 << 20
"""Containers larger than this are searched as they lie only."""


def read_exactly(amount: int) -> bytes:
    """That many bytes of the input. Raises `EOFError` at its end."""
    pieces: list[bytes] = []
    while amount > 0:
        if not (piece := os.read(0, min(amount, PIECE))):
            raise EOFError
        pieces.append(piece)
        amount -= len(piece)
    return b"".join(pieces)


def say(line: dict[str, Any]) -> None:
    """One line to the parent."""
    rest = memoryview(json.dumps(line).encode() + b"\n")
    while rest:
        rest = rest[os.write(1, rest) :]


def search(size: int, names: frozenset[bytes], opened: Any) -> dict[str, Any]:
    """One file: its digest and which names stand in it."""
    searcher, hasher, kept = Searcher(names), hashlib.sha256(), []
    left = size
    while left:
        piece = read_exactly(min(left, PIECE))
        left -= len(piece)
        hasher.update(piece)
        searcher.take(piece)
        if size <= MOST_OPENED:
            kept.append(piece)
    whole = True
    try:
        for inside in opened(b"".join(kept)):
            searcher.take(inside)
    except (Exception, MemoryError):  # noqa: BLE001 - readers raise what they like; it is said
        whole = False
    return {"sha256": hasher.hexdigest(), "names": len(searcher.found), "whole": whole}


def main() -> None:
    """Files until there are no more."""
    (length,) = struct.unpack(">I", read_exactly(4))
    told = json.loads(read_exactly(length))
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    sys.path += told["libraries"]
    from tre.storekeeper.searching import opening  # noqa: PLC0415 - its libraries are where the parent says

    opening.warm_up()
    names = frozenset(name.encode().lower() for name in told["names"])
    say({"walls": raise_walls(Room(told["seconds"], told["memory"]))})
    while True:
        try:
            (size,) = struct.unpack(">Q", read_exactly(8))
        except EOFError:
            return
        say(search(size, names, opening.opened))


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # noqa: BLE001 - a traceback would quote the file; the exit code says enough
        os._exit(70)
    os._exit(0)
