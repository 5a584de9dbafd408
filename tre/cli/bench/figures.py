"""What a benchmark says: a figure, its peer in the same run, and their ratio. Ratios travel, seconds do not."""

from __future__ import annotations

import math
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
    """A figure with its ratio worked out, to four digits: more than any of these measurements can tell."""
    ratio = None if peer is None or not peer.value else round(ours / peer.value, 3)
    return Figure(
        what=what,
        unit=unit,
        ours=_tidy(ours),
        peer=peer and peer.model_copy(update={"value": _tidy(peer.value)}),
        ratio=ratio,
        target=target[0] if target else None,
        met=target[1] if target else None,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values at or below which this share of them lies (nearest rank: no value is made up)."""
    ordered = sorted(values)
    rank = math.ceil(round(share * len(ordered), 9))  # 0.07 × 100 is a little more than 7 to the machine
    return ordered[min(len(ordered), max(1, rank)) - 1]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return float(statistics.median(values))


def rows(figures: Sequence[Figure]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The figures as a table: the names of its columns, of which one names the peer, and its rows."""
    peers = sorted({item.peer.name for item in figures if item.peer is not None})
    columns = ("what", "ours", "unit", " / ".join(peers) or "peer", "ratio", "target", "met")
    return columns, [_row(item) for item in figures]


def _row(item: Figure) -> tuple[object, ...]:
    peer = "" if item.peer is None else _shown(item.peer.value)
    ratio = "" if item.ratio is None else _shown(item.ratio)
    met = {True: "yes", False: "NO", None: ""}[item.met]
    return item.what, _shown(item.ours), item.unit, peer, ratio, item.target or "", met


def _shown(value: float) -> str:
    return f"{value:g}"


def _tidy(value: float) -> float:
    return float(f"{value:.4g}")


def machine() -> dict[str, Any]:
    """What it is measured on; asked before, since measuring is a load too."""
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


def described(found: dict[str, Any]) -> str:
    """A machine in one line."""
    who = "root" if found["root"] else "an ordinary user"
    return (
        f"{found['cores']} cores ({found['processor']}), {found['memoryGiB']} GiB, Linux {found['kernel']}, "
        f"Python {found['python']}, as {who}, load before {found['load']}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
