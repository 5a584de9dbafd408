"""Our own services behind the gateway, the operators' side, and events on their way."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.upstreams import echo
from tests.unit.gateway.world import WORKSPACE, World, grant_message, make_world, until
from tre.audit.spool import SUFFIX, decode
from tre.domain.events import Event, program
from tre.gateway.outbox import MOST_PATHS
from tre.gateway.sessions import CookieKind
from tre.gateway.spool import FileSpool


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world(upstream=echo) as made:
        await made.serve_unix(made.layout.socket("portal"), web.Server(echo))
        await made.serve_unix(made.layout.socket("hub"), web.Server(_hub))
        await made.serve_unix(made.layout.socket("public"), web.Server(_cookie_setter))
        yield made


async def _cookie_setter(request: web.BaseRequest) -> web.StreamResponse:
    answer = await echo(request)
    answer.headers.add("Set-Cookie", "a=1")
    answer.headers.add("Set-Cookie", "b=2")
    return answer


async def _hub(request: web.BaseRequest) -> web.StreamResponse:
    if request.path != "/events":
        return await _cookie_setter(request)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: first\n\n")
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
    return response


async def test_forwarded_headers_are_ours_alone(world: World) -> None:
    headers = {
        "Host": world.host("desk"),
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-User": "root",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Original-URL": "/admin",
        "X_Forwarded_For": "6.6.6.6",
        "Connection": "X-Secret",
        "X-Secret": "1",
        "Cookie": "session=1",
        "Accept-Language": "en",
    }
    status, _, body = await world.request("GET", "/a%2Fb?x=%20y", headers)
    told = json.loads(body)
    assert status == 200
    assert told["target"] == "/a%2Fb?x=%20y"
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert told["headers"]["x-forwarded-host"] == told["headers"]["host"] == world.host("desk")
    assert told["headers"]["x-forwarded-proto"] == "http"
    assert "6.6.6.6" not in str(told["headers"])
    assert not {"x-forwarded-user", "x-original-url", "x-secret", "x-real-ip"} & set(told["headers"])
    assert (told["headers"]["cookie"], told["headers"]["accept-language"]) == ("session=1", "en")


async def test_cookies_of_services_pass_each_for_itself(world: World) -> None:
    _, headers, _ = await world.request("GET", "/", {"Host": world.host("hub")})
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_the_public_pages_neither_get_nor_set_cookies(world: World) -> None:
    _, headers, body = await world.request("GET", "/", {"Host": world.host(), "Cookie": "a=1"})
    assert "Set-Cookie" not in headers
    assert "cookie" not in json.loads(body)["headers"]


async def test_live_events_of_the_hub_arrive_as_they_happen(world: World) -> None:
    async with world.client.get(world.url("/events"), headers={"Host": world.host("hub")}) as answer:
        async with asyncio.timeout(5):
            assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"


async def test_a_body_passes(world: World) -> None:
    headers = {"Host": world.host("desk"), "Content-Type": "text/plain"}
    _, _, body = await world.request("POST", "/x", headers, data=b"q" * 300_000)
    assert json.loads(body)["length"] == 300_000


async def test_a_body_beyond_the_service_limit_is_refused(world: World) -> None:
    for size, status in ((2**20, 200), (2**20 + 1, 413)):
        found = await world.request("POST", "/x", from_the_hub(world), data=io.BytesIO(b"q" * size))
        assert found[0] == status


def from_the_hub(world: World, **changes: str) -> dict[str, str]:
    """A form of the Hub's own page, but for these changes; an empty one is left out."""
    own = {"Host": world.host("hub"), "Origin": world.origin("hub"), "Sec-Fetch-Site": "same-origin"}
    given = own | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in given.items() if value}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_form_of_the_hub_comes_from_its_own_page(world: World, method: str) -> None:
    """A sibling's page can plant the Hub's cookie against forgery, so that alone is not enough."""
    assert (await world.request(method, "/hub/login", from_the_hub(world)))[0] == 200
    foreign = [
        {"Sec_Fetch_Site": "same-site", "Origin": world.origin("w-aaaaaaaaaaaa.lab")},
        {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": world.origin("desk")},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec_Fetch_Site": ""},
    ]
    for changes in foreign:
        status, _, body = await world.request(method, "/hub/login", from_the_hub(world, **changes))
        assert (status, json.loads(body)["reason"]) == (403, "NotPermitted"), changes
    assert (await world.request("GET", "/hub/login", from_the_hub(world, **foreign[1])))[0] == 200  # a link


async def test_a_service_that_is_down_is_502(world: World) -> None:
    world.layout.socket("portal").unlink()
    assert (await world.request("GET", "/", {"Host": world.host("desk")}))[0] == 502


async def test_previews_know_no_cookies_and_may_be_framed_by_their_own_policy(world: World) -> None:
    await world.serve_unix(world.layout.socket("portal"), web.Server(_cookie_setter))
    framed = {}
    for prefix in ("preview", "desk"):
        status, headers, body = await world.request("GET", "/", {"Host": world.host(prefix), "Cookie": "a=1"})
        framed[prefix] = (
            status,
            "X-Frame-Options" in headers,
            "Set-Cookie" in headers,
            "cookie" in json.loads(body)["headers"],
        )
    assert framed == {"preview": (200, False, False, False), "desk": (200, True, True, True)}
    assert (await world.request("POST", "/", {"Host": world.host("preview")}, data=b"q" * 1025))[0] == 413


async def test_sources_elsewhere_know_no_cookies_and_bring_their_secret(world: World) -> None:
    await world.serve_unix(world.layout.socket("portal"), web.Server(_cookie_setter))
    sent = {"Host": world.host("sources"), "Cookie": "a=1", "X-TRE-Source-Secret": "s"}
    status, headers, body = await world.request("PUT", "/rems/rems/events", sent, data=b"{}")
    told = json.loads(body)["headers"]
    assert (status, "Set-Cookie" in headers, "cookie" in told) == (200, False, False)
    assert told["x-tre-source-secret"] == "s"
    large = await world.request("PUT", "/", {"Host": world.host("sources")}, data=io.BytesIO(b"q" * (2**20 + 1)))
    assert large[0] == 413


async def test_strangers_are_misdirected(world: World) -> None:
    assert (await world.request("GET", "/", {"Host": "evil.example"}))[0] == 421


async def test_health_and_metrics_are_on_the_operators_side(world: World) -> None:
    await world.get_lab("/files/x")
    connector = aiohttp.UnixConnector(str(world.layout.socket("gateway")))
    async with aiohttp.ClientSession(connector=connector) as client:
        async with client.get("http://gateway/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        for name, is_open in ((WORKSPACE, True), ("w-bbbbbbbbbbbb", False), ("", False)):
            async with client.get(f"http://gateway/door?workspace={name}") as answer:
                assert await answer.json() == {"open": is_open}
        async with client.get("http://gateway/metrics") as answer:
            text = await answer.text()
        assert 'tre_gateway_refused_total{door="lab",reason="NotPermitted"} 1.0' in text
        assert 'http_request_duration_seconds_count{door="lab",method="GET",status="4xx"} 1.0' in text
        assert 'tre_gateway_alarms_total{kind="workspace.budget-exhausted"} 0.0' in text
        assert "process_open_fds" in text
        world.gateway.table.heard_at = -1e9
        async with client.get("http://gateway/healthz") as answer:
            assert answer.status == 503
        async with client.get("http://gateway/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["checks"]["controller"]["reason"] == "ServiceUnavailable"
        async with client.get("http://gateway/metrics") as answer:
            assert 'tre_check_failing{check="controller"} 1.0' in await answer.text()
    assert (await world.request("GET", "/metrics", {"Host": world.host()}))[0] == 200  # the public pages, not ours


async def test_a_made_up_method_makes_no_series_of_its_own(world: World) -> None:
    await world.request("PROPFIND", "/", {"Host": world.host()})
    text = world.gateway.metrics.text().decode()
    assert 'method="other"' in text
    assert "PROPFIND" not in text


async def test_events_that_nobody_takes_are_spooled_once(world: World) -> None:
    world.controller.takes_events = False
    world.gateway.outbox.put("workspace.entered", "workspace/w")
    await until(lambda: len(world.spool.events) == 1)
    world.controller.takes_events = True
    world.gateway.outbox.put("workspace.entered", "workspace/w")
    await until(lambda: len(world.controller.events) == 1)
    assert len(world.spool.events) == 1


async def test_what_waits_at_the_end_is_spooled() -> None:
    async with make_world(upstream=echo) as world:
        world.controller.takes_events = False
        await world.get_lab("/api/contents/a?content=1")
        spool = world.spool
    assert [event.kind for event in spool.events] == ["workspace.files-read"]


async def test_many_paths_make_a_bounded_event(world: World) -> None:
    session = world.session()
    for number in range(MOST_PATHS + 50):
        world.gateway.outbox.put_read("w", session.subject, f"file-{number}", 1)
    world.gateway.outbox._gather_reads()
    await world.gateway.outbox.flush()
    reads = world.controller.events[-1]["detail"]["reads"]
    assert len(reads) == MOST_PATHS + 1
    assert reads[0] == {"path": "", "times": 50, "bytes": 50}


def test_what_is_spooled_is_taken_in_whole(tmp_path: Path) -> None:
    event = Event(
        id="0" * 32, at="2026-11-01T00:00:00Z", actor=program("gateway"), kind="workspace.entered", object="workspace/w"
    )  # type: ignore[arg-type]
    spool = FileSpool(tmp_path)
    spool.append([event])
    spool.append([event, event])
    files = [path for path in tmp_path.iterdir() if path.suffix == SUFFIX]
    lines = [line for path in files for line in path.read_bytes().splitlines(keepends=True)]
    assert [decode(line) for line in lines] == [event] * 3


async def test_a_fault_inside_is_a_reason_and_no_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.gateway.lab, "_admitted", broken)
    status, _, body = await world.get_lab("/api/me")
    assert status == 500
    assert b"secret" not in body


async def test_a_person_gets_a_page_and_a_program_gets_json(world: World) -> None:
    await world.news(grant_message(phase="Expired"))
    frame = {"Sec_Fetch_Dest": "iframe", "Sec_Fetch_Mode": "navigate"}
    _, headers, body = await world.get_lab("/lab", **frame)
    assert headers["Content-Type"].startswith("text/html")
    assert b"Your approval has ended" in body
    _, headers, body = await world.get_lab("/lab")
    assert json.loads(body)["reason"] == "GrantExpired"


async def test_the_desk_never_sees_the_cookies_of_workspaces(world: World) -> None:
    portal = await add_portal(world)
    cookie = world.cookie(CookieKind.shell)
    assert cookie.startswith("__Host-")  # bound to its host by the browser; the desk is another
    await world.request("GET", "/", {"Host": world.host("desk")})
    assert all("Cookie" not in request.headers for request in portal.seen)
