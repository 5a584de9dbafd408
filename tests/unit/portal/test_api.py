"""The API: the same acts by the same rules, and its own schema turned against it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.support.factories import suspension
from tests.unit.portal.world import GRANT, Browser, World
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.portal.applications import desk_app
from tre.portal.sessions import DESK_COOKIE


async def test_session(world: World) -> None:
    answer = await world.browser("alice").get("/api/v1/session")
    assert answer.json()["subject"] == {"issuer": "local", "id": "alice"}
    assert answer.json()["roles"] == ["researcher"]


async def test_grants_carry_what_may_be_done(world: World) -> None:
    alice, olga = world.browser("alice"), world.browser("olga")
    mine = (await alice.get("/api/v1/grants")).json()
    assert [(item["name"], item["allowedActions"], item["verdict"]) for item in mine] == [(GRANT, ["open"], "Entitled")]
    assert mine[0]["slices"][0]["files"] == 31192
    every = (await olga.get(f"/api/v1/grants/{GRANT}")).json()
    assert every["allowedActions"] == ["suspend", "resume", "revoke"]
    assert every["verdict"] == "NotAMember"
    assert (await world.browser("eve").get("/api/v1/grants")).json() == []
    assert (await world.browser("eve").get(f"/api/v1/grants/{GRANT}")).status_code == 404


async def test_wanting_a_workspace(world: World) -> None:
    name, alice = world.workspace("alice").name, world.browser("alice")
    before = (await alice.get(f"/api/v1/workspaces/{name}")).json()
    assert before["allowedActions"] == ["open"]
    after = await alice.api("PUT", f"/api/v1/workspaces/{name}", {"wanted": "Running"})
    assert (after.status_code, after.json()["wanted"]) == (200, "Running")
    assert world.workspace("alice").wanted is Wanted.Running
    for who, status in (("bob", 404), ("olga", 403)):
        answer = await world.browser(who).api("PUT", f"/api/v1/workspaces/{name}", {"wanted": "Running"})
        assert answer.status_code == status
    assert len(world.events("workspace.wanted")) == 1
    world.move("alice", WorkspacePhase.Starting, WorkspacePhase.Running)
    answer = await world.browser("olga").api("PUT", f"/api/v1/workspaces/{name}", {"wanted": "Stopped"})
    assert answer.status_code == 200
    assert world.events("workspace.unwanted")[0].actor.id == "olga"
    assert len((await world.browser("olga").get("/api/v1/workspaces")).json()) == 2
    assert len((await alice.get("/api/v1/workspaces")).json()) == 1


async def test_a_refusal_carries_its_reason(world: World) -> None:
    world.suspend(suspension())
    name = world.workspace("alice").name
    answer = await world.browser("alice").api("PUT", f"/api/v1/workspaces/{name}", {"wanted": "Running"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "GrantSuspended")


async def test_suspending_lifting_revoking_closing(world: World) -> None:
    olga = world.browser("olga")
    made = await olga.api("POST", f"/api/v1/grants/{GRANT}/suspensions", {"scope": "grant", "reason": "audit"})
    assert made.status_code == 201, made.text
    listed = (await olga.get(f"/api/v1/grants/{GRANT}/suspensions")).json()
    assert [item["id"] for item in listed] == [made.json()["id"]]
    assert (await olga.api("DELETE", f"/api/v1/grants/{GRANT}/suspensions/{listed[0]['id']}")).status_code == 204
    wrong = await olga.api("POST", f"/api/v1/grants/{GRANT}/revoke", {"confirm": "x", "reason": "x"})
    assert (wrong.status_code, wrong.json()["reason"]) == (400, "ConfirmationWrong")
    done = await olga.api("POST", f"/api/v1/grants/{GRANT}/revoke", {"confirm": GRANT, "reason": "x"})
    assert (done.json()["phase"], done.json()["allowedActions"]) == ("Revoked", ["close"])
    closed = await olga.api("POST", f"/api/v1/grants/{GRANT}/close", {"confirm": GRANT})
    assert closed.status_code == 200


@pytest.mark.parametrize(
    "body", [None, {}, {"wanted": "Flying"}, {"wanted": "Running", "more": 1}, [], {"wanted": True}]
)
async def test_what_is_not_understood_is_refused(world: World, body: Any) -> None:
    name = world.workspace("alice").name
    answer = await world.browser("alice").api("PUT", f"/api/v1/workspaces/{name}", body)
    assert answer.status_code == 422
    assert answer.json()["reason"] == "BadInput"


async def test_the_documentation_reads_out_the_schema(world: World) -> None:
    page = await world.browser("alice").get("/api")
    assert page.status_code == 200
    document = (await world.browser("alice").get("/api/openapi.json")).json()
    assert set(document["paths"]) == {path for path in document["paths"] if path.startswith("/api/v1/")}
    for path in document["paths"]:
        assert path in page.text
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document["paths"])))
    assert "ErrorAnswer" in named
    assert named <= document["components"]["schemas"].keys()


ATTACK = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def _send(world: World, case: schemathesis.Case) -> httpx.Response:
    """One call as a signed-in person makes it, over ASGI."""
    request = case.as_transport_kwargs(base_url=world.settings.origin("desk"))
    browser: Browser = world.attacker  # type: ignore[attr-defined]
    cookie = f"{DESK_COOKIE}={browser.cookies('desk')[DESK_COOKIE]}"
    own = browser.same_origin() | {"X-CSRF-Token": asyncio.run(browser.token()), "Cookie": cookie}

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=world.portal, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as client:
            body = {name: request[name] for name in ("json", "data", "content") if request.get(name) is not None}
            if isinstance(body.get("data"), bytes | str):
                body["content"] = body.pop("data")
            headers = {name: value for name, value in request["headers"].items() if name.lower() != "cookie"}
            return await client.request(
                request["method"], request["url"], headers=headers | own, params=request.get("params"), **body
            )

    return asyncio.run(send())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ["olga", "alice"])
def test_its_own_schema_finds_no_crash(world: World, who: str) -> None:
    strike_everywhere(world, who, ATTACK)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("who", ["olga", "alice", "dana", "chris"])
def test_its_own_schema_finds_no_crash_for_long(world: World, who: str) -> None:
    strike_everywhere(world, who, settings(ATTACK, max_examples=100))


def strike_everywhere(world: World, who: str, attack: settings) -> None:
    """Every operation, called with what its schema allows and with what it does not."""
    app = desk_app(world.desk, world.live)
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.config.generation.update(modes=list(schemathesis.GenerationMode))
    world.attacker = Browser(world)  # type: ignore[attr-defined]
    world.attacker.jars = world.browser(who).jars  # type: ignore[attr-defined]
    tried: list[int] = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @attack
        @given(case=operation.as_strategy())
        def strike(case: schemathesis.Case) -> None:
            answer = _send(world, case)
            tried.append(answer.status_code)
            response = schemathesis.Response.from_any(answer)
            case.validate_response(
                response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
            )

        strike()
    assert len(tried) > 60
    assert {200, 422} <= set(tried)
