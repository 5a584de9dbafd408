"""One number for a list of files.

Guarantees: the root commits to every file's content and path and to nothing else; it does not depend on the order in
which files were found, on the machine, or on how the folder is arranged. It is a Merkle tree of two levels, each as
in RFC 6962 section 2.1 (leaves and nodes told apart by their first byte): the files of a directory by name, and the
directories by path. So an index can keep the root of each series' directory, and a plan over millions of files
costs one hash for each directory.

Does not guarantee: that two files differ when their names do not; the caller brings each path once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

_LEAF, _NODE = b"\x00", b"\x01"


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of these leaves (RFC 6962 section 2.1), 32 bytes; of no leaves, the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    row = [hashlib.sha256(_LEAF + leaf).digest() for leaf in leaves]
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [hashlib.sha256(_NODE + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
        row += odd
    return row[0]


def directory_root(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The root over the files of one directory: (name, SHA-256 of the content), in any order."""
    return merkle_root([content + name.encode() for name, content in sorted(files)])


def files_root(directories: Iterable[tuple[str, bytes]]) -> str:
    """The root over directories: (path, root of its files), in any order; as `sha256:` and hexadecimal."""
    return "sha256:" + merkle_root([root + path.encode() for path, root in sorted(directories)]).hex()


def names_root(row_names: Iterable[str]) -> str:
    """The root over the identifiers of a table's rows, in any order."""
    return "sha256:" + merkle_root([name.encode() for name in sorted(row_names)]).hex()
