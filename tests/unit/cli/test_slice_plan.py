"""`tre slice plan`: text, JSON and page show the same, and no small number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Here

SPEC = """
slice: 1
dataset: demo
release: r1
images:
  - modality: [DX]
tables:
  clinical: {columns: [pseudonym, sex]}
"""


def write(here: Here, text: str = "", name: str = "spec.yaml") -> str:
    path = here.layout.root.parent / name
    path.write_text(SPEC + text)
    return str(path)


def plan(here: Here, path: str) -> Any:
    return json.loads(here.done("slice", "plan", path, "--json").out)


def test_the_designs_keys_are_there_and_small_numbers_are_not(here: Here) -> None:
    shown = plan(here, write(here))
    assert shown["planDigest"].startswith("sha256:")
    assert [shown[key] for key in ("patients", "studies", "series", "instances")] == ["*"] * 4
    assert set(shown) >= {"bytes", "rejected", "kReport", "representativeness", "tables", "spec", "dictionary"}
    assert shown["smallNumbers"] == {"suppressBelow": 8, "roundTo": 5}
    assert shown["population"] == "Usual residents of England and Wales, Census 2021"


def test_a_datasets_own_rule_counts(here: Here) -> None:
    policy = here.layout.root / "policies" / "datasets" / "demo.yaml"
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(
        "apiVersion: tre.research/v1alpha1\nkind: DisclosurePolicy\nmetadata: {name: demo}\n"
        "spec: {smallNumbers: {suppressBelow: 1, roundTo: 1}}\n"
    )
    path = write(here)
    assert plan(here, path)["patients"] == 3
    text = here.done("slice", "plan", path).out
    assert "3 patients, 3 studies, 3 series, 3 images" in text
    assert "Counts are exact." in text
    assert plan(here, path)["population"] is None


def test_the_page_is_written_beside(here: Here) -> None:
    target = here.layout.root.parent / "plan.html"
    path = write(here)
    found = here.done("slice", "plan", path, "--html", str(target))
    assert "plan digest" in found.out
    page = target.read_text()
    assert plan(here, path)["planDigest"] in page
    assert "fewer than 8" in page
    nowhere = here.tre("slice", "plan", path, "--html", str(target / "below"))
    assert nowhere.code == 1
    assert "cannot be written" in nowhere.err


def test_a_sample_and_a_list_by_hand(here: Here) -> None:
    (here.layout.root.parent / "cohort.csv").write_text("pseudonym\nCovid1\nCovid2\nCovid9\n")
    path = write(here, 'patients:\n  list: {file: cohort.csv}\n  sample: {n: 1, seed: "DAA-1"}\n')
    shown = plan(here, path)
    assert shown["patientList"] == {"pseudonyms": "*", "unknown": "*"}
    assert shown["sample"] == {"eligible": "*", "drawn": "*"}
    listed = shown["spec"]["patients"]["list"]
    assert set(listed) == {"digest"}
    text = here.done("slice", "plan", path).out
    assert f"patient list {listed['digest']}" in text
    assert "drawn before opt-outs" in text
    built = json.loads(here.done("slice", "build", path, "--name", "look", "--json").out)
    assert built["files"] == 1
    assert Path(built["path"]).is_dir()
    show = json.loads(here.done("slice", "show", built["sliceId"], "--json").out)
    assert show["plan"]["planDigest"] == shown["planDigest"]
    assert show["plan"]["patients"] == "*"
    assert "Columns of the clinical table" in here.done("slice", "show", built["sliceId"]).out


def test_a_demand_that_is_not_met_is_shown_and_exits_with_1(here: Here) -> None:
    path = write(here, "privacy: {k: 5, over: [sex]}\n")
    found = here.tre("slice", "plan", path)
    assert found.code == 1
    assert "k = 5 (not met)" in found.out
    assert "PrivacyNotMet" in found.err
