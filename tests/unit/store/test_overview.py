"""Reading many grants at once says what reading each by itself says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from tests.support.factories import ALICE, BOB, spec_plain, suspension
from tests.unit.store.conftest import NOW, an_event
from tre.domain.grants.models import AccessGrantSpec, SuspensionScope
from tre.domain.grants.states import GrantPhase
from tre.store import grant_slices, grants, overview, workspaces
from tre.store.database import Database
from tre.store.tables.grants import grants as table
from tre.store.tables.workspaces import workspaces as spaces

NAMES = [f"grant-{number}" for number in range(5)]
HARVEST = {"name": "Harvest", "id": "org-2", "sector": "academic", "commercial": False}


def filled(database: Database) -> Database:
    """Five grants of two organisations, with everything that may touch them."""
    with database.change(an_event()) as change:
        for number, name in enumerate(NAMES):
            plain: dict[str, Any] = spec_plain()
            if number % 2:
                plain["project"] = plain["project"] | {"organisation": HARVEST}
            grants.apply(change, name, AccessGrantSpec.model_validate(plain), "file", NOW)
            for subject in (ALICE, BOB):
                workspaces.ensure(change, name, subject, NOW)
        grants.suspend(change, "grant-1", suspension())
        grants.suspend(change, None, suspension(SuspensionScope.organisation, "org-2"))
        grants.set_warned(change, "grant-2", 60)
        grants.set_phase(change, "grant-3", GrantPhase.Revoked, NOW)
        grants.ask_close(change, "grant-3", NOW + timedelta(hours=1))
    return database


def test_it_says_what_single_reads_say(database: Database) -> None:
    filled(database)
    with database.read() as connection:
        part = overview.part(connection)
        assert [one.grant.name for one in part.found] == NAMES
        assert (part.unreadable, part.last) == ((), None)
        for one in part.found:
            name = one.grant.name
            assert one.grant == grants.require(connection, name)
            assert one.conditions == grants.conditions(connection, name)
            assert one.warned_minutes == grants.warned_minutes(connection, name)
            assert one.close_asked == grants.close_asked(connection, name)
            assert list(one.slices) == grant_slices.of_grant(connection, name)
            assert list(one.workspaces) == workspaces.of_grant(connection, name)
        assert overview.records(connection, NAMES) == {name: grants.require(connection, name) for name in NAMES}
        assert overview.records(connection, []) == {}
    assert [len(one.grant.suspensions) for one in part.found] == [0, 2, 0, 1, 0]


def test_parts_follow_each_other_and_leave_out_what_is_closed(database: Database) -> None:
    filled(database)
    with database.change(an_event()) as change:
        grants.set_phase(change, "grant-3", GrantPhase.Closed, NOW)
    with database.read() as connection:
        first = overview.part(connection, size=2)
        second = overview.part(connection, first.last or "", 2)
        third = overview.part(connection, second.last or "", 2)
        everything = overview.part(connection, open_only=False)
    assert [[one.grant.name for one in part.found] for part in (first, second, third)] == [
        ["grant-0", "grant-1"],
        ["grant-2", "grant-4"],
        [],
    ]
    assert third.last is None
    assert len(everything.found) == len(NAMES)


def test_what_nobody_understands_is_named(database: Database) -> None:
    filled(database)
    with database.change(an_event()) as change:
        change.connection.execute(update(table).where(table.c.name == "grant-1").values(spec={"no": "grant"}))
    with database.read() as connection:
        part = overview.part(connection)
    assert part.unreadable == ("grant-1",)
    assert len(part.found) == len(NAMES) - 1
    with database.change(an_event()) as change:
        change.connection.execute(update(spaces).where(spaces.c.grant == "grant-0").values(progress=[{"no": "step"}]))
    with database.read() as connection:
        part = overview.part(connection)
        assert set(overview.records(connection, NAMES)) == set(NAMES) - {"grant-1"}
    assert (part.found, part.unreadable) == ((), tuple(NAMES))


def test_what_lives_is_known_without_its_plans(database: Database) -> None:
    filled(database)
    with database.read() as connection:
        assert workspaces.alive_runs(connection) == set()
        phases = workspaces.phases(connection)
    assert {(owner, phase) for owner, _name, phase in phases} == {(ALICE.key, "Stopped"), (BOB.key, "Stopped")}
    assert len(phases) == 2 * len(NAMES)
