"""`python -m tests.faults.table RESULTS.json`: writes docs/faults.md from what a run of the cells found."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.matrix import FAULTS, NO_CELLS, OPERATIONS, STEPS, Cell, cells

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
_CLASS = "| fault | " + " | ".join(OPERATIONS) + " |"
_HEAD = """# Faults, counted

Programs are killed, disks fill up, clocks jump, lines are cut. Each cell of the table below is one fault in the middle
of one operation, on a real launcher: services, sandboxes, people's requests and a disk of its own. A cell counts only
if the fault found the operation in its middle: the program had come to the step that is named, its process number and
the time are kept, and it went on only after the fault had come.

After each cell these must hold, looked at from outside of the services:

* **nobody is inside without a right**: no process of a workspace whose grant is not in force;
* **nothing is released unapproved**: no bundle without two checkers who agreed and a confirmation;
* **nothing is lost**: every event that was there before is there, every bundle has the same bytes;
* **the log verifies**, from its first event to its last, and its tip is not behind its witness;
* **it comes back by itself**: every service answers, and what was being done is done. Somebody who was refused
  meanwhile asks again, as they would; nobody repairs anything.
"""


def names_of(page: str) -> tuple[list[str], list[str]]:
    """The faults and the operations of a page's table, in order."""
    lines = page.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| fault |"))
    operations = [word.strip() for word in lines[first].strip("|").split("|")][1:]
    faults = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        faults.append(line.strip("|").split("|")[0].strip())
    return faults, operations


def write(results: dict[str, Any]) -> str:
    """The page."""
    said, reasons = _rows(results)
    count = sum("back" in result for result in results.values())
    total = len(list(cells()))
    begin = datetime.now(UTC).date().isoformat()
    parts = [
        _HEAD,
        "## Where the fault finds it\n",
        "| operation | program | step |",
        "|---|---|---|",
        *(f"| {name} | {who} | {_step(where)} |" for name, (who, where) in STEPS.items()),
        "\n## The table\n",
        "Seconds from the end of the fault until all was well again; *n×* where somebody had to ask n times. "
        f"{count} of {total} cells were run, at the latest on {begin}, on {platform.machine()}, {_cores()} cores, "
        "while the machine had much else to do. `·`: not run yet. A letter: no such cell, see below.\n",
        _CLASS,
        "|---|" + "---|" * len(OPERATIONS),
        *said,
        "",
        *(f"* **{letter}**: {why}." for why, letter in reasons.items()),
    ]
    return "\n".join(parts) + _TAIL


def _step(where: str) -> str:
    if ":" not in where:
        return where
    return ("after" if where.startswith("+") else "before") + f" `{where.lstrip('+').rpartition(':')[2]}`"


def _cores() -> int:
    return os.cpu_count() or 1


def _rows(results: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    reasons: dict[str, str] = {}
    rows = []
    for fault in FAULTS:
        row = [_shown(results.get(Cell(fault, name).name), NO_CELLS.get((fault, name)), reasons) for name in OPERATIONS]
        rows.append(f"| {fault} | " + " | ".join(row) + " |")
    return rows, reasons


def _shown(result: dict[str, Any] | None, why: str | None, reasons: dict[str, str]) -> str:
    if why is not None:
        return reasons.setdefault(why, chr(ord("a") + len(reasons)))
    if result is None:
        return "·"
    if "back" not in result:
        return "**failed**"
    return f"{result['back']}" + (f" ({result['asked']}×)" if result["asked"] > 1 else "")


_TAIL = """

## What each fault is

* **kill**: SIGKILL for one of the services, for all and their keeper at once, or for the very process that stands in
  the middle. Whoever keeps the services starts them again.
* **freeze**: SIGSTOP, and two seconds later SIGCONT.
* **disk full**, **disk read-only**, **disk slow**: not a byte is left, so workspaces end by design (StorageFull), that
  the services may live on, and whoever was inside opens theirs again; nothing can be opened for writing; whoever
  writes waits for half a second again and again. Where the disk is read-only, files that were open stay so.
* **half-written files**: the power goes, and unfinished files are cut in the middle, with strangers among them.
* **record locked**: somebody holds the writer's place for longer than writers wait.
* **record torn**: the power goes, and the last transaction's pages are there by half and garbled.
* **clock**: the services' wall clock is put forward by 100 s, or back by 200 s, for two seconds. What runs inside of a
  sandbox reads a clock of its own, which is not put.
* **network to the record cut**, **silent**: the record is on a PostgreSQL server, at the other end of a line. It is cut
  for six and a half seconds, longer than a transaction is tried to be begun: every connection is reset, and nobody can
  connect. Or it is silent for twelve: no packet is answered, so idle connections are lost and others go on where they
  stood.
* **network to the provider cut**: people sign in at an OpenID provider. The services do not reach it for two seconds.
  Whoever is signed in works on; whoever comes meanwhile is told in words, and comes in later.
* **no descriptors**, **no processes**: no service gets another one for two seconds. The launcher is root, whom the
  kernel refuses no process.

## Running it

`make test` tries a part in which each fault and each operation is met, and each class of the ones with each of the
others. All of it: `python -m tests.faults results.json`, which goes on where it was stopped, then
`python -m tests.faults.table results.json`.
"""


if __name__ == "__main__":
    PAGE.write_text(write(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
