"""Who waits for room sees where, leaves when they like, and learns nothing of others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.factories import NOON
from tests.unit.portal.world import GRANT, World
from tre.domain.errors import Reason
from tre.domain.workspaces.admission import Place, Room
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.portal.queue_views import AT_ONCE, UNKNOWN, room_words

P = WorkspacePhase


@pytest.fixture
def full(world: World) -> World:
    """Room for one: bob works, alice waits behind him."""
    world.desk.__dict__["room"] = Room(memory=4 * 2**30)
    world.want("bob", Wanted.Running)
    world.move("bob", P.Starting, P.Running, end=NOON + timedelta(hours=2))
    world.want("alice", Wanted.Running)
    world.move("alice", P.Queued, reason=Reason.WaitingForRoom)
    return world


async def test_the_page_shows_the_place_and_what_is_known_of_when(full: World) -> None:
    name = full.workspace("alice").name
    page = (await full.browser("alice").get(f"/workspaces/{name}")).text
    assert "Number 1 of 1 in the queue" in page
    assert "In the queue" in page
    assert "At the latest in 2 hours (24 November, 14:00 UTC)" in page
    assert "Leave the queue" in page
    assert 'http-equiv="refresh"' in page
    assert "Bob" not in page


async def test_the_answer_of_the_api_carries_the_place(full: World) -> None:
    answer = await full.browser("alice").get(f"/api/v1/workspaces/{full.workspace('alice').name}")
    assert answer.json()["phase"] == "Queued"
    assert answer.json()["allowedActions"] == ["stop"]
    assert answer.json()["queue"] == {
        "position": 1, "of": 1, "since": "2026-11-24T12:00:00Z", "roomBy": "2026-11-24T14:00:00Z",
    }  # fmt: skip
    other = await full.browser("bob").get(f"/api/v1/workspaces/{full.workspace('bob').name}")
    assert "queue" not in other.json()


async def test_leaving_is_asked_for_once_and_by_nobody_else(full: World) -> None:
    name = full.workspace("alice").name
    assert (await full.browser("bob").post(f"/workspaces/{name}/stop")).status_code == 404
    assert (await full.browser("eve").get(f"/workspaces/{name}")).status_code == 404
    assert full.workspace("alice").wanted is Wanted.Running
    assert (await full.browser("alice").post(f"/workspaces/{name}/stop")).status_code == 303
    assert full.workspace("alice").wanted is Wanted.Stopped
    again = await full.browser("alice").post(f"/workspaces/{name}/stop")
    assert again.status_code == 409  # there is nothing to leave any more


async def test_opening_once_more_while_waiting_keeps_the_place(full: World) -> None:
    before = full.workspace("alice")
    full.clock.advance(60)
    await full.browser("alice").post(f"/projects/{GRANT}/open")
    assert (full.workspace("alice").phase, full.workspace("alice").changed_at) == (P.Queued, before.changed_at)


async def test_the_operator_sees_who_waits_and_for_how_long(full: World) -> None:
    page = (await full.browser("olga").get("/operate/workspaces")).text
    assert "1 waits for room" in page
    assert "Number 1 of 1" in page
    only = (await full.browser("olga").get("/operate/workspaces?phase=Queued")).text
    assert full.workspace("alice").name in only
    assert full.workspace("bob").name not in only
    full.move("alice", P.Stopped)
    assert "for room" not in (await full.browser("olga").get("/operate/workspaces")).text


@pytest.mark.parametrize(
    ("by", "words"), [(None, UNKNOWN), (NOON, AT_ONCE), (NOON + timedelta(days=3), "At the latest in 3 days (27")]
)
def test_of_when_there_is_room_only_what_is_known_is_said(by: object, words: str) -> None:
    assert words in room_words(Place(1, 1, NOON, by), NOON)  # type: ignore[arg-type]
