"""Merkle trees as RFC 9162 (and RFC 6962 before it) defines them, as pure functions.

Guarantees: `root`, `inclusion_path` and `consistency_path` give what section 2.1 of RFC 9162 defines; both kinds of
proof cost at most about 2·log2(size) hashes read, in one reading, because every complete subtree's hash is kept.
The two verifying functions are written from the RFC's verification algorithms and share nothing with the making of
proofs but the two hash functions, so one cannot hide a mistake of the other.

Does not guarantee: anything about who grew the tree. That is what a signed checkpoint says (`tre.audit.checkpoint`).

Threat: a log whose past was rewritten, shortened or shown differently to two readers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162 section 2.1.1)."""


class Coordinate(NamedTuple):
    """A complete subtree: the `position`-th one (from 0) of those with 2^`level` leaves. Level 0 is a leaf."""

    level: int
    position: int


class Span(NamedTuple):
    """Leaves `begin` up to, not including, `end`."""

    begin: int
    end: int


class NodeReader(Protocol):
    """Where hashes of complete subtrees are kept."""

    def read(self, wanted: Sequence[Coordinate]) -> Mapping[Coordinate, bytes]:
        """The hashes of these subtrees; a missing one is left out."""
        ...


def hash_leaf(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256 over a zero byte and the data."""
    return hashlib.sha256(b"\x00" + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 over a one byte and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_subtrees(span: Span) -> list[Coordinate]:
    """The fewest complete subtrees that make up a span, from left to right.

    The span must begin where a subtree at least as large as itself may begin, as every span of a proof does.
    """
    found: list[Coordinate] = []
    begin = span.begin
    while begin < span.end:
        level = (span.end - begin).bit_length() - 1
        found.append(Coordinate(level, begin >> level))
        begin += 1 << level
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees of falling size, from left to right; without any, the empty root."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = hash_children(left, result)
    return result


def root(nodes: NodeReader, size: int) -> bytes:
    """Root of the tree over the first `size` leaves."""
    return _span_hashes(nodes, [Span(0, size)])[0]


def inclusion_path(nodes: NodeReader, index: int, size: int) -> list[bytes]:
    """Proof that leaf `index` is in the tree of `size` leaves (RFC 9162 section 2.1.3.1).

    Raises `ValueError` unless 0 <= index < size.
    """
    if not 0 <= index < size:
        msg = f"there is no leaf {index} in a tree of {size}"
        raise ValueError(msg)
    return _span_hashes(nodes, _inclusion_spans(index, Span(0, size)))


def consistency_path(nodes: NodeReader, old: int, new: int) -> list[bytes]:
    """Proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162 section 2.1.4.1).

    Empty where there is nothing to prove: equal sizes, or an empty old tree. Raises `ValueError` unless
    0 <= old <= new.
    """
    if not 0 <= old <= new:
        msg = f"a tree of {old} cannot have grown to {new}"
        raise ValueError(msg)
    if old in (0, new):
        return []
    return _span_hashes(nodes, _consistency_spans(old, Span(0, new)))


def _inclusion_spans(index: int, whole: Span) -> list[Span]:
    spans: list[Span] = []
    while whole.end - whole.begin > 1:
        middle = _middle(whole)
        if index < middle:
            spans.append(Span(middle, whole.end))
            whole = Span(whole.begin, middle)
        else:
            spans.append(Span(whole.begin, middle))
            whole = Span(middle, whole.end)
    return spans[::-1]


def _consistency_spans(old: int, whole: Span) -> list[Span]:
    spans: list[Span] = []
    while old != whole.end:
        middle = _middle(whole)
        if old <= middle:
            spans.append(Span(middle, whole.end))
            whole = Span(whole.begin, middle)
        else:
            spans.append(Span(whole.begin, middle))
            whole = Span(middle, whole.end)
    if whole.begin > 0:  # else the verifier holds this hash: it is the old root
        spans.append(whole)
    return spans[::-1]


def _middle(span: Span) -> int:
    """Where RFC 9162 splits: after the largest power of two of leaves that is less than all of them."""
    return span.begin + (1 << ((span.end - span.begin - 1).bit_length() - 1))


def _span_hashes(nodes: NodeReader, spans: Sequence[Span]) -> list[bytes]:
    parts = [complete_subtrees(span) for span in spans]
    wanted = [coordinate for part in parts for coordinate in part]
    known = nodes.read(wanted) if wanted else {}
    if missing := [coordinate for coordinate in wanted if coordinate not in known]:
        raise MissingNodeError(missing[0])
    return [fold([known[coordinate] for coordinate in part]) for part in parts]


class MissingNodeError(LookupError):
    """A hash that the tree must hold is not there: somebody removed it."""

    def __init__(self, coordinate: Coordinate) -> None:
        super().__init__(f"no hash of subtree {coordinate.position} at level {coordinate.level}")
        self.coordinate = coordinate


class Frontier:
    """The right edge of a growing tree: what is needed to append, and nothing else.

    `append` says which subtrees a leaf completes, so that a caller can keep them. Memory: one hash per level.
    """

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        self.size = size
        self._edge = list(edge)

    @classmethod
    def load(cls, nodes: NodeReader, size: int) -> Frontier:
        """The frontier of the first `size` leaves; raises `MissingNodeError` where a hash is not there."""
        coordinates = complete_subtrees(Span(0, size))
        known = nodes.read(coordinates) if coordinates else {}
        for coordinate in coordinates:
            if coordinate not in known:
                raise MissingNodeError(coordinate)
        return cls(size, [known[coordinate] for coordinate in coordinates])

    def append(self, leaf_hash: bytes) -> list[tuple[Coordinate, bytes]]:
        """Add a leaf; the inner subtrees (level 1 and up) that it completes, smallest first."""
        completed: list[tuple[Coordinate, bytes]] = []
        position = self.size
        level = 0
        current = leaf_hash
        while position & 1:
            current = hash_children(self._edge.pop(), current)
            position >>= 1
            level += 1
            completed.append((Coordinate(level, position), current))
        self._edge.append(current)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Root over all leaves appended so far."""
        return fold(self._edge)


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether the path proves the leaf to be at `index` of the tree with this root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, result = index, size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            result = hash_children(sibling, result)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            result = hash_children(result, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and result == expected_root


class Head(NamedTuple):
    """A tree as somebody saw it: so many leaves, with this root."""

    size: int
    root: bytes


def verify_consistency(old: Head, new: Head, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the new tree begins with the old one (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old.size <= new.size:
        return False
    if old.size == 0:
        return old.root == EMPTY_ROOT and not path
    if old.size == new.size:
        return old.root == new.root and not path
    rest = list(path)
    if old.size & (old.size - 1) == 0:
        rest.insert(0, old.root)
    if not rest:
        return False
    position, last = old.size - 1, new.size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    return _climb(rest, position, last) == (old.root, new.root)


def _climb(path: Sequence[bytes], position: int, last: int) -> tuple[bytes, bytes] | None:
    """Roots of the old and the new tree that a consistency path leads to; `None` if it has a wrong length."""
    old_root = new_root = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            old_root = hash_children(sibling, old_root)
            new_root = hash_children(sibling, new_root)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_root = hash_children(new_root, sibling)
        position >>= 1
        last >>= 1
    return (old_root, new_root) if last == 0 else None
