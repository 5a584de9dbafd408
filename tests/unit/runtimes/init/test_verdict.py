"""What a sealed probe and its control prove together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.runtimes.init.verdict import verdict

OUTCOMES = ("open", "closed", "error")


def answer(item: str, outcome: str, optional: bool = False) -> dict[str, Any]:
    return {"item": item, "outcome": outcome, "detail": "", "optional": optional}


@pytest.mark.parametrize(
    ("inside", "outside", "optional", "expected"),
    [
        ("closed", "open", False, "proven"),
        ("closed", "open", True, "proven"),
        ("closed", "closed", False, "unproven"),
        ("closed", "closed", True, "uncontrolled"),
        ("closed", "error", False, "unproven"),
        ("closed", "error", True, "unproven"),
        ("closed", None, False, "unproven"),
        ("closed", None, True, "uncontrolled"),
        *[("open", outside, optional, "failed") for outside in (*OUTCOMES, None) for optional in (True, False)],
        *[("error", outside, optional, "failed") for outside in (*OUTCOMES, None) for optional in (True, False)],
        *[(None, outside, optional, "failed") for outside in OUTCOMES for optional in (True, False)],
    ],
)
def test_each_pair(inside: str | None, outside: str | None, optional: bool, expected: str) -> None:
    sealed = [answer("proof", "closed")] + ([answer("x", inside, optional)] if inside else [])
    control = [answer("proof", "open")] + ([answer("x", outside, optional)] if outside else [])
    found = verdict(sealed, control)
    assert "x" in getattr(found, expected)
    assert found.proven[0] == "proof"
    assert found.holds == (expected in {"proven", "uncontrolled"})


def test_nothing_tried_proves_nothing() -> None:
    assert not verdict([], []).holds
    assert not verdict([answer("x", "closed", True)], []).holds


def test_an_answer_that_comes_twice_counts_at_its_worst() -> None:
    control = [answer("x", "open")]
    for pair in (("open", "closed"), ("closed", "open"), ("closed", "error"), ("error", "closed")):
        assert verdict([answer("x", one) for one in pair], control).failed == ("x",)


def test_one_required_answer_makes_an_item_required() -> None:
    control = [answer("x", "closed", True), answer("x", "closed", False)]
    assert verdict([answer("x", "closed")], control).unproven == ("x",)


@pytest.mark.parametrize("broken", [{}, {"item": "x"}, {"item": "x", "outcome": "shut"}, {"item": "x", "outcome": 0}])
def test_an_answer_that_is_not_one_fails(broken: dict[str, Any]) -> None:
    assert verdict([broken], [answer("x", "open")]).failed


ANSWERS = st.lists(st.builds(answer, st.sampled_from("abcd"), st.sampled_from(OUTCOMES), st.booleans()))


@given(ANSWERS, ANSWERS)
def test_every_item_is_judged_once_and_open_never_holds(sealed: list[Any], control: list[Any]) -> None:
    found = verdict(sealed, control)
    items = [*found.proven, *found.failed, *found.unproven, *found.uncontrolled]
    assert sorted(items) == sorted({one["item"] for one in [*sealed, *control]})
    if any(one["outcome"] != "closed" for one in sealed):
        assert not found.holds
