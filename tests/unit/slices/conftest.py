"""Deliveries made by hand, image by image, and what is made of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.spec import SliceSpec
from tre.slices.build import BuildOrder, build
from tre.slices.contents import plan_and_keep
from tre.slices.documents import Description
from tre.slices.files import NOBODY_ELSE
from tre.slices.ingest import Ingested, IngestOrder, ingest
from tre.slices.places import DatasetPlaces, SlicePlaces
from tre.slices.plan import PlanOrder
from tre.slices.verify import Recorded
from tre.slices.watch import SILENT, Watcher

GROUPS = {"CR": "xray", "DX": "xray", "CT": "ct", "MR": "mri"}
SLICE = "s-aaaaaaaaaaaa"


def dicom(**attributes: Any) -> bytes:
    """A DICOM file without pixels; values may be as bad as real ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _dicom(attributes)


def _dicom(attributes: dict[str, Any]) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    dataset.PatientName = attributes.get("PatientID", "")
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "Made up"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = attributes.get("SOPInstanceUID", "1.2")
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@dataclass
class Maker:
    """Writes a delivery in the NCCID layout; every default can be overridden."""

    root: Path
    number: int = 0
    written: dict[str, Path] = field(default_factory=dict)

    def image(
        self,
        patient: str = "Covid1",
        study: str = "1.1",
        series: str = "1.1.1",
        *,
        sop: str = "",
        path: str = "",
        partition: str = "training",
        sidecar: bool = False,
        **attributes: Any,
    ) -> Path:
        self.number += 1
        sop = sop or f"1.9.{self.number}"
        attributes = {"Modality": "DX", "StudyDate": "20200401", **attributes}
        group = GROUPS.get(attributes["Modality"], "unknown")
        place = f"{patient}/{study}/{series}/image{self.number}"
        data = dicom(
            PatientID=patient,
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SOPInstanceUID=sop,
            **attributes,
        )
        target = self.file(path or f"{partition}/{group}/{place}.dcm", data)
        if sidecar:
            model = {
                "00100020": {"vr": "LO", "Value": [patient]},
                "00080018": {"vr": "UI", "Value": [sop]},
            }
            self.file(f"{partition}/{group}-metadata/{place}.json", json.dumps(model).encode())
        return target

    def record(self, patient: str = "Covid1", kind: str = "data", day: str = "2020-05-01", **values: Any) -> Path:
        partition = values.pop("partition", "training")
        content = {"Pseudonym": patient, "SubmittingCentre": "TRUST-01", **values}
        path = f"{partition}/data/{patient}/{kind}_{day}.json"
        return self.file(path, json.dumps(content).encode())

    def file(self, path: str, data: bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target


@dataclass
class Bench:
    """One dataset and one directory of slices, with nothing in them yet."""

    root: Path
    dataset: DatasetPlaces
    slices: SlicePlaces
    maker: Maker
    ingested: Ingested | None = None

    def ingest(self, watcher: Watcher = SILENT, **changes: Any) -> Ingested:
        published = changes.pop("published", None)
        values = {"places": self.dataset, "release": "r1", "delivery": self.maker.root}
        self.ingested = ingest(IngestOrder(**(values | changes)), published, watcher)
        return self.ingested

    def order(self, denied: frozenset[str] = frozenset(), version: int = 0, **spec: Any) -> PlanOrder:
        assert self.ingested is not None
        return PlanOrder(
            spec=make_spec(**spec),
            release=self.dataset.release("r1"),
            index_digest=self.ingested.index_digest,
            denied=denied,
            deny_version=version,
        )

    def keep(self, denied: frozenset[str] = frozenset(), version: int = 0, **spec: Any) -> SlicePlan:
        return plan_and_keep(self.order(denied, version, **spec), self.dataset, NOBODY_ELSE)

    def build(self, watcher: Watcher = SILENT, *, version: int = 1, **spec: Any) -> Recorded:
        planned = self.keep(**spec)
        about = Description(SLICE, planned, version, datetime(2026, 11, 1, tzinfo=UTC))
        content = build(BuildOrder(self.slices, self.dataset, NOBODY_ELSE, about), watcher)
        return Recorded(SLICE, planned, content, version)

    @property
    def slice(self) -> Path:
        return self.slices.slice(SLICE)


def make_spec(**changes: Any) -> SliceSpec:
    values = {"slice": 1, "dataset": "demo", "release": "r1", "images": [{"modality": ["DX"]}]}
    return SliceSpec.model_validate(values | changes)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    slices = SlicePlaces(tmp_path / "slices")
    slices.root.mkdir()
    maker = Maker(tmp_path / "delivery")
    maker.root.mkdir()
    return Bench(tmp_path, DatasetPlaces(tmp_path / "datasets" / "demo"), slices, maker)


@pytest.fixture
def filled(bench: Bench) -> Bench:
    """Three patients, two of them with two images, sidecars, and clinical records."""
    make = bench.maker
    for number in (1, 2, 3):
        patient = f"Covid{number}"
        make.record(patient, Age=30 + 20 * number, Sex=number % 2, Ethnicity="A")
        make.image(patient, f"1.{number}", f"1.{number}.1", sidecar=True, BodyPartExamined="CHEST")
    make.image("Covid1", "1.1", "1.1.1", BodyPartExamined="Thorax")
    make.image("Covid2", "1.2", "1.2.2", Modality="CT", SliceThickness="1.25")
    bench.ingest()
    return bench


@pytest.fixture
def specs() -> Callable[..., SliceSpec]:
    return make_spec
