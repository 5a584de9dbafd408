"""Merkle trees: the certificate transparency test vectors, and properties for trees of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.audit.merkle import (
    EMPTY_ROOT,
    Coordinate,
    Frontier,
    Head,
    MissingNodeError,
    Span,
    complete_subtrees,
    consistency_path,
    fold,
    hash_children,
    hash_leaf,
    inclusion_path,
    root,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves, their roots and the proofs that certificate transparency implementations publish as test vectors.
VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
VECTOR_INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
VECTOR_CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


class Kept:
    """A tree in memory, with the number of hashes read."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.hashes: dict[Coordinate, bytes] = {}
        self.frontier = Frontier()
        self.reads = 0
        for position, leaf in enumerate(leaves):
            self.hashes[Coordinate(0, position)] = hash_leaf(leaf)
            self.hashes.update(self.frontier.append(hash_leaf(leaf)))

    def read(self, wanted: Sequence[Coordinate]) -> Mapping[Coordinate, bytes]:
        self.reads += len(wanted)
        return {item: self.hashes[item] for item in wanted if item in self.hashes}


def reference_root(leaves: Sequence[bytes]) -> bytes:
    """The RFC's recursive definition, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


def leaves_of(size: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(size)]


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_published_vectors(size: int) -> None:
    tree = Kept(VECTOR_LEAVES[:size])
    assert root(tree, size).hex() == VECTOR_ROOTS[size - 1]
    assert tree.frontier.root().hex() == VECTOR_ROOTS[size - 1]
    assert Frontier.load(tree, size).root().hex() == VECTOR_ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "path"), VECTOR_INCLUSION)
def test_inclusion_proofs_of_the_published_vectors(index: int, size: int, path: list[str]) -> None:
    tree = Kept(VECTOR_LEAVES)
    assert [item.hex() for item in inclusion_path(tree, index, size)] == path
    expected = bytes.fromhex(VECTOR_ROOTS[size - 1])
    hashes = [bytes.fromhex(item) for item in path]
    assert verify_inclusion(hash_leaf(VECTOR_LEAVES[index]), index, size, hashes, expected)


@pytest.mark.parametrize(("old", "new", "path"), VECTOR_CONSISTENCY)
def test_consistency_proofs_of_the_published_vectors(old: int, new: int, path: list[str]) -> None:
    tree = Kept(VECTOR_LEAVES)
    assert [item.hex() for item in consistency_path(tree, old, new)] == path
    heads = [Head(size, bytes.fromhex(VECTOR_ROOTS[size - 1])) for size in (old, new)]
    assert verify_consistency(heads[0], heads[1], [bytes.fromhex(item) for item in path])


def test_the_empty_tree() -> None:
    empty = Kept([])
    assert root(empty, 0) == EMPTY_ROOT == fold([])
    assert empty.frontier.root() == EMPTY_ROOT
    assert Frontier.load(empty, 0).root() == EMPTY_ROOT
    assert consistency_path(empty, 0, 0) == []
    assert verify_consistency(Head(0, EMPTY_ROOT), Head(0, EMPTY_ROOT), [])
    assert not verify_consistency(Head(0, bytes(32)), Head(3, bytes(32)), [])


@given(st.integers(0, 300))
def test_root_is_the_recursive_definition(size: int) -> None:
    leaves = leaves_of(size)
    assert root(Kept(leaves), size) == reference_root(leaves)


@given(st.data(), st.integers(1, 300))
def test_every_inclusion_proof_verifies_and_no_other_does(data: st.DataObject, size: int) -> None:
    tree = Kept(leaves_of(300))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(tree, index, size)
    head = root(tree, size)
    leaf = tree.hashes[Coordinate(0, index)]
    assert verify_inclusion(leaf, index, size, path, head)

    bit = data.draw(st.integers(0, 255))
    assert not verify_inclusion(flip(leaf, bit), index, size, path, head)
    assert not verify_inclusion(leaf, index, size, path, flip(head, bit))
    assert not verify_inclusion(leaf, index, size, [*path, head], head)
    other = data.draw(st.integers(-1, 300).filter(lambda number: number != index))
    assert not verify_inclusion(leaf, other, size, path, head)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        changed = [flip(item, bit) if number == place else item for number, item in enumerate(path)]
        assert not verify_inclusion(leaf, index, size, changed, head)
        assert not verify_inclusion(leaf, index, size, path[:-1], head)


@given(st.data(), st.integers(1, 300))
def test_every_consistency_proof_verifies_and_no_other_does(data: st.DataObject, new: int) -> None:
    tree = Kept(leaves_of(300))
    old = data.draw(st.integers(1, new))
    path = consistency_path(tree, old, new)
    before, after = Head(old, root(tree, old)), Head(new, root(tree, new))
    assert verify_consistency(before, after, path)

    bit = data.draw(st.integers(0, 255))
    assert not verify_consistency(before._replace(root=flip(before.root, bit)), after, path)
    assert not verify_consistency(before, after._replace(root=flip(after.root, bit)), path)
    assert not verify_consistency(before, after, [*path, before.root])
    if old != new:
        assert not verify_consistency(after, before, path)
        assert not verify_consistency(before, after, path[:-1])
        place = data.draw(st.integers(0, len(path) - 1))
        changed = [flip(item, bit) if number == place else item for number, item in enumerate(path)]
        assert not verify_consistency(before, after, changed)


def test_a_proof_costs_a_number_of_reads_that_grows_as_the_logarithm() -> None:
    tree = Kept(leaves_of(5000))
    assert not verify_consistency(Head(3, root(tree, 3)), Head(5, root(tree, 5)), [])
    for index in (0, 1, 2500, 4998, 4999):
        tree.reads = 0
        inclusion_path(tree, index, 5000)
        assert tree.reads <= 2 * 13
        tree.reads = 0
        consistency_path(tree, index, 5000)
        assert tree.reads <= 2 * 13


@given(st.integers(0, 500), st.integers(0, 500))
def test_frontier_goes_on_from_any_size(first: int, more: int) -> None:
    leaves = leaves_of(first + more)
    tree = Kept(leaves)
    frontier = Frontier.load(tree, first)
    for leaf in leaves[first:]:
        for coordinate, value in frontier.append(hash_leaf(leaf)):
            assert tree.hashes[coordinate] == value
    assert frontier.size == first + more
    assert frontier.root() == root(tree, first + more)


def test_a_missing_hash_is_named() -> None:
    tree = Kept(leaves_of(4))
    del tree.hashes[Coordinate(2, 0)]
    with pytest.raises(MissingNodeError, match="subtree 0 at level 2"):
        root(tree, 4)
    with pytest.raises(MissingNodeError) as caught:
        Frontier.load(tree, 4)
    assert caught.value.coordinate == Coordinate(2, 0)


def test_proofs_about_leaves_that_are_not_there_are_refused() -> None:
    tree = Kept(leaves_of(4))
    for index, size in ((4, 4), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="there is no leaf"):
            inclusion_path(tree, index, size)
    for old, new in ((5, 4), (-1, 4)):
        with pytest.raises(ValueError, match="cannot have grown"):
            consistency_path(tree, old, new)


def test_a_span_falls_into_the_fewest_complete_subtrees() -> None:
    assert complete_subtrees(Span(0, 7)) == [Coordinate(2, 0), Coordinate(1, 2), Coordinate(0, 6)]
    assert complete_subtrees(Span(4, 7)) == [Coordinate(1, 2), Coordinate(0, 6)]
    assert complete_subtrees(Span(3, 3)) == []
    assert fold([b"a"]) == b"a"
    assert fold([b"a", b"b"]) == hash_children(b"a", b"b")
