"""C01, and what ACRO found of S01, S07 and S08: sessions that ACRO 0.4.12 and 1.0.2 wrote, and edited ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.airlock.extracted import compared
from tre.airlock.across.acro import read_session
from tre.airlock.across.sacroml import read_report
from tre.airlock.across.settings import laxer
from tre.airlock.parsed import Observation, Rules

ASSETS = Path(__file__).parents[2] / "assets" / "airlock" / "acro"
OWN = {"C01", "S01", "S05", "S07", "S08"}
Found = list[tuple[str, Observation]]


def session(version: str) -> dict[str, bytes]:
    folder = ASSETS / version
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def claims(files: dict[str, bytes], rules: Rules | None = None, kind: str = "output") -> Found:
    return [(path, item) for path, item in compared(files, rules, kind) if item.check in OWN]


def edited(version: str, name: str, change: Callable[[Any], None]) -> dict[str, bytes]:
    files = session(version)
    value = json.loads(files[name])
    change(value)
    return files | {name: json.dumps(value).encode()}


def cells(found: Found, check: str, path: str) -> list[tuple[int | None, int | None]]:
    return [(item.place.row, item.place.column) for where, item in found if (item.check, where) == (check, path)]


def said(found: Found, check: str = "C01") -> list[str]:
    return [item.message for _, item in found if item.check == check]


@pytest.mark.parametrize("version", ["v0.4.12", "v1.0.2"])
def test_what_acro_says_against_its_user_is_believed(version: str) -> None:
    found = claims(session(version))
    assert cells(found, "S01", "output_2_0.csv") == [(5, 2), (5, 3)]  # few people behind a sum
    assert cells(found, "S01", "output_3_0.csv") == [(7, column) for column in (2, 3, 4, 5)]  # two statistics
    assert cells(found, "S01", "output_0_0.csv") == [(5, 2)]  # the counts themselves are shown: once for all of them
    assert "2 of its cells are below 10" in next(
        i.message for p, i in found if (p, i.check) == ("output_0_0.csv", "S01")
    )
    assert [path for path, item in found if "author's reason" in item.message] == ["output_0_0.csv"]


def test_what_acro_hid_is_no_finding() -> None:
    found = claims(session("v1.0.2-suppressed"))
    assert {(path, item.case) for path, item in found} == {
        ("session_summary.csv", "do-not-release"),
        ("session_summary.json", "do-not-release"),
    }


def test_few_degrees_of_freedom_are_taken_from_the_status_and_not_from_the_mask() -> None:
    found = claims(session("v1.0.2"))
    assert [(path, item.case) for path, item in found if item.check == "S07"] == [("output_3_0.csv", "low")]


@pytest.mark.parametrize(("kind", "blocked"), [("output", 2), ("supporting", 0)])
def test_what_is_for_the_checker_only_does_not_leave(kind: str, blocked: int) -> None:
    found = claims(session("v1.0.2"), kind=kind)
    assert sum(item.case == "do-not-release" for _, item in found) == blocked


def test_its_name_alone_says_so_where_the_record_is_not_there() -> None:
    found = claims({"2ndary_risk_summary_csv-DONT_RELEASE.csv": b"uid,n\na,1\n"})
    assert [item.case for _, item in found] == ["do-not-release"]


def test_a_note_that_speaks_of_release_is_none() -> None:
    assert claims({"notes_on_release.txt": b"not yet released\n"}) == []


@pytest.mark.parametrize("version", ["v0.4.12", "v1.0.2"])
def test_a_pass_hides_nothing(version: str) -> None:
    def whitewash(value: Any) -> None:
        record = value["results"]["output_0"]
        record["status"] = "pass"
        record["files"][0]["sdc"]["cells"] = {}
        record["outcome"] = {c: dict.fromkeys(rows, "ok") for c, rows in record["outcome"].items()}

    found = claims(edited(version, "results.json", whitewash))
    assert cells(found, "C01", "output_0_0.csv")[-2:] == [(5, 2), (5, 3)]
    assert any("passes this cell, though it shows 8" in text for text in said(found))


def test_a_pass_that_lists_failures_is_said() -> None:
    def whitewash(value: Any) -> None:
        value["results"]["output_2"]["status"] = "pass"

    assert any("says pass, though" in text for text in said(claims(edited("v1.0.2", "results.json", whitewash))))


def test_a_file_of_another_shape_is_said() -> None:
    files = session("v1.0.2") | {"output_0_0.csv": b"age,mild\n18-39,135\n"}
    assert any("not the same table" in text for text in said(claims(files)))


def test_coordinates_outside_of_the_table_are_said() -> None:
    def move(value: Any) -> None:
        value["results"]["output_2"]["files"][0]["sdc"]["cells"]["MinimumThresholdCheck"] = [[99, 99]]

    assert any("flags 1 cells that" in text for text in said(claims(edited("v1.0.2", "results.json", move))))


def test_files_on_one_side_only_are_said() -> None:
    files = session("v1.0.2") | {"extra.csv": b"g,n\na,100\n"}
    del files["note.txt"]
    found = said(claims(files))
    assert any("not in the request: “note.txt”" in text for text in found)
    assert any("lie beside them: “extra.csv”" in text for text in found)
    assert not any("not in the request" in text or "beside" in text for text in said(claims(session("v1.0.2"))))


def test_a_changed_file_does_not_have_its_checksum() -> None:
    files = session("v1.0.2") | {"note.txt": b"hello!"}
    assert [path for path, item in claims(files) if "SHA-256" in item.message] == ["note.txt"]
    right = {"note.txt": b"hello!", "checksums/note.txt.txt": hashlib.sha256(b"hello!").hexdigest().encode()}
    assert not [path for path, item in claims(session("v1.0.2") | right) if "SHA-256" in item.message]


def test_nk_and_p_ratio_are_told_as_dominance() -> None:
    def dominate(value: Any) -> None:
        value["results"]["output_2"]["files"][0]["sdc"]["cells"] |= {"NKCheck": [[0, 0]], "PPercentCheck": [[1, 1]]}

    assert cells(claims(edited("v1.0.2", "results.json", dominate)), "S08", "output_2_0.csv") == [(2, 2), (3, 3)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("safe_threshold", 5),
        ("safe_dof_threshold", 1),
        ("safe_nk_n", 1),
        ("safe_nk_k", 0.99),
        ("safe_pratio_p", 0.05),
        ("survival_safe_threshold", 2),
        ("safe_threshold", "10"),
        ("safe_threshold", None),
        ("safe_threshold", True),
        ("safe_nk_k", 10**400),
    ],
)
def test_laxer_settings_are_said(key: str, value: object) -> None:
    found = said(claims(edited("v1.0.2", "config.json", lambda settings: settings.update({key: value}))))
    assert any("laxer" in text and key in text for text in found)


def test_settings_that_fit_are_not() -> None:
    settings = json.loads(session("v1.0.2")["config.json"])
    assert laxer(settings, Rules()) == []
    assert laxer(settings | {"safe_threshold": 20, "safe_nk_k": 0.8, "safe_pratio_p": 0.2}, Rules()) == []
    assert laxer(settings | {"zeros_are_disclosive": False}, Rules(zeros_disclosive=True)) != []
    assert laxer(settings | {"zeros_are_disclosive": False}, Rules()) == []


def test_results_without_settings_are_said() -> None:
    files = session("v1.0.2")
    del files["config.json"]
    assert any("config.json" in text for text in said(claims(files)))


@pytest.mark.parametrize(
    "value",
    [
        {"version": "1.0", "results": {}},
        {"version": "1.0", "results": {"a": {"files": 3, "status": [], "outcome": 7, "fair": "x", "properties": None}}},
        {
            "version": "1.0",
            "results": {"a": {"files": [{"name": "../t.csv", "sdc": {"cells": {"threshold": 5}}}], "status": "pass"}},
        },
        {
            "version": "9.9",
            "results": {
                "a": {
                    "files": [
                        {"name": "t.csv", "sdc": {"cells": {"NKCheck": [[-1, 0], [0], "x", [True, 1], [10**9, 0]]}}}
                    ],
                    "status": "pass",
                    "outcome": {"n": {"a": "ok", "b": 3}},
                    "new": {},
                }
            },
        },
        {
            "version": "1.0",
            "results": {"a": {"files": ["t.csv", "t.csv", 5], "status": "fail", "exception": None, "comments": [5]}},
        },
        {"version": "1.0", "results": {str(n): {"files": [], "status": "pass"} for n in range(3000)}},
    ],
)
def test_odd_results_are_read_without_harm(value: object) -> None:
    files = {"results.json": json.dumps(value).encode(), "t.csv": b"g,n\na,100\nb,200\n"}
    assert read_session(value) is not None
    assert all(len(item.message) <= 500 for _, item in claims(files))


@pytest.mark.parametrize(
    "value", [None, 5, [], {}, {"results": []}, {"results": {"a": {}}, "version": "1"}, {"version": 1, "results": {}}]
)
def test_other_json_is_no_session(value: object) -> None:
    assert read_session(value) is None


def report(**changes: Any) -> dict[str, Any]:
    instances = {f"instance_{n}": {"AUC": 0.5 + n / 100, "P_HIGHER_AUC": 0.5} for n in range(10)}
    attack = {
        "log_id": "x",
        "metadata": {"sacroml_version": "2.0.1", "attack_name": "WorstCase attack", "global_metrics": {}},
        "attack_experiment_logger": {"attack_instance_logger": instances},
    }
    attack["metadata"] |= changes.pop("metadata", {})
    attack |= changes
    return {"WorstCase attack_1": attack}


def test_a_report_of_attacks_is_sorted_by_what_it_speaks_for() -> None:
    evidence = read_report(report())
    assert evidence is not None
    assert (evidence.immediate_rejection, evidence.support_rejection) == ([], [])
    assert evidence.support_release == ["WorstCase attack: 0 of 10 attacks succeed"]
    strong = {"attack_instance_logger": {str(n): {"AUC": 0.9, "P_HIGHER_AUC": 0.001} for n in range(4)}}
    against = read_report(report(attack_experiment_logger=strong, metadata={"target_model": "SVC"}))
    assert against is not None
    assert against.immediate_rejection == ["the model is a SVC, which holds its training data"]
    assert against.support_rejection == ["WorstCase attack: 4 of 4 attacks succeed, mean AUC 0.90"]
    structural = {"attack_name": "Structural", "global_metrics": {"dof_risk": True, "k_anonymity_risk": False}}
    found = read_report({"metadata": structural, "attack_experiment_logger": {}})
    assert found is not None
    assert found.support_rejection == ["Structural: dof is a risk"]
    assert found.support_release == ["Structural: k anonymity is none"]


def test_a_report_is_told_as_a_claim() -> None:
    found = claims({"report.json": json.dumps(report(metadata={"target_model": "SVC"})).encode()})
    (text,) = said(found)
    assert "rejects at once: the model is a SVC" in text


@pytest.mark.parametrize(
    "value", [None, [], {"a": 1}, {"metadata": {}}, {"metadata": {"attack_name": "x"}}, {"a": {"metadata": 3}}]
)
def test_other_json_is_no_report(value: object) -> None:
    assert read_report(value) is None


def test_an_odd_report_is_read_without_harm() -> None:
    odd = report(
        attack_experiment_logger={"attack_instance_logger": [1, 2]}, metadata={"global_metrics": [3], "attack_name": 9}
    )
    evidence = read_report(odd)
    assert evidence is not None
    assert evidence.attacks == ["9"]
    huge = {"attack_instance_logger": {"1": {"AUC": 10**400, "P_HIGHER_AUC": 0.1}}}
    assert read_report(report(attack_experiment_logger=huge, metadata={"target_model": {}})) is not None
