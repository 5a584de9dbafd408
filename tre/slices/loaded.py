"""A published index, loaded once into memory for all the plans that follow.

Guarantees: what is loaded says what the files say: whoever asks gets it loaded anew when one of them was exchanged or
written since, and whatever lost its files is forgotten at the next question. Beside the index stands what is the same
for every plan of a release: the hash of each directory in the tree of files, in the order of paths, and who is counted
in which category. A plan gets a connection of its own, so that plans at the same time do not see one another's tables
or deny sets.

Does not guarantee: that the first plan after a start is as quick as those that follow. Images are not loaded: where a
plan has to split series, it reads them from the disk.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from tre.domain.slices.derivations import Band
from tre.domain.slices.vocabulary import TIERS
from tre.slices.columns import Values, derived
from tre.slices.index import TABLES
from tre.slices.release import connection, put_denied, put_tables

MOST_SERIES = 2_000_000
"""Series of all releases that are kept loaded together, 700 bytes each. The last one is kept whatever its size."""

MOST_RELEASES = 16
"""Releases that are kept loaded together: each has threads of its own, of which a service has few."""

SMALL = 250_000
"""Up to so many series a second thread costs more than it brings."""

REPORT_BAND = Band.model_validate({"from": "age", "band": 10, "top": 90})
PEOPLE_DIMENSIONS = ("sex", "age_band", "ethnicity_group", "covid_status", "site")
IMAGE_DIMENSIONS = ("modality", "body_part", "manufacturer", "study_quarter")
"""Kinds of images: a patient counts in each that the patient has."""

_QUARTER = "(year(study_date) * 10 + quarter(study_date))::VARCHAR"
"""20201 is shown as 2020-Q1."""

_HASHED = "unhex(sha256('\\x00'::BLOB || {content}))"
"""A leaf of the tree of `tre.domain.slices.merkle`."""

_PROFILES = """
CREATE TABLE bare AS
SELECT p.* EXCLUDE (sidecars, sidecar_bytes), p.sidecars, p.sidecar_bytes, s.patient, s.study, s.partition
FROM read_profiles p JOIN read_series s USING (series) ORDER BY p.series
"""
_SERIES = """
CREATE TABLE series AS
SELECT series, study, patient, partition, "group", study_uid, series_uid, instances FROM read_series ORDER BY series
"""
_LEAVES = """
CREATE TABLE leaves AS
SELECT series, beside, row_number() OVER (ORDER BY path)::INTEGER AS place, {leaf} AS leaf, instances
FROM (
    SELECT series, false AS beside, root, instances,
           concat_ws('/', "group", pseudonym, study_uid, series_uid) AS path
    FROM read_series JOIN read_patients USING (patient)
    UNION ALL
    SELECT series, true, sidecar_root, instances,
           concat_ws('/', "group" || '-metadata', pseudonym, study_uid, series_uid)
    FROM read_series JOIN read_patients USING (patient) WHERE sidecars > 0
)
ORDER BY place
"""
_KINDS = """
CREATE TABLE kinds AS
SELECT row_number() OVER (ORDER BY dimension, category)::INTEGER AS kind, dimension, category
FROM (
    SELECT DISTINCT unnest($people) AS dimension, unnest([{people}]) AS category FROM read_patients
    UNION ALL
    SELECT DISTINCT unnest($images), unnest([{images}]) FROM bare
)
"""
_PATIENTS = """
CREATE TABLE patients AS
SELECT *, {leaf} AS leaf, row_number() OVER (ORDER BY pseudonym)::INTEGER AS place FROM known ORDER BY place
"""
_HAS = """
CREATE TABLE has AS
SELECT DISTINCT partition, patient, unnest(image_kinds) AS kind FROM profiles
UNION ALL
SELECT present.partition, patient, unnest(kinds) FROM present JOIN patients USING (patient)
"""
_TOTALS = "CREATE TABLE totals AS SELECT partition, kind, count(*) AS patients FROM has GROUP BY ALL"
_PRESENT = "CREATE TABLE present AS SELECT DISTINCT partition, patient FROM series"


def _with_kinds(target: str, source: str, columns: tuple[tuple[str, str], ...], name: str) -> str:
    """A table with, for each row, the numbers of the categories that it counts in."""
    joins = "".join(
        f" JOIN kinds k{number} ON k{number}.dimension = '{dimension}' "
        f"AND k{number}.category IS NOT DISTINCT FROM {expression}"
        for number, (dimension, expression) in enumerate(columns)
    )
    kinds = ", ".join(f"k{number}.kind" for number in range(len(columns)))
    return f"CREATE TABLE {target} AS SELECT {source}.*, [{kinds}] AS {name} FROM {source}{joins}"  # noqa: S608 - names of this module


def _fill(connected: duckdb.DuckDBPyConnection) -> int:
    """Load the tables; return how many series there are."""
    ((series,),) = connected.execute("SELECT count(*) FROM read_series").fetchall()
    connected.execute(f"SET threads = {1 if series <= SMALL else 2}")
    values = Values()
    people = tuple((name, derived(REPORT_BAND, values) if name == "age_band" else name) for name in PEOPLE_DIMENSIONS)
    images = tuple((name, _QUARTER if name == "study_quarter" else name) for name in IMAGE_DIMENSIONS)
    connected.execute(_PROFILES)
    connected.execute(_SERIES)
    connected.execute(_LEAVES.format(leaf=_HASHED.format(content="root || encode(path)")))
    listed = {key: ", ".join(text for _, text in columns) for key, columns in (("people", people), ("images", images))}
    names = {"people": list(PEOPLE_DIMENSIONS), "images": list(IMAGE_DIMENSIONS)}
    connected.execute(_KINDS.format(**listed), values.bound | names)
    connected.execute(_with_kinds("known", "read_patients", people, "kinds"), values.bound)
    connected.execute(_PATIENTS.format(leaf=_HASHED.format(content="encode(pseudonym)")))
    connected.execute(_with_kinds("profiles", "bare", images, "image_kinds"))
    for query in (_PRESENT, _HAS, _TOTALS, "DROP TABLE bare", "DROP TABLE known"):
        connected.execute(query)
    return int(series)


Stamp = tuple[tuple[int, int, int, int], ...]


def _stamp(directory: Path) -> Stamp | None:
    """What tells these files from any others; `None` where they are not all there."""
    try:
        found = [(directory / f"{name}.parquet").stat() for name in TABLES]
    except FileNotFoundError:
        return None
    return tuple((one.st_dev, one.st_ino, one.st_size, one.st_ctime_ns) for one in found)


@dataclass(frozen=True)
class _Loaded:
    """A release in memory, as a tier has it."""

    stamp: Stamp | None
    database: duckdb.DuckDBPyConnection
    series: int


_Kept = OrderedDict[tuple[Path, str], _Loaded]


@dataclass
class Shelf:
    """The releases that are loaded. One is loaded at a time; whoever asks meanwhile waits.

    What is forgotten is never closed here, since that would end plans in progress: it goes with its last connection.
    """

    most_series: int = MOST_SERIES
    most_releases: int = MOST_RELEASES
    _kept: _Kept = field(default_factory=OrderedDict)
    _left_behind: list[_Kept] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cursor(self, directory: Path, tier: str) -> duckdb.DuckDBPyConnection:
        """A new connection to a release. Raises as `tre.slices.release.opened`."""
        with self._lock:
            self._forget_changed()
            found = self._kept.pop((directory, tier), None) or self._load(directory, tier)
            self._kept[directory, tier] = found
            self._forget_oldest()
            return found.database.cursor()

    def start_over(self) -> None:
        """Forget everything without touching it: what was loaded before a fork has threads and locks left behind."""
        self._left_behind.append(self._kept)
        self._kept, self._lock = OrderedDict(), threading.Lock()

    def _load(self, directory: Path, tier: str) -> _Loaded:
        stamp = _stamp(directory)
        database = connection()
        try:
            put_tables(database, directory, tier, reading="read_")
            return _Loaded(stamp, database, _fill(database))
        except BaseException:
            database.close()
            raise

    def _forget_changed(self) -> None:
        for key in [key for key, one in self._kept.items() if one.stamp != _stamp(key[0])]:
            del self._kept[key]

    def _forget_oldest(self) -> None:
        while len(self._kept) > 1 and self._are_too_many():
            self._kept.popitem(last=False)

    def _are_too_many(self) -> bool:
        series = sum(one.series for one in self._kept.values())
        return series > self.most_series or len(self._kept) > self.most_releases


SHELF = Shelf()
"""Those of this program."""


def _in_a_child() -> None:
    SHELF.start_over()


os.register_at_fork(after_in_child=_in_a_child)


@contextmanager
def loaded(
    directory: Path, denied: Set[str] = frozenset(), tier: str = TIERS[0]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a loaded release, as it is for a tier, with the deny set.

    Raises as `tre.slices.release.opened`.
    """
    connected = SHELF.cursor(directory, tier)
    try:
        put_denied(connected, denied)
        yield connected
    finally:
        connected.close()
