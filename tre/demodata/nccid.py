"""A make-believe National COVID-19 Chest Imaging Database, in the real one's layout.

Guarantees: the same specification gives the same tree, byte for byte, on every platform; each
patient depends on the seed and the patient's number alone, so that a larger set begins with the
smaller one; folders, file names, sidecars and clinical JSON are shaped as the real warehouse
shapes them (`training/{ct,mri,xray}/PATIENT/STUDY/SERIES/IMAGE.dcm`, a parallel `-metadata` tree,
and `training/data/PATIENT/{data,status}_YYYY-MM-DD.json`); nothing is written outside the target.

Does not guarantee: medical sense, nor the rule by which the real set was divided into training
and validation: everything goes to `training`.

Answers the need to show, test and measure the launcher without one real patient's data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from pydicom.dataset import Dataset

from tre.demodata import pixels
from tre.demodata.clinical import clinical_records
from tre.demodata.files import ImagePlace, Writer, claim_target, group_of
from tre.demodata.headers import (
    Study,
    encoded,
    place_instance,
    series_header,
    set_pixels,
    sidecar,
)
from tre.demodata.people import Patient, make_patient, quota
from tre.demodata.randomness import Stream, made_file_stem
from tre.demodata.spec import NccidSpec, Summary, Tally

Progress = Callable[[int, int], None]
"""Called after each patient with how many are done and how many there are."""


def make_studies(spec: NccidSpec, patient: Patient) -> Iterator[Study]:
    """The examinations of a patient: films, some CT, rarely MR, in the days after the swab."""
    if quota(patient.number + 11, spec.without_images_permille):
        return
    stream = Stream(spec.seed, "studies", patient.number)
    films = stream.weighted(((1, 30), (2, 35), (3, 20), (4, 15)))
    kinds = [stream.weighted((("CR", 55), ("DX", 45))) for _ in range(films)]
    if stream.chance(spec.ct_permille):
        kinds += ["CT"] * stream.weighted(((1, 80), (2, 20)))
    if quota(patient.number + 37, spec.mr_permille):
        kinds.append("MR")
    if patient.sex == "F" and quota(patient.number + 53, spec.mg_permille):
        kinds.append("MG")
    if quota(patient.number + 71, spec.us_permille):
        kinds.append("US")
    for number, kind in enumerate(kinds, start=1):
        yield Study(
            patient=patient,
            number=number,
            modality=kind,
            day=min(patient.swab + timedelta(days=3 * (number - 1)), patient.last_known),
            time=stream.clock_time(),
            severity=patient.severity if number == 1 else patient.second_severity,
        )


def _shape(spec: NccidSpec, study: Study, stream: Stream) -> tuple[int, int]:
    """Size in pixels and number of images of a series."""
    if study.modality in ("CT", "MR"):
        return stream.pick(spec.ct_pixels), stream.integer(*spec.ct_slices)
    return stream.pick(spec.xray_pixels), stream.weighted(((1, 70), (2, 30)))


def _as_it_is(_: Dataset) -> None:
    pass


def write_series(
    spec: NccidSpec, study: Study, series: int, writer: Writer, shape: Callable[[Dataset], None] = _as_it_is
) -> None:
    """One series with its images and sidecars; `shape` may change what the images' headers have in common."""
    name = (study.patient.number, study.number, series)
    stream = Stream(spec.seed, "images", *name)
    size, images = _shape(spec, study, stream)
    anatomy = pixels.make_anatomy(Stream(spec.seed, "anatomy", *name[:2]), study.severity)
    draw = {"CT": pixels.ct_slice, "MR": pixels.mr_slice}.get(study.modality)
    flat = {"MG": pixels.mammogram, "US": pixels.sonogram}.get(study.modality, pixels.xray)
    header = series_header(study, series, size, spec.seed)
    shape(header)
    for number in range(1, images + 1):
        uid = study.uid(spec.seed, "image", series, number)
        place_instance(header, uid, number)
        if draw is None:
            picture = flat(size, anatomy, spec.seed, *name, number)
        else:
            height = 2000 * number // (images + 1) - 1000
            picture = draw(size, anatomy, height, spec.seed, *name, number)
        set_pixels(header, picture)
        stem = uid if stream.chance(100) else made_file_stem(spec.seed, *name, number)
        place = ImagePlace(
            group_of(study.modality),
            study.patient.pseudonym,
            header.StudyInstanceUID,
            header.SeriesInstanceUID,
            stem,
        )
        writer.image(place, encoded(header), sidecar(header))
    writer.tally.instances += images
    writer.tally.by_modality[study.modality] += images


def write_patient(spec: NccidSpec, number: int, writer: Writer) -> None:
    """Everything about one patient: clinical records first, as the real warehouse demands."""
    patient = make_patient(spec, number)
    for name, record in clinical_records(spec.seed, patient, spec.more_dirt_permille):
        writer.clinical(patient.pseudonym, name, record)
    tally = writer.tally
    tally.patients += 1
    tally.by_covid_status["positive" if patient.positive else "negative"] += 1
    for study in make_studies(spec, patient):
        series_count = Stream(spec.seed, "count", number, study.number).weighted(((1, 85), (2, 15)))
        for series in range(1, series_count + 1):
            write_series(spec, study, series, writer)
        tally.studies += 1
        tally.series += series_count
        tally.studies_by_group[group_of(study.modality)] += 1


def generate_nccid(target: Path, spec: NccidSpec, progress: Progress | None = None) -> Summary:
    """Write a make-believe NCCID into a directory that is missing or empty, and say what is in it.

    Raises `TREError(AlreadyExists)` if the directory holds anything.
    """
    claim_target(target)
    tally = Tally()
    writer = Writer(target / "training", tally)
    for number in range(1, spec.patients + 1):
        write_patient(spec, number, writer)
        if progress is not None:
            progress(number, spec.patients)
    return tally.summary()
