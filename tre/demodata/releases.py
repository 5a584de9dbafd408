"""Releases that are an index only: any number of rows, no file behind them, for measuring plans.

Guarantees: the tables have the shape that the caller gives (columns that this module does not know are empty), rows
stand in the order in which a real index has them, roots are those of the files listed, and patients are those of the
make-believe NCCID of the same seed; memory grows with the number of patients (about 100 bytes each), not with that of
images; the same seed and number give the same files, byte for byte, with the same version of pyarrow.

Does not guarantee: that a slice of it can be built: there is nothing in a store. Whoever links to it finds that out.

Answers the question whether a plan stays quick when the data grows, which small data cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tre.demodata.files import GROUPS, claim_target
from tre.demodata.headers import MAKER, MODELS
from tre.demodata.people import Patient, make_patient, pseudonym
from tre.demodata.randomness import Stream, made_uid, random_bytes
from tre.demodata.spec import NccidSpec
from tre.domain.errors import Reason, TREError
from tre.domain.slices.merkle import directory_root

INSTANCES, PROFILES, SERIES, PATIENTS = "instances", "profiles", "series", "patients"
_GROUPS = ("ct", "mri", "xray")
_ROWS_AT_ONCE = 122_880
_MOST_IMAGES = 150_000_000
"""So many images belong to about 600,000 patients, and pseudonyms have six digits."""

_ETHNICITY_GROUPS = {
    **dict.fromkeys("ABC", "white"),
    **dict.fromkeys("DEFG", "multiple"),
    **dict.fromkeys("HJKLR", "asian"),
    **dict.fromkeys("MNP", "black"),
    "S": "other",
}
_PARTS = (("CHEST", 85), (None, 15))
_THICKNESS = (1000, 1250, 2000, 3000, 5000)

Schemas = Mapping[str, pa.Schema]
Row = dict[str, Any]


@dataclass(frozen=True)
class ReleaseSpec:
    """How many images the index lists, and from which seed. Raises `TREError(BadInput)` for a number out of bounds."""

    images: int
    seed: int = 2020

    def __post_init__(self) -> None:
        """Check the bound that comes from the number of pseudonyms."""
        if not 1 <= self.images <= _MOST_IMAGES:
            raise TREError(
                Reason.BadInput,
                f"An index of {self.images:,} images cannot be made.",
                why=f"It must list between 1 and {_MOST_IMAGES:,}.",
                remedy="Choose another number.",
            )


@dataclass
class Made:
    """What was written."""

    patients: int = 0
    studies: int = 0
    series: int = 0
    instances: int = 0
    bytes: int = 0

    def as_dict(self) -> dict[str, int]:
        """As `--json` prints it."""
        return dict(vars(self))


@dataclass
class _Table:
    """One table on its way to the disk: rows are gathered column by column and written many at a time."""

    path: Path
    schema: pa.Schema
    columns: dict[str, list[Any]] = field(default_factory=dict)
    rows: int = 0

    def __enter__(self) -> _Table:
        self._writer = pq.ParquetWriter(self.path, self.schema, compression="zstd")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, count: int, values: Row) -> None:
        """Add rows: each value is a list of that length, or what all of them share."""
        for name in self.schema.names:
            value = values.get(name)
            column = self.columns.setdefault(name, [])
            column.extend(value if isinstance(value, list) else [value] * count)
        self.rows += count
        if self.rows >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        arrays = [pa.array(self.columns.get(one.name, []), type=one.type) for one in self.schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        self.columns.clear()
        self.rows = 0


@dataclass(frozen=True)
class _Series:
    """One series of a patient, before its images are drawn."""

    person: int
    study: int
    number: int
    modality: str
    images: int

    def uids(self, seed: int) -> tuple[str, str]:
        """Unique identifiers of the study and of the series."""
        study = made_uid(seed, self.person, self.study, "study")
        return study, made_uid(seed, self.person, self.study, "series", self.number)


def write_release(target: Path, spec: ReleaseSpec, schemas: Schemas) -> Made:
    """Write an index into a directory that is missing or empty. Raises `TREError(AlreadyExists)`."""
    claim_target(target)
    made = Made()
    people = _people(spec)
    tables = [_Table(target / f"{name}.parquet", schemas[name]) for name in (INSTANCES, PROFILES, SERIES, PATIENTS)]
    instances, profiles, series, patients = tables
    with instances, profiles, series, patients:
        for place, (_, number, _) in enumerate(people):
            patients.add(1, _patient_row(place, make_patient(NccidSpec(seed=spec.seed), number)))
        made.patients = len(people)
        writer = _Writer(spec.seed, (instances, profiles, series), made)
        for group in _GROUPS:
            for place, (_, number, most) in enumerate(people):
                writer.patient(
                    place, [one for one in _series_of(spec.seed, number, most) if GROUPS[one.modality] == group]
                )
    return made


def _people(spec: ReleaseSpec) -> list[tuple[str, int, int]]:
    """Pseudonym, number and number of images of as many patients as are needed, in the order of pseudonyms."""
    found, listed, number = [], 0, 0
    while listed < spec.images:
        number += 1
        images = min(sum(one.images for one in _series_of(spec.seed, number)), spec.images - listed)
        found.append((pseudonym(spec.seed, number), number, images))
        listed += images
    return sorted(found)


def _series_of(seed: int, person: int, most: int | None = None) -> list[_Series]:
    """What a patient has: films, and for every second one CT of some hundred slices; at most so many images."""
    stream = Stream(seed, "index", person)
    kinds = [stream.weighted((("CR", 55), ("DX", 45))) for _ in range(stream.weighted(((1, 30), (2, 35), (3, 35))))]
    if stream.chance(500):
        kinds += ["CT"] * stream.weighted(((1, 80), (2, 20)))
    if stream.chance(5):
        kinds.append("MR")
    found, left = [], most
    for study, kind in enumerate(kinds, start=1):
        for number in range(1, stream.weighted(((1, 60), (2, 40))) + 1):
            images = {"CT": stream.bell(60, 520), "MR": stream.bell(20, 120)}.get(kind, stream.integer(1, 2))
            images = images if left is None else min(images, left)
            left = None if left is None else left - images
            if images:
                found.append(_Series(person, study, number, kind, images))
    return found


def _patient_row(place: int, patient: Patient) -> Row:
    return {
        "patient": place,
        "pseudonym": patient.pseudonym,
        "partition": "training",
        "covid_status": "positive" if patient.positive else "negative",
        "age": patient.age if patient.positive else None,
        "sex": {"M": "male", "F": "female"}[patient.sex] if patient.positive else None,
        "ethnicity_group": _ETHNICITY_GROUPS[patient.ethnicity] if patient.positive else None,
        "site": patient.centre,
        "itu_admission": patient.intensive_care if patient.positive else None,
        "intubation": patient.intubated if patient.positive else None,
        "death": (patient.died is not None) if patient.positive else None,
    }


class _Writer:
    """Writes series after series, numbering them and their studies as it goes."""

    def __init__(self, seed: int, tables: tuple[_Table, _Table, _Table], made: Made) -> None:
        self._seed = seed
        self._instances, self._profiles, self._series = tables
        self._made = made

    def patient(self, place: int, series: list[_Series]) -> None:
        """Write these series of one patient."""
        if not series:
            return
        patient = make_patient(NccidSpec(seed=self._seed), series[0].person)
        before = None
        for one in sorted(series, key=lambda item: item.uids(self._seed)):
            if one.study != before:
                self._made.studies += 1
            before = one.study
            self._write(place, patient, one)

    def _write(self, place: int, patient: Patient, one: _Series) -> None:
        stream = Stream(self._seed, "index", one.person, one.study, one.number)
        files = _Files.drawn(self._seed, one, stream)
        attributes = _attributes(patient, one, stream)
        number = self._made.series
        study, uid = one.uids(self._seed)
        images = {
            "series": number,
            "stem": files.stems,
            "sop_uid": [f"{uid}.{count}" for count in range(1, one.images + 1)],
            "sha256": files.contents,
            "bytes": files.sizes,
            "sidecar_sha256": files.sidecars,
            "sidecar_bytes": files.sidecar_bytes,
        }
        self._instances.add(one.images, images | attributes)
        profile = {
            "series": number,
            "instances": one.images,
            "bytes": sum(files.sizes),
            "sidecars": one.images,
            "sidecar_bytes": files.sidecar_bytes * one.images,
        }
        self._profiles.add(1, profile | attributes | _NOTHING_COARSE)
        row = {
            "series": number,
            "study": self._made.studies - 1,
            "patient": place,
            "partition": "training",
            "group": GROUPS[one.modality],
            "study_uid": study,
            "series_uid": uid,
            "instances": one.images,
            "root": files.root(".dcm", files.contents),
            "sidecars": one.images,
            "sidecar_root": files.root(".json", files.sidecars),
        }
        self._series.add(1, row | _NOTHING_COARSE)
        self._made.series += 1
        self._made.instances += one.images
        self._made.bytes += sum(files.sizes) + files.sidecar_bytes * one.images


_NOTHING_COARSE: Row = {
    **dict.fromkeys(("coarse_instances", "coarse_bytes", "coarse_sidecars", "coarse_sidecar_bytes"), 0),
    **dict.fromkeys(("coarse_root", "coarse_sidecar_root"), directory_root(())),
}
"""What a table counts of the tier with coarse dates, which such a release does not have."""


@dataclass(frozen=True)
class _Files:
    """The files of a series that are not there: names in order, digests, sizes."""

    stems: list[str]
    contents: list[bytes]
    sidecars: list[bytes]
    sizes: list[int]
    sidecar_bytes: int

    @classmethod
    def drawn(cls, seed: int, one: _Series, stream: Stream) -> _Files:
        """Draw them all from one digest."""
        count = one.images
        drawn = random_bytes(seed, 82 * count, "files", one.person, one.study, one.number)
        parts = [drawn[start * count : end * count] for start, end in ((0, 16), (16, 48), (48, 80), (80, 82))]
        names, contents, sidecars, sizes = parts
        least = {"CT": 526_000, "MR": 260_000}.get(one.modality, 4_800_000)
        return cls(
            stems=sorted(name.hex() for name in _cut(names, 16)),
            contents=_cut(contents, 32),
            sidecars=_cut(sidecars, 32),
            sizes=[least + int.from_bytes(size, "big") // 16 * 2 for size in _cut(sizes, 2)],
            sidecar_bytes=stream.integer(9_000, 21_000),
        )

    def root(self, suffix: str, contents: list[bytes]) -> bytes:
        """The root over the files of a directory."""
        return directory_root((stem + suffix, content) for stem, content in zip(self.stems, contents, strict=True))


def _cut(data: bytes, length: int) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]


def _attributes(patient: Patient, one: _Series, stream: Stream) -> Row:
    """What all images of a series have in common, in the spelling of an index."""
    flat = one.modality in ("CR", "DX")
    return {
        "modality": one.modality,
        "body_part": stream.weighted(_PARTS),
        "study_date": patient.swab + timedelta(days=3 * (one.study - 1)),
        "slice_thickness_um": None if flat else stream.pick(_THICKNESS),
        "manufacturer": MAKER.upper(),
        "model": stream.pick(MODELS[one.modality]).upper(),
        "view_position": stream.pick(("PA", "AP", None)) if flat else None,
        "burned_in_annotation": stream.weighted((("NO", 97), (None, 2), ("YES", 1))),
    }
