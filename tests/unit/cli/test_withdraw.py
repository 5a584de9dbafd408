"""`tre withdraw` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Here, Typed
from tests.unit.slices.conftest import Maker

SPEC = "slice: 1\ndataset: trial\nrelease: r1\nimages: [{modality: [DX]}]\n"
PEOPLE = [f"Covid10000{number}" for number in range(1, 4)]


@pytest.fixture
def filled(here: Here, tmp_path: Path) -> Here:
    maker = Maker(tmp_path / "optouts")
    for number, name in enumerate(PEOPLE, start=1):
        maker.record(name, Sex=1)
        maker.image(name, f"1.{number}", f"1.{number}.1")
    here.done("dataset", "add", "trial", str(maker.root), "--release", "r1")
    (tmp_path / "spec.yaml").write_text(SPEC)
    here.done("slice", "build", str(tmp_path / "spec.yaml"))
    (tmp_path / "one.csv").write_text(f"pseudonym,reason\n{PEOPLE[0]},SecretIllness\n")
    (tmp_path / "keep.csv").write_text(f"{PEOPLE[1]}\n")
    return here


def counted(here: Here, *words: str) -> Typed:
    """A list that was counted and not confirmed: refused, with the dry run on record."""
    found = here.tre(*words)
    assert (found.code, found.crash) == (1, None), found
    return found


def test_the_dry_run_comes_first_and_the_count_must_be_typed(filled: Here, tmp_path: Path) -> None:
    unconfirmed = counted(filled, "withdraw", "trial", str(tmp_path / "one.csv"))
    assert "--yes 1" in unconfirmed.shown
    assert "people who would be withdrawn" in unconfirmed.shown
    counted(filled, "withdraw", "trial", str(tmp_path / "one.csv"), "--yes", "3")
    done = filled.done("withdraw", "trial", str(tmp_path / "one.csv"), "--yes", "1", "--level", "erase", "--json")
    found = json.loads(done.out)
    assert found["state"] == "Held"
    assert "SecretIllness" not in done.shown
    assert not list(filled.layout.slices.rglob(f"*{PEOPLE[0]}*"))
    assert json.loads(filled.done("slice", "verify", "--json").out)[0]["differences"] == []
    page = tmp_path / "receipt.html"
    receipt = json.loads(filled.done("withdraw", "--receipt", found["id"], "--html", str(page), "--json").out)
    assert (receipt["complete"], receipt["filesRemoved"]) == (False, 1)
    assert "this is what was done so far" in page.read_text()
    assert (
        "withdraws nobody" in counted(filled, "withdraw", "trial", str(tmp_path / "one.csv"), "--level", "erase").shown
    )


def test_a_keep_list_needs_a_second_person(filled: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("withdraw", "trial", str(tmp_path / "keep.csv"), "--keep-list", "--yes", "2", "--json")
    assert "right way round" in filled.done(*words[:4], "--dry-run").shown
    assert "right way round" not in filled.done("withdraw", "trial", str(tmp_path / "one.csv"), "--dry-run").shown
    monkeypatch.setenv("SUDO_USER", "anna")
    assert json.loads(filled.tre(*words).out)["state"] == "Proposed"
    assert "second person" in filled.refused(*words).shown
    assert list(filled.layout.slices.rglob(f"*{PEOPLE[0]}*"))
    monkeypatch.setenv("SUDO_USER", "ben")
    assert json.loads(filled.done(*words).out)["state"] == "Receipted"
    assert not list(filled.layout.slices.rglob(f"*{PEOPLE[0]}*"))
    assert list(filled.layout.slices.rglob(f"*{PEOPLE[1]}*"))


def test_a_list_can_be_counted_only_and_taken_back(filled: Here, tmp_path: Path) -> None:
    filled.done("withdraw", "trial", str(tmp_path / "one.csv"), "--dry-run")
    listed = json.loads(filled.done("withdraw", "trial", "--json").out)
    assert [one["state"] for one in listed] == ["Cancelled"]
    filled.refused("withdraw", "--cancel", listed[0]["id"])
    filled.refused("withdraw", "--receipt", listed[0]["id"])
    filled.refused("withdraw", "--receipt", "0" * 32)
    filled.refused("withdraw", "other", str(tmp_path / "one.csv"))
    filled.refused("withdraw", "trial", str(tmp_path / "none.csv"))
    assert "trial" in filled.done("withdraw").shown


def test_what_the_page_tells_people_to_type(filled: Here, tmp_path: Path) -> None:
    """docs/opt-outs.md, command by command: counted, typed, held, swept."""
    counted(filled, "withdraw", "trial", str(tmp_path / "one.csv"))
    filled.done("withdraw", "trial", str(tmp_path / "one.csv"), "--yes", "1", "--level", "erase")
    assert "Held" in filled.done("withdraw", "trial").shown
    found = json.loads(filled.done("dataset", "sweep", "trial", "--json").out)
    assert (found["unnamed"], found["plans"], found["plans_deleted"]) == (0, 0, 0)
    assert "0 forgotten plans, 0 deleted" in filled.done("dataset", "sweep", "trial", "--delete").shown
