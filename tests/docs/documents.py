"""The documents of the project, taken apart: headings, links, commands, and the steps of tutorials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.fences import SHELL, Block, blocks

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
TUTORIALS = DOCS / "tutorials"
PRELUDE = TUTORIALS / "README.md"
ORDER = ("data-manager", "committee", "researcher", "output-checker", "auditor", "public", "operator")
"""The order in which the tutorials are walked: a later one needs what an earlier one did."""

_STEP = re.compile(r"^\d+\. ")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def all_documents() -> list[Path]:
    """Every page that people read, but for what others wrote."""
    top = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted(DOCS.rglob("*.md"))]


@dataclass(frozen=True)
class Command:
    """A typed command and the lines that must come back; none are demanded where none are shown."""

    text: str
    expected: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Step:
    """One numbered step of a tutorial, in one line."""

    text: str
    line: int


@dataclass(frozen=True)
class Cell:
    """A notebook cell and what it prints."""

    source: str
    expected: tuple[str, ...]
    line: int


def outside_fences(text: str) -> list[str]:
    """The lines of a text with those of fenced blocks made empty."""
    lines = text.splitlines()
    for block in blocks(text):
        for number in range(block.line - 1, block.line + len(block.lines) + 1):
            lines[number] = ""
    return lines


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block: of `sh` each line is one, of `console` `$ ` begins one and what it prints follows."""
    if block.language == "sh":
        typed_alone = (line for line in block.lines if line and not line.startswith("#"))
        yield from (Command(line, (), block.line) for line in typed_alone)
        return
    typed, expected, begun = "", [], 0
    for offset, line in enumerate(block.lines, 1):
        if line.startswith("$ "):
            if typed:
                yield Command(typed, tuple(expected), begun)
            typed, expected, begun = line[2:], [], block.line + offset
        else:
            assert typed, f"line {block.line + offset}: a console block begins with a command"
            expected.append(line)
    if typed:
        yield Command(typed, tuple(expected), begun)


def deeds(text: str) -> list[Command | Step | Cell]:
    """Everything that a tutorial does, in its order."""
    found: list[Command | Step | Cell] = []
    fenced = list(blocks(text))
    for block, after in zip(fenced, [*fenced[1:], None], strict=False):
        if block.language in SHELL and block.not_run is None:
            found += commands(block)
        elif block.language == "python":
            printed = after.lines if after is not None and after.language == "text" else ()
            found.append(Cell("\n".join(block.lines), printed, block.line))
    return sorted([*found, *steps(text)], key=lambda deed: deed.line)


def steps(text: str) -> Iterator[Step]:
    """The numbered steps, each with its continued lines."""
    current, begun = "", 0
    for number, line in enumerate([*outside_fences(text), ""], 1):
        if _STEP.match(line):
            if current:
                yield Step(current, begun)
            current, begun = _STEP.sub("", line), number
        elif current and line.startswith("   "):
            current += " " + line.strip()
        elif current:
            yield Step(current, begun)
            current = ""


def links(text: str) -> list[str]:
    """The targets of links and images."""
    return _LINK.findall("\n".join(outside_fences(text)))


def anchors(text: str) -> set[str]:
    """The fragments that headings make, as GitHub spells them."""
    heads = (line.lstrip("#").strip() for line in outside_fences(text) if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def pattern(text: str) -> re.Pattern[str]:
    """What is shown, as a pattern: `…` stands for anything or nothing, runs of spaces for one another."""
    parts = re.split(r"\s*…\s*", re.sub(r"\s+", " ", text))
    return re.compile(".*".join(r"\s+".join(map(re.escape, part.split(" "))) for part in parts))


def difference(expected: tuple[str, ...], printed: str) -> str:
    """What is missing in what was printed, or nothing. A line of a lone `…` stands for any number of lines."""
    lines = [re.sub(r"\s+", " ", line).strip() for line in printed.splitlines()]
    position, anywhere = 0, False
    for wanted in expected:
        if wanted.strip() == "…":
            anywhere = True
            continue
        shown = pattern(wanted.strip())
        places = range(position, len(lines)) if anywhere else range(position, min(position + 1, len(lines)))
        found = next((place for place in places if shown.fullmatch(lines[place])), None)
        if found is None:
            return f"this line is missing: {wanted!r}"
        position, anywhere = found + 1, False
    return "" if anywhere or position >= len(lines) or not expected else f"nobody expects: {lines[position]!r}"
