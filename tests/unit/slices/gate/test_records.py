"""Clinical records: keys against the closed list, values by what is due, and nothing of a person in what is said."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.slices.gate.test_never_passes import identifiers, numbers
from tests.unit.slices.gate.test_run import said
from tre.demodata.faults import nhs_number
from tre.demodata.nccid import generate_nccid
from tre.demodata.spec import NccidSpec
from tre.domain.gate import Verdict, verdict_of
from tre.slices.coarse import coarse_record
from tre.slices.gate.manifest import TagRules
from tre.slices.gate.record import STRANGER, RecordJudge
from tre.slices.gate.record_keys import KEYS, Due

JUDGE = RecordJudge(TagRules())
NUMBER = nhs_number(7)


def rules(judge: RecordJudge = JUDGE, **values: Any) -> set[tuple[str, str]]:
    return {one.key for one in judge.judge({"Pseudonym": "Covid1", **values})}


@pytest.mark.parametrize(
    ("key", "bad", "rule", "good"),
    [
        ("Ferritin", int(NUMBER), "nhs-number", 390390),
        ("Ferritin", f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]}", "nhs-number", "390390.5"),
        ("Ferritin", 20_790_460, "form", 9_999_999),
        ("Ferritin", "07700900123", "form", "< 3 ng/L"),
        ("Age", 19500612, "form", 217),
        ("Sex", 1206, "form", "3"),
        ("PMH Lung disease", "5 – seen by jane@example.org", "e-mail", "5 – Lung Ca"),
        ("PMH Lung disease", "5 SW1A 1AA", "postcode", "5 - OSA"),
        ("PMH Lung disease", "Okonkwo^Adaeze", "person-name", "5 bronchiectasis"),
        ("PMH Lung disease", "5 - Mr Adaeze Okonkwo", "free-text", "5 - asthma"),
        ("PMH CVS disease", "4 Okonkwo", "free-text", "4 (MI + angina)"),
        ("PMH Lung disease", "x" * 201, "too-long", "asthma " * 28),
        ("1st RT-PCR result", "positive 12/06/1950", "date", "RNA DETECTED (SARS-CoV-2)"),
        ("Duration of symptoms", "12 - 2020-03-04", "date", "[12] - 2020-03-04"),
        ("Systolic BP", "[Okonkwo] - 2020-03-04", "free-text", "[170/70] - 2020-03-04"),
        ("Date of death", "on 12/06/2020 Mrs Okonkwo rang", "free-text", "[Text] - 2020-06-12"),
        ("Date of admission", "Okonkwo", "free-text", "not known"),
        ("Date of admission", "born 12/06/1950", "date", "12-06-50"),
        ("FiO2", "indian", "free-text", "blue"),
        ("Ethnicity", "Okonkwo", "free-text", "Asian or Asian British - Indian"),
        ("Hospital", "Jane Okonkwo", "free-text", "Queen Maud Hospital"),
        ("Hospital", "OKONKWO", "free-text", "RXH01"),
        ("SubmittingCentre", "Okonkwo House 12", "free-text", "TRUST-07"),
        ("SubmittingCentre", "\u200b", "free-text", " TRUST-07  "),
        ("SwabDates", [{"SwabDate": "by Okonkwo"}], "free-text", [{"SwabDate": "12/06/2020", "SwabStatus": 0}]),
        ("Sex", [[[[["F"]]]]], "too-long", ["F", "M"]),
        ("Age", 1e300, "form", 78.876),
        ("Age", "1950", "form", "64.5"),
        ("PMH Lung disease", "since 12.06.50", "date", "5.1"),
        ("PMH Lung disease", "12 06 50", "date", "5 12"),
        ("SubmittingCentre", "OKONKWO-12", "free-text", "SITE_12"),
    ],
)
def test_a_value_breaks_a_rule_and_nearly_does(key: str, bad: Any, rule: str, good: Any) -> None:
    assert rule in {found for found, _ in rules(**{key: bad})}
    assert rules(**{key: good}) == set()


def test_keys_are_the_lists_however_they_are_spelt() -> None:
    for key in ("age ", "AGE", "Fibrinogen  if d-dimer not performed", "If CKD stage", "pmh diabetes mellitus TYPE II"):
        assert rules(**{key: 2}) == set()
    assert rules(Ages=2) == {("unknown-key", STRANGER)}


def test_a_strangers_key_waits_and_is_spelt_only_where_it_is_harmless() -> None:
    assert rules(**{"Oxygen flow": 2}) == {("unknown-key", "Oxygen flow")}
    for key in ("Okonkwo", "Jane", "born 1950-06-12", "Bo", "a\nb", "", "x" * 65):
        assert rules(**{key: 2}) == {("unknown-key", STRANGER)}
    assert rules(**{f"seen {NUMBER}": 2}) == {("unknown-key", STRANGER), ("nhs-number", STRANGER)}
    assert rules(OtherDataSources={"Okonkwo": 1}) == {("unknown-key", f"OtherDataSources.{STRANGER}")}
    assert rules(Remark=f"his number is {NUMBER}") == {("unknown-key", STRANGER), ("nhs-number", STRANGER)}


def test_nobody_else_is_named_in_a_record() -> None:
    assert rules(OtherDataSources={"Pseudonym": "Covid2"}) == {("coded-identity", "OtherDataSources.Pseudonym")}
    assert rules(OtherDataSources={"Pseudonym": "Covid1"}) == set()
    assert rules(**{"pseudonym ": "Jane Okonkwo"}) == {("coded-identity", "pseudonym")}


def test_a_manifest_declares_keys_words_and_names_that_are_none() -> None:
    declared = TagRules(clinical_keys=("Notes",), words=("St Elsewhere",), gazetteer=("Ward of Mercy",))
    judge = RecordJudge(declared)
    assert rules(judge, Notes="asthma", Hospital="St Elsewhere") == set()
    assert rules(judge, Notes="Okonkwo") == {("free-text", "Notes")}
    assert ("gazetteer", "Notes") in rules(judge, Notes="the ward  of mercy")
    assert "clinicalKeys" not in TagRules().as_plain(), "what was signed before there were such keys stays signed"


def test_what_is_said_holds_no_value_and_has_an_end() -> None:
    found = JUDGE.judge({f"Okonkwo {number}": NUMBER for number in range(500)})
    assert len(found) <= 50
    assert not any("Okonkwo" in repr(one) or NUMBER in repr(one) for one in found)
    many = JUDGE.judge(dict.fromkeys(KEYS, "Okonkwo") | {"Ferritin": NUMBER})
    assert verdict_of(many) is Verdict.refuse
    assert len(many) == 50


containers = some.sampled_from(([], ["OtherDataSources"], ["OtherDataSources", "SegmentationData"], ["SwabDates", 0]))
keys = some.one_of(
    some.sampled_from([key for key, due in KEYS.items() if due not in {Due.person, Due.nested}]),
    some.sampled_from(("Notes", "Name", "NHS number", "dob")),
)


@given(identifiers, keys, containers, some.sampled_from(("{}", "5 - {}", "[{}] - 2020-03-04", "seen by {} ", "{} AP")))
@settings(max_examples=600, deadline=None)
def test_an_identifier_in_any_value_never_passes(text: str, key: str, inside: list[Any], form: str) -> None:
    value: Any = {key: form.format(text)}
    day = KEYS.get(key) is Due.day and text in {"1950-06-12T10:00"}
    for outer in reversed(inside):
        value = [value] if outer == 0 else {outer: value}
    found = JUDGE.judge({"Pseudonym": "Covid1", **value})
    assert found or day
    assert text not in repr(found)


@given(numbers, keys)
def test_nor_as_a_number_or_as_a_key(number: str, key: str) -> None:
    assert verdict_of(JUDGE.judge({key: int(number)})) is Verdict.refuse
    assert verdict_of(JUDGE.judge({f"{key} {number}": 0})) is Verdict.refuse


def test_the_dirt_of_real_records_passes(tmp_path: Path) -> None:
    """Every kind of dirt that the real set's cleaners met comes in."""
    generate_nccid(tmp_path / "n", NccidSpec(patients=150, xray_pixels=(16,), ct_pixels=(16,), ct_slices=(1, 1)))
    records = sorted((tmp_path / "n").rglob("data/*/*.json"))
    assert len(records) > 150
    for path in records:
        assert JUDGE.judge(json.loads(path.read_bytes())) == (), path


@given(
    some.dates(date(2000, 1, 1), date(2099, 12, 31)),
    some.sampled_from(("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%y", "%d-%m-%Y", "%Y.%m.%d", "[Text] - %Y-%m-%d")),
)
def test_no_day_is_left_in_the_coarse_tier(day: Any, form: str) -> None:
    text = day.strftime(form)
    record = {"Date of death": text, "Systolic BP": f"[170/70] - {text}", "SwabDates": [{"SwabDate": text}]}
    coarse = json.dumps(coarse_record(record))
    assert text.removeprefix("[Text] - ") not in coarse
    assert str(day.year) in coarse


def test_the_coarse_tier_has_no_hospital_and_no_great_age() -> None:
    record = {"Hospital": "NGH", "hospital ": "NGH", "SubmittingCentre": "TRUST-01", "Ferritin": 95}
    assert coarse_record(record) == {"SubmittingCentre": "TRUST-01", "Ferritin": 95}
    for age, coarse in ((89.9, 89.9), (90, 90), ("97", 90), ("old", "old"), (None, None), ([1], [1])):
        assert coarse_record({"Age": age, "age ": age}) == {"Age": coarse, "age ": coarse}


def test_a_single_json_file_is_judged_by_what_it_holds(tmp_path: Path) -> None:
    record, model, other = tmp_path / "r.json", tmp_path / "m.json", tmp_path / "o.json"
    record.write_text(json.dumps({"Pseudonym": "Covid1", "Notes": "Jane"}))
    model.write_text(json.dumps({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}))
    other.write_text("[1]")
    assert said(record) == {str(record): ("quarantine", {"unknown-key"})}
    verdict, found = said(model)[str(model)]
    assert (verdict, found) == ("refuse", {"sidecar", "coded-identity"})
    assert said(other) == {str(other): ("refuse", {"unknown-file"})}
    good = tmp_path / "g.json"
    good.write_text(json.dumps({"Pseudonym": "Covid1", "Age": 40}))
    assert said(good) == {str(good): ("pass", set())}
