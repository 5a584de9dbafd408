"""A list is read whole or not at all, however its text is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.cluster import reading
from tre.cluster.protocol import Listing
from tre.cluster.reading import ListReader

ITEMS = [{"metadata": {"name": f"n{number}"}, "data": {"text": 'é "]}, {[' * number}} for number in range(7)]
LIST = {"apiVersion": "v1", "items": ITEMS, "kind": "ConfigMapList", "metadata": {"resourceVersion": "12"}}


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def read(content: Any, size: int = 10**6) -> list[Listing]:
    data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    return list(ListReader().pages(pieces(data, size)))


@given(size=st.integers(1, 200), enough=st.integers(1, 400), indent=st.sampled_from([None, 1]), last=st.booleans())
def test_it_is_the_same_list_however_it_is_cut(size: int, enough: int, indent: int | None, last: bool) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "_ENOUGH", enough)
        patched.setattr(reading, "PAGE", 3)
        metadata = {"metadata": LIST["metadata"]}
        content = LIST if last else metadata | LIST  # extensions tell the version last, other kinds first
        found = read(json.dumps(content, indent=indent, ensure_ascii=False).encode(), size)
    assert [item for page in found for item in page.items] == ITEMS
    assert [len(page.items) for page in found] == [3, 3, 1]
    assert found[-1].version == 12


@pytest.mark.parametrize("items", [[], None])
def test_an_empty_list_has_one_page(items: object) -> None:
    assert read(LIST | {"items": items}) == [Listing([], 12)]
    assert read({"metadata": {"resourceVersion": "5"}}) == [Listing([], 5)]


def test_a_part_says_where_the_next_one_begins() -> None:
    reader = ListReader()
    part = LIST | {"metadata": {"resourceVersion": "12", "continue": "next"}}
    assert [page.version for page in reader.pages(iter([json.dumps(part).encode()]))] == [12]
    assert reader.following == "next"


def test_a_list_that_breaks_off_is_none() -> None:
    data = json.dumps(LIST, ensure_ascii=False).encode()
    assert len(read(data)[0].items) == len(ITEMS)
    for end in range(len(data)):
        with pytest.raises(ValueError, match=r"."):
            read(data[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"items": [1], "metadata": {"resourceVersion": "1"}}',
        b'{"items": {}, "metadata": {"resourceVersion": "1"}}',
        b'{"items": [{}, ], "metadata": {"resourceVersion": "1"}}',
        b'{"items": [{}{}], "metadata": {"resourceVersion": "1"}}',
        b'{"items": [], "metadata": {"resourceVersion": "x"}}',
        b'{"items": [], "metadata": {"resourceVersion": "1"}} more',
        b'{"items": [{"a": "\xff"}], "metadata": {"resourceVersion": "1"}}',
    ],
)
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)


@pytest.mark.parametrize("content", [{"metadata": {}}, {"metadata": 1}, {"items": [], "metadata": None}])
def test_a_list_says_of_which_version_it_is(content: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read(content)


def test_no_more_is_in_memory_than_a_page_and_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ENOUGH", 100)
    monkeypatch.setattr(reading, "PAGE", 2)
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for piece in pieces(json.dumps(LIST | {"items": ITEMS * 50}).encode(), 10):
            taken += len(piece)
            yield piece

    next(ListReader().pages(counted()))
    assert taken < 1000
