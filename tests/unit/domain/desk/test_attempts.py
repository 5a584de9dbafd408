"""How often a sign-in may be tried."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import NOON
from tre.domain.desk.attempts import (
    UNKNOWN_ADDRESS,
    WINDOW,
    address_key,
    forwarded_address,
    name_key,
    pair_key,
    retry_after,
)


def test_below_the_limit_nobody_waits() -> None:
    assert retry_after([], 1, NOON) is None
    assert retry_after([NOON] * 2, 3, NOON) is None


def test_at_the_limit_one_waits_until_the_oldest_that_counts_is_a_window_old() -> None:
    attempts = [NOON - timedelta(minutes=14), NOON - timedelta(minutes=5), NOON]
    assert retry_after(attempts, 3, NOON) == 60
    assert retry_after(attempts, 2, NOON) == 600
    assert retry_after(attempts, 3, NOON + timedelta(minutes=1)) is None


@given(st.lists(st.integers(0, 2000), max_size=30), st.integers(1, 12))
def test_after_the_wait_one_is_looked_at_again(ages: list[int], most: int) -> None:
    attempts = sorted(NOON - timedelta(seconds=age) for age in ages)
    wait = retry_after(attempts, most, NOON)
    if wait is not None:
        assert 1 <= wait <= WINDOW.total_seconds()
        assert retry_after(attempts, most, NOON + timedelta(seconds=wait)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("unknown", "nonsense", True),
    ],
)
def test_addresses(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


def test_a_name_and_an_address_are_counted_together_and_not_written_down() -> None:
    assert "hunter2" not in pair_key("hunter2", "192.0.2.1")
    assert "192.0.2.1" not in pair_key("hunter2", "192.0.2.1")
    assert pair_key("a", "192.0.2.1") != pair_key("a", "192.0.2.2")
    assert pair_key("a", "192.0.2.1") != pair_key("b", "192.0.2.1")
    assert pair_key("a", "2001:db8::1") == pair_key("a", "2001:db8::2")


def test_names_are_not_written_down() -> None:
    assert "hunter2" not in name_key("hunter2")
    assert name_key("a") != name_key("A")
    assert len(name_key("x" * 10_000)) <= 300


def test_the_gateways_word_about_an_address_is_the_last() -> None:
    assert forwarded_address("10.0.0.1, 192.0.2.7") == "192.0.2.7"
    for claim in ("", "192.0.2.7, evil", "192.0.2.7,"):
        assert forwarded_address(claim) == UNKNOWN_ADDRESS
