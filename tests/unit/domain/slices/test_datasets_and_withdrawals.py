"""Names that become directories, and deny sets that only grow."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tre.domain.datasets import SLICE_ID_PATTERN
from tre.domain.names import slice_id
from tre.domain.withdrawals import DenySet, Withdrawal, WithdrawalLevel

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def withdrawal(pseudonym: str) -> Withdrawal:
    return Withdrawal(pseudonym=pseudonym, level=WithdrawalLevel.no_use, source="site", received_at=NOW)


@pytest.mark.parametrize("name", ["Covid1", "a", "A.b-c_1", "x" * 64])
def test_what_may_be_a_pseudonym(name: str) -> None:
    assert withdrawal(name).pseudonym == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a.", "-a", "a/b", "a b", "a\n", "ä", "x" * 65])
def test_what_may_not(name: str) -> None:
    with pytest.raises(ValidationError):
        withdrawal(name)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=5))
def test_a_deny_set_grows_and_is_numbered_by_change(batches: list[list[str]]) -> None:
    current = DenySet()
    for batch in batches:
        after = current.extended(withdrawal(name) for name in batch)
        assert after.pseudonyms == current.pseudonyms | set(batch)
        assert after.version == current.version + (after.pseudonyms != current.pseudonyms)
        current = after


@given(st.text(), st.text())
def test_identifiers_of_slices_have_the_form_that_names_a_directory(grant: str, name: str) -> None:
    assert re.fullmatch(SLICE_ID_PATTERN, slice_id(grant, name))
