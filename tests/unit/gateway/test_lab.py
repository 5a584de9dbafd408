"""The Lab host end to end: the gate, the proxy, the websockets, the budgets, the cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.unit.gateway import upstreams
from tests.unit.gateway import world as gateway_world
from tests.unit.gateway.upstreams import KERNEL, PROTOCOL, echo
from tests.unit.gateway.world import (
    BASE,
    OTHER,
    WORKSPACE,
    World,
    as_text,
    grant_message,
    make_world,
    reason_of,
    route_message,
    suspension,
    until,
    utc,
)
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason
from tre.gateway.decisions import LEAD
from tre.gateway.sessions import CookieKind


@pytest.fixture(params=["socket", "door"], autouse=True)
def behind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds on one machine and through the door of a pod."""
    monkeypatch.setattr(gateway_world, "BEHIND", request.param)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world(upstream=echo) as made:
        yield made


@contextlib.asynccontextmanager
async def socket_to(
    world: World, target: str = KERNEL, **headers: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    given = {**world.lab_headers(), "Origin": world.origin(f"{WORKSPACE}.lab"), **headers}
    given = {name: value for name, value in given.items() if value}
    async with world.client.ws_connect(
        world.url(target), headers=given, protocols=[PROTOCOL], max_msg_size=2**25
    ) as connected:
        yield connected


# ------------------------------------------------------------------ what passes


async def test_a_request_reaches_the_workspace_without_anything_of_the_person(world: World) -> None:
    status, _, body = await world.get_lab(
        "/api/contents/a%20b?content=1", Authorization="token x", X_Forwarded_For="1.2.3.4", User_Agent="Mine"
    )
    told = json.loads(body)
    assert status == 200
    assert told["target"] == "/api/contents/a%20b?content=1"
    assert set(told["headers"]) == {"host", "accept"}
    assert told["headers"]["host"] == "localhost"


async def test_a_body_reaches_the_workspace_with_its_length_or_in_chunks(world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"y" * 10_000

    for data in (b"y" * 500_000, pieces()):
        status, _, body = await world.request("PUT", "/api/contents/a", world.lab_headers(), data=data)
        assert (status, json.loads(body)["length"]) == (200, 500_000)


async def test_an_upload_that_is_too_large_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tre.gateway.proxy.LARGEST_UPLOAD", 1000)
    for size, expected in ((1000, 200), (1001, 413)):
        status, _, _ = await world.request("PUT", "/api/contents/a", world.lab_headers(), data=b"y" * size)
        assert status == expected


async def test_our_headers_replace_those_of_a_hostile_workspace() -> None:
    async with make_world(upstream=upstreams.hostile) as world:
        for target, kind in (("/lab", "text/html; charset=utf-8"), ("/api/contents/a?content=1", "application/json")):
            status, headers, _ = await world.get_lab(target)
            assert status == 200
            assert headers["Content-Type"] == kind
            lower = {name.lower() for name in upstreams.HOSTILE_HEADERS}
            ours = {"content-security-policy", "connection-allowlist"}
            assert {name.lower() for name in headers} & lower == ours
            assert "evil" not in str(headers)
            assert f"frame-ancestors {world.origin(f'{WORKSPACE}.open')}" in headers["Content-Security-Policy"]
            assert headers["Content-Security-Policy"].endswith("sandbox allow-scripts allow-same-origin")
            assert headers["Cache-Control"] == "no-store"


async def test_refusals_carry_the_headers_too(world: World) -> None:
    status, headers, _ = await world.get_lab("/files/a")
    assert status == 403
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-site"


async def test_entity_tags_pass(world: World) -> None:
    _, headers, _ = await world.get_lab("/api/me")
    assert (headers["ETag"], headers["Last-Modified"]) == ('"tag"', "Mon, 02 Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize(
    ("location", "status"),
    [
        ("/lab/tree/a", 302),
        ("http://evil.example/", 502),
        ("//evil.example/", 502),
        ("/files/a", 502),
        ("", 502),
        ("/api/me", 502),
    ],
)
async def test_redirects_stay_among_the_labs_pages(location: str, status: int) -> None:
    async with make_world(upstream=upstreams.redirecting(location)) as world:
        got, headers, _ = await world.get_lab("/lab")
        assert got == status
        assert headers.get("Location") == (location if status == 302 else None)


async def test_the_start_page_is_the_lab(world: World) -> None:
    status, headers, _ = await world.get_lab("/")
    assert (status, headers["Location"]) == (302, "/lab")


async def test_static_files_come_from_our_copy_and_never_from_the_workspace(world: World) -> None:
    status, headers, body = await world.get_lab("/static/favicons/favicon.ico")
    assert (status, headers["Content-Type"]) == (200, "image/x-icon")
    assert b"target" not in body
    status, _, _ = await world.get_lab("/static/lab/not-there.js")
    assert status == 404


# ------------------------------------------------------------------ who passes


async def test_without_a_cookie_nobody_passes(world: World) -> None:
    status, _, body = await world.request("GET", "/api/me", world.lab_headers(Cookie=""))
    assert (status, reason_of(body)) == (403, Reason.LoginRequired)


async def test_a_cookie_of_another_workspace_is_worthless(world: World) -> None:
    for owner, expected in ((WORKSPACE, 200), (OTHER, 403)):
        value = world.cookie(CookieKind.lab, owner)
        status, _, _ = await world.request("GET", "/api/me", world.lab_headers(Cookie=value))
        assert status == expected


async def test_a_page_at_the_top_of_a_window_goes_to_the_shell(world: World) -> None:
    for target in ("/lab", "/files/data.csv?download=1", "/api/contents/a?content=1"):
        status, headers, _ = await world.get_lab(target, Sec_Fetch_Dest="document", Sec_Fetch_Mode="navigate")
        assert (status, headers["Location"]) == (302, world.origin(f"{WORKSPACE}.open") + "/")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
async def test_only_the_labs_own_page_asks(world: World, headers: dict[str, str], status: int) -> None:
    given = {name: value for name, value in {**world.lab_headers(), **headers}.items() if value}
    assert (await world.request("GET", "/api/me", given))[0] == status


async def test_another_workspaces_page_cannot_write_with_the_readers_cookie(world: World) -> None:
    headers = world.lab_headers(Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors")
    headers["Origin"] = world.origin(f"{OTHER}.lab")
    assert (await world.request("POST", "/api/terminals", headers))[0] == 403
    headers.update({"Sec-Fetch-Site": "same-origin", "Origin": world.origin(f"{WORKSPACE}.lab")})
    assert (await world.request("POST", "/api/terminals", headers))[0] == 200


async def test_a_ticket_opens_the_lab_once(world: World) -> None:
    host = f"{WORKSPACE}.lab.{BASE}"
    ticket = world.gateway.tickets.mint(world.session(), host)
    frame = {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Dest": "iframe", "Sec_Fetch_Mode": "navigate"}
    status, headers, _ = await world.get_lab(f"/.tre/ticket?t={ticket}", Cookie="", **frame)
    assert (status, headers["Location"]) == (303, "/lab")
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert (await world.get_lab("/lab", Cookie=cookie, **frame))[0] == 200
    assert (await world.get_lab(f"/.tre/ticket?t={ticket}", Cookie="", **frame))[0] == 403


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (grant_message(phase="Revoked", revokedAt=as_text(utc())), Reason.GrantRevoked),
        (grant_message(suspensions=[suspension()]), Reason.GrantSuspended),
        (route_message(phase="Stopped", reason="Requested"), Reason.Requested),
        ({"type": "route-gone", "workspace": WORKSPACE}, Reason.NotPermitted),
        ({"type": "session-revoked", "session": "s1"}, Reason.LoginRequired),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_an_ended_workspace_answers_403_with_its_reason_everywhere(
    world: World, message: dict[str, object], reason: Reason
) -> None:
    assert (await world.get_lab("/api/me"))[0] == 200
    await world.news(message)
    for target in ("/lab", "/api/me", "/api/contents/gone?content=1", "/static/lab/none.js", "/nothing"):
        status, _, body = await world.get_lab(target)
        assert (status, reason_of(body)) == (403, reason)


async def test_an_unknown_workspace_answers_403(world: World) -> None:
    headers = world.lab_headers(OTHER)
    assert (await world.request("GET", "/api/me", headers))[0] == 403


# ------------------------------------------------------------------ websockets


async def test_messages_pass_both_ways_with_the_kernels_protocol(world: World) -> None:
    async with socket_to(world) as socket:
        assert socket.protocol == PROTOCOL
        await socket.send_str("héllo")
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_str() == "héllo"
        assert await socket.receive_bytes() == b"\x00\xff"


async def test_compression_is_not_negotiated(world: World) -> None:
    async with socket_to(world, **{"Sec-WebSocket-Extensions": "permessage-deflate"}) as socket:
        assert socket.compress == 0


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", f"http://{OTHER}.lab.{BASE}:1"])
async def test_a_websocket_of_another_page_is_refused(world: World, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with socket_to(world, Origin=origin):
            pass
    assert caught.value.status == 403


async def test_one_workspace_cannot_open_without_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tre.gateway.lab.MOST_OPEN", 2)
    async with socket_to(world):
        assert (await world.get_lab("/api/me"))[0] == 200
        async with socket_to(world):
            status, _, body = await world.get_lab("/api/me")
            assert (status, reason_of(body)) == (429, Reason.RateLimited)


async def test_a_websocket_to_what_is_not_listed_is_refused(world: World) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with socket_to(world, "/lsp/ws/python"):
            pass
    assert caught.value.status == 403


async def test_websockets_are_cut_within_a_tenth_of_a_second_of_a_revocation(world: World) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(socket_to(world)) for _ in range(20)]
        await until(lambda: world.gateway.openings.count("websocket") == 20)
        began = time.perf_counter()
        await world.controller.send(grant_message(phase="Revoked", revokedAt=as_text(utc())))
        for socket in sockets:
            assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        took = time.perf_counter() - began
    assert took < 0.1
    await until(lambda: world.gateway.openings.workspaces() == ())
    await until(lambda: "workspace.connections-cut" in world.controller.kinds())
    cut = next(event for event in world.controller.events if event["kind"] == "workspace.connections-cut")
    assert cut["detail"] == {"reason": "GrantRevoked", "count": 20}


async def test_an_announced_ending_is_answered_when_everything_is_cut(world: World) -> None:
    async with socket_to(world) as socket:
        await until(lambda: world.gateway.openings.count("websocket") == 1)
        (opening,) = world.gateway.openings.of(WORKSPACE)
        ending = {"type": "ending", "workspace": WORKSPACE, "reason": "GrantRevoked"}
        await world.controller.send({**ending, "number": 7})
        await until(lambda: bool(world.controller.heard))
        assert opening.cut_for is Reason.GrantRevoked
        assert world.controller.heard == [{"listener": "l1", "number": 7}]
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED
        await world.controller.send(ending)
        await world.news()
    assert len(world.controller.heard) == 1  # nobody waits for a word about the others


async def test_only_the_sockets_of_the_revoked_session_are_cut(world: World) -> None:
    another = world.cookie(CookieKind.lab, session=world.session(name="s2"))
    async with socket_to(world) as first, socket_to(world, Cookie=another) as second:
        await world.news({"type": "session-revoked", "session": "s1"})
        assert (await first.receive()).type is aiohttp.WSMsgType.CLOSED
        await second.send_str("still here")
        assert await second.receive_str() == "still here"


async def test_the_end_of_the_run_cuts_without_any_news(world: World) -> None:
    async with socket_to(world) as socket:
        end = utc(seconds=2)
        await world.news(world.route(end=as_text(end)))
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED
        assert -LEAD <= time.time() - end.timestamp() < 0.3
    status, _, body = await world.get_lab("/api/me")
    assert (status, reason_of(body)) == (403, Reason.DeadlineReached)


async def test_a_file_on_its_way_is_cut() -> None:
    release = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "200000"})
        await response.prepare(request)
        await response.write(b"x" * 100_000)
        await release.wait()
        return response

    async with make_world(upstream=slow) as world:
        async with world.client.get(world.url("/api/contents/a?content=1"), headers=world.lab_headers()) as answer:
            assert len(await answer.content.readexactly(100_000)) == 100_000
            await world.news(grant_message(phase="Expired"))
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
        release.set()


# ------------------------------------------------------------------ losing the controller


async def test_a_silent_controller_is_trusted_for_its_time_and_then_nobody_gets_in() -> None:
    clock = ManualClock(utc())
    async with make_world(upstream=echo, clock=clock) as world, socket_to(world) as socket:
        world.controller.beats = False
        await world.runners[0].cleanup()
        await until(lambda: not world.gateway.stream.connected)
        clock.advance(59)
        world.gateway.sentry.check()
        assert (await world.get_lab("/api/me"))[0] == 200
        clock.advance(1)
        world.gateway.sentry.check()
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED
        status, _, body = await world.get_lab("/api/me")
        assert (status, reason_of(body)) == (403, Reason.StreamStale)
        await until(lambda: "workspace.connections-cut" in [event.kind for event in world.spool.events])


async def test_ends_are_kept_while_the_controller_is_gone() -> None:
    clock = ManualClock(utc())
    end = as_text(utc(seconds=30))
    async with make_world(upstream=echo, clock=clock, end=end, grantEnd=end) as world:
        await world.runners[0].cleanup()
        await until(lambda: not world.gateway.stream.connected)
        clock.advance(29)
        assert (await world.get_lab("/api/me"))[0] == 200
        clock.advance(2)
        status, _, body = await world.get_lab("/api/me")
        assert (status, reason_of(body)) == (403, Reason.GrantExpired)


async def test_the_stream_is_taken_up_again(world: World) -> None:
    await world.runners[0].cleanup()
    await until(lambda: not world.gateway.stream.connected)
    world.controller.records = [grant_message(phase="Expired"), *world.controller.records[1:]]
    world.controller.app = _again(world)
    await world.serve_unix(world.layout.socket("controller"), world.controller.app)
    await world.synced()
    assert reason_of((await world.get_lab("/api/me"))[2]) is Reason.GrantExpired


def _again(world: World) -> web.Application:
    app = web.Application()
    app.router.add_get("/v1/stream", world.controller._stream)
    app.router.add_post("/v1/events", world.controller._events)
    return app


# ------------------------------------------------------------------ the workspace's socket is hostile


async def test_a_new_run_gets_new_connections(world: World) -> None:
    assert (await world.get_lab("/api/me"))[0] == 200
    second = await world.serve_lab(web.Server(upstreams.body_of(7)), "door2")
    await world.news(route_message(**second, instance=2))
    assert (await world.get_lab("/api/me"))[2] == b"x" * 7


async def test_a_server_that_does_not_answer_is_502(world: World) -> None:
    await world.news(route_message(**await world.serve_lab(None, "nothing"), instance=2))
    status, _, body = await world.get_lab("/api/me")
    assert (status, reason_of(body)) == (502, Reason.ServiceUnavailable)


# ------------------------------------------------------------------ budgets


def limited(reads: int = 10**6, output: int = 10**6) -> dict[str, object]:
    return {"budgets": {"fileReads": reads, "kernelOutput": output}}


@pytest.mark.parametrize("length", [True, False])
async def test_file_reads_stop_at_their_budget(length: bool) -> None:
    upstream = upstreams.body_of(400_000, length=length)
    async with make_world(upstream=upstream, **limited(reads=1_000_000)) as world:
        target = "/api/contents/big.csv?content=1&type=file"
        for _ in range(2):
            status, _, body = await world.get_lab(target)
            assert (status, len(body)) == (200, 400_000)
        if length:
            status, headers, body = await world.get_lab(target)
            assert (status, reason_of(body)) == (429, Reason.BudgetExhausted)
            assert int(headers["Retry-After"]) > 3000
        else:
            with pytest.raises(aiohttp.ClientError):
                await world.get_lab(target)
        await until(lambda: "workspace.budget-exhausted" in world.controller.kinds())
        assert "workspace.budget-warned" in world.controller.kinds()
        assert (await world.request("PUT", "/api/contents/a", world.lab_headers(), data=b"x"))[0] in {200, 502}


async def test_listings_and_other_answers_draw_on_the_other_budget() -> None:
    async with make_world(upstream=upstreams.body_of(100), **limited()) as world:
        route = world.gateway.table.route(WORKSPACE)
        assert route is not None
        for target in ("/api/contents?content=1&type=directory", "/api/me", "/lab", "/lab/api/settings"):
            assert (await world.get_lab(target))[0] == 200
        from tre.gateway.budgets import Budget

        assert world.gateway.budgets.left(route, Budget.file_reads) == 10**6
        assert world.gateway.budgets.left(route, Budget.kernel_output) == 10**6 - 400


async def test_saving_is_allowed_when_everything_is_used_up() -> None:
    async with make_world(upstream=echo, **limited(0, 0)) as world:
        assert (await world.get_lab("/api/me"))[0] == 429
        assert (await world.get_lab("/api/contents/a?content=1"))[0] == 429
        status, _, _ = await world.request("PUT", "/api/contents/a", world.lab_headers(), data=b"my work")
        assert status == 200


async def test_kernel_output_is_cut_at_its_budget_and_comes_back_after_an_hour() -> None:
    clock = ManualClock(utc())
    long = {"end": as_text(utc(hours=9)), "grantEnd": as_text(utc(hours=9))}
    async with make_world(upstream=upstreams.pouring(10_000), clock=clock, **limited(), **long) as world:
        received = 0
        async with socket_to(world) as socket:
            while (message := await socket.receive()).type is aiohttp.WSMsgType.BINARY:
                received += len(message.data)
        assert received == 1_000_000
        assert socket.close_code == 1008
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with socket_to(world):
                pass
        assert caught.value.status == 429
        clock.advance(3700)
        await world.news({"type": "beat"})
        async with socket_to(world) as socket:
            assert len(await socket.receive_bytes()) == 10_000


async def test_reads_of_files_are_told_to_the_log() -> None:
    clock = ManualClock(utc())
    async with make_world(upstream=upstreams.body_of(100), clock=clock) as world:
        for _ in range(3):
            await world.get_lab("/api/contents/data/a%20b.csv?content=1")
        clock.advance(60)
        await until(lambda: "workspace.files-read" in world.controller.kinds())
        event = next(event for event in world.controller.events if event["kind"] == "workspace.files-read")
        assert event["detail"]["reads"] == [{"path": "data/a b.csv", "times": 3, "bytes": 300}]
        assert event["detail"]["person"] == {"issuer": "local", "id": "alice"}
