"""Draws follow from seed and name alone, and made identifiers have the form the standards ask."""

from __future__ import annotations

import re
import uuid
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from tre.demodata.randomness import Stream, made_file_stem, made_uid, random_bytes

names = st.lists(st.one_of(st.integers(), st.text(max_size=20)), max_size=4)


def test_draws_are_what_they_were_on_the_day_this_was_written() -> None:
    stream = Stream(2020, "patient", 1)
    assert [stream.integer(0, 999) for _ in range(6)] == [216, 599, 42, 720, 204, 760]
    assert random_bytes(1, 4, "x").hex() == "09c1cb82"
    assert made_uid(1, "x") == "2.25.54969009171646514286195786887031852176"


def test_a_stream_does_not_depend_on_what_was_drawn_from_others() -> None:
    alone = Stream(1, "a")
    first = [alone.integer(0, 10**9) for _ in range(100)]
    again, other = Stream(1, "a"), Stream(1, "b")
    mixed = []
    for _ in range(100):
        other.integer(0, 10**9)
        mixed.append(again.integer(0, 10**9))
    assert mixed == first
    assert [Stream(1, "b").integer(0, 10**9)] != first[:1]


def test_parts_of_a_name_do_not_run_together() -> None:
    assert random_bytes(1, 16, "ab", "c") != random_bytes(1, 16, "a", "bc")
    assert random_bytes(1, 16, "1") != random_bytes(1, 16, 1)
    assert random_bytes(1, 16, 2, 3) != random_bytes(12, 16, 3)


@given(seed=st.integers(), name=names)
def test_identifiers_are_valid(seed: int, name: list[str | int]) -> None:
    uid = UID(made_uid(seed, *name))
    assert uid.is_valid
    assert uid.startswith("2.25.")
    number = uuid.UUID(int=int(uid[5:]))
    assert (number.version, number.variant) == (8, uuid.RFC_4122)
    stem = made_file_stem(seed, *name)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", stem)


@given(seed=st.integers(), low=st.integers(-1000, 1000), width=st.integers(0, 1000))
def test_draws_stay_within_their_bounds(seed: int, low: int, width: int) -> None:
    stream = Stream(seed, "bounds")
    assert low <= stream.integer(low, low + width) <= low + width
    assert low <= stream.bell(low, low + width) <= low + width
    first, last = date(2020, 1, 1), date(2020, 1, 1 + width % 28)
    assert first <= stream.day(first, last) <= last
    assert re.fullmatch(r"([01]\d|2[0-3])[0-5]\d[0-5]\d", stream.clock_time())


def test_both_ends_are_reached() -> None:
    stream = Stream(1, "ends")
    assert {stream.integer(3, 5) for _ in range(200)} == {3, 4, 5}
    assert {stream.chance(500) for _ in range(200)} == {True, False}
    assert not any(stream.chance(0) for _ in range(200))
    assert all(stream.chance(1000) for _ in range(200))


def test_weights_are_followed() -> None:
    stream = Stream(1, "weights")
    drawn = [stream.weighted((("a", 9), ("b", 1), ("c", 0))) for _ in range(5000)]
    assert 0.88 < drawn.count("a") / len(drawn) < 0.92
    assert "c" not in drawn
