"""What the provider said of people who signed in before: who is kept out, who loses what, and what is left alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.portal.test_signing_in import internal
from tests.unit.portal.world import BASE_SETTINGS, World
from tre.domain.errors import Reason, TREError
from tre.domain.names import hub_user_name
from tre.domain.people import Role, Subject
from tre.portal.signing_in import open_session
from tre.store import people
from tre.store.people import KnownPerson, StoredSession

ISSUER = "https://idp.example.org"
OIDC = {
    "issuer": ISSUER,
    "clientId": "tre",
    "authorizeUrl": f"{ISSUER}/auth",
    "tokenUrl": f"{ISSUER}/token",
    "userinfoUrl": f"{ISSUER}/me",
    "allowedGroups": ["staff", "guests"],
    "recheck": {"everySeconds": 600, "staleSeconds": 3600},
}
STAFF = ["staff", "tre-checkers"]


def a_world(root: Path, **changes: Any) -> World:
    return World(root, {**BASE_SETTINGS, "auth": "oidc", "oidc": OIDC | changes})


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[World]:
    made = a_world(tmp_path / "root")
    yield made
    made.close()
    shutil.rmtree(made.layout.run, ignore_errors=True)


def ada() -> Subject:
    return Subject(issuer=ISSUER, id="ada")


def said(identifier: str = "ada", groups: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "issuer": ISSUER, "id": identifier, "displayName": "Ada", "groups": STAFF if groups is None else groups,
    } | changes  # fmt: skip


async def sign_in(world: World, **changes: Any) -> StoredSession:
    answer = await internal(world, "people", said(**changes))
    assert answer.status_code == 200, answer.text
    return open_session(world.desk, hub_user_name(ISSUER, changes.get("identifier", "ada")))[1]


async def round_of(world: World, *told: dict[str, Any], refused: tuple[str, ...] = ()) -> httpx.Response:
    gone = [{"issuer": ISSUER, "id": identifier} for identifier in refused]
    return await internal(world, "reconciled", {"people": list(told), "refused": gone})


def person(world: World, identifier: str = "ada") -> KnownPerson:
    with world.database.read() as connection:
        found = people.by_subject(connection, Subject(issuer=ISSUER, id=identifier))
    assert found is not None
    return found


def in_force(world: World, session: StoredSession) -> bool:
    with world.database.read() as connection:
        return people.session(connection, session.id, world.clock.now()) is not None


async def test_a_sign_in_and_each_round_put_the_moments_forward(asked: World) -> None:
    session = await sign_in(asked)
    for _ in range(2):
        now = asked.clock.now()
        found = person(asked)
        assert (found.fresh_until, found.confirmed_until) == (now + timedelta(minutes=20), now + timedelta(hours=1))
        asked.clock.advance(900)
        assert (await round_of(asked, said())).json() == {"people": 1, "refused": 0}
    assert in_force(asked, session)
    assert [event.detail for event in asked.events("identity.confirmed")] == [{"people": 1}] * 2
    assert [event.object for event in asked.events("identity.confirmed")] == [f"provider/{ISSUER}"] * 2
    asked.clock.advance(3600)
    assert not in_force(asked, session)
    with pytest.raises(TREError) as refused:
        open_session(asked.desk, person(asked).hub_name)
    assert refused.value.reason is Reason.LoginFailed


async def test_who_is_refused_loses_everything_at_once_and_a_sign_in_gives_it_back(asked: World) -> None:
    sessions = [await sign_in(asked), await sign_in(asked)]
    other = await sign_in(asked, identifier="grace")
    for _ in range(2):  # told again, because the answer was lost: nothing more happens
        assert (await round_of(asked, said("grace"), refused=("ada",))).status_code == 200
    assert person(asked).barred is Reason.NotVouchedFor
    assert not any(in_force(asked, session) for session in sessions)
    assert in_force(asked, other)
    assert len(asked.events("person.not-vouched")) == 1
    assert asked.events("person.not-vouched")[0].object == f"person/{ada()}"
    ended = {event.object.removeprefix("session/") for event in asked.events("session.revoked")}
    assert ended == {session.id for session in sessions}
    with pytest.raises(TREError):
        open_session(asked.desk, person(asked).hub_name)
    assert in_force(asked, await sign_in(asked))
    assert person(asked).barred is None


@pytest.mark.parametrize("groups", [[], ["Staff"], ["staff "], ["tre-operators"]])
async def test_who_is_in_no_group_that_is_let_in_is_out(asked: World, groups: list[str]) -> None:
    session = await sign_in(asked)
    await round_of(asked, said(groups=groups))
    assert person(asked).barred is Reason.NotVouchedFor
    assert not in_force(asked, session)
    answer = await internal(asked, "people", said(groups=groups))
    assert (answer.status_code, answer.json()) == (403, {"reason": "LoginFailed"})
    await round_of(asked, said(groups=["guests"]))
    assert person(asked).barred is None
    assert asked.events("person.changed")[0].detail["barredBefore"] is True
    assert not in_force(asked, session)  # what was ended stays ended


async def test_a_sign_in_without_a_group_keeps_a_known_person_out(asked: World) -> None:
    session = await sign_in(asked)
    assert (await internal(asked, "people", said(groups=["tre-operators"]))).status_code == 403
    assert person(asked).barred is Reason.NotVouchedFor
    assert not in_force(asked, session)
    assert (await internal(asked, "people", said("unknown", groups=[]))).status_code == 403


async def test_a_lost_role_ends_the_sign_ins_that_carried_it(asked: World) -> None:
    with_role = await sign_in(asked)
    await round_of(asked, said(groups=["staff"], displayName="Ada B"))
    assert not in_force(asked, with_role)
    assert (person(asked).roles, person(asked).display_name) == (frozenset(), "Ada B")
    assert asked.events("person.changed")[0].detail == {"roles": [], "before": ["checker"], "barredBefore": False}
    without = await sign_in(asked, groups=["staff"])
    await round_of(asked, said(groups=[*STAFF, "tre-operators"], displayName="Ada B"))
    assert in_force(asked, without)  # a role that was gained takes a sign-in of its own
    assert person(asked).roles == {Role.checker, Role.operator}


async def test_only_known_people_of_the_provider_are_touched(asked: World) -> None:
    await sign_in(asked)
    asked.add_people()
    before = person(asked)
    assert (await round_of(asked, said("stranger"), refused=("another",))).status_code == 200
    for wrong in (
        {"people": [said(), said(issuer="https://other")], "refused": []},
        {"people": [], "refused": [{"issuer": ISSUER, "id": "ada"}, {"issuer": "local", "id": "alice"}]},
    ):
        answer = await internal(asked, "reconciled", wrong)
        assert (answer.status_code, answer.json()) == (403, {"reason": "LoginFailed"})
    assert person(asked) == before
    assert asked.events("identity.confirmed") == []
    with asked.database.read() as connection:
        assert len(people.everybody(connection)) == 1 + 7
        assert people.by_subject(connection, Subject(issuer="local", id="alice")).barred is None  # type: ignore[union-attr]


async def test_where_nobody_is_asked_again_nothing_runs_out(tmp_path: Path) -> None:
    world = a_world(tmp_path / "root", recheck=None, allowedGroups=[])
    session = await sign_in(world, groups=[])
    found = person(world)
    assert (found.fresh_until, found.confirmed_until) == (None, None)
    world.clock.advance(7 * 3600)
    assert in_force(world, session)
    world.close()
    shutil.rmtree(world.layout.run, ignore_errors=True)


async def test_signing_out_of_the_desk_may_go_on_at_the_provider(tmp_path: Path) -> None:
    for changes, origins in (({}, []), ({"endSessionUrl": f"{ISSUER}/end?x=1"}, [ISSUER])):
        world = a_world(tmp_path / f"root{len(origins)}", **changes)
        answer = await world.browser().get("/")
        policy = answer.headers["content-security-policy"]
        targets = next(part for part in policy.split("; ") if part.startswith("form-action")).split()[1:]
        assert targets == ["'self'", world.settings.origin("hub"), *origins]
        world.close()
        shutil.rmtree(world.layout.run, ignore_errors=True)
