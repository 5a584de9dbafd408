"""What the portal counts, and where it says so."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.unit.portal.test_signing_in import internal, login
from tests.unit.portal.world import World
from tre.domain.desk.attempts import BY_NAME_AND_ADDRESS
from tre.store.database import Database


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def attempts(outcome: str, way: str = "local") -> float:
    return counted("tre_portal_sign_ins_total", way=way, outcome=outcome)


async def test_attempts_to_sign_in_are_counted_by_outcome(world: World) -> None:
    before = {outcome: attempts(outcome) for outcome in ("ok", "LoginFailed", "RateLimited")}
    assert (await login(world)).status_code == 200
    for _ in range(BY_NAME_AND_ADDRESS + 2):
        await login(world, password="wrong")
    assert attempts("ok") == before["ok"] + 1
    assert attempts("LoginFailed") == before["LoginFailed"] + BY_NAME_AND_ADDRESS
    assert attempts("RateLimited") == before["RateLimited"] + 2


async def test_a_provider_that_vouches_for_nobody_here_is_counted(world: World) -> None:
    before = attempts("LoginFailed", "oidc")
    person = {"issuer": "https://idp.example", "id": "1", "displayName": "One", "groups": []}
    assert (await internal(world, "people", person)).status_code == 403
    assert attempts("LoginFailed", "oidc") == before + 1


@pytest.mark.parametrize(
    ("path", "reason"), [("/projects/nothing", "GrantNotFound"), ("/nowhere", "BadInput"), ("/grants", "NotPermitted")]
)
async def test_refusals_are_counted_by_reason(world: World, path: str, reason: str) -> None:
    before = counted("tre_portal_refused_total", reason=reason)
    assert (await world.browser("alice").get(path)).status_code in {403, 404}
    assert counted("tre_portal_refused_total", reason=reason) == before + 1


@pytest.mark.parametrize("which", ["portal", "public", "internal"])
async def test_a_program_on_this_machine_reads_health_and_numbers(world: World, which: str) -> None:
    transport = httpx.ASGITransport(app=getattr(world, which))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "tre_portal_sign_ins" in answer.text


async def test_a_record_that_nobody_reaches_is_told_and_breaks_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Database("postgresql+psycopg://127.0.0.1:1/tre", pause=lambda _seconds: None)
    monkeypatch.setattr(Database, "read", lambda _self, read=Database.read: read(away))
    transport = httpx.ASGITransport(app=world.internal)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()["checks"]) == (503, {"record": "TREError"})
    away.close()


@pytest.mark.parametrize("prefix", ["", "desk", "enter"])
@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_no_browser_reads_either(world: World, prefix: str, path: str) -> None:
    answer = await world.browser("olga").get(path, prefix)
    assert answer.status_code == 404
    assert "tre_" not in answer.text
