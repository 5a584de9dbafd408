"""`python -m tests.faults RESULTS.json [TEXT…]`: run every cell that has no good result yet, or those whose name holds
a text (`selection`: those that every run of the tests tries). Each result is kept at once: a run can go on where it
was stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tests.faults.cells import kind_of, run_cell
from tests.faults.matrix import Cell, cells, selection
from tests.faults.site import FaultWorld, running_fault_world
from tre.store.tables.audit import audit_events

LONGEST = 240.0


def wanted(results: dict[str, Any], texts: list[str]) -> list[Cell]:
    """The cells that are to be run."""
    chosen = [cell for cell in cells() if not texts or any(text in cell.name for text in texts)]
    if texts == ["selection"]:
        chosen = selection()
    return [cell for cell in chosen if "back" not in results.get(cell.name, {})]


def keep_logs(world: FaultWorld, target: Path) -> None:
    """What the services said last, for whoever looks for the reason."""
    target.write_text("\n".join([world.said(lines=40), *last_events(world)]))


def last_events(world: FaultWorld, count: int = 80) -> list[str]:
    """What the record says happened last."""
    query = select(audit_events).order_by(audit_events.c.number.desc()).limit(count)
    with world.here.database.read() as connection:
        rows = connection.execute(query).all()
    return [f"{row.number} {row.at} {row.kind} {row.object} {row.detail}" for row in reversed(rows)]


async def run_some(world: FaultWorld, todo: list[Cell], results: dict[str, Any], path: Path) -> None:
    """Run cells until none is left or one has failed: what the installation holds by then may be why."""
    while todo:
        cell, begun = todo.pop(0), time.monotonic()
        try:
            async with asyncio.timeout(LONGEST):
                found: dict[str, Any] = asdict(await run_cell(world, cell))
        except Exception as error:  # noqa: BLE001 - a cell that fails is a result like another
            traceback.print_exc()
            found = {"failed": f"{type(error).__name__}: {error}"}
            keep_logs(world, path.with_suffix(f".{cell.name.replace(' ', '-')}.log"))
        took = time.monotonic() - begun
        results[cell.name] = found
        path.write_text(json.dumps(results, indent=1, ensure_ascii=False))
        said = f"back in {found['back']} s, asked {found['asked']}" if "back" in found else found["failed"]
        sys.stdout.write(f"{time.strftime('%T')} {cell.name}: {said} ({took:.1f} s)\n")
        sys.stdout.flush()
        await world.leave_desks()
        if "failed" in found:
            return
    await world.leave_desks()


def main(path: Path, texts: list[str]) -> None:
    """Run them all; where one failed the next installation takes over."""
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    every = wanted(results, texts)
    for kind in dict.fromkeys(map(kind_of, every)):
        todo = [cell for cell in every if kind_of(cell) is kind]
        while todo:
            with running_fault_world(kind) as world:
                asyncio.run(run_some(world, todo, results, path))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would not hear it
    main(Path(sys.argv[1]), sys.argv[2:])
