"""One number for a list of files.

Guarantees: the root commits to every file's content and path and to nothing else; it does not depend on the order in
which files were found, on the machine, or on how the folder is arranged. It is a Merkle tree of two levels, each as
in RFC 6962 section 2.1 (leaves and nodes told apart by their first byte): the files of a directory by name, and the
directories by path. So an index can keep the root of each series' directory, and a plan over millions of files
costs one hash for each directory.

Where people were erased from a kept list, the hashes of their leaves stay in their places (`merged`): the root of all
can still be compared, and nobody reads from a hash which file it was.

Does not guarantee: that two files differ when their names do not; the caller brings each path once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

_LEAF, _NODE = b"\x00", b"\x01"
_HASH, _PAIR = 32, 64


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of these leaves (RFC 6962 section 2.1), 32 bytes; of no leaves, the hash of nothing."""
    return root_of(map(leaf_hash, leaves))


def leaf_hash(leaf: bytes) -> bytes:
    """The hash that stands for one leaf."""
    return hashlib.sha256(_LEAF + leaf).digest()


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The Merkle tree hash over leaves that are hashed already, in their order."""
    row = b"".join(hashes)  # one text instead of many objects: millions of leaves are usual
    if not row:
        return hashlib.sha256(b"").digest()
    while len(row) > _HASH:
        even = len(row) // _PAIR * _PAIR
        pairs = range(0, even, _PAIR)
        row = b"".join([hashlib.sha256(_NODE + row[at : at + _PAIR]).digest() for at in pairs]) + row[even:]
    return row


def directory_root(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The root over the files of one directory: (name, SHA-256 of the content), in any order."""
    return merkle_root([content + name.encode() for name, content in sorted(files)])


def files_root(directories: Iterable[tuple[str, bytes]]) -> str:
    """The root over directories: (path, root of its files), in any order; as `sha256:` and hexadecimal."""
    return shown(root_of([directory_leaf(path, root) for path, root in sorted(directories)]))


def directory_leaf(path: str, root: bytes) -> bytes:
    """The hash of a directory's leaf: its path and the root of its files."""
    return leaf_hash(root + path.encode())


def names_root(row_names: Iterable[str]) -> str:
    """The root over the identifiers of a table's rows, in any order."""
    return shown(root_of([name_leaf(name) for name in sorted(row_names)]))


def name_leaf(name: str) -> bytes:
    """The hash of a row's leaf."""
    return leaf_hash(name.encode())


def shown(root: bytes) -> str:
    """A root as digests are written."""
    return "sha256:" + root.hex()


def merged(known: Sequence[bytes], gone: Mapping[int, bytes]) -> list[bytes]:
    """Hashes of leaves in their order, those of which nothing else is left (`gone`, by place) among them.

    Raises `ValueError` where a place lies outside.
    """
    total, others = len(known) + len(gone), iter(known)
    if any(not 0 <= place < total for place in gone):
        msg = "a leaf stands outside the list that it belongs to"
        raise ValueError(msg)
    return [gone[place] if place in gone else next(others) for place in range(total)]
