"""Drafts: what can be kept, and everything that keeps one from being handed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.applications import content_plain, draft
from tests.support.factories import END, NOON
from tre.domain.applications.drafts import DEEPEST, MOST_CHARACTERS, advice_on, check_draft, problems_in, read_content
from tre.domain.applications.models import Question
from tre.domain.errors import Reason, TREError


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "wrong",
    [
        {"strange": 1},
        {"title": "x" * MOST_CHARACTERS},
        {"title": nested(DEEPEST + 2)},
        {"title": {"a": nested(DEEPEST + 2)}},
        {"title": object()},
        {"title": float("nan")},
        {"title": b"x"},
    ],
)
def test_what_cannot_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TREError) as caught:
        check_draft(wrong)
    assert caught.value.reason is Reason.BadInput


def test_keys_may_be_spelled_as_in_the_program() -> None:
    assert check_draft({"lay_summary": "a", "title": ("b",)}) == {"laySummary": "a", "title": ["b"]}


def test_a_whole_draft_has_no_problem() -> None:
    assert problems_in(content_plain(), NOON) == []
    assert read_content(draft(), NOON).title.startswith("Severity")


def test_every_problem_is_told_at_once() -> None:
    draft = content_plain(title="", funders=[])
    del draft["purpose"]
    assert {one.where for one in problems_in(draft, NOON)} == {"title", "funders", "purpose"}


def test_what_is_over_and_what_was_not_answered_are_problems() -> None:
    late = END + timedelta(days=1)
    assert {one.where for one in problems_in(content_plain(), late)} == {"ends", "legalBasis.ends"}
    early = content_plain(outputs=[{"what": "A paper", "due": "2020-01-01"}, {"what": "Two", "due": "2027-01-01"}])
    assert [one.where for one in problems_in(early, NOON)] == ["outputs[0].due"]
    asked = [Question(text="Why?", at=NOON, answer="So."), Question(text="How?", at=NOON)]
    assert [one.where for one in problems_in(content_plain(), NOON, asked)] == ["questions[1]"]


def test_an_incomplete_draft_says_all_that_is_missing() -> None:
    with pytest.raises(TREError, match="title") as caught:
        read_content(draft(title=""), NOON)
    assert caught.value.reason is Reason.ApplicationIncomplete


def test_advice_stops_nobody() -> None:
    assert advice_on({}) == []
    assert advice_on({"laySummary": 7}) == []
    assert advice_on(content_plain()) == []
    long = "We utilise " + "considerable institutional methodological sophistication " * 15
    said = advice_on({"laySummary": long})
    assert [text.partition(" ")[0] for text in said] == ["utilise:", "Long", "Readable"]
