"""The root of a list of files."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.slices.merkle import (
    directory_root,
    files_root,
    leaf_hash,
    merged,
    merkle_root,
    names_root,
    root_of,
)

LEAVES = st.lists(st.binary(max_size=40), max_size=40)
FILES = st.dictionaries(st.text(min_size=1, max_size=8), st.binary(min_size=32, max_size=32), max_size=8)


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


@given(LEAVES)
def test_the_tree_is_that_of_the_standard(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == by_definition(leaves)


@given(FILES, st.randoms())
def test_the_order_in_which_files_are_found_does_not_matter(files: dict[str, bytes], random: object) -> None:
    items = list(files.items())
    shuffled = items[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert directory_root(shuffled) == directory_root(items)
    assert files_root(shuffled) == files_root(items)


@given(FILES, FILES)
def test_different_files_have_different_roots(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (directory_root(one.items()) == directory_root(other.items())) == (one == other)
    assert (files_root(one.items()) == files_root(other.items())) == (one == other)


@given(st.sets(st.text(max_size=8), max_size=6), st.sets(st.text(max_size=8), max_size=6))
def test_names(one: set[str], other: set[str]) -> None:
    assert (names_root(one) == names_root(other)) == (one == other)


def test_moving_a_file_to_another_directory_changes_the_root() -> None:
    file = ("a.dcm", b"\x01" * 32)
    assert files_root([("x", directory_root([file]))]) != files_root([("y", directory_root([file]))])


@given(st.lists(st.binary(max_size=4), max_size=12), st.sets(st.integers(0, 11)))
def test_hashes_in_the_place_of_leaves_give_the_same_root(leaves: list[bytes], gone: set[int]) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    places = {place: hashes[place] for place in gone if place < len(hashes)}
    left = [one for place, one in enumerate(hashes) if place not in places]
    assert root_of(merged(left, places)) == merkle_root(leaves)
    with pytest.raises(ValueError, match="outside"):
        merged(left, places | {len(leaves) + 1: bytes(32)})
