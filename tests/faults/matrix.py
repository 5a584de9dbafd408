"""Which fault meets which operation: the whole table, what makes no sense and why, and the part that every run tries.

Guarantees: each pair is either a cell or named with the reason why it is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

OPERATIONS: dict[str, str] = {
    "start": "access",
    "run": "access",
    "revoke": "access",
    "expiry": "access",
    "slice build": "data",
    "withdrawal": "data",
    "intake": "airlock",
    "review": "airlock",
    "release": "airlock",
    "backup": "keeping",
}
"""What is being done, and of which class it is."""

SERVICES = ("controller", "gateway", "hub", "portal", "public", "storekeeper", "checker", "launcher")

FAULTS: dict[str, str] = {
    **{f"kill {name}": "process" for name in (*SERVICES, "everything", "who works")},
    **{f"freeze {name}": "process" for name in SERVICES},
    "disk full": "disk",
    "disk read-only": "disk",
    "disk slow": "disk",
    "half-written files": "disk",
    "record locked": "record",
    "record torn": "record",
    "clock forward": "clock",
    "clock back": "clock",
    "no descriptors": "exhaustion",
    "no processes": "exhaustion",
    "network to the provider cut": "network",
    "network to the record cut": "network",
    "network to the record silent": "network",
}
"""What goes wrong, and of which class it is."""

STEPS: dict[str, tuple[str, str]] = {
    "start": ("controller", "tre.runtimes.bubblewrap.runtime:BubblewrapRuntime.start"),
    "run": ("a kernel", "a cell that has begun and waits"),
    "revoke": ("controller", "tre.controller.workspaces:WorkspaceReconciler._begin_stop"),
    "expiry": ("controller", "tre.controller.workspaces:WorkspaceReconciler._begin_stop"),
    "slice build": ("storekeeper", "tre.slices.build:_publish"),
    "withdrawal": ("storekeeper", "tre.storekeeper.withdrawal_files:unmount"),
    "intake": ("checker", "tre.airlock.intake:_take_one"),
    "review": ("portal", "tre.portal.review_actions:submit_review"),
    "release": ("checker", "+tre.airlock.bundle:_read_all"),
    "backup": ("tre backup", "+tre.backup.make:copy_any_record"),
}
"""In which program the fault finds the operation, and at which function: before it, or after it where a + stands."""

NO_CELLS: dict[tuple[str, str], str] = {}
"""Pairs that make no sense, or are not tried, and why."""

for _name in ("slice build", "withdrawal", "backup"):
    NO_CELLS["network to the provider cut", _name] = "nobody signs in for it, and no program asks the provider"
for _name, (_who, _) in STEPS.items():
    if _who in SERVICES:
        NO_CELLS["kill who works", _name] = f"kill {_who} is the same"
NO_CELLS["kill who works", "run"] = "a kernel that a person's own code kills is the person's affair"
NO_CELLS["no processes", "run"] = "what runs in a workspace is counted by its own control group, not with the services"
NO_CELLS["no descriptors", "run"] = "what a workspace has open is counted by itself, not with the services"


BY_DESIGN = {"disk full": "StorageFull"}
"""Faults that end workspaces on purpose, so that the services live on, and the reason that people are told: whoever was
inside opens the workspace again."""


class Cell(NamedTuple):
    """One fault in one operation."""

    fault: str
    operation: str

    @property
    def name(self) -> str:
        """How it is called."""
        return f"{self.fault} × {self.operation}"


def cells() -> Iterator[Cell]:
    """Every cell."""
    for operation in OPERATIONS:
        for fault in FAULTS:
            if (fault, operation) not in NO_CELLS:
                yield Cell(fault, operation)


def selection() -> list[Cell]:
    """Few cells in which each fault and each operation is met, and each class of the ones meets each of the others.

    Chosen one after the other: the cell with the most that was not met before; of those with as much, one in which the
    fault hits the program that is at work; of those the one whose operation was chosen least; then the first.
    """
    every = list(cells())
    found: list[Cell] = []
    met: set[object] = set()

    def worth(cell: Cell) -> tuple[int, bool, int]:
        used = sum(cell.operation == one.operation for one in found)
        return len(_meets(cell) - met), cell.fault.endswith(STEPS[cell.operation][0]), -used

    while _meets(best := max(every, key=worth)) - met:
        found.append(best)
        met |= _meets(best)
    return sorted(found, key=every.index)


def _meets(cell: Cell) -> set[object]:
    pair = (FAULTS[cell.fault], OPERATIONS[cell.operation])
    return {("fault", cell.fault), ("operation", cell.operation), pair}
