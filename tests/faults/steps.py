"""The harness' side of the steps at which services are stopped: arm one, wait until it is reached, let go."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.matrix import STEPS

INJECTED = Path(__file__).parent / "points"
PARTS = ("armed", "taken", "hits", "go")


class NoHitError(AssertionError):
    """The fault found nothing in the middle: such a cell proves nothing."""


@dataclass(frozen=True)
class Hit:
    """Where the fault found the operation."""

    step: str
    pid: int
    at: float


def name_of(operation: str) -> str:
    """A step's name as a file."""
    return operation.replace(" ", "-")


class Steps:
    """The directory by which the tests and the services understand each other; every service may write in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for path in (place, *(place / part for part in PARTS)):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)

    @property
    def environment(self) -> dict[str, str]:
        """What a program is told so that it stops where it is asked to."""
        named = {name_of(operation): target for operation, (_, target) in STEPS.items() if ":" in target}
        return {
            "PYTHONPATH": str(INJECTED),
            "FAULT_POINTS": str(self.place),
            "FAULT_STEPS": ",".join(f"{step}={target}" for step, target in named.items()),
        }

    def clear(self) -> None:
        """Nothing is armed, and whoever waits goes on."""
        for part in ("armed", "taken", "hits"):
            shutil.rmtree(self.place / part)
            (self.place / part).mkdir()
            (self.place / part).chmod(0o777)

    def arm(self, operation: str) -> None:
        """The next who comes to this step stops there."""
        (self.place / "go" / name_of(operation)).unlink(missing_ok=True)
        self.clear()
        path = self.place / "armed" / name_of(operation)
        path.touch()
        path.chmod(0o666)

    async def reached(self, operation: str, doing: asyncio.Task[object], seconds: float = 45.0) -> Hit:
        """Wait for that. Raises `NoHitError` where nobody comes."""
        path, until = self.place / "hits" / name_of(operation), time.monotonic() + seconds
        while not path.exists():
            if time.monotonic() > until or (doing.done() and doing.exception() is not None):
                error = doing.exception() if doing.done() else None
                raise NoHitError(f"{operation} did not come to its step: {error}")
            await asyncio.sleep(0.005)
        return Hit(**json.loads(path.read_text()))

    def let_go(self, operation: str) -> None:
        """Whoever waits at the step, and lives, goes on."""
        (self.place / "armed" / name_of(operation)).unlink(missing_ok=True)
        (self.place / "go" / name_of(operation)).touch()

    def set_clock(self, seconds: float) -> None:
        """Put the services' wall clock off by so much, in one step."""
        new = self.place / "clock-new"
        new.write_text(str(seconds))
        new.chmod(0o644)
        new.rename(self.place / "clock")
