"""The canonical form: equal to the RFC's, whatever the value."""

from __future__ import annotations

import enum
import hashlib
import json
from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.canonical import canonical_bytes, check_canonical, digest, digest_of_bytes
from tre.domain.errors import Reason, TREError

SAFE = 2**53 - 1
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


class Colour(enum.StrEnum):
    red = "red"


class Level(enum.IntEnum):
    high = 7


class Pair(NamedTuple):
    left: Any
    right: Any


@given(VALUES)
def test_equal_to_the_reference_implementation(value: Any) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(VALUES)
def test_reading_it_back_gives_the_value(value: Any) -> None:
    assert json.loads(canonical_bytes(value)) == value


@given(st.dictionaries(TEXTS, SCALARS), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_bytes(dict(items)) == canonical_bytes(value)


@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) is same


def test_keys_sort_by_utf16_units_as_the_rfc_says() -> None:
    high, low = "\U00010000", "\uffff"  # code points say low first, UTF-16 units say high first
    assert canonical_bytes({low: 1, high: 2}) == f'{{"{high}":2,"{low}":1}}'.encode()


def test_control_characters_are_escaped_as_the_rfc_says() -> None:
    text = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028€'
    assert canonical_bytes(text) == rfc8785.dumps(text)


def test_subclasses_are_written_as_what_they_are() -> None:
    assert canonical_bytes([Colour.red, Level.high]) == b'["red",7]'
    assert canonical_bytes(OrderedDict(b=1, a=Pair(1, "x"))) == b'{"a":[1,"x"],"b":1}'
    assert canonical_bytes((1, (2,))) == b"[1,[2]]"


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        [1, {"a": [2, 0.5]}],
        {"a": 1, "b": 0.5},
        (0.5,),
        OrderedDict(a=0.5),
        Pair(1, 0.5),
        [2**60, 0.5],
        [object(), 0.5],
    ],
)
def test_floats_are_refused_wherever_they_hide(value: Any) -> None:
    with pytest.raises(TREError, match="floating-point") as caught:
        canonical_bytes(value)
    assert caught.value.reason is Reason.BadInput


@pytest.mark.parametrize("value", [2**53, -(2**53), [2**60], {1: 2}, {"a": {None: 1}}, b"x", object(), {"a", "b"}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TREError, match="no canonical form") as caught:
        canonical_bytes(value)
    assert caught.value.reason is Reason.BadInput


@pytest.mark.parametrize("value", ["\ud800", ["\udfff"], {"a": "\ud800"}, {"\ud800": 1}])
def test_half_a_surrogate_pair_is_refused(value: Any) -> None:
    with pytest.raises(TREError, match="no canonical form"):
        canonical_bytes(value)


def test_the_largest_safe_integers_are_admitted() -> None:
    assert canonical_bytes([SAFE, -SAFE, 0]) == b"[9007199254740991,-9007199254740991,0]"


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TREError, match="nested too deeply"):
        canonical_bytes(value)


def test_digests_name_their_algorithm() -> None:
    assert digest({"b": 1, "a": 2}) == "sha256:" + hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    assert digest_of_bytes(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


ODD = st.recursive(
    SCALARS | st.text() | st.integers() | st.floats() | st.sampled_from([Colour.red, Level.high, object(), b"x"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.builds(Pair, inner, inner),
    max_leaves=8,
)


def has_form(value: Any) -> bool:
    try:
        canonical_bytes(value)
    except TREError:
        return False
    return True


def is_admitted(value: Any) -> bool:
    try:
        check_canonical(value)
    except TREError:
        return False
    return True


@given(ODD | VALUES)
def test_what_has_a_form_is_known_without_making_it(value: Any) -> None:
    assert is_admitted(value) is has_form(value)


@given(ODD)
def test_whatever_has_a_form_has_the_rfcs(value: Any) -> None:
    if has_form(value):
        assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("levels", [1, 49, 50, 51, 200])
@pytest.mark.parametrize("innermost", ["x", "\ud800", 0.5, 2**53, {1: 2}])
def test_at_every_depth_the_same_is_refused(levels: int, innermost: Any) -> None:
    listed, mapped = innermost, innermost
    for _ in range(levels):
        listed, mapped = [listed], {"a": mapped}
    for value in (listed, mapped):
        if innermost == "x":
            check_canonical(value)
            assert canonical_bytes(value) == rfc8785.dumps(value)
        else:
            with pytest.raises(TREError):
                check_canonical(value)
            with pytest.raises(TREError):
                canonical_bytes(value)


def test_what_holds_itself_is_refused() -> None:
    circular: list[Any] = []
    circular.append(circular)
    for ask in (check_canonical, canonical_bytes):
        with pytest.raises(TREError):
            ask(circular)
