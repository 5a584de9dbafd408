"""The door of sources elsewhere: kept as it came, answered in time, closed to whoever does not know the secret."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.factories import NOON
from tests.support.sources import rems_plain
from tests.unit.portal.world import World
from tre.domain.sources.policy import SECRET_HEADER, secret_digest
from tre.portal import source_door
from tre.store import sources as store
from tre.store.sources import Channel, MessageState, StoredMessage

EVENTS, PUSHES = "events-" + "e" * 40, "pushes-" + "p" * 40
REMS = "rems:rems"
BODY = json.dumps({"event/id": 1}).encode()


@pytest.fixture(autouse=True)
def policy(world: World) -> Path:
    """One REMS that may tell in both ways, and one that may in none."""
    path = world.layout.root / "policies" / "sources.yaml"
    path.parent.mkdir(exist_ok=True)
    secrets = {"eventsSecret": secret_digest(EVENTS), "entitlementsSecret": secret_digest(PUSHES)}
    spec = {"rems": [rems_plain(**secrets), rems_plain(name="mute")]}
    head = {"apiVersion": "tre.research/v1alpha1", "kind": "SourcePolicy", "metadata": {"name": "sources"}}
    path.write_text(yaml.safe_dump(head | {"spec": spec}))
    return path


async def send(
    world: World, method: str = "PUT", path: str = "/rems/rems/events", body: bytes = BODY, **more: Any
) -> httpx.Response:
    headers = more.pop("headers", {SECRET_HEADER: EVENTS})
    transport = httpx.ASGITransport(app=world.portal)
    async with httpx.AsyncClient(transport=transport, base_url=world.settings.origin("sources")) as client:
        return await client.request(method, path, content=body, headers=headers, **more)


def kept(world: World) -> list[StoredMessage]:
    with world.database.read() as connection:
        return store.latest(connection, REMS)


@pytest.mark.parametrize(
    ("method", "path", "channel"),
    [
        ("PUT", "/rems/rems/events", Channel.event),
        ("POST", f"/rems/rems/{PUSHES}/add", Channel.add),
        ("POST", f"/rems/rems/{PUSHES}/remove", Channel.remove),
    ],
)
async def test_what_comes_is_kept_as_it_came(world: World, method: str, path: str, channel: Channel) -> None:
    answer = await send(world, method, path, b"what\x00ever \xc3\xa9")
    assert (answer.status_code, answer.text) == (200, "Taken.\n")
    [found] = kept(world)
    assert (found.channel, found.state, found.received_at) == (channel, MessageState.waiting, NOON)
    assert found.body == "what\ufffdever é"
    [event] = world.events("source.told")
    assert (event.object, event.detail) == (f"source/{REMS}", {"channel": channel.value, "bytes": 12})


async def test_no_cookie_no_page_no_store(world: World) -> None:
    answer = await send(world)
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("PUT", "/rems/rems/events", {}),
        ("PUT", "/rems/rems/events", {SECRET_HEADER: ""}),
        ("PUT", "/rems/rems/events", {SECRET_HEADER: EVENTS[:-1]}),
        ("PUT", "/rems/rems/events", {SECRET_HEADER: PUSHES}),
        ("PUT", "/rems/rems/events", {SECRET_HEADER: secret_digest(EVENTS)}),
        ("PUT", "/rems/mute/events", {SECRET_HEADER: EVENTS}),
        ("PUT", "/rems/mute/events", {SECRET_HEADER: ""}),
        ("PUT", "/rems/other/events", {SECRET_HEADER: EVENTS}),
        ("PUT", "/rems/rems/events/", {SECRET_HEADER: EVENTS}),
        ("PUT", "/rems/rems/events?a=1", {SECRET_HEADER: EVENTS}),
        ("POST", "/rems/rems/events", {SECRET_HEADER: EVENTS}),
        ("GET", "/rems/rems/events", {SECRET_HEADER: EVENTS}),
        ("HEAD", "/rems/rems/events", {SECRET_HEADER: EVENTS}),
        ("POST", f"/rems/rems/{EVENTS}/add", {}),
        ("POST", f"/rems/mute/{PUSHES}/add", {}),
        ("POST", f"/rems/rems/{PUSHES}/invented", {}),
        ("PUT", f"/rems/rems/{PUSHES}/add", {}),
        ("POST", "/rems/rems/short/add", {}),
        ("GET", "/", {}),
        ("GET", "/healthz", {}),
    ],
)
async def test_whoever_does_not_know_learns_nothing(
    world: World, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = await send(world, method, path, BODY if method not in {"GET", "HEAD"} else b"", headers=headers)
    assert answer.status_code == 404
    assert answer.text == ("" if method == "HEAD" else "There is nothing here.\n")
    assert kept(world) == []


async def test_two_secrets_are_none(world: World) -> None:
    pairs = [(SECRET_HEADER, EVENTS), (SECRET_HEADER, EVENTS)]
    assert (await send(world, headers=pairs)).status_code == 404


async def test_a_message_has_a_largest_size(world: World) -> None:
    assert (await send(world, body=b"q" * source_door.LARGEST)).status_code == 200
    assert (await send(world, body=b"q" * (source_door.LARGEST + 1))).status_code == 413
    assert len(kept(world)) == 1


async def test_what_is_no_text_is_refused(world: World) -> None:
    assert (await send(world, body=b"\xff")).status_code == 400
    assert kept(world) == []


async def test_what_waits_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_door, "MOST_WAITING", 2)
    assert [(await send(world)).status_code for _ in range(3)] == [200, 200, 503]
    assert len(kept(world)) == 2


async def test_a_record_that_is_busy_is_answered_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_door, "PATIENCE_SECONDS", 0.2)
    with closing(sqlite3.connect(world.layout.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await send(world)
        other.execute("ROLLBACK")
    assert answer.status_code == 503, "which has REMS send it again"


async def test_a_wrong_policy_lets_nobody_in(world: World, policy: Path) -> None:
    policy.write_text("spec: 5")
    assert (await send(world)).status_code == 404
    policy.unlink()
    assert (await send(world)).status_code == 404
