"""The table of sabotage is about the program as it is: each guard is found once, and what is left can be compiled."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tre.cli.demonstration.sabotage import SABOTAGES, broken_copy, without_guard
from tre.domain.errors import Reason, TREError
from tre.system.paths import CHECKOUT


@pytest.mark.parametrize("name", SABOTAGES)
def test_each_guard_is_found_and_taken_out(name: str) -> None:
    sabotage = SABOTAGES[name]
    source = (CHECKOUT / "tre" / sabotage.file).read_text()
    broken = without_guard(sabotage, source)
    assert sabotage.text in source
    assert sabotage.text not in broken
    ast.parse(broken)


def test_a_copy_differs_in_the_guard_alone(tmp_path: Path) -> None:
    copy = broken_copy("vote", tmp_path)
    differing = [
        path.relative_to(copy / "tre").as_posix()
        for path in (copy / "tre").rglob("*.py")
        if path.read_bytes() != (CHECKOUT / "tre" / path.relative_to(copy / "tre")).read_bytes()
    ]
    assert differing == [SABOTAGES["vote"].file]


def test_an_unknown_name_and_a_missing_guard_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TREError) as caught:
        broken_copy("door", tmp_path)
    assert caught.value.reason is Reason.BadInput
    with pytest.raises(TREError):
        without_guard(SABOTAGES["vote"], "nothing of it")
