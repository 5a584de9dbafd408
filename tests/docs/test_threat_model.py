"""The threat model names tests that exist, and names one for each threat."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.docs.documents import CHECKOUT, DOCS

PAGE = DOCS / "threat-model.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


def rows() -> list[list[str]]:
    """The cells of every row of the page's tables, but for their heads."""
    lines = [line.strip("|").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in line] for line in lines if not set("".join(line)) <= set("-| ")]


def threats() -> list[list[str]]:
    """Rows of threat, control, test."""
    return [row for row in rows() if len(row) == 3 and row[0] != "threat"]


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of a module's tests, as pytest spells them."""
    found = set()
    for node in ast.parse((CHECKOUT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if hasattr(inner, "name")} | {node.name}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def exists(path: str, name: str) -> bool:
    """Whether a test is there."""
    return Path(CHECKOUT / path).is_file() and name in names_in(path)


def test_every_threat_names_a_test() -> None:
    assert len(threats()) > 40
    assert [row[0] for row in threats() if not _TEST.search(row[2])] == []


def test_every_named_test_exists() -> None:
    named = _TEST.findall(PAGE.read_text(encoding="utf-8"))
    assert [f"{path}::{name}" for path, name in named if not exists(path, name)] == []


def test_what_does_not_exist_is_noticed() -> None:
    assert exists("tests/docs/test_threat_model.py", "test_what_does_not_exist_is_noticed")
    assert not exists("tests/docs/test_threat_model.py", "test_of_nothing")
    assert not exists("tests/docs/test_nothing.py", "test_of_nothing")
