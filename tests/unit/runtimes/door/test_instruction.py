"""A door's instruction is read strictly, one wrong thing at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.doors import told
from tre.runtimes.door.instruction import LARGEST, InstructionError, parse, read


def test_a_whole_instruction_is_read(tmp_path: Path) -> None:
    path = tmp_path / "door.json"
    path.write_text(json.dumps(told(tmp_path)))
    found = read(path)
    assert found.port == 18443
    assert found.answered == {"tcp api"}
    assert found.every == 0.05


@pytest.mark.parametrize("missing", sorted(told(Path("/x"))))
def test_nothing_may_be_missing(missing: str) -> None:
    given = told(Path("/x"))
    del given[missing]
    with pytest.raises(InstructionError, match=r"missing|version"):
        parse(given)


@pytest.mark.parametrize(
    "change",
    [
        {"further": 1},
        {"version": 2},
        {"version": True},
        {"workspace": ""},
        {"workspace": "a\nb"},
        {"port": 0},
        {"port": 65536},
        {"health": "8081"},
        {"health": True},
        {"socket": "lab.sock"},
        {"uid": -1},
        {"report": 5},
        {"own": "own"},
        {"sealed": []},
        {"sealed": ["tcp"]},
        {"network": {}},
        {"network": []},
        {"answered": "tcp api"},
        {"answered": [1]},
        {"seconds": 0},
        {"every": 10**6},
        {"every": True},
        {"every": "1"},
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(InstructionError, match=next(iter(change))):
        parse(told(Path("/x")) | change)


@pytest.mark.parametrize("text", ["", "[]", "{", '"' + "x" * LARGEST + '"'], ids=["empty", "list", "cut", "too long"])
def test_what_is_no_instruction_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "door.json"
    path.write_text(text)
    with pytest.raises(InstructionError):
        read(path)
    with pytest.raises(InstructionError):
        read(tmp_path / "none.json")
