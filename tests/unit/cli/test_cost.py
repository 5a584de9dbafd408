"""`tre cost` as people type it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

from tests.support.factories import ALICE, access_grant
from tests.unit.cli.conftest import Here
from tre.domain.costs import meters
from tre.domain.costs.accounts import COLUMNS
from tre.domain.costs.meters import Kept, RunMeter, StoreMeter, Used
from tre.domain.events import Event, program
from tre.domain.workspaces.models import Workspace
from tre.store import costs, grants
from tre.store.database import Database, new_id

GRANT = "nccid-00123"
BEGAN = datetime(2026, 11, 29, 22, tzinfo=UTC)


def used(here: Here, *, known: bool = True) -> None:
    """A run of four hours over the end of a month, and a GiB for a day."""
    meter = RunMeter(
        workspace=Workspace.name_for(GRANT, ALICE),
        instance=1,
        grant=GRANT,
        cpu_millis=2000,
        memory_mib=4096,
        began_at=BEGAN + timedelta(days=1),
        counted_to=BEGAN + timedelta(days=1),
        known_to=BEGAN + timedelta(days=1),
    )
    place = StoreMeter(grant=GRANT, place=Kept.homes, kib=2**20, counted_to=BEGAN)
    event = Event(id=new_id(), at=BEGAN, actor=program("test"), kind="test.made", object=f"grant/{GRANT}")
    database = Database.sqlite(here.layout.database)
    with database.change(event) as change:
        grants.apply(change, GRANT, access_grant().spec, "test", BEGAN)
        reading = Used(cpu_us=3_600_000_000, peak_bytes=2**30) if known else None
        costs.keep_run(change, *meters.close(meter, reading, BEGAN + timedelta(days=1, hours=4)))
        costs.keep_place(change, *meters.store(place, 0, BEGAN + timedelta(days=1)))
    database.close()


def test_what_a_project_used_is_shown_and_exported(here: Here) -> None:
    used(here)
    found = json.loads(here.done("cost", "show", GRANT, "--json").out)
    assert found["whole"]["cpu-hours-used"] == 1
    assert found["whole"]["cpu-hours-reserved"] == 8
    assert found["whole"]["memory-gib-hours"] == 16
    assert found["whole"]["storage-gib-days"] == found["whole"]["homes-gib-days"] == 1
    assert found["money"] is None
    assert [run["run"] for run in found["runs"]] == [1]
    shown = here.done("cost", "show", GRANT).shown
    assert "cpu-hours-reserved" in shown
    assert "1024" in shown  # the peak
    assert GRANT in here.done("cost", "show").shown
    rows = list(csv.DictReader(io.StringIO(here.done("cost", "export").out)))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["month"], row["cpu-hours-reserved"]) for row in rows] == [("2026-11", "4.0"), ("2026-12", "4.0")]
    assert json.loads(here.done("cost", "export", "--json").out)[0]["grant"] == GRANT


def test_what_nobody_could_tell_is_unknown_everywhere_and_never_zero(here: Here) -> None:
    used(here, known=False)
    (here.root / "tre.yaml").write_text('costs: {prices: {currency: GBP, units: {cpu-hours-used: "1"}}}\n')
    found = json.loads(here.done("cost", "show", GRANT, "--json").out)
    assert found["whole"]["cpu-hours-used"] is None
    assert found["atEnd"]["cpu-hours-used"] is None
    assert found["money"]["atLeast"] is True
    shown = here.done("cost", "show", GRANT).shown
    assert "unknown" in shown
    assert "For 4 hours it is not known" in shown
    assert "at least" in shown
    assert "unknown" in here.done("cost", "show").shown
    assert next(csv.DictReader(io.StringIO(here.done("cost", "export", "--csv").out)))["cpu-hours-used"] == ""


def test_a_budget_is_set_raised_and_lifted_with_a_reason_and_money_follows_prices(here: Here) -> None:
    used(here)
    limit, why = ("cost", "budget", GRANT, "cpu-hours-reserved"), ("--reason", "agreed with the sponsor")
    assert "8 of 10 cpu-hours-reserved used" in here.done(*limit, "10", *why).shown
    assert "budget: 8 of 10 cpu-hours-reserved (80 %)" in here.done("cost", "show", GRANT).shown
    assert "80 %" in here.done("cost", "show").shown
    here.done(*limit, "20.5", *why)
    assert json.loads(here.done("cost", "show", GRANT, "--json").out)["budgets"][0]["limit"] == 20.5
    here.done(*limit, "none", *why)
    assert json.loads(here.done("cost", "show", GRANT, "--json").out)["budgets"] == []
    here.refused(*limit, "none", *why)
    events = json.dumps(here.dump()["audit_events"])
    assert (events.count("grant.budget-set"), events.count("grant.budget-lifted")) == (2, 1)
    for words, told in (
        (("unknown-1", "money", "5", "--reason", "x"), "unknown-1"),
        ((GRANT, "money", "1e5", "--reason", "x"), "not an amount"),
        ((GRANT, "money", "5 GBP", "--reason", "x"), "not an amount"),
        ((GRANT, "money", "5", "--reason", ""), "reason"),
        ((GRANT, "money", "5", "--reason", "a\nb"), "reason"),
    ):
        assert told in here.refused("cost", "budget", *words).shown
    (here.root / "tre.yaml").write_text('costs: {prices: {currency: GBP, units: {cpu-hours-reserved: "0.25"}}}\n')
    assert json.loads(here.done("cost", "show", "--json").out)[0]["money"]["whole"] == 2
    assert "2.00 GBP" in here.done("cost", "show", GRANT).shown
