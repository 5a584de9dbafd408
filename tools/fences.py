"""The command blocks of the pages: which test runs each, and which nobody runs, with the reason.

Guarantees: every fenced block that a person would type is found; it is run by the test that `RUN_BY` names for its
page (`ON_A_CLUSTER` for a block of a cluster's commands), or a line `<!-- not run: reason -->` before it says why not;
`faults` names each that is neither, and each that looks like commands without saying so.

Does not guarantee: that the test is a good one; `tests/docs` compares what is shown with what is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SHELL = frozenset({"console", "sh"})
"""Languages of blocks that people type: with prompts and what is printed, or commands alone."""

TUTORIALS = "docs/tutorials/"
_WALK = "tests/docs/test_tutorials.py"
RUN_BY = {
    "README.md": "tests/docs/test_readme.py",
    "docs/auditing.md": "tests/docs/test_auditing.py",
    "docs/backup.md": _WALK,
    "docs/committee.md": _WALK,
    "docs/identity.md": _WALK,
    "docs/monitoring.md": _WALK,
    "docs/one-machine.md": _WALK,
    "docs/output-checking.md": _WALK,
    "docs/practice.md": _WALK,
    "docs/register.md": _WALK,
}
"""Pages beside the tutorials whose commands are run, and by which test."""

ON_A_CLUSTER = {
    "README.md": "tests/cluster/test_chart.py",
    "docs/kubernetes.md": "tests/cluster/test_chart.py",
}
"""Pages whose blocks that begin with a cluster's program are run on a real one."""

_FENCE = re.compile(r"^(```+)(\w*)\s*$")
_MARK = re.compile(r"^<!-- not run: (.*?) -->$")
_TYPED = re.compile(r"^(\$ )?(tre|make|kubectl|helm|apt-get|buildah|curl|pip|git|prometheus) \S")
_OF_A_CLUSTER = re.compile(r"^(helm|kubectl) \S")
_LEAST_WORDS = 3


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, where it begins, and why no test runs it, if none does."""

    language: str
    lines: tuple[str, ...]
    line: int
    not_run: str | None = None


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a text."""
    fence, language, begun, mark, before = "", "", 0, "", ""
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _FENCE.match(line)
        if not fence and found:
            fence, language, begun, lines, mark = found[1], found[2], number, [], before
        elif fence and line.strip() == fence:
            said = _MARK.match(mark)
            yield Block(language, tuple(lines), begun, said[1] if said else None)
            fence = ""
        elif fence:
            lines.append(line)
        before = line
    assert not fence, f"a fence of line {begun} is not closed"


def pages() -> list[Path]:
    """Every page that people wrote."""
    top = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    written = (path for path in sorted((CHECKOUT / "docs").rglob("*.md")) if path.parent.name != "reference")
    return [*top, *written]


def run_by(name: str, block: Block) -> str | None:
    """The test that runs a block of a page."""
    if name in ON_A_CLUSTER and _OF_A_CLUSTER.match(block.lines[0]):
        return ON_A_CLUSTER[name]
    return _WALK if name.startswith(TUTORIALS) else RUN_BY.get(name)


def faults(name: str, text: str) -> Iterator[str]:
    """What is wrong with the blocks of a page."""
    found = list(blocks(text))
    for block in found:
        where = f"{name}:{block.line}"
        if block.language in SHELL and block.not_run is None and run_by(name, block) is None:
            yield f"{where}: no test runs this. Name one in RUN_BY, or write '<!-- not run: reason -->' before it."
        elif block.not_run is not None and len(block.not_run.split()) < _LEAST_WORDS:
            yield f"{where}: say in words why no test runs this."
        elif block.language not in SHELL and any(_TYPED.match(line) for line in block.lines):
            yield f"{where}: this is typed by people, so it is a block of `sh` or `console`."
    marks = sum(bool(_MARK.match(line)) for line in text.splitlines())
    if marks != sum(block.not_run is not None for block in found):
        yield f"{name}: a line '<!-- not run: … -->' stands right before no block."
