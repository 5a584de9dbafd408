"""Writing a release's index as its images come, in order: memory does not grow with their number.

Guarantees: the tables and the digest are those of `tre.slices.index.build` over the same images and people.

Does not guarantee: that what it wrote before it was finished can be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tre.domain.slices.plan import Counts
from tre.slices.clinical import Patient
from tre.slices.index import SCHEMAS, TABLES, Instance, digest_of_tables, patient_rows, row_bytes, rows_of_series

_BATCH = 4096
_ROW_GROUP = 122_880
"""As many rows as DuckDB reads at once."""


@dataclass(frozen=True)
class Written:
    """An index that was written: its digest and its counts."""

    digest: str
    counts: Counts


class _Table:
    """One table that grows."""

    def __init__(self, path: Path, schema: pa.Schema, stack: ExitStack) -> None:
        self._schema = schema
        self._writer = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
        self._hasher = hashlib.sha256()
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        for row in rows:
            self._hasher.update(row_bytes(row))
        self._rows += rows
        if len(self._rows) >= _BATCH:
            self._pack()
            if self._count >= _ROW_GROUP:
                self._flush()

    def _pack(self) -> None:
        """Rows as columns: a tenth of the memory."""
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._count += len(self._rows)
        self._rows = []

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches, self._schema), row_group_size=_ROW_GROUP)
        self._batches, self._count = [], 0

    def finish(self) -> str:
        self._pack()
        self._flush()
        return "sha256:" + self._hasher.hexdigest()


class _Totals:
    """What is counted on the way."""

    def __init__(self) -> None:
        self.series = self.instances = self.sidecars = self.bytes = 0

    def add(self, members: list[Instance]) -> None:
        self.series += 1
        self.instances += len(members)
        self.sidecars += sum(one.sidecar is not None for one in members)
        self.bytes += sum(one.size + (one.sidecar_size or 0) for one in members)

    def counts(self, patients: int, studies: int) -> Counts:
        return Counts(
            patients=patients,
            studies=studies,
            series=self.series,
            instances=self.instances,
            files=self.instances + self.sidecars,
            bytes=self.bytes,
        )


def write_index(instances: Iterable[Instance], patients: Iterable[Patient], target: Path) -> Written:
    """Write the index over these images, which come in order of directory and stem, into an existing directory."""
    people = sorted(patients, key=lambda patient: patient.pseudonym)
    numbers = {patient.pseudonym: number for number, patient in enumerate(people)}
    studies: dict[bytes, int] = {}
    totals = _Totals()
    with ExitStack() as stack:
        tables = {name: _Table(target / f"{name}.parquet", schema, stack) for name, schema in SCHEMAS.items()}
        for _, group in groupby(instances, key=lambda one: one.directory):
            members = list(group)
            head = members[0].header
            study = studies.setdefault(_key(head.pseudonym, head.study_uid), len(studies))
            place = (totals.series, study, numbers[head.pseudonym])
            for name, rows in rows_of_series(place, members).items():
                tables[name].add(rows)
            totals.add(members)
        tables["patients"].add(patient_rows(people))
        digests = {name: tables[name].finish() for name in TABLES}
    return Written(digest_of_tables(digests), totals.counts(len(people), len(studies)))


def _key(pseudonym: str, study: str) -> bytes:
    """A study in sixteen bytes: there are as many studies as images in an archive of single pictures."""
    return hashlib.blake2b(f"{pseudonym}/{study}".encode(), digest_size=16).digest()
