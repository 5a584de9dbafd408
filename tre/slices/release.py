"""A published index, opened for questions.

Guarantees: questions run inside this process on the release's Parquet files, read-only, with no network, no extension
and no other file in reach of the query's text; a tier's questions see its own files, sizes and dates only; the deny
set is a table beside them.

Does not guarantee: that what is asked is permitted; it only answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tre.domain.errors import Reason, TREError
from tre.domain.slices.vocabulary import COARSE_TIER, TIERS
from tre.slices.index import TABLES

MEMORY_LIMIT = "8GB"
"""The design's bound for a plan over 10⁸ images."""

THREADS = 2


def check_tier(directory: Path, tier: str) -> None:
    """Raise `TREError(BadInput)` unless the release has files of a tier."""
    offered = tiers(directory)
    if tier not in offered:
        raise TREError(
            Reason.BadInput,
            f"tier: the release {directory.name!r} has no tier {tier!r}; it has {', '.join(offered)}.",
            why="Tiers are built when a delivery comes in.",
            remedy="Ask for a tier that it has, or for another release.",
        )


def tiers(directory: Path) -> tuple[str, ...]:
    """The tiers that a release has images of. Raises `TREError(ReleaseNotFound)`."""
    series = _paths(directory)["series"]
    if "coarse_instances" not in pq.read_schema(series).names:
        return (TIERS[0],)
    counted = pc.sum(pq.read_table(series, columns=["coarse_instances"]).column(0)).as_py()
    return (TIERS[0], *((COARSE_TIER,) if counted else ()))


def _paths(directory: Path) -> dict[str, Path]:
    paths = {name: directory / f"{name}.parquet" for name in TABLES}
    if not all(path.is_file() for path in paths.values()):
        raise TREError(
            Reason.ReleaseNotFound,
            f"The index of the release {directory.name!r} is not there.",
            remedy="Add the delivery again: `tre dataset add`.",
        )
    return paths


_AS_COARSE = {
    "instances": """
SELECT * REPLACE (coarse_sha256 AS sha256, coarse_bytes AS bytes, coarse_sidecar_sha256 AS sidecar_sha256,
                  coarse_sidecar_bytes AS sidecar_bytes, date_trunc('month', study_date)::DATE AS study_date)
FROM all_instances WHERE coarse_sha256 IS NOT NULL
""",
    "profiles": """
SELECT * REPLACE (coarse_instances AS instances, coarse_bytes AS bytes, coarse_sidecars AS sidecars,
                  coarse_sidecar_bytes AS sidecar_bytes, date_trunc('month', study_date)::DATE AS study_date)
FROM all_profiles WHERE coarse_instances > 0
""",
    "series": """
SELECT * REPLACE (coarse_instances AS instances, coarse_root AS root, coarse_sidecars AS sidecars,
                  coarse_sidecar_root AS sidecar_root)
FROM all_series WHERE coarse_instances > 0
""",
}
"""The index as it is for files with coarse dates: their content and sizes, the month in place of the day."""


@contextmanager
def opened(
    directory: Path, denied: Set[str] = frozenset(), tier: str = TIERS[0]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the release's tables, as they are for a tier, and the deny set.

    Raises `TREError(ReleaseNotFound)`, and `TREError(BadInput)` for a tier that the release has not.
    """
    with closing(connection()) as connected:
        put_tables(connected, directory, tier)
        put_denied(connected, denied)
        yield connected


def put_tables(connected: duckdb.DuckDBPyConnection, directory: Path, tier: str, reading: str = "") -> None:
    """Put the release's tables, as they are for a tier, as views on its files. Raises as `opened`.

    `reading` begins the names of all but `instances`, where the bare names are wanted for something else.
    """
    check_tier(directory, tier)
    for name, path in _paths(directory).items():
        query = _AS_COARSE.get(name) if tier == COARSE_TIER else None
        view = name if name == "instances" else f"{reading}{name}"
        connected.from_parquet(str(path)).create_view(view if query is None else f"all_{name}")
        if query is not None:
            connected.execute(f"CREATE VIEW {view} AS {query}")


def put_denied(connected: duckdb.DuckDBPyConnection, denied: Set[str]) -> None:
    """Put the deny set as a table, for this connection alone."""
    people = pa.table({"pseudonym": pa.array(sorted(denied), type=pa.string())})
    connected.register("denied", people)


def connection() -> duckdb.DuckDBPyConnection:
    """A database in memory that loads no extension and reaches no network; the caller closes it."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": THREADS,
        "memory_limit": MEMORY_LIMIT,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    return duckdb.connect(":memory:", config=settings)
