"""How many previews one person gets in an hour, and when there is another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.domain.slices.previews import WINDOW, asker_of, can_preview, check_rate

NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def ago(*minutes: float) -> list[datetime]:
    return [NOW - timedelta(minutes=one) for one in minutes]


def test_the_refusal_names_the_moment() -> None:
    assert can_preview(ago(5), 2, NOW)
    assert can_preview(ago(61, 60, 5), 2, NOW)
    with pytest.raises(TREError, match="asked for 2 previews") as caught:
        check_rate(ago(5, 30, 10, 70), 2, NOW)
    assert caught.value.reason is Reason.RateLimited
    assert "from 10:50:00 UTC on (01 November)" in caught.value.remedy


@given(st.lists(st.integers(0, 200), max_size=12), st.integers(1, 5))
def test_whoever_waits_until_then_gets_one(minutes: list[int], most: int) -> None:
    asked = ago(*minutes)
    recent = sorted(moment for moment in asked if moment > NOW - WINDOW)
    assert can_preview(asked, most, NOW) is (len(recent) < most)
    if len(recent) >= most:
        again = recent[-most] + WINDOW
        assert can_preview(asked, most, again)
        assert not can_preview(asked, most, again - timedelta(seconds=1))


def test_nobody_is_taken_for_somebody_else() -> None:
    one, other = Subject(issuer="local", id="a:b"), Subject(issuer="local:a", id="b")
    assert str(one) == str(other)
    assert asker_of(one) != asker_of(other)
    assert len(asker_of(Subject(issuer="https://idp.example/" + "x" * 230, id="y" * 255))) <= 63
