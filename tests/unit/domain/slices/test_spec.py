"""The slice language: what parses, what it means, what is refused and with which word."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.canonical import digest
from tre.domain.errors import TREError
from tre.domain.model import parse_record
from tre.domain.slices import vocabulary
from tre.domain.slices.derivations import Grouping
from tre.domain.slices.spec import SliceSpec, Unit
from tre.domain.slices.values import MAX_CODES
from tre.system.yamlfile import read_yaml

BASE: dict[str, Any] = {"slice": 1, "dataset": "nccid", "release": "2026-10-01"}
EXAMPLE = """
slice: 1
dataset: nccid
release: "2026-10-01"
keep_whole: study
images:
  - modality: [DX, CR]
    body_part: [CHEST]
    study_date: {from: "2020-03-01", to: "2020-12-31"}
  - modality: [CT]
    slice_thickness_mm: {max: 2.5}
exclude:
  - burned_in_annotation: ["YES", unknown]
patients:
  covid_status: [positive]
  age: {from: 18, to: 89}
  site: {not: [TRUST-07]}
tables:
  clinical:
    columns: [pseudonym, age_band, sex, ethnicity_group, itu_admission, death]
    derive: {age_band: {from: age, band: 10, top: 90}}
headers: sidecar
partition: training
layout: nccid
privacy: {k: 5, over: [age_band, sex, ethnicity_group], on_fail: refuse}
"""


def spec(**changes: Any) -> SliceSpec:
    return parse_record(SliceSpec, BASE | changes)


def refusal(**changes: Any) -> str:
    with pytest.raises(TREError) as caught:
        spec(**changes)
    return str(caught.value)


def derive(how: Any, name: str = "b") -> dict[str, Any]:
    return {"tables": {"clinical": {"columns": [name], "derive": {name: how}}}}


def test_the_languages_example_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(EXAMPLE)
    found = parse_record(SliceSpec, read_yaml(path))
    assert found.keep_whole is Unit.study
    assert found.images[0].study_date is not None
    assert found.images[0].study_date.first == date(2020, 3, 1)
    assert found.images[1].slice_thickness_mm is not None
    assert found.images[1].slice_thickness_mm.last == Decimal("2.5")
    assert found.as_plain()["images"][1] == {"modality": ["CT"], "slice_thickness_mm": {"max": "2.5"}}
    assert parse_record(SliceSpec, found.as_plain()) == found


def test_defaults_are_the_narrowest_choice() -> None:
    found = spec()
    assert found.images == ()
    assert (found.headers, found.partition, found.tier) == ("none", "training", "dates-full")
    assert found.tables.clinical is None


def test_equal_questions_have_one_digest() -> None:
    one = spec(images=[{"modality": ["DX", "CR"], "slice_thickness_mm": {"max": 2.5}}])
    other = spec(
        images=[{"slice_thickness_mm": {"max": "2.50"}, "modality": ["cr", "dx", "DX"]}],
        keep_whole="series",
        exclude=[],
    )
    assert digest(one.as_plain()) == digest(other.as_plain())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"imagse": []}, "did you mean 'images'"),
        ({"slice": 2}, "slice"),
        ({"slice": "1"}, "slice"),
        ({"slice": True}, "put quotes around it"),
        ({"dataset": "NCCID"}, "cannot be a name"),
        ({"dataset": "../x"}, "cannot be a name"),
        ({"release": "../x"}, "cannot name a release"),
        ({"release": 20261001}, "release"),
        ({"keep_whole": "image"}, "keep_whole"),
        ({"images": [{}]}, "match everything"),
        ({"exclude": [{}]}, "match everything"),
        ({"patients": {}}, "match everything"),
        ({"images": {"modality": ["DX"]}}, "images"),
        ({"images": [{"modality": "DX"}]}, "modality"),
        ({"images": [{"modality": []}]}, "modality"),
        ({"images": [{"modality": [True]}]}, "put quotes around it"),
        ({"images": [{"modality": ["XX"]}]}, "not known here: XX"),
        ({"images": [{"body_part": ["TOOTHBRUSH"]}]}, "not known here"),
        ({"images": [{"view_position": ["FRONT"]}]}, "not known here"),
        ({"images": [{"burned_in_annotation": ["MAYBE"]}]}, "not known here"),
        ({"images": [{"manufacturer": ["x" * 65]}]}, "64"),
        ({"images": [{"manufacturer": ["x"] * (MAX_CODES + 1)}]}, str(MAX_CODES)),
        ({"images": [{"manufacturer": ["a\nb"]}]}, "line breaks"),
        ({"images": [{"bodypart": ["CHEST"]}]}, "did you mean 'body_part'"),
        ({"images": [{"study_date": {}}]}, "at least one of its ends"),
        ({"images": [{"study_date": {"from": "2020-12-31", "to": "2020-03-01"}}]}, "before it begins"),
        ({"images": [{"study_date": {"from": 20200301}}]}, "a day is due"),
        ({"images": [{"study_date": {"from": "2020-02-30"}}]}, "study_date"),
        ({"images": [{"study_date": {"from": "1.3.2020"}}]}, "a day is due"),
        ({"images": [{"study_date": {"first": "2020-03-01"}}]}, "no such key"),
        ({"images": [{"slice_thickness_mm": {}}]}, "at least one"),
        ({"images": [{"slice_thickness_mm": {"max": True}}]}, "put quotes around it"),
        ({"images": [{"slice_thickness_mm": {"max": "thin"}}]}, "millimetres"),
        ({"images": [{"slice_thickness_mm": {"max": "nan"}}]}, "millimetres"),
        ({"images": [{"slice_thickness_mm": {"max": 1.0005}}]}, "three decimals"),
        ({"images": [{"slice_thickness_mm": {"max": -1}}]}, "between 0"),
        ({"images": [{"slice_thickness_mm": {"max": 10_001}}]}, "between 0"),
        ({"patients": {"age": {}}}, "at least one"),
        ({"patients": {"age": {"from": "18"}}}, "age"),
        ({"patients": {"age": {"from": 18.5}}}, "age"),
        ({"patients": {"age": {"from": True}}}, "age"),
        ({"patients": {"age": {"to": 131}}}, "age"),
        ({"patients": {"sex": ["F"]}}, "not known here: f"),
        ({"patients": {"covid_status": ["maybe"]}}, "not known here"),
        ({"patients": {"ethnicity_group": ["A"]}}, "not known here"),
        ({"patients": {"site": {"not": ["unknown"]}}}, "fails there anyway"),
        ({"patients": {"site": {}}}, "not"),
        ({"patients": {"site": True}}, "site"),
        ({"patients": {"sample": {"n": 5}}}, "seed"),
        ({"patients": {"sample": {"seed": "s"}}}, "one size"),
        ({"patients": {"sample": {"seed": "s", "n": 5, "permille": 5}}}, "one size"),
        ({"patients": {"sample": {"seed": "s", "n": 0}}}, "sample.n"),
        ({"patients": {"sample": {"seed": "s", "permille": 1000}}}, "permille"),
        ({"patients": {"sample": {"seed": "s", "n": 5, "by": "age"}}}, "by"),
        ({"patients": {"list": ["Covid1"]}}, "list"),
        ({"patients": {"list": {}}}, "needs its `file`"),
        ({"patients": {"list": {"digest": "sha256:ab"}}}, "list.digest"),
        ({"patients": "all"}, "patients"),
        ({"tier": "dates-course"}, "did you mean 'dates-coarse'?"),
        ({"tier": "dates-coarse", "images": [{"study_date": {"from": "2020-03-02"}}]}, "images[0].study_date"),
        ({"tier": "dates-coarse", "exclude": [{"study_date": {"to": "2020-02-28"}}]}, "exclude[0].study_date"),
        ({"headers": "sidecars"}, "did you mean 'sidecar'?"),
        ({"keep_whole": "studys"}, "did you mean 'study'?"),
        ({"layoot": "flat"}, "did you mean 'layout'?"),
        ({"images": [{"modallity": ["DX"]}]}, "did you mean 'modality'?"),
        ({"images": [{"modality": ["DXX"]}]}, "did you mean DX?"),
        ({"images": [{"body_part": ["CHST"]}]}, "did you mean CHEST?"),
        ({"patients": {"sex": ["femal"]}}, "did you mean female?"),
        ({"partition": "validation"}, "partition"),
        ({"tables": {"clinical": {"columns": []}}}, "columns"),
        ({"tables": {"clinical": {"columns": ["hospital"]}}}, "no such column: hospital"),
        ({"tables": {"clinical": {"columns": ["sex", "sex"]}}}, "named twice: sex"),
        ({"tables": {"clinical": {"columns": ["age; DROP"]}}}, "columns"),
        ({"tables": {"clinical": {"columns": ["sex"], "derive": {"b": {"from": "age", "band": 10}}}}}, "not among"),
        ({"tables": {"clinical": {"columns": ["sex"], "derive": {"sex": {"from": "age", "band": 10}}}}}, "exists"),
        ({"tables": {"clinical": {"columns": ["etnicity_group"]}}}, "did you mean ethnicity_group?"),
        ({"tables": {"clinical": {"columns": ["b"], "derive": {"b": {"from": "sex", "band": 10}}}}}, "from"),
        ({"tables": {"clinical": {"columns": ["b"], "derive": {"b": 5}}}}, "from"),
        ({"tables": {"clinical": {"columns": ["b"], "derive": {"b": {"from": ["age"]}}}}}, "from"),
        (derive({"from": "first_study_date", "by": "day"}), "by"),
        (derive({"from": "first_study_date", "band": 10}), "by"),
        (derive({"from": "site", "groups": {}}), "groups"),
        (derive({"from": "site", "groups": {"n": ["A"], "s": ["a"]}}), "derive.b: in two groups: A"),
        (derive({"from": "site", "groups": {"n": ["A"], "s": [" a"]}}), "derive.b.groups.s[0]: blanks"),
        ({"patients": {"site": {"not": [5]}}}, "patients.site.not[0]"),
        (derive({"from": "site", "groups": {"n": ["A"]}, "rest": "n"}), "name of a group"),
        (derive({"from": "age", "band": 10}, "first_study_date"), "exists"),
        ({"tables": {"clinical": {"columns": ["b"], "derive": {"b": {"from": "age", "band": 7}}}}}, "multiple"),
        ({"tables": {"clinical": {"columns": ["b"], "derive": {"b": {"from": "age", "band": 1}}}}}, "band"),
        ({"tables": {"notes": {}}}, "no such key"),
        ({"privacy": {"k": 1, "over": ["sex"]}}, "k"),
        ({"privacy": {"k": 5, "over": []}}, "over"),
        ({"privacy": {"k": 5, "over": ["pseudonym"]}}, "privacy.over: not known: pseudonym"),
        ({"privacy": {"k": 5, "over": ["sexe"]}}, "did you mean sex?"),
        ({"privacy": {"k": 5, "over": ["age_band"]}}, "not known: age_band"),
        ({"privacy": {"k": 5, "over": ["sex", "sex"]}}, "twice"),
        ({"privacy": {"k": 5, "over": ["sex"], "on_fail": "ignore"}}, "on_fail"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_by_name(changes: dict[str, Any], word: str) -> None:
    assert word in refusal(**changes)


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_no_mapping_is_refused(value: object) -> None:
    with pytest.raises(TREError):
        parse_record(SliceSpec, value)


def test_privacy_may_be_over_derived_columns_and_the_first_study_date() -> None:
    table = {"clinical": {"columns": ["b"], "derive": {"b": {"from": "age", "band": 10}}}}
    found = spec(tables=table, privacy={"k": 5, "over": ["b", "first_study_date", "site"]})
    assert found.privacy is not None


def test_unknown_may_be_listed_in_any_case_and_stays_apart_from_codes() -> None:
    found = spec(images=[{"body_part": ["Unknown", "chest", "Thorax"], "modality": ["UNKNOWN"]}])
    assert found.images[0].body_part == ("CHEST", "unknown")
    assert found.images[0].modality == ("unknown",)


def test_sample_list_and_derivations_are_read_and_written_alike() -> None:
    found = spec(
        patients={"sample": {"n": 2000, "by": "hash", "seed": "DAA-00123"}, "list": {"file": "cohort.csv"}},
        tables={
            "clinical": {
                "columns": ["region", "month"],
                "derive": {
                    "region": {"from": "site", "groups": {"North": ["trust-07", "TRUST-01"]}, "rest": "South"},
                    "month": {"from": "first_study_date", "by": "month"},
                },
            }
        },
        privacy={"k": 5, "over": ["region", "month"]},
    )
    assert found.tables.clinical is not None
    region = found.tables.clinical.derive["region"]
    assert isinstance(region, Grouping)
    assert region.groups == {"North": ("TRUST-01", "TRUST-07")}
    assert spec(**found.as_plain()) == found
    assert "sample" in found.as_plain()["patients"]


@pytest.mark.parametrize(
    "days", [{"from": "2020-03-01"}, {"to": "2020-02-29"}, {"from": "2020-12-01", "to": "9999-12-31"}]
)
def test_whole_months_may_be_asked_for_under_coarse_dates(days: dict[str, str]) -> None:
    found = spec(tier="dates-coarse", images=[{"study_date": days}, {"modality": ["DX"]}])
    assert found.tier == "dates-coarse"


def test_days_may_come_as_days() -> None:
    found = spec(images=[{"study_date": {"from": date(2020, 3, 1)}}])
    assert found.as_plain()["images"][0]["study_date"] == {"from": "2020-03-01"}


@given(st.text())
def test_folding_is_stable(text: str) -> None:
    folded = vocabulary.fold_code(text)
    assert vocabulary.fold_code(folded) == folded


def test_synonyms_lead_to_terms_that_exist() -> None:
    assert set(vocabulary.BODY_PART_SYNONYMS.values()) <= vocabulary.BODY_PARTS
    assert set(vocabulary.MODALITY_GROUPS) <= vocabulary.MODALITIES
    assert set(vocabulary.QUASI_IDENTIFIERS) <= set(vocabulary.CLINICAL_COLUMNS)
    assert vocabulary.body_part(" thorax ") == "CHEST"
    assert vocabulary.body_part("nonsense") is None
    assert vocabulary.closed("dx", vocabulary.MODALITIES) == "DX"
    assert vocabulary.closed("zz", vocabulary.MODALITIES) is None
