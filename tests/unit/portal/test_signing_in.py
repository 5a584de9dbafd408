"""The way through enter and the Hub and back, the internal interface, and its limits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.portal.world import GRANT, PASSWORD, HubStandIn, World, sign_in
from tre.domain.desk.attempts import BY_ADDRESS, BY_NAME, BY_NAME_AND_ADDRESS, WINDOW
from tre.domain.names import hub_user_name
from tre.domain.people import Role
from tre.portal.sessions import DESK_COOKIE, ENTER_COOKIE
from tre.store import people


async def internal(world: World, path: str, body: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=world.internal)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.post(f"/internal/{path}", json=body)


async def login(
    world: World, name: str = "alice", password: str = PASSWORD, address: str = "192.0.2.7"
) -> httpx.Response:
    return await internal(world, "login", {"name": name, "password": password, "address": address})


async def test_the_whole_way_leads_where_one_wanted_to_go(world: World) -> None:
    browser = world.browser()
    async with HubStandIn(world) as hub:
        page = await sign_in(browser, hub, "alice", f"/projects/{GRANT}")
    assert page.status_code == 200
    assert "Alice Able" in page.text
    assert browser.sent[-1] == f"/projects/{GRANT}"
    assert [event.actor.id for event in world.events("session.opened")] == ["alice"]
    secret = browser.cookies("enter")[ENTER_COOKIE]
    assert secret not in world.layout.database.read_bytes().decode("latin-1")


async def test_a_second_host_needs_no_second_sign_in(world: World) -> None:
    browser = world.browser()
    shell = f"https://{world.workspace().name}.open.tre.localhost:8443/?s=word"
    async with HubStandIn(world) as hub:
        await sign_in(browser, hub, "alice")
        answer = await browser.get(f"/?{httpx.QueryParams({'to': shell})}", "enter")
    target = httpx.URL(answer.headers["location"])
    assert target.path == "/.tre/ticket"
    assert target.params["next"] == "/?s=word"
    redeemed = await internal(world, "tickets", {"ticket": target.params["t"], "host": target.host})
    assert redeemed.status_code == 200
    found = redeemed.json()
    assert found["subject"] == {"issuer": "local", "id": "alice"}
    assert found["roles"] == ["researcher"]
    assert found["session"] == world.events("session.opened")[0].object.removeprefix("session/")
    assert set(found) == {"session", "subject", "displayName", "roles", "expiresAt"}


async def test_local_login_and_its_answer(world: World) -> None:
    answer = await login(world)
    assert answer.status_code == 200
    assert answer.json() == {
        "hubName": hub_user_name("local", "alice"),
        "displayName": "Alice Able",
        "subject": {"issuer": "local", "id": "alice"},
        "roles": ["researcher"],
    }


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("Alice", PASSWORD)])
async def test_wrong_name_and_wrong_password_look_alike(world: World, name: str, password: str) -> None:
    answer = await login(world, name, password)
    assert (answer.status_code, answer.json()) == (401, {"reason": "LoginFailed"})


async def test_unknown_names_cost_the_same_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    original = world.desk.passwords._hasher

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            looked_at.append(hashed.rpartition("$")[0].rpartition("$")[0])
            return original.verify(hashed, password)

    monkeypatch.setattr(world.desk.passwords, "_hasher", Counting())
    await login(world, "alice", "wrong")
    await login(world, "nobody", "wrong")
    assert len(looked_at) == 2
    assert looked_at[0] == looked_at[1]  # same algorithm, version and cost


async def test_a_disabled_account_cannot_sign_in(world: World) -> None:
    with world.database.change(world.event()) as change:
        people.disable_account(change, "alice", world.clock.now())
    assert (await login(world)).status_code == 401
    browser = world.browser()
    async with HubStandIn(world) as hub:  # the Hub's own sign-in may still last for some minutes
        page = await sign_in(browser, hub, "alice")
    assert page.status_code == 403
    assert ENTER_COOKIE not in browser.cookies("enter")


async def test_guessing_a_name_is_slowed_and_a_restart_does_not_help(world: World) -> None:
    for number in range(BY_NAME):
        assert (await login(world, password="guess", address=f"192.0.2.{number}")).status_code == 401
    answer = await login(world, address="198.51.100.1")
    assert answer.status_code == 429
    assert answer.json()["reason"] == "RateLimited"
    assert 0 < answer.json()["retryAfter"] <= WINDOW.total_seconds()
    again = World(world.layout.root)  # a new process over the same record
    assert (await login(again, address="198.51.100.1")).status_code == 429
    again.close()
    assert (await login(world, "bob")).status_code == 200
    world.clock.advance(WINDOW.total_seconds())
    assert (await login(world)).status_code == 200


async def test_guessing_a_name_from_one_address_locks_nobody_else_out(world: World) -> None:
    for _ in range(BY_NAME_AND_ADDRESS):
        assert (await login(world, password="guess", address="192.0.2.1")).status_code == 401
    assert (await login(world, address="192.0.2.1")).status_code == 429
    assert (await login(world, address="198.51.100.1")).status_code == 200  # its owner, from elsewhere
    assert (await login(world, "bob", address="192.0.2.1")).status_code == 200  # somebody else, from there
    assert (await login(world, address="192.0.2.1")).status_code == 429  # and that forgave the guesser nothing


async def test_guessing_from_an_address_is_slowed(world: World) -> None:
    for number in range(BY_ADDRESS):
        assert (await login(world, f"name{number}", "guess", "2001:db8::1")).status_code == 401
    assert (await login(world, address="2001:db8::ffff")).status_code == 429
    assert (await login(world, address="2001:db8:0:1::1")).status_code == 200


async def test_success_forgives_what_was_mistyped_there(world: World) -> None:
    for _ in range(BY_NAME_AND_ADDRESS - 1):
        await login(world, password="guess")
    assert (await login(world)).status_code == 200
    for _ in range(BY_NAME_AND_ADDRESS):
        assert (await login(world, password="guess")).status_code == 401
    assert (await login(world)).status_code == 429


async def test_attempts_are_on_record_without_what_was_typed(world: World) -> None:
    await login(world, "hunter2-typed-in-the-wrong-field", "x")
    event = world.events("login.tried")[0]
    assert event.object == "account/unknown"
    assert b"hunter2" not in world.layout.database.read_bytes()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "alice"},
        {"name": "alice", "password": "x", "address": "a", "admin": True},
        {"name": "a" * 256, "password": "x", "address": "a"},
        {"name": "alice", "password": "x" * 1025, "address": "a"},
        {"name": "al\nice", "password": "x", "address": "a"},
    ],
)
async def test_internal_requests_are_read_strictly(world: World, body: dict[str, Any]) -> None:
    answer = await internal(world, "login", body)
    assert answer.status_code == 422
    assert "x" * 100 not in answer.text


async def test_the_provider_vouches_for_its_own_issuer_only(world: World, tmp_path: Any) -> None:
    body = {"issuer": "local", "id": "alice", "displayName": "Mallory", "groups": ["tre-operators"]}
    assert (await internal(world, "people", body)).status_code == 403  # local accounts only
    urls = dict.fromkeys(("authorizeUrl", "tokenUrl", "userinfoUrl"), "https://idp.example/x")
    oidc = {"issuer": "https://idp.example", "clientId": "tre", **urls}
    other = World(tmp_path / "oidc", {"auth": "oidc", "oidc": oidc})
    assert (await internal(other, "people", body)).status_code == 403
    assert (await login(other)).status_code == 401
    known = await internal(other, "people", body | {"issuer": "https://idp.example", "groups": ["tre-checkers", "x"]})
    assert known.json() == {"hubName": hub_user_name("https://idp.example", "alice"), "roles": ["checker"]}
    with other.database.read() as connection:
        found = people.by_hub_name(connection, known.json()["hubName"])
    assert found is not None
    assert found.roles == {Role.checker}
    other.close()


async def test_signing_out_ends_it_on_every_host(world: World) -> None:
    browser = world.browser()
    async with HubStandIn(world) as hub:
        await sign_in(browser, hub, "alice")
    answer = await browser.post("/sign-out")
    assert answer.headers["location"] == world.settings.origin("hub") + "/hub/logout"
    assert DESK_COOKIE not in browser.cookies("desk")
    assert (await browser.get("/", "enter")).headers["location"].startswith(world.settings.origin("hub"))
    with world.database.read() as connection:
        revoked = people.revoked_sessions(connection, world.clock.now())
    assert [f"session/{identifier}" for identifier in revoked] == [world.events("session.revoked")[0].object]


async def test_the_gateway_can_end_a_session(world: World) -> None:
    _, session = world.session("alice")
    assert (await internal(world, f"sessions/{session.id}/logout", {})).json() == {"ended": True}
    assert (await internal(world, f"sessions/{session.id}/logout", {})).json() == {"ended": False}


async def test_a_session_ends_by_itself(world: World) -> None:
    browser = world.browser("alice")
    world.clock.advance(world.settings.session_hours * 3600 - 1)
    assert (await browser.get("/")).status_code == 200
    world.clock.advance(1)
    assert (await browser.get("/")).status_code == 302


async def test_health_and_metrics_are_for_this_machine(world: World) -> None:
    for application in (world.portal, world.public, world.internal):
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert "python_info" in (await client.get("/metrics")).text
    for prefix in ("desk", "enter", ""):
        assert (await world.browser().get("/metrics", prefix)).status_code == 404
