"""The page of the metrics names every one that the code makes, and no label can name anybody."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import CHECKOUT, DOCS

PAGE = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
ROWS = {
    name: set(re.findall(r"`(\w+)`", labels))
    for name, labels in re.findall(r"^\| `((?:tre|http)_\w+)` \| \w+ \| ([^|]*) \|", PAGE, re.M)
}
KNOWN_LABELS = {
    "ask", "check", "direction", "door", "kind", "lane", "method", "outcome", "phase", "program", "reason", "source",
    "state", "status", "verb", "way",
}  # fmt: skip
"""What these hold is a word of the program's own, never one that somebody typed or that names somebody."""


def test_every_metric_in_the_source_is_on_the_page() -> None:
    """Found as text, where the page is made from the syntax: `"tre_…"` where a metric is made, whoever makes it."""
    made = r'(?:Counter|Gauge|Histogram|Summary|Info|Enum|\w+MetricFamily)\(\s*"((?:tre|http)_\w+)"'
    found = {name for path in (CHECKOUT / "tre").rglob("*.py") for name in re.findall(made, path.read_text("utf-8"))}
    assert len(found) > 20
    assert {name.removesuffix("_total") for name in ROWS} == found


@pytest.mark.parametrize("name", ROWS)
def test_labels_hold_words_of_the_program_only(name: str) -> None:
    assert ROWS[name] <= KNOWN_LABELS


def test_refusals_and_endings_are_told_by_reason() -> None:
    told = {name for name, labels in ROWS.items() if "reason" in labels}
    assert told >= {
        "tre_gateway_refused_total",
        "tre_portal_refused_total",
        "tre_workspace_refusals_total",
        "tre_workspace_endings_total",
    }
