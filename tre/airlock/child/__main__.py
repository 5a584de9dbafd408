"""Look at one file, compare extracts, or transform one file, behind walls: instruction and bytes come in on descriptor
0, the answer goes out on 1: one JSON line, then the extract of the file, or the files that were made of it.

Guarantees: every module is loaded and the walls stand before the first byte of a file is read; whatever goes wrong
afterwards is an answer with F05, a death, or silence, and the parent takes each for a failed check.

Started as a script, isolated (`-I -S`): it finds its own package by its place, and libraries only where the parent
names their directories, which it does for the types that need them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import encodings.utf_8  # noqa: F401 - loaded before the walls stand, since nothing can be loaded behind them
import json
import struct
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tre.airlock.across import COMPARISONS, Member, compare_all
from tre.airlock.checks import checks_for, run_all
from tre.airlock.child.walls import Room, raise_walls
from tre.airlock.extract import LONGEST_EXTRACT, decode, encode, extract_of
from tre.airlock.identify import FORMATS
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, Rules, Surroundings
from tre.airlock.tables.sheets import roles_in_tables
from tre.airlock.transformations import LONGEST_RESULT, MOST_PRODUCTS, TRANSFORMATIONS, Source, UnfitError

_PIECE = 1 << 20
_TOO_MUCH = Observation("F05", "Looking at the file took more memory than allowed.", "Ask for less.")

Result = tuple[dict[str, Any], bytes]
"""The answer's line, and the extract."""

Task = Callable[[dict[str, Any]], Result]


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


def answer(line: dict[str, Any], extract: bytes) -> None:
    """Write the one line that is the result, and the extract."""
    for data in (json.dumps(line, ensure_ascii=True).encode() + b"\n", extract):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]


def surroundings(asked: dict[str, Any], index: bytes = b"") -> Surroundings:
    """What the parent says of policy, labels and slice."""
    return Surroundings(Rules(**asked["rules"]), asked["labels"], asked["people"], index, asked["name"])


def looking(kind: str, *, inward: bool = False) -> Task:
    """Load the parser and the checks of a type; the task looks at the one file that follows."""
    parse = FORMATS[kind].load()
    observers = [check.load() for check in checks_for(kind, inward=inward)]

    def look(asked: dict[str, Any]) -> Result:
        data, index = (read_exactly(length) for length in asked["parts"])
        around = surroundings(asked, index)
        try:
            file = parse(kind, data, Bounds(**asked["bounds"]))
            found = run_all(file, around, observers)
            extract = encode(extract_of(file, roles_in_tables(file, around)))
        except FileRefusedError as refusal:
            return {"observations": [asdict(item) for item in (refusal.observation, *refusal.also)]}, b""
        except MemoryError:
            return {"observations": [asdict(_TOO_MUCH)]}, b""
        if len(extract) > LONGEST_EXTRACT:
            found.append(Observation("F05", "What people would have to look at is too much.", "Ask for less."))
            extract = b""
        return {"observations": [asdict(item) for item in found]}, extract

    return look


def comparing() -> Task:
    """Load the comparisons; the task reads every extract that follows."""
    observers = [comparison.load() for comparison in COMPARISONS]

    def compare(asked: dict[str, Any]) -> Result:
        extracts = [decode(read_exactly(length)) for length in asked["parts"]]
        members = [Member(extract=e, **words) for e, words in zip(extracts, asked["members"], strict=True)]
        remarks = compare_all(members, surroundings(asked), observers)
        return {"observations": [asdict(r.observation) | {"member": r.member} for r in remarks]}, b""

    return compare


def transforming(name: str) -> Task:
    """Load a transformation; the task makes new files of the one that follows."""
    transform = TRANSFORMATIONS[name].load()

    def work(asked: dict[str, Any]) -> Result:
        (length,) = asked["parts"]
        told = asked["errand"]
        source = Source(
            told["path"],
            read_exactly(length),
            Bounds(**asked["bounds"]),
            Rules(**asked["rules"]),
            told["parameters"],
            tuple(told["columns"]),
        )
        try:
            outcome = transform(source)
        except FileRefusedError as refusal:
            return {"observations": [asdict(refusal.observation)]}, b""
        except UnfitError as reason:
            return {"observations": [], "unfit": str(reason)}, b""
        except MemoryError:
            return {"observations": [asdict(_TOO_MUCH)]}, b""
        if len(outcome.products) > MOST_PRODUCTS or sum(len(p.data) for p in outcome.products) > LONGEST_RESULT:
            return {"observations": [asdict(Observation("F05", "What it makes is too much.", "Ask for less."))]}, b""
        products = [{"path": product.path, "size": len(product.data)} for product in outcome.products]
        line = {"observations": [], "products": products, "notes": outcome.notes}
        return line, b"".join(product.data for product in outcome.products)

    return work


def task_of(asked: dict[str, Any]) -> Task:
    """What is to be done, with everything loaded for it."""
    if asked["members"]:
        return comparing()
    return (
        transforming(asked["errand"]["transformation"])
        if asked.get("errand")
        else looking(asked["type"], inward=asked["inward"])
    )


def main() -> None:
    """One task, one answer."""
    asked = read_instruction()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # the walls let nothing start a thread
    sys.path += asked["libraries"]
    task = task_of(asked)
    standing = raise_walls(Room(asked["seconds"], asked["memory"]))
    line, extract = task(asked)
    answer({"walls": standing} | line, extract)


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # noqa: BLE001 - a traceback would quote the file; the exit code says enough
        os._exit(70)
    os._exit(0)
