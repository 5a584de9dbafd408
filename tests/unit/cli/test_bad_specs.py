"""Slice specifications, role policies and airlock policies that are wrong: refused by file, line and key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Here
from tre.airlock.policy import SITE_DIRECTORY, read_policy, shipped_directory
from tre.cli import installing
from tre.domain.errors import TREError
from tre.portal.roles import POLICY_FILE, load_roles

ASSETS = Path(__file__).parents[2] / "assets"

SLICES = {
    "no-version": ":1: slice: this key is required",
    "wrong-version": ":1: slice: one of these is due here: 1",
    "unknown-key": ":6: patient: no such key; did you mean 'patients'?",
    "unknown-dataset": "DatasetNotFound: There is no dataset 'dmeo'",
    "unknown-release": "ReleaseNotFound: The dataset 'demo' has no release 'r7'",
    "dataset-with-dots": ":2: dataset: '../demo' cannot be a name",
    "release-with-newline": ":3: release: control characters",
    "no-condition": ":5: images[0]: an entry without a condition would match everything",
    "images-no-list": ":4: images: a list is due here",
    "unknown-modality": ":5: images[0].modality: not known here: XRAY",
    "bare-true-as-code": ":5: images[0].burned_in_annotation: a word or a number is due here",
    "bare-number-as-day": ":5: images[0].study_date.from: a day is due, in quotes",
    "range-backwards": ":5: images[0].study_date: the range ends before it begins",
    "range-without-ends": ":7: patients.age: a range needs at least one of its ends",
    "age-as-text": ":7: patients.age.from: a whole number is due here",
    "unknown-column": ":7: tables.clinical: no such column: nhs_number",
    "sample-as-number": ":7: patients.sample: a mapping is due here",
    "sample-without-size": ":7: patients.sample: a sample needs one size",
    "list-not-there": ":7: patients.list: ",
    "list-no-csv": ":7: patients.list: ",
    "list-not-kept": ":7: patients.list: the list sha256:",
    "tier-not-there": ":6: tier: one of these is due here: 'dates-full' or 'dates-coarse'",
    "near-word": ":6: layout: one of these is due here: 'nccid', 'patient' or 'flat'; did you mean 'flat'?",
    "group-twice": ":10: tables.clinical.derive.region: in two groups: T1",
    "k-of-one": ":6: privacy.k: a number from 2 on is due here",
    "k-over-unknown": ":6: privacy.over: privacy.over: not known: shoe_size",
    "patient-list-in-disguise": ":5: images[0].manufacturer: at most 1000 entries",
    "two-documents": ":7: a second document begins here",
    "empty": "is empty",
    "list": ":1: the document: a mapping is due here",
}
NOT_BUILT = {"no-data", "matches-nothing"}


def test_every_asset_is_judged() -> None:
    assert {path.stem for path in (ASSETS / "slices").glob("*.yaml")} == {*SLICES, *NOT_BUILT, "good"}
    assert {path.stem for path in (ASSETS / "roles").glob("*.yaml")} == set(ROLES)


@pytest.mark.parametrize("name", SLICES)
@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_bad_specification_is_refused_and_plans_nothing(shared: Here, name: str, command: str) -> None:
    path = ASSETS / "slices" / f"{name}.yaml"
    files = kept(shared)
    found = shared.refused("slice", command, str(path))
    assert SLICES[name] in found.err, found
    assert str(path) in found.err or "NotFound" in found.err
    assert kept(shared) == files


def kept(here: Here) -> set[Path]:
    """Everything in the store, the plans and the slices."""
    return {path for path in here.layout.datasets.parent.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("name", sorted(NOT_BUILT))
def test_an_empty_slice_is_shown_and_not_built(here: Here, name: str) -> None:
    path = str(ASSETS / "slices" / f"{name}.yaml")
    assert "0 images" in here.done("slice", "plan", path).out
    found = here.refused("slice", "build", path)
    assert "EmptySlice" in found.err
    assert [path for path in here.layout.slices.iterdir() if path.name.startswith("s-")] == []


def test_a_name_that_is_none_builds_no_slice(shared: Here) -> None:
    good = str(ASSETS / "slices" / "good.yaml")
    for name in ("../x", "a\nb"):
        assert "cannot be a name" in shared.refused("slice", "build", good, "--name", name).err
        assert "cannot be a name" in shared.refused("slice", "build", good, "--grant", name).err


ROLES = {
    "unknown-role": ":7: spec.roles.king",
    "group-no-list": ":6: spec.roles.operator: a list is due here",
    "bare-true-as-group": ":6: spec.roles",
    "wrong-kind": ":2: kind: one of these is due here: 'RolePolicy'",
    "group-with-newline": ":6: spec.roles.operator[0]: control characters",
    "empty": "is empty",
    "unknown-key": ":7: spec.default: no such key",
}


@pytest.mark.parametrize("name", ROLES)
def test_a_bad_role_policy_gives_nobody_a_role(tmp_path: Path, name: str) -> None:
    path = tmp_path / POLICY_FILE
    path.parent.mkdir()
    shutil.copyfile(ASSETS / "roles" / f"{name}.yaml", path)
    with pytest.raises(TREError) as caught:
        load_roles(tmp_path)
    assert str(path) in caught.value.what
    assert ROLES[name] in caught.value.what
    assert caught.value.why
    assert caught.value.remedy


@pytest.mark.parametrize("name", ROLES)
def test_a_bad_role_policy_is_told_before_a_service_starts(
    shared: Here, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(installing, "_keep_up", lambda *_: pytest.fail("the services were started"))
    path = shared.root / POLICY_FILE
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(ASSETS / "roles" / f"{name}.yaml", path)
    try:
        assert str(path) in shared.refused("up").err
    finally:
        path.unlink()


def test_a_bad_airlock_policy_is_told_before_a_service_starts(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "_keep_up", lambda *_: pytest.fail("the services were started"))
    path = here.root / SITE_DIRECTORY / "strict.yaml"
    path.parent.mkdir(parents=True)
    path.write_text((shipped_directory() / "default.yaml").read_text().replace("name: default", "name: strict"))
    path.write_text(path.read_text().replace("threshold: 10", "threshold: ten"))
    assert f"{path}:" in here.refused("up").err


POLICIES = {
    ("kind: AirlockPolicy", "kind: Airlock"): ":4: kind: one of these is due here: 'AirlockPolicy'",
    ("minimumReviewers: 2", "minimumReviewers: none"): "spec.review.minimumReviewers: a whole number is due here",
    ("minimumReviewers: 2", "minimumReviewers: 0"): "spec.review.minimumReviewers",
    ("threshold: 10", "treshold: 10"): "spec.counts.treshold: no such key; did you mean 'threshold'?",
    ("fileBytes: 16Mi", "fileBytes: many"): "spec.limits.fileBytes",
    ("F01: B", "F01: X"): "spec.severities.F01",
    ("F01: B", "F01: true"): "spec.severities",
    ("types: [csv,", "types: [exe,"): "spec.types",
    ("name: default", "name: other"): "names itself 'other'",
}


@pytest.mark.parametrize("change", POLICIES)
def test_a_bad_airlock_policy_is_no_policy(tmp_path: Path, change: tuple[str, str]) -> None:
    text = (shipped_directory() / "default.yaml").read_text()
    assert change[0] in text
    path = tmp_path / "default.yaml"
    path.write_text(text.replace(*change, 1))
    with pytest.raises(TREError) as caught:
        read_policy(path)
    assert POLICIES[change] in caught.value.what
    assert str(path) in caught.value.what
