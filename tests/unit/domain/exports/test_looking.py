"""What an approval must rest on: all of a file on the screen, or a word that the rest was left to the checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.domain.exports.looking import Looked, can_approve_what_was_seen, check_looked
from tre.domain.exports.models import Choice, Looking

SHA = "a" * 64


def looked(leaves: int, *seen: int, **more: bool) -> Looked:
    return Looked(sha256=SHA, leaves=leaves, seen=frozenset(seen), **more)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (looked(0), "Nothing of the file can be shown."),
        (looked(3, 1, 3), "Pages that were not on your screen: 1 of 3."),
        (looked(2), "Pages that were not on your screen: 2 of 2."),
        (looked(2, 1, 2, lossy=True), "The pages do not show everything of the file."),
        (looked(2, 1, 9), "Pages that were not on your screen: 1 of 2."),
    ],
)
def test_less_than_everything_is_no_ground_for_an_approval(found: Looked, words: str) -> None:
    with pytest.raises(TREError) as refused:
        check_looked(found, Choice.Approved)
    assert (refused.value.reason, refused.value.why) == (Reason.ConfirmationWrong, words)
    assert not can_approve_what_was_seen(found)
    assert check_looked(found, Choice.ChangesRequested) is None
    assert check_looked(found, Choice.Undecided) is None
    assert check_looked(found.model_copy(update={"covered": True}), Choice.Approved) is Looking.covered


@pytest.mark.parametrize("found", [looked(1, 1), looked(3, 1, 2, 3), looked(2, 1, 2, 7)])
def test_everything_is(found: Looked) -> None:
    assert check_looked(found, Choice.Approved) is Looking.shown
    assert can_approve_what_was_seen(found)


@given(leaves=st.integers(0, 20), seen=st.frozensets(st.integers(0, 25)), lossy=st.booleans())
def test_complete_means_that_nothing_is_missing(leaves: int, seen: frozenset[int], lossy: bool) -> None:
    found = Looked(sha256=SHA, leaves=leaves, seen=seen, lossy=lossy)
    assert found.complete == (leaves > 0 and not lossy and set(range(1, leaves + 1)) <= seen)
    assert set(found.unseen) == set(range(1, leaves + 1)) - seen
