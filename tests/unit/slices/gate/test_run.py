"""The gate over directories: the twins, malformed files, and what is printed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.slices.conftest import Maker, dicom
from tests.unit.slices.gate.files import CLEAN, file
from tre.cli.main import app
from tre.demodata.faults import SECRET_NAME, nhs_number
from tre.demodata.twins import Twin, poisoned_twins
from tre.slices.gate import run
from tre.slices.gate.run import gate_paths

SEED = 11


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> list[Twin]:
    return poisoned_twins(tmp_path_factory.mktemp("twins") / "made", SEED)


def said(*paths: Path) -> dict[str, tuple[str, set[str]]]:
    """Verdict and rules by path."""
    plain = [one.as_plain() for one in gate_paths(paths)]
    return {one["path"]: (one["verdict"], {reason["rule"] for reason in one["reasons"]}) for one in plain}


def test_every_poisoned_twin_gets_its_verdict_and_every_clean_one_passes(twins: list[Twin]) -> None:
    assert len(twins) > 20
    for twin in twins:
        verdict, rules = said(twin.path)[str(twin.path)]
        assert (twin.fault, verdict) == (twin.fault, twin.expected_verdict)
        assert not twin.rule or twin.rule in rules, twin.fault
        assert said(twin.clean) == {str(twin.clean): ("pass", set())}


def test_as_directories_too(twins: list[Twin]) -> None:
    for twin in twins:
        root = next(parent for parent in twin.clean.parents if parent.name == "clean")
        assert {verdict for verdict, _ in said(root).values()} == {"pass"}
        if twin.fault != "path-with-dots":
            found = said(root.with_name("poisoned"))
            assert found[str(twin.path)][0] == twin.expected_verdict, twin.fault


def test_no_output_repeats_what_was_found(twins: list[Twin]) -> None:
    roots = sorted({str(twin.clean).partition("/clean/")[0] for twin in twins})
    for words in (["dataset", "gate", *roots], ["dataset", "gate", *roots, "--json"]):
        result = CliRunner().invoke(app, words, env={"COLUMNS": "400"})
        assert result.exit_code == 1
        shown = result.stdout + result.stderr
        for secret in (SECRET_NAME, *SECRET_NAME.split("^"), "EX000123", "Example Hospital", "0623", "999"):
            assert secret not in shown.replace("2.25.", ""), secret


def test_json_is_as_published_and_the_exit_code_speaks_of_refusals(twins: list[Twin]) -> None:
    (twin,) = [one for one in twins if one.fault == "institution-name"]
    result = CliRunner().invoke(app, ["dataset", "gate", str(twin.path), "--json"])
    assert result.exit_code == 1
    reason = {"rule": "absent-or-empty", "attribute": "InstitutionName", "message": "must be absent or empty"}
    assert json.loads(result.stdout) == {"files": [{"path": str(twin.path), "verdict": "refuse", "reasons": [reason]}]}
    (twin,) = [one for one in twins if one.fault == "doctor-in-text"]
    assert CliRunner().invoke(app, ["dataset", "gate", str(twin.path)]).exit_code == 0


def test_several_processes_say_the_same_in_the_same_order(twins: list[Twin], monkeypatch: pytest.MonkeyPatch) -> None:
    roots = [twin.clean.parents[6] for twin in twins[:3]]
    alone = list(gate_paths(roots))
    monkeypatch.setattr(run, "PARALLEL_FROM", 2)
    assert list(gate_paths(roots)) == alone


def test_malformed_files_get_a_line_each_and_the_others_their_verdicts(tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    good = file()
    hostile = {
        "truncated.dcm": good[:-2],
        "text.dcm": b"no image",
        "empty.dcm": b"",
        "long.dcm": file(tail=b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\x7f"),
        "slash.dcm": file([*CLEAN, (0x0020000D, "UI", b"../../1")]),
        "Case.dcm": good,
        "case.dcm": good,
    }
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    (folder / "loop").symlink_to(folder)
    (folder / "away.dcm").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.dcm")
    found = {Path(path).name: rules for path, (_, rules) in said(folder).items()}
    expected = {
        "truncated.dcm": "truncated",
        "text.dcm": "not-dicom",
        "empty.dcm": "not-dicom",
        "long.dcm": "truncated",
        "slash.dcm": "identifier",
        **dict.fromkeys(("Case.dcm", "case.dcm", "loop", "away.dcm", "pipe.dcm"), "path"),
    }
    assert {name for name, rule in expected.items() if rule not in found[name]} == set()


def test_whatever_a_parser_raises_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.dcm").write_bytes(file())

    def broken(*_: object) -> None:
        raise RecursionError("a secret")

    monkeypatch.setattr(run, "judge_image", broken)
    ((path, (verdict, rules)),) = said(tmp_path).items()
    assert (Path(path).name, verdict, rules) == ("a.dcm", "refuse", {"not-dicom"})


def test_without_a_list_of_people_a_file_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(file())
    assert said(path) == {str(path): ("quarantine", {"unlisted-pseudonym"})}
    (tmp_path / "pseudonyms.txt").write_text("Covid1\n")
    run.surroundings.cache_clear()
    assert said(path) == {str(path): ("pass", set())}


def test_paths_that_are_none(tmp_path: Path) -> None:
    assert {verdict for verdict, _ in said(tmp_path / "missing", Path("/dev/null")).values()} == {"refuse"}


def test_clinical_records_are_read_too(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    maker.record("Covid1")
    maker.image("Covid1", "1.1", "1.1.1", sidecar=True)
    maker.file("training/data/Covid1/data_2020-01-01.json", b'{"Pseudonym": "Covid2"}')
    rules = [rules for _, rules in said(tmp_path).values()]
    assert rules.count(set()) == 3
    assert {"folder-mismatch"} in rules


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda model: model | {"00080090": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}, "absent-or-empty"),
        (lambda model: model | {"00081030": {"vr": "LO", "Value": ["seen by Adaeze"]}}, "free-text"),
        (lambda model: model | {"00091001": {"vr": "LO", "Value": ["x"]}}, "private-group"),
        (lambda model: model | {"7FE00010": {"vr": "OW", "InlineBinary": "AAAA"}}, "sidecar"),
        (lambda model: model | {"comment": "x"}, "sidecar"),
        (lambda model: model | {"00281050": {"vr": "DS", "Value": [float("nan")]}}, "sidecar"),
        (lambda model: model | {"00280010": {"vr": "US", "Value": [int(nhs_number(3))]}}, "identifier-in-number"),
        (lambda model: model | {"00280010": {"vr": "US", "Value": ["x"]}}, "sidecar"),
        (lambda model: model | {"00080060": {"vr": "CS", "Value": ["DX"]}}, ""),
        (lambda model: model | {"00283010": None}, "sidecar"),
    ],
)
def test_a_sidecar_is_judged_like_a_header(tmp_path: Path, change: object, rule: str) -> None:
    maker = Maker(tmp_path)
    maker.record("Covid1")
    image = maker.image("Covid1", "1.1", "1.1.1", sidecar=True)
    path = Path(str(image).replace("/xray/", "/xray-metadata/")).with_suffix(".json")
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))  # type: ignore[operator]
    _, rules = said(path)[str(path)]
    assert rule in rules if rule else rules == set()


def test_a_truncated_image_and_a_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "header.dcm"
    path.write_bytes(dicom(PatientID="Covid1", SOPInstanceUID="1.2", StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1"))
    assert said(path)[str(path)][0] == "quarantine"
