"""A published index, opened for questions.

Guarantees: questions run inside this process on the release's Parquet files, read-only, with no network, no
extension and no other file in reach of the query's text; the deny set is a table beside them.

Does not guarantee: that what is asked is permitted; it only answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from tre.domain.errors import Reason, TREError
from tre.slices.index import TABLES

MEMORY_LIMIT = "8GB"
"""The design's bound for a plan over 10⁸ images."""

THREADS = 2


@contextmanager
def opened(directory: Path, denied: Set[str] = frozenset()) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the release's tables and the deny set. Raises `TREError(ReleaseNotFound)`."""
    paths = {name: directory / f"{name}.parquet" for name in TABLES}
    if not all(path.is_file() for path in paths.values()):
        raise TREError(
            Reason.ReleaseNotFound,
            f"The index of the release {directory.name!r} is not there.",
            remedy="Add the delivery again: `tre dataset add`.",
        )
    with connection() as connected:
        for name, path in paths.items():
            connected.from_parquet(str(path)).create_view(name)
        people = pa.table({"pseudonym": pa.array(sorted(denied), type=pa.string())})
        connected.register("denied", people)
        yield connected


@contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that loads no extension and reaches no network."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": THREADS,
        "memory_limit": MEMORY_LIMIT,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    connected = duckdb.connect(":memory:", config=settings)
    try:
        yield connected
    finally:
        connected.close()
