"""Finds every metric that the launcher's own modules make, by reading their source.

Guarantees: no module is imported, so a metric counts also where its module needs a cluster or a browser; the names are
those that are scraped.

Does not guarantee: to find a metric whose name is computed. None is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import tre

PACKAGE = Path(str(tre.__file__)).parent


class Measure(NamedTuple):
    """One of our own metrics as it stands in the source."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    package: str


_KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "GaugeMetricFamily": "gauge"}


_MADE = re.compile(rf"\b(?:{'|'.join(_KINDS)})\(")


@cache
def measures() -> tuple[Measure, ...]:
    """Every metric that any module of ours makes, by name; a counter's name as it is scraped."""
    return tuple(sorted(item for path in PACKAGE.rglob("*.py") for item in _measures_of(path)))


def _measures_of(path: Path) -> Iterator[Measure]:
    text = path.read_text(encoding="utf-8")
    if not _MADE.search(text):
        return  # most modules make none: taking all of them apart takes seconds
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS and node.args:
            found = _measure(node, path.relative_to(PACKAGE))
            if found is not None:
                yield found


def _measure(node: ast.Call, path: Path) -> Measure | None:
    first = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
    if not isinstance(first, str) or not first.startswith(("tre_", "http_")):
        return None
    assert isinstance(node.func, ast.Name)
    kind = _KINDS[node.func.id]
    given = {item.arg: item.value for item in node.keywords}
    text = given.get("documentation", node.args[1])
    labels = given.get("labels", given.get("labelnames", node.args[2] if len(node.args) > 2 else ast.List([])))
    name = f"{first}_total" if kind == "counter" else first
    return Measure(name, kind, tuple(ast.literal_eval(labels)), str(ast.literal_eval(text)), path.parts[0])
