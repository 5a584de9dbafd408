"""What `tre doctor` says of the means by which limits are kept, and of those that are weak."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tre.audit.courier import state_path
from tre.cli import doctor
from tre.domain.errors import Reason, TREError
from tre.system.files import write_json
from tre.system.layout import Layout
from tre.system.settings import Settings


def said(tmp_path: Path) -> dict[str, doctor.Finding]:
    return {found.what: found for found in doctor.findings(Layout(tmp_path), Settings())}


def test_it_names_the_means_in_force(tmp_path: Path) -> None:
    found = said(tmp_path)
    for kind in ("memory", "cpu", "processes"):
        assert f"{kind}: " in found["limits"].detail
    assert {"sandbox", "users", "limits", "home size", "outbox and shared folder"} <= found.keys()


def test_an_ordinary_user_is_told_what_is_weak_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = said(tmp_path)
    for what in ("users", "home size"):
        assert found[what].state == "weak"
        assert found[what].remedy


def test_folders_on_the_records_disk_are_weak(tmp_path: Path) -> None:
    assert said(tmp_path)["outbox and shared folder"].state == "good"  # nothing is there yet
    Layout(tmp_path).outboxes.mkdir(parents=True)
    found = said(tmp_path)["outbox and shared folder"]
    assert found.state == "weak"
    assert "file system of its own" in found.remedy


def test_a_machine_that_cannot_isolate_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise TREError(Reason.IsolationUnavailable, "No sandbox.", why="No namespaces.", remedy="Allow them.")

    monkeypatch.setattr(doctor, "check_usable", refuse)
    found = said(tmp_path)["sandbox"]
    assert (found.state, found.remedy) == ("bad", "Allow them.")


def test_a_log_that_nobody_elsewhere_has_seen_is_weak(tmp_path: Path) -> None:
    found = said(tmp_path)["witnesses of the log"]
    assert found.state == "weak"
    assert "tre.yaml" in found.remedy


def test_each_place_that_lacks_a_checkpoint_is_told_of(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")  # another file system than the root's
    places = [{"name": "volume", "file": elsewhere / "kept.jsonl"}, {"name": "near", "file": "kept.jsonl"}]
    settings = Settings.model_validate({"witnesses": places[:1]})
    layout = Layout(tmp_path)
    assert "volume has nothing yet" in doctor._witnesses(layout, settings).detail
    kept = {name: {"size": 3, "keptAt": "2026-11-01T10:00:00Z"} for name in ("volume", "near")}
    state_path(tmp_path).parent.mkdir()
    write_json(state_path(tmp_path), {"places": kept})
    assert doctor._witnesses(layout, settings).state == "good"
    both = Settings.model_validate({"witnesses": places})
    assert "near lies on the same disk" in doctor._witnesses(layout, both).detail
    kept["volume"] |= {"dueAt": "2026-11-01T11:00:00Z", "failures": 2, "trouble": "It is away."}
    write_json(state_path(tmp_path), {"places": kept})
    found = doctor._witnesses(layout, settings)
    assert found.state == "weak"
    assert "It is away." in found.detail
