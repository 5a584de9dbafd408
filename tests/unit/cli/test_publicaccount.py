"""`tre incident` and `tre consultation` as they are typed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.unit.cli.conftest import Here
from tests.unit.portal.account_world import AFTER, BEFORE

INCIDENT = ("--title", "A wrong [red]list", "--text", "A list was sent.", "--done", "It was deleted.")


def test_an_incident_is_declared_and_listed(here: Here) -> None:
    told = json.loads(here.done("incident", "declare", *INCIDENT, "--happened", "2026-01-02", "--json").out)
    assert told["state"] == "Open"
    assert told["body"]["declaredBy"] == "operator"
    shown = here.done("incident", "list").out
    assert "A wrong [red]list" in shown
    (listed,) = json.loads(here.done("incident", "list", "--json").out)
    assert (listed["id"], listed["text"], listed["reply"]) == (told["id"], "A list was sent.", "It was deleted.")
    for day in ("2", "2999-01-01", "2026-02-30"):
        here.refused("incident", "declare", *INCIDENT, "--happened", day)
    here.refused("incident", "declare", *INCIDENT[2:], "--title", "", "--happened", "2026-01-02")


def test_an_incident_has_a_kind_and_no_project_that_nobody_knows_of(here: Here) -> None:
    day = ("--happened", "2026-01-02")
    told = json.loads(here.done("incident", "declare", *INCIDENT, *day, "--kind", "outage", "--json").out)
    assert (told["body"]["type"], "project" in told["body"]) == ("outage", False)
    assert "The register has no project" in here.refused("incident", "declare", *INCIDENT, *day, "--project", "x").err
    assert here.tre("incident", "declare", *INCIDENT, *day, "--kind", "magic").code == 2
    assert len(json.loads(here.done("incident", "list", "--json").out)) == 1


def test_a_change_is_opened_and_decided_when_its_time_is_over(here: Here, tmp_path: Path) -> None:
    before, after, binary = (tmp_path / name for name in ("before.yaml", "after.yaml", "picture.png"))
    before.write_text(BEFORE)
    after.write_text(AFTER)
    binary.write_bytes(b"\x89PNG\xff")
    last = f"{datetime.now(UTC) + timedelta(days=60):%Y-%m-%d}"
    words = ("--title", "Smaller counts", "--text", "We want to.")
    here.refused("consultation", "open", str(before), str(before), *words, "--closes", last)
    here.refused("consultation", "open", str(before), str(binary), *words, "--closes", last)
    here.refused("consultation", "open", str(before), str(after), *words, "--closes", "2026-01-01")
    binary.write_bytes(b"a: 1\n" * 2**15)
    here.refused("consultation", "open", str(before), str(binary), *words, "--closes", last)
    opened = here.done("consultation", "open", str(before), str(after), *words, "--closes", last)
    name = opened.out.partition(":")[0]
    here.refused("consultation", "decide", name, "--reply", "Yes.")
    here.refused("consultation", "decide", "v-aaaaaaaaaaaa", "--reply", "Yes.")
    (listed,) = json.loads(here.done("consultation", "list", "--json").out)
    assert (listed["id"], listed["open"], len(listed["changes"])) == (name, True, 2)
    assert "Smaller counts" in here.done("consultation", "list").out
    _let_time_pass(here, name)
    here.refused("consultation", "decide", name, "--reply", " ")
    here.done("consultation", "decide", name, "--reply", "Yes, from now on.")
    (listed,) = json.loads(here.done("consultation", "list", "--json").out)
    assert (listed["open"], listed["reply"]) == (False, "Yes, from now on.")


def _let_time_pass(here: Here, name: str) -> None:
    """Move the last day into the past, since a command reads the real clock."""
    engine = create_engine(f"sqlite:///{here.layout.database}")
    with engine.begin() as connection:
        for table, key in (("account_items", "id"), ("account_published", "item")):
            statement = (
                f"UPDATE {table} SET body = json_set(body, '$.closesAt', '2026-01-01T00:00:00Z') WHERE {key} = :n"
            )
            connection.execute(text(statement), {"n": name})
    engine.dispose()
