"""A delivery that adds to a release: what the release held, beside what came.

Guarantees: the new release names everything that the release before it named and everything that came. What came
counts where both speak of one image (by its identifier) or of one person (by the clinical record); nobody who opted
out is carried over, and nobody changes partition. Nothing is copied: files of the release before lie in the store.

Does not guarantee: that a record that came is newer than the one before; whoever delivers it says so by delivering it.

Threat: a person of the validation partition who comes back as training data with a later delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import fields
from pathlib import Path
from typing import Any

from tre.slices.clinical import Patient
from tre.slices.headers import ImageHeader
from tre.slices.index import ATTRIBUTES, Instance, Sidecar
from tre.slices.release import opened

_AT_ONCE = 50_000
_INSTANCES = """
SELECT p.pseudonym, s.study_uid, s.series_uid, s.partition, i.* EXCLUDE (series)
FROM instances i JOIN series s USING (series) JOIN patients p USING (patient)
WHERE p.pseudonym NOT IN (SELECT pseudonym FROM denied)
"""
_PATIENTS = "SELECT * EXCLUDE (patient) FROM patients WHERE pseudonym NOT IN (SELECT pseudonym FROM denied)"


def patients_before(release: Path, denied: Set[str]) -> list[Patient]:
    """Whom a published release names and who did not opt out. Raises `TREError(ReleaseNotFound)`."""
    with opened(release, denied) as connected:
        return [Patient(*row) for row in _rows(connected.execute(_PATIENTS))]


def merged(earlier: Iterable[Patient], came: Iterable[Patient]) -> list[Patient]:
    """Everybody, each by the record that counts, in order."""
    found = {one.pseudonym: one for one in (*earlier, *came)}
    return [found[name] for name in sorted(found)]


def images_before(release: Path, denied: Set[str]) -> Iterator[Instance]:
    """The images that a published release names, of people who did not opt out. Raises `TREError(ReleaseNotFound)`."""
    with opened(release, denied) as connected:
        for row in _rows(connected.execute(_INSTANCES)):
            yield _instance(*row)


def _rows(result: Any) -> Iterator[tuple[Any, ...]]:
    while batch := result.fetchmany(_AT_ONCE):
        yield from batch


def _instance(*row: Any) -> Instance:
    pseudonym, study, series, partition, stem, uid, sha256, size, *rest = row
    beside, beside_size, coarse, coarse_size, coarse_beside, coarse_beside_size, *attributes = rest
    header = ImageHeader(pseudonym, study, series, uid, *attributes)
    sidecar = None if beside is None else Sidecar(beside, beside_size, coarse_beside, coarse_beside_size)
    return Instance(header, partition, stem, sha256, size, coarse, coarse_size, sidecar)


assert tuple(field.name for field in fields(ImageHeader))[4:] == ATTRIBUTES, (
    "headers are read back in the order of the index's columns"
)
