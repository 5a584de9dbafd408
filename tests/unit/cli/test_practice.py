"""`tre slice practice` as it is typed: what it makes, and who may open it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Here
from tre.store import grants
from tre.store.database import Database
from tre.system.paths import CHECKOUT

SPEC = str(CHECKOUT / "examples" / "slices" / "chest-xray.yaml")
TYPED = ("slice", "practice", SPEC, "--patients", "8")
GRANT = "practice-chest-xray"


def granted(here: Here) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(here.done("grant", "show", GRANT, "--json").out)
    return found


def test_without_people_it_makes_data_and_no_grant(here: Here) -> None:
    made = json.loads(here.done(*TYPED, "--json").out)
    assert made["dataset"] == "practice-nccid"
    assert made["patients"] > 0
    assert "grant" not in made
    assert json.loads(here.done("grant", "list", "--json").out) == []


def test_nobody_is_known_so_nobody_can_be_let_in(tmp_path: Path) -> None:
    bare = Here(tmp_path)
    bare.done("init")
    bare.set_apart()
    assert "Nobody is known here yet" in bare.refused(*TYPED, "--everyone").err
    bare.close()


def test_a_stranger_is_refused_before_anything_is_made(here: Here) -> None:
    assert "There is no local account 'mallory'" in here.refused(*TYPED, "--for", "alice", "--for", "mallory").err


def test_named_people_or_everybody_may_open_it_and_it_is_verified(here: Here) -> None:
    made = json.loads(here.done(*TYPED, "--for", "alice", "--days", "3", "--json").out)
    assert made["grant"] == GRANT
    found = granted(here)
    assert [one["subject"]["id"] for one in found["spec"]["members"]] == ["alice"]
    assert found["spec"]["approval"]["evidence"]["source"] == "practice"
    here.done(*TYPED, "--everyone")
    assert {one["subject"]["id"] for one in granted(here)["spec"]["members"]} == {"alice", "carol"}
    assert {one["subject"] for one in granted(here)["status"]["workspaces"]} == {"local:alice", "local:carol"}


def test_a_key_that_is_not_configured_opens_nothing(here: Here) -> None:
    for path in (here.layout.keys / "practice-signers").iterdir():
        path.unlink()
    here.done(*TYPED, "--for", "alice")
    database = Database.sqlite(here.layout.database, read_only=True)
    with database.read() as connection:
        assert not grants.require(connection, GRANT).evidence_verified
    database.close()


def test_how_many_days_is_bounded(here: Here) -> None:
    assert here.tre(*TYPED, "--for", "alice", "--days", "0").code == 2
    assert here.tre(*TYPED, "--for", "alice", "--days", "400").code == 2
