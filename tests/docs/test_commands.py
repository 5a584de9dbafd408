"""What the pages tell people to type exists: commands, options, targets of make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.docs.documents import CHECKOUT, all_documents, blocks, outside_fences
from tre.cli.main import app

HAND_WRITTEN = [path for path in all_documents() if path.name != "commands.md"]
_INLINE = re.compile(r"`([^`]+)`")
_TRE = re.compile(r"(?:^|[\s(;|&])tre ((?:[a-z][\w-]*)[^;|&)`]*)")
_MAKE = re.compile(r"(?:^|[\s(])make ([a-z]+)\b")


def typed(document: Path) -> Iterator[str]:
    """Everything on a page that one could type: words in backticks, lines of blocks."""
    text = document.read_text(encoding="utf-8")
    yield from (found for line in outside_fences(text) for found in _INLINE.findall(line))
    for block in blocks(text):
        if block.language in {"console", "bash", "sh", ""}:
            yield from (
                line.removeprefix("$ ") for line in block.lines if block.language != "console" or line[:1] == "$"
            )


def problem(words: list[str]) -> str:
    """What is wrong with a command line, or nothing."""
    command: Any = get_command(app)
    context = command.make_context("tre", [], resilient_parsing=True)
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            return f"there is no command {name!r}"
        context = found.make_context(name, [], parent=context, resilient_parsing=True)
        command = found
    known = {option for item in command.params for option in (*item.opts, *item.secondary_opts)} | {"--help", "-h"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
    return f"there is no option {unknown[0]!r}" if unknown else ""


@pytest.mark.parametrize("document", HAND_WRITTEN, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_commands_exist(document: Path) -> None:
    lines = [(line, found) for line in typed(document) for found in _TRE.findall(line)]
    wrong = {line: said for line, found in lines if (said := problem(found.split()))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("grant show NAME", ""),
        ("audit tail -f", ""),
        ("audit verify --seen FILE", ""),
        ("grant shout", "there is no command 'shout'"),
        ("audit verify --sene FILE", "there is no option '--sene'"),
    ],
)
def test_the_comparison_tells(line: str, said: str) -> None:
    assert problem(line.split()) == said


def test_targets_of_make_exist() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    named = {found for page in HAND_WRITTEN for line in typed(page) for found in _MAKE.findall(line)}
    assert {"demo", "test"} <= named
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()
