"""The table of headers: which values reach it, and which never do."""

from __future__ import annotations

import csv
from datetime import date
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import Bench
from tre.slices import documents
from tre.slices.headertable import COLUMNS
from tre.slices.verify import Fault, verify


def built(bench: Bench, **attributes: Any) -> dict[str, Any]:
    """The row of an image whose header says this, even what the header gate would not let in."""
    bench.maker.record()
    bench.maker.image()
    bench.ingest()
    (stored,) = bench.dataset.tier("dates-full").rglob("*.dcm")
    stored.chmod(0o600)
    stored.write_bytes(bench.maker.image(**attributes).read_bytes())
    bench.build(headers="full")
    (row,) = pq.read_table(bench.slice / documents.HEADERS).to_pylist()
    return dict(row)


def test_numbers_and_codes_reach_it(bench: Bench) -> None:
    row = built(
        bench,
        Rows=2022,
        PixelSpacing=[0.5, 0.25],
        KVP="80",
        PatientPosition="HFS",
        WindowCenter=["40", "400"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        NumberOfFrames="3",
    )
    assert (row["rows"], row["kvp"], row["patient_position"], row["number_of_frames"]) == (2022, 80.0, "HFS", 3)
    assert row["pixel_spacing_mm"] == [0.5, 0.25]
    assert row["window_center"] == [40.0, 400.0]
    assert len(row["image_orientation"]) == 6
    assert row["path"] == "data/xray/Covid1/1.1/1.1.1/image1.dcm"
    assert row["echo_time_ms"] is None


@pytest.mark.parametrize(
    ("attribute", "value", "column"),
    [
        ("PatientPosition", "Jane Doe", "patient_position"),
        ("PatientPosition", "JANE DOE OF LONDON", "patient_position"),
        ("KVP", ["80", "90"], "kvp"),
        ("Rows", None, "rows"),
    ],
)
def test_what_cannot_be_what_it_should_is_missing(bench: Bench, attribute: str, value: Any, column: str) -> None:
    assert built(bench, **{attribute: value})[column] is None


def test_texts_names_and_days_have_no_column(bench: Bench) -> None:
    row = built(
        bench,
        PatientName="Doe^Jane",
        StudyDescription="Dr Doe asks",
        AccessionNumber="A123",
        StudyDate="20200403",
        InstitutionName="St Elsewhere",
    )
    assert tuple(row) == COLUMNS
    text = repr(row)
    assert not [word for word in ("Doe", "A123", "20200403", "Elsewhere") if word in text]
    assert not [value for value in row.values() if isinstance(value, date)]


def test_a_table_that_was_changed_is_found(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image(Rows=10)
    bench.ingest()
    recorded = bench.build(headers="full")
    assert verify(recorded, bench.slices, bench.dataset).differences == ()
    path = bench.slice / documents.HEADERS
    path.chmod(0o600)
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index("rows"), "rows", [[11]]), path)
    faults = {(one.path, one.fault) for one in verify(recorded, bench.slices, bench.dataset).differences}
    assert (documents.HEADERS, Fault.changed) in faults


def test_no_table_where_none_is_asked_for(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image()
    bench.ingest()
    bench.build()
    assert not (bench.slice / documents.HEADERS).exists()
    assert (bench.slice / documents.DICTIONARY).read_text().startswith("# Dictionary")
    assert (bench.slice / documents.DICTIONARY_CSV).read_text() == "column,meaning,kind,values,empty_permille\n"
    who = (bench.slice / documents.WHO).read_text()
    assert "## modality" in who
    assert "## sex" not in who, "not permitted"


def test_the_dictionary_says_how_often_a_column_is_empty(filled: Bench) -> None:
    derive = {"band": {"from": "age", "band": 10}, "north": {"from": "site", "groups": {"N|orth": ["TRUST-01"]}}}
    filled.build(tables={"clinical": {"columns": ["pseudonym", "band", "north", "death"], "derive": derive}})
    rows = list(csv.DictReader((filled.slice / documents.DICTIONARY_CSV).read_text().splitlines()))
    assert [row["column"] for row in rows] == ["pseudonym", "band", "north", "death"]
    assert [row["empty_permille"] for row in rows] == ["", "*", "*", "*"], "three people are too few to say"
    assert "N\\|orth" in (filled.slice / documents.DICTIONARY).read_text()
    assert "`.csv`" in (filled.slice / documents.README).read_text()


def test_who_is_represented_is_told_for_permitted_columns_only(filled: Bench) -> None:
    derive = {"band": {"from": "age", "band": 10}, "age_band": {"from": "site", "groups": {"N": ["TRUST-01"]}}}
    told = [
        (["pseudonym", "sex"], {}, {"sex"}),
        (["age", "site"], {}, {"age_band", "site"}),
        (["band"], {"band": derive["band"]}, {"age_band"}),
        (["age_band"], {"age_band": derive["age_band"]}, set()),
    ]
    for number, (columns, how, expected) in enumerate(told, start=1):
        filled.build(version=number, tables={"clinical": {"columns": columns, "derive": how}})
        text = (filled.slice / documents.WHO).read_text()
        people = {"sex", "age_band", "ethnicity_group", "covid_status", "site"}
        assert {name for name in people if f"## {name}\n" in text} == expected
