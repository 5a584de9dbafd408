"""What is believed of a job without a browser."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.factories import NOON
from tre.domain.workspaces.batch import (
    BATCH_TRANSITIONS,
    DAY,
    GRACE,
    MOST_A_DAY,
    SHOWN,
    WORDS,
    BatchState,
    is_noticed,
    judged,
)

S = BatchState
NOW, LATER = timedelta(0), GRACE


@pytest.mark.parametrize(
    ("word", "alive", "runs_on", "quiet", "state"),
    [
        ("", True, True, NOW, S.Running),
        ("finished", True, True, NOW, S.Running),
        ("finished", False, True, NOW, S.Finished),
        ("failed", False, True, NOW, S.Failed),
        ("cancelled", False, True, NOW, S.Cancelled),
        ("", False, True, NOW, S.Running),
        ("", False, True, LATER, S.Failed),
        ("anything", False, True, LATER, S.Failed),
        ("", True, False, NOW, S.Ended),
        ("finished", True, False, NOW, S.Finished),
        ("", False, False, LATER, S.Ended),
    ],
)
def test_a_process_counts_before_a_word_and_the_runs_end_before_a_process(
    word: str, alive: bool, runs_on: bool, quiet: timedelta, state: BatchState
) -> None:
    assert judged(word, alive=alive, runs_on=runs_on, quiet=quiet) is state


def test_every_end_is_final_and_has_words() -> None:
    assert {*WORDS.values(), S.Ended} == BATCH_TRANSITIONS.targets(S.Running)
    assert all(BATCH_TRANSITIONS.is_final(state) for state in S if state is not S.Running)
    assert set(SHOWN) == set(S)


def test_a_days_jobs_are_noticed_up_to_a_number() -> None:
    begun = [NOON - timedelta(minutes=minute) for minute in range(MOST_A_DAY)]
    assert is_noticed(begun[1:], NOON)
    assert not is_noticed(begun, NOON)
    assert is_noticed([moment - DAY for moment in begun], NOON)
