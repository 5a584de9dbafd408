"""A release's index: four small tables, and one digest over what they say.

Guarantees: the same files give the same digest on every machine, whatever the order in which they were found and
whichever library wrote the Parquet files: the digest is over the rows in canonical text, not over the files' bytes.
`instances` has a row for each image; `profiles` counts the images of a series that look alike to the language, so
that a plan need not read instances; `series` keeps the Merkle root of each series' files; `patients` the attributes.

Does not guarantee: that a published index is unchanged on the disk; its owner is the storekeeper alone.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tre.domain.canonical import digest
from tre.domain.slices.merkle import directory_root
from tre.domain.slices.plan import Counts
from tre.slices.clinical import Patient
from tre.slices.headers import ImageHeader
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX, group_directory

SCHEMA_VERSION = 2

_ATTRIBUTES = (
    ("modality", pa.string()),
    ("body_part", pa.string()),
    ("study_date", pa.date32()),
    ("slice_thickness_um", pa.int32()),
    ("manufacturer", pa.string()),
    ("model", pa.string()),
    ("view_position", pa.string()),
    ("burned_in_annotation", pa.string()),
)
ATTRIBUTES = tuple(name for name, _ in _ATTRIBUTES)
"""What can be asked of an image, as columns of `instances` and `profiles`."""

SCHEMAS = {
    "instances": pa.schema(
        [
            ("series", pa.int32()),
            ("stem", pa.string()),
            ("sop_uid", pa.string()),
            ("sha256", pa.binary(32)),
            ("bytes", pa.int64()),
            ("sidecar_sha256", pa.binary(32)),
            ("sidecar_bytes", pa.int64()),
            ("coarse_sha256", pa.binary(32)),
            ("coarse_bytes", pa.int64()),
            ("coarse_sidecar_sha256", pa.binary(32)),
            ("coarse_sidecar_bytes", pa.int64()),
            *_ATTRIBUTES,
        ]
    ),
    "profiles": pa.schema(
        [
            ("series", pa.int32()),
            ("instances", pa.int32()),
            ("bytes", pa.int64()),
            ("sidecars", pa.int32()),
            ("sidecar_bytes", pa.int64()),
            ("coarse_instances", pa.int32()),
            ("coarse_bytes", pa.int64()),
            ("coarse_sidecars", pa.int32()),
            ("coarse_sidecar_bytes", pa.int64()),
            *_ATTRIBUTES,
        ]
    ),
    "series": pa.schema(
        [
            ("series", pa.int32()),
            ("study", pa.int32()),
            ("patient", pa.int32()),
            ("partition", pa.string()),
            ("group", pa.string()),
            ("study_uid", pa.string()),
            ("series_uid", pa.string()),
            ("instances", pa.int32()),
            ("root", pa.binary(32)),
            ("sidecars", pa.int32()),
            ("sidecar_root", pa.binary(32)),
            ("coarse_instances", pa.int32()),
            ("coarse_root", pa.binary(32)),
            ("coarse_sidecars", pa.int32()),
            ("coarse_sidecar_root", pa.binary(32)),
        ]
    ),
    "patients": pa.schema(
        [
            ("patient", pa.int32()),
            ("pseudonym", pa.string()),
            ("partition", pa.string()),
            ("covid_status", pa.string()),
            ("age", pa.int32()),
            ("sex", pa.string()),
            ("ethnicity_group", pa.string()),
            ("site", pa.string()),
            ("itu_admission", pa.bool_()),
            ("intubation", pa.bool_()),
            ("death", pa.bool_()),
        ]
    ),
}
"""The tables of a release's index, with their columns."""

TABLES = tuple(SCHEMAS)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar that was taken, and its copy in the tier of coarse dates."""

    sha256: bytes
    size: int
    coarse_sha256: bytes | None = None
    coarse_size: int | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One image that was taken into the store, and where it stands in the layout."""

    header: ImageHeader
    partition: str
    stem: str
    sha256: bytes
    size: int
    coarse_sha256: bytes | None = None
    """Its copy with coarse dates; `None` for an image that has none (a deflated one)."""

    coarse_size: int | None = None
    sidecar: Sidecar | None = None

    def with_sidecar(self, sidecar: Sidecar) -> Instance:
        """The same with its sidecar."""
        return replace(self, sidecar=sidecar)

    @property
    def sidecar_sha256(self) -> bytes | None:
        """The digest of its sidecar."""
        return self.sidecar.sha256 if self.sidecar else None

    @property
    def sidecar_size(self) -> int | None:
        """The size of its sidecar."""
        return self.sidecar.size if self.sidecar else None

    @property
    def directory(self) -> str:
        """The directory of its series in paths of the index."""
        head = self.header
        return group_directory(head.group, head.pseudonym, head.study_uid, head.series_uid)


@dataclass(frozen=True)
class Index:
    """The tables of a release as rows, its digest and its counts."""

    tables: dict[str, list[tuple[Any, ...]]]
    digest: str
    counts: Counts


def build(instances: Iterable[Instance], patients: Iterable[Patient]) -> Index:
    """The index over these images and patients, in canonical order."""
    people = sorted(patients, key=lambda patient: patient.pseudonym)
    ordered = sorted(instances, key=lambda one: (one.directory, one.stem))
    numbers = {patient.pseudonym: number for number, patient in enumerate(people)}
    by_series: dict[str, list[Instance]] = {}
    for one in ordered:
        by_series.setdefault(one.directory, []).append(one)
    studies: dict[tuple[str, str], int] = {}
    tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
    for series, members in enumerate(by_series.values()):
        head = members[0].header
        study = studies.setdefault((head.pseudonym, head.study_uid), len(studies))
        for name, rows in rows_of_series((series, study, numbers[head.pseudonym]), members).items():
            tables[name] += rows
    tables["patients"] = patient_rows(people)
    counts = _counts(ordered, len(people), len(studies), len(by_series))
    return Index(tables, index_digest(tables), counts)


def rows_of_series(numbers: tuple[int, int, int], members: list[Instance]) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables say of a series whose own, whose study's and whose patient's numbers these are."""
    series = numbers[0]
    return {
        "series": [_series_row(*numbers, members)],
        "profiles": _profile_rows(series, members),
        "instances": [_instance_row(series, one) for one in members],
    }


def patient_rows(people: list[Patient]) -> list[tuple[Any, ...]]:
    """What the tables say of people, in order of their pseudonyms."""
    return [(number, *asdict(patient).values()) for number, patient in enumerate(people)]


def _counts(instances: Sequence[Instance], patients: int, studies: int, series: int) -> Counts:
    sidecars = [one.sidecar_size for one in instances if one.sidecar_size is not None]
    return Counts(
        patients=patients,
        studies=studies,
        series=series,
        instances=len(instances),
        files=len(instances) + len(sidecars),
        bytes=sum(one.size for one in instances) + sum(sidecars),
    )


def _attributes(header: ImageHeader) -> tuple[Any, ...]:
    return tuple(getattr(header, name) for name in ATTRIBUTES)


def _instance_row(series: int, one: Instance) -> tuple[Any, ...]:
    beside = one.sidecar
    files = (one.sha256, one.size, one.sidecar_sha256, one.sidecar_size, one.coarse_sha256, one.coarse_size)
    coarse = (beside and beside.coarse_sha256, beside and beside.coarse_size)
    return (series, one.stem, one.header.sop_uid, *files, *coarse, *_attributes(one.header))


def _series_row(series: int, study: int, patient: int, members: list[Instance]) -> tuple[Any, ...]:
    head = members[0].header
    sidecars = [(one.stem, one.sidecar) for one in members if one.sidecar is not None]
    coarse = [(one.stem, one.coarse_sha256) for one in members]
    coarse_sidecars = [(stem, one.coarse_sha256) for stem, one in sidecars]
    return (
        series,
        study,
        patient,
        members[0].partition,
        head.group,
        head.study_uid,
        head.series_uid,
        len(members),
        *_root(((one.stem, one.sha256) for one in members), IMAGE_SUFFIX)[1:],
        *_root(((stem, one.sha256) for stem, one in sidecars), SIDECAR_SUFFIX),
        *_root(coarse, IMAGE_SUFFIX),
        *_root(coarse_sidecars, SIDECAR_SUFFIX),
    )


def _root(files: Iterable[tuple[str, bytes | None]], suffix: str) -> tuple[int, bytes]:
    """How many files there are, and their root."""
    kept = [(stem + suffix, content) for stem, content in files if content is not None]
    return len(kept), directory_root(kept)


def _profile_rows(series: int, members: list[Instance]) -> list[tuple[Any, ...]]:
    totals: dict[tuple[Any, ...], Counter[str]] = {}
    for one in members:
        total = totals.setdefault(_attributes(one.header), Counter())
        total["instances"] += 1
        total["bytes"] += one.size
        total["sidecars"] += one.sidecar_size is not None
        total["sidecar_bytes"] += one.sidecar_size or 0
        total["coarse_instances"] += one.coarse_sha256 is not None
        total["coarse_bytes"] += one.coarse_size or 0
        total["coarse_sidecars"] += one.sidecar is not None and one.sidecar.coarse_sha256 is not None
        total["coarse_sidecar_bytes"] += (one.sidecar and one.sidecar.coarse_size) or 0
    rows = [
        (
            series,
            *(total[name] for name in _TOTALS),
            *key,
        )
        for key, total in totals.items()
    ]
    return sorted(rows, key=lambda row: tuple(map(str, row)))


_TOTALS = (
    *("instances", "bytes", "sidecars", "sidecar_bytes"),
    *("coarse_instances", "coarse_bytes", "coarse_sidecars", "coarse_sidecar_bytes"),
)


def index_digest(tables: dict[str, list[tuple[Any, ...]]]) -> str:
    """The digest over all rows of all tables, in their order."""
    return digest_of_tables({name: rows_digest(tables[name]) for name in TABLES})


def digest_of_tables(digests: dict[str, str]) -> str:
    """The digest over the digests of all tables."""
    return digest({"schema": SCHEMA_VERSION, **digests})


def rows_digest(rows: Iterable[tuple[Any, ...]]) -> str:
    """SHA-256 over rows as JSON lines: bytes in hexadecimal, days in ISO form."""
    hasher = hashlib.sha256()
    for row in rows:
        hasher.update(row_bytes(row))
    return "sha256:" + hasher.hexdigest()


_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def row_bytes(row: tuple[Any, ...]) -> bytes:
    """A row as the digest takes it."""
    return f"{_as_json([_plain(value) for value in row])}\n".encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else value


def write(index: Index, target: Path) -> None:
    """Write the tables as Parquet files into an existing directory."""
    for name, schema in SCHEMAS.items():
        write_table(target / f"{name}.parquet", schema, index.tables[name])


def write_table(path: Path, schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows as one Parquet file of this schema."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd")


assert [field.name for field in fields(Patient)] == [field.name for field in SCHEMAS["patients"]][1:], (
    "rows of patients are written in the order of the record's fields"
)
