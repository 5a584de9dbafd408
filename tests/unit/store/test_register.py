"""The register's rows: written with the grant, found by words that are text, never of what was never in force."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import END, LEGAL_END, NOON, START, spec_plain
from tests.unit.domain.register.test_slices import told
from tests.unit.store.conftest import an_event
from tre.domain.errors import TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import GrantPhase
from tre.domain.model import parse_record
from tre.store import grants, register
from tre.store.database import Change, Database
from tre.store.register import Found, ListedProject, ProjectSearch

P = GrantPhase


def spec(**changes: Any) -> AccessGrantSpec:
    return AccessGrantSpec.model_validate(spec_plain(**changes))


def project(**changes: Any) -> dict[str, Any]:
    organisation = {"name": "University", "id": "org-1", "sector": "academic", "commercial": False}
    plain = {"title": "Lungs", "laySummary": "We look.", "publicBenefit": "Help.", "organisation": organisation}
    return plain | changes


def add(database: Database, name: str, *, active: bool = True, **changes: Any) -> None:
    with database.change(an_event()) as change:
        grants.apply(change, name, spec(**changes), "signed", NOON)
        if active:
            grants.set_phase(change, name, P.Active, NOON)


def find(database: Database, **wanted: Any) -> Found:
    with database.read() as connection:
        return register.find(connection, parse_record(ProjectSearch, wanted))


def names(database: Database, **wanted: Any) -> list[str]:
    return [one.name for one in find(database, **wanted).projects]


def only(database: Database) -> ListedProject:
    [found] = find(database).projects
    return found


def test_a_project_is_told_of_from_the_moment_it_is_in_force(database: Database) -> None:
    add(database, "one", active=False)
    assert names(database) == []
    with database.change(an_event()) as change:
        grants.set_phase(change, "one", P.Active, NOON)
    found = only(database)
    assert (found.name, found.running, found.phase, found.starts, found.ends) == ("one", True, P.Active, START, END)


def test_what_breaks_off_leaves_neither_the_grant_nor_its_row_changed(database: Database) -> None:
    add(database, "one", active=False)
    with pytest.raises(TREError), database.change(an_event()) as change:
        _half(change)
    assert names(database) == []
    with database.read() as connection:
        assert grants.phase_of(connection, "one") is P.Pending


def _half(change: Change) -> None:
    grants.set_phase(change, "one", P.Active, NOON)
    grants.set_phase(change, "one", P.Pending, NOON)  # no such way


def test_it_says_what_the_grant_says_now(database: Database) -> None:
    add(database, "one")
    law = {"name": "COPI", "ends": LEGAL_END.isoformat()}
    with database.change(an_event()) as change:
        grants.apply(change, "one", spec(project=project(title="Hearts"), legalBasis=law), "signed", NOON)
    found = only(database)
    assert (found.title, found.ends) == ("Hearts", LEGAL_END)
    assert names(database, text="hearts") == ["one"]
    assert names(database, text="severity") == []


def test_a_pause_is_told_and_a_withdrawal_is_an_end(database: Database) -> None:
    add(database, "one")
    with database.change(an_event()) as change:
        grants.set_phase(change, "one", P.Suspended, NOON)
    assert (only(database).phase, only(database).running) == (P.Suspended, True)
    later = NOON + timedelta(days=1)
    with database.change(an_event()) as change:
        grants.revoke(change, "one", "misuse", later)
    assert (only(database).phase, only(database).running, only(database).ends) == (P.Revoked, False, later)
    assert "misuse" not in only(database).model_dump_json()
    with database.change(an_event()) as change:
        grants.set_phase(change, "one", P.Closed, later)
    assert (only(database).phase, only(database).ends) == (P.Closed, later)


def test_an_end_that_came_stays_where_it_was(database: Database) -> None:
    add(database, "one")
    with database.change(an_event()) as change:
        grants.set_phase(change, "one", P.Expired, END)
    assert (only(database).running, only(database).ends) == (False, END)


def test_running_ones_come_first_and_the_newest_of_them(database: Database) -> None:
    for number, name in enumerate(("a", "b", "c")):
        add(database, name, notBefore=(START + timedelta(days=number)).isoformat())
    with database.change(an_event()) as change:
        grants.revoke(change, "c", "over", NOON)
    assert names(database) == ["b", "a", "c"]
    assert names(database, running=True) == ["b", "a"]
    assert names(database, running=False) == ["c"]


@pytest.mark.parametrize("typed", ["%", "_", "\\", "/", "/%", "a/b", "100%", "a_b", "\\%"])
def test_wildcards_are_text(database: Database, typed: str) -> None:
    add(database, "plain", project=project(title="100 ab percent"))
    assert names(database, text=typed) == []
    add(database, "with", project=project(title=f"x{typed}y"))
    assert names(database, text=typed) == ["with"]


def test_every_word_must_stand_there_in_any_letters(database: Database) -> None:
    add(database, "one", project=project(title="Größe of hearts"))
    for typed in ("HEARTS", "größe", "GRÖSSE hearts", "nccid", "university help."):
        assert names(database, text=typed) == ["one"], typed
    assert names(database, text="hearts lungs") == []
    many = " ".join(["hearts"] * register.MAX_WORDS)
    assert names(database, text=f"{many} nothing") == ["one"]  # words beyond the bound are not looked at


def test_filters(database: Database) -> None:
    firm = {"name": "Firm", "id": "org-2", "sector": "industry", "commercial": True}
    add(database, "firm", project=project(organisation=firm))
    add(database, "academy")
    assert names(database, sector="industry") == names(database, commercial=True) == ["firm"]
    assert names(database, commercial=False) == ["academy"]
    assert names(database, dataset="nccid") == ["firm", "academy"]
    assert names(database, dataset="other") == []
    with database.read() as connection:
        assert register.sectors(connection) == ["academic", "industry"]
        assert register.names(connection) == ["academy", "firm"]
        assert register.totals(connection) == register.Totals(projects=2, running=2, commercial=1)
        assert register.use_of(connection, "nccid") == register.Use(projects=2, running=2)
        assert register.use_of(connection, "other") == register.Use(projects=0, running=0)


def test_paging_reaches_each_once_and_a_page_too_far_is_the_last(database: Database) -> None:
    with database.change(an_event()) as change:
        for number in range(register.PAGE + 3):
            grants.apply(change, f"p-{number:03}", spec(), "signed", NOON)
            grants.set_phase(change, f"p-{number:03}", P.Active, NOON)
    first, last = find(database), find(database, page=99)
    assert (first.total, first.pages, last.page, len(last.projects)) == (23, 2, 2, 3)
    assert len({one.name for one in (*first.projects, *last.projects)}) == 23
    searched = [find(database, text="university", page=page) for page in (1, 2, 3)]
    assert [(one.total, one.page, one.pages) for one in searched] == [(23, 1, 2), (23, 2, 2), (23, 2, 2)]
    assert [one.projects for one in searched] == [first.projects, last.projects, last.projects]
    with pytest.raises(TREError):
        find(database, page=0)
    with database.read() as connection:
        assert [one.name for one in register.newest(connection, 2)] == ["p-022", "p-021"]


def test_a_long_summary_is_cut_between_words(database: Database) -> None:
    add(database, "one", project=project(laySummary="many words\n" * 60))
    assert only(database).summary.endswith("words …")
    assert len(only(database).summary) <= register._SUMMARY + 2


def test_what_is_told_of_slices(database: Database) -> None:
    first, second = told(sites=False), told(sites=True)
    with database.change(an_event()) as change:
        register.keep_slice(change, "s-aaaaaaaaaaaa", "nccid", first, NOON)
    with database.change(an_event()) as change:
        register.keep_slice(change, "s-aaaaaaaaaaaa", "nccid", second, NOON)
        register.keep_slice(change, "s-bbbbbbbbbbbb", "nccid", first, NOON + timedelta(1))
    with database.read() as connection:
        assert register.told_of(connection, ["s-aaaaaaaaaaaa", "s-cccccccccccc"]) == {"s-aaaaaaaaaaaa": second}
        assert register.latest_of(connection, "nccid") == first
        assert register.latest_of(connection, "other") is None
