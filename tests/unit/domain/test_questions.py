"""The questions that are asked of the log."""

from __future__ import annotations

import re
from pathlib import Path

from tre.domain.desk.questions import QUESTIONS, question_of

SOURCE = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parents[3] / "tre").rglob("*.py"))


def test_each_has_a_name_of_its_own() -> None:
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    assert all(question_of(question.name) is question for question in QUESTIONS)
    assert question_of("none") is None


def test_every_kind_is_one_that_the_launcher_writes() -> None:
    """As a whole, or as a verb of the module that puts the object before it."""
    for kind in {kind for question in QUESTIONS for kind in question.kinds}:
        _, verb = kind.split(".")
        written = SOURCE.replace((Path(__file__).parents[3] / "tre/domain/desk/questions.py").read_text("utf-8"), "")
        assert re.search(rf'"{re.escape(kind)}"|"{verb}"|\.{verb}"', written), kind
