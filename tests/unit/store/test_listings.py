"""Pages of long lists: what fits, in which order, and that what is searched for is text."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.factories import ALICE, BOB, NOON, spec_plain
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Person, Role
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import grants, listings, people, workspaces
from tre.store.database import Change, Database, new_id
from tre.store.listings import GrantSearch, Listed, PersonSearch, WorkspaceSearch

ORGANISATION = {"name": "Universität Łódź 100%", "id": "org-9", "sector": "academic", "commercial": False}


def event() -> Event:
    return Event(id=new_id(), at=NOON, actor=program("test"), kind="test.prepared", object="test/lists")


@pytest.fixture
def filled(database: Database) -> Database:
    """Three grants, of which the last is active and another organisation's; two workspaces each; two people."""
    with database.change(event()) as change:
        for name in ("a-one", "b_two", "c-three"):
            _grant(change, name)
        grants.set_phase(change, "c-three", GrantPhase.Active, NOON)
        _start(change, "b_two")
        for subject, name in ((ALICE, "Alice Able"), (BOB, "Bob Bäcker")):
            person = Person(subject=subject, display_name=name, roles=frozenset({Role.researcher}))
            people.keep_person(change, person, NOON)
    return database


def _grant(change: Change, name: str) -> None:
    spec = spec_plain()
    if name == "c-three":
        spec["project"] |= {"organisation": ORGANISATION}
    grants.apply(change, name, AccessGrantSpec.model_validate(spec), "signed-file", NOON)
    for subject in (ALICE, BOB):
        workspaces.ensure(change, name, subject, NOON)


def _start(change: Change, grant: str) -> None:
    name = Workspace.name_for(grant, BOB)
    values = {"workspace": name, "instance": 1, "grant": grant, "subject": BOB, "uid": 20000, "mounts": ()}
    plan = WorkspacePlan.model_validate({**values, "end": NOON + timedelta(days=1), "cap_seconds": 86400})
    workspaces.begin_start(change, plan, NOON)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (GrantSearch(), ("a-one", "b_two", "c-three")),
        (GrantSearch(phase=GrantPhase.Active), ("c-three",)),
        (GrantSearch(text="ŁÓDŹ"), ("c-three",)),
        (GrantSearch(text="org-9 c-"), ("c-three",)),
        (GrantSearch(text="100%"), ("c-three",)),
        (GrantSearch(text="%"), ("c-three",)),
        (GrantSearch(text="_"), ("b_two",)),
        (GrantSearch(text="lodz"), ()),
        (GrantSearch(phase=GrantPhase.Pending, text="org-9"), ()),
    ],
)
def test_grants_are_found(filled: Database, wanted: GrantSearch, names: tuple[str, ...]) -> None:
    with filled.read() as connection:
        assert listings.find_grants(connection, wanted) == Listed(names, len(names), 3)
        assert set(grants.conditions_of(connection, names)) == set(names)


def test_a_page_holds_so_many_and_the_next_the_rest(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "PAGE", 2)
    with filled.read() as connection:
        for text in ("", "o"):
            pages = [listings.find_grants(connection, GrantSearch(text=text, page=page)) for page in (1, 2, 3)]
            assert [page.names for page in pages] == [("a-one", "b_two"), ("c-three",), ()]
            assert {page.total for page in pages} == {3}
        workspaces_found = [listings.find_workspaces(connection, WorkspaceSearch(page=page)) for page in (1, 2, 3)]
        assert [len(page.names) for page in workspaces_found] == [2, 2, 2]
        assert len({name for page in workspaces_found for name in page.names}) == 6


def test_what_is_alive_comes_first(filled: Database) -> None:
    alive = Workspace.name_for("b_two", BOB)
    with filled.read() as connection:
        found = listings.find_workspaces(connection, WorkspaceSearch())
        assert (found.names[0], found.total, found.every) == (alive, 6, 6)
        shown = workspaces.named(connection, [*found.names, "w-nobody"])
        assert [item.name for item in shown] == list(found.names)
        assert [item.grant for item in shown[1:]] == sorted(item.grant for item in shown[1:])
        assert workspaces.count_alive(connection) == 1
        starting = listings.find_workspaces(connection, WorkspaceSearch(phase=WorkspacePhase.Starting))
        assert starting == Listed((alive,), 1, 6)


@pytest.mark.parametrize(
    ("text", "count"), [("alice", 3), ("able C-THREE", 1), ("bob b_", 1), ("%", 0), ("w-", 6), ("nobody", 0)]
)
def test_workspaces_are_found_by_grant_and_member(filled: Database, text: str, count: int) -> None:
    with filled.read() as connection:
        found = listings.find_workspaces(connection, WorkspaceSearch(text=text))
        assert (len(found.names), found.total, found.every) == (count, count, 6)


def test_people_are_found_by_name_and_by_being_kept_out(filled: Database) -> None:
    with filled.change(event()) as change:
        people.bar(change, BOB, Reason.IdentityStale)
    with filled.read() as connection:

        def found(**wanted: object) -> list[str]:
            listed = listings.find_people(connection, PersonSearch.model_validate(wanted), NOON)
            assert listed.every == 2
            return [person.subject.id for person in people.named(connection, listed.names)]

        assert sorted(found()) == ["alice", "bob"]
        assert found(text="ABLE") == ["alice"]
        assert found(text="bäcker local") == ["bob"]
        assert found(text="_") == []
        assert found(kept_out=True) == ["bob"]
        assert found(page=2) == []
        assert people.display_names(connection, [ALICE]) == {ALICE.key: "Alice Able"}
