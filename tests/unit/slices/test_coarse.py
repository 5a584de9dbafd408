"""The tier of coarse dates: months for days, hours for times, and not a byte else."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.unit.slices.conftest import Bench
from tests.unit.slices.test_ingest import rows
from tre.demodata.nccid import generate_nccid
from tre.demodata.spec import NccidSpec
from tre.slices.coarse import coarse_moment, coarse_record, coarse_sidecar, write_coarse
from tre.slices.gate.judge import Gate
from tre.slices.store import hash_file, stored_path


@pytest.mark.parametrize(
    ("text", "vr", "coarse"),
    [
        ("20200415", "DA", "20200401"),
        ("20200401", "DA", "20200401"),
        ("20200415\\20211231", "DA", "20200401\\20211201"),
        ("", "DA", ""),
        ("101523.123", "TM", "100000.000"),
        ("10", "TM", "10"),
        ("20200415101523.1234+0100", "DT", "20200401100000.0000+0100"),
        ("202004", "DT", "202004"),
        ("2020041510", "DT", "2020040110"),
        ("20200415 ", "DA", "20200401 "),
        ("2020.04.15", "DA", "0000.00.00"),
        ("10:15:23", "TM", "00:00:00"),
        ("15 April 2020", "DT", "00 April 0000"),
    ],
)
def test_a_moment_keeps_its_month_or_its_hour_and_its_length(text: str, vr: str, coarse: str) -> None:
    assert coarse_moment(text, vr) == coarse
    assert len(coarse) == len(text)


@given(some.dates(), some.dates())
def test_order_stays_and_one_day_stays_one_day(one: object, other: object) -> None:
    first, second = sorted(f"{day:%Y%m%d}".zfill(8) for day in (one, other))  # type: ignore[str-format]
    assert coarse_moment(first, "DA") <= coarse_moment(second, "DA")
    assert coarse_moment(coarse_moment(first, "DA"), "DA") == coarse_moment(first, "DA")


def test_nothing_but_dates_changes_in_an_image(tmp_path: Path) -> None:
    generate_nccid(tmp_path / "made", NccidSpec(patients=4, xray_pixels=(16,), ct_pixels=(16,)))
    changed = 0
    for path in sorted((tmp_path / "made").rglob("*.dcm")):
        data = path.read_bytes()
        target = BytesIO()
        write_coarse(BytesIO(data), target, Gate().judge_file(BytesIO(data)).moments)
        coarse = target.getvalue()
        assert len(coarse) == len(data)
        before, after = pydicom.dcmread(BytesIO(data)), pydicom.dcmread(BytesIO(coarse))
        assert after.PixelData == before.PixelData
        for element in before.iterall():
            if element.VR in {"DA", "TM", "DT"} and element.keyword != "PatientBirthDate":
                changed += coarse_moment(str(element.value), element.VR) != element.value
                before[element.tag].value = coarse_moment(str(element.value), element.VR)
        assert after == before
    assert changed > 10


def test_a_sidecar_changes_as_its_image_does() -> None:
    inner = {"00080021": {"vr": "DA", "Value": ["20200415"]}}
    model = {
        "00080020": {"vr": "DA", "Value": ["20200415"]},
        "00080030": {"vr": "TM", "Value": ["101523", None]},
        "00081140": {"vr": "SQ", "Value": [inner]},
        "00100030": {"vr": "DA", "Value": ["19500101"]},
        "00283010": None,
    }
    coarse = json.loads(coarse_sidecar(model))
    assert coarse["00080020"]["Value"] == ["20200401"]
    assert coarse["00080030"]["Value"] == ["100000", None]
    assert coarse["00081140"]["Value"] == [{"00080021": {"vr": "DA", "Value": ["20200401"]}}]
    assert (coarse["00100030"], coarse["00283010"]) == (model["00100030"], None)


@pytest.mark.parametrize(
    ("value", "coarse"),
    [
        ("2020-04-15", "2020-04"),
        ("[Text] - 2020-04-15", "[Text] - 2020-04"),
        ("2020-04-15T10:15:00", "2020-04"),
        ("15/04/2020", "2020-04"),
        ("04/15/2020", "2020-04"),
        ("04/05/2020", "2020"),
        ("04/04/2020", "2020-04"),
        ("4/15/20", "2020-04"),
        ("170/70", "170/70"),
        ("White - British", "White - British"),
        (65, 65),
        ([{"SwabDate": "15/04/2020"}], [{"SwabDate": "2020-04"}]),
    ],
)
def test_a_record_keeps_months_where_they_can_be_told(value: object, coarse: object) -> None:
    assert coarse_record({"x": value, "Pseudonym": "Covid1"}) == {"x": coarse, "Pseudonym": "Covid1"}


def test_every_file_has_a_coarse_copy_that_the_index_names(bench: Bench) -> None:
    for number in (1, 2, 3):
        patient = f"Covid{number}"
        bench.maker.record(patient, SwabDate="15/04/2020")
        bench.maker.image(patient, f"1.{number}", f"1.{number}.1", sidecar=True, StudyDate="20200415")
    bench.maker.image("Covid1", "1.1", "1.1.1", StudyDate="20200430")
    filled = bench
    filled.ingest()
    tier = filled.dataset.tier("dates-coarse")
    patients = {row["patient"]: row["pseudonym"] for row in rows(filled, "patients")}
    series = {row["series"]: row for row in rows(filled, "series")}
    for row in rows(filled, "instances"):
        pseudonym = str(patients[series[row["series"]]["patient"]])
        path = stored_path(tier, pseudonym, row["coarse_sha256"], ".dcm")  # type: ignore[arg-type]
        assert hash_file(path) == row["coarse_sha256"] != row["sha256"]
        assert path.stat().st_size == row["coarse_bytes"] == row["bytes"]
        assert path.stat().st_nlink == 1
        assert pydicom.dcmread(path).StudyDate == "20200401"
        if row["sidecar_sha256"] is not None:
            beside = stored_path(tier, pseudonym, row["coarse_sidecar_sha256"], ".json")  # type: ignore[arg-type]
            assert beside.stat().st_size == row["coarse_sidecar_bytes"]
    assert sum(int(str(one["coarse_instances"])) for one in series.values()) == 4
    assert sum(int(str(row["coarse_sidecars"])) for row in rows(filled, "profiles")) == 3
    assert len(list(filled.dataset.tier("clinical-coarse").rglob("*.json"))) == 3
