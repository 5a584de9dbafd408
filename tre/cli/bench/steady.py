"""A program that changes a record at a steady rate and writes down what was acknowledged: `tre bench backup` starts it.

Each line: the event's id, when its commit was acknowledged (the machine's monotonic clock), how long it took (both in
seconds). What is late is made up for, so the rate is kept.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tre.domain.events import Event, program
from tre.store.database import Database, new_id
from tre.system.clock import SystemClock


def write(database: Path, rate: int, written: Path, goes_on: Callable[[], bool]) -> None:
    """Change until told to stop."""
    clock, actor, due = SystemClock(), program("bench"), time.monotonic()
    with closing(Database.sqlite(database)) as record, written.open("a", buffering=1) as lines:
        while goes_on():
            due += 1 / rate
            begun = time.monotonic()
            event = Event(id=new_id(), at=clock.now(), actor=actor, kind="bench.written", object="bench/steady")
            with record.change(event):
                pass
            now = time.monotonic()
            lines.write(f"{event.id} {now} {now - begun}\n")
            time.sleep(max(0.0, due - now))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), lambda: True)
