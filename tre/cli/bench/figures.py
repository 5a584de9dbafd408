"""What a benchmark says: a figure, its peer in the same run, and their ratio. Ratios travel, seconds do not."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tre.domain.model import Line, Record


class Peer(Record):
    """What ours is measured beside, and what it took."""

    name: Line
    value: float


class Figure(Record):
    """One figure: `ratio` is ours to the peer's; `met` is None where there is no target."""

    what: Line
    unit: Line
    ours: float
    peer: Peer | None = None
    ratio: float | None = None
    target: Line | None = None
    met: bool | None = None


def figure(
    what: str, unit: str, ours: float, *, peer: Peer | None = None, target: tuple[str, bool] | None = None
) -> Figure:
    """A figure with its ratio worked out, rounded to what the clock can tell."""
    ratio = None if peer is None or not peer.value else round(ours / peer.value, 3)
    return Figure(
        what=what,
        unit=unit,
        ours=round(ours, 4),
        peer=peer and peer.model_copy(update={"value": round(peer.value, 4)}),
        ratio=ratio,
        target=target[0] if target else None,
        met=target[1] if target else None,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return float(statistics.median(values))


def machine() -> dict[str, Any]:
    """What it was measured on."""
    memory = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    return {
        "cores": os.cpu_count(),
        "memoryGiB": round(int(memory.split()[1]) / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": _processor(),
        "load": round(os.getloadavg()[0], 2),
        "root": os.geteuid() == 0,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
