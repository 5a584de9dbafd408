"""Running a few failed tests again: which, when, and with what answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.again import FAILED_VARIABLE, MOST_AGAIN, TESTS_FAILED, run_few_again


def told(*names: str, code: int = TESTS_FAILED) -> int:
    """A run in which these tests fail."""
    Path(os.environ[FAILED_VARIABLE]).write_text("".join(f"{name}\n" for name in names))
    return code


@pytest.fixture(autouse=True)
def not_what_runs_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """This very test may be told to tell."""
    monkeypatch.delenv(FAILED_VARIABLE, raising=False)


@pytest.mark.parametrize("code", [0, TESTS_FAILED])
def test_a_few_are_run_again_and_named_and_that_run_counts(code: int) -> None:
    again: list[list[str]] = []
    said: list[str] = []

    def rerun(names: list[str]) -> int:
        assert FAILED_VARIABLE not in os.environ
        again.append(names)
        return code

    assert run_few_again(lambda: told("a::b", "c::d[x]"), rerun, said.append) == code
    assert again == [["a::b", "c::d[x]"]]
    assert said == ["2 failed beside others, and run again alone: a::b, c::d[x]"]


@pytest.mark.parametrize(
    ("names", "code"),
    [((), 0), (("a::b",), 2), ((), TESTS_FAILED), (tuple(f"a::{n}" for n in range(MOST_AGAIN + 1)), TESTS_FAILED)],
)
def test_nothing_else_is_run_again(names: tuple[str, ...], code: int) -> None:
    assert run_few_again(lambda: told(*names, code=code), lambda _: pytest.fail("run again"), pytest.fail) == code
