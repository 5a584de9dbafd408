"""The front behind a proxy that speaks TLS, and the port of plain HTTP that leads to TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.upstreams import KERNEL, PROTOCOL, echo
from tests.unit.gateway.world import WORKSPACE, World, free_port, make_world
from tre.gateway.redirect import sends_to_tls
from tre.system.settings import Settings
from tre.system.tls_settings import HstsSettings, ProxySettings, TlsSettings

BEHIND = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.66, 203.0.113.9"}
PROXY = TlsSettings(terminated_by_proxy=ProxySettings(addresses=("127.0.0.1",)))
SEEN: list[dict[str, str]] = []


async def _remembered(request: web.BaseRequest) -> web.StreamResponse:
    SEEN.append(dict(request.headers))
    return web.Response(text="x")


@asynccontextmanager
async def behind(proxy: TlsSettings) -> AsyncIterator[World]:
    SEEN.clear()
    async with make_world(tls=proxy) as world:
        await world.serve_unix(world.layout.socket("portal"), web.Server(_remembered))
        yield world


def at_the_desk(**headers: str) -> dict[str, str]:
    return {"Host": "desk.tre.localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}


async def test_what_comes_through_the_proxy_is_the_browsers() -> None:
    async with behind(PROXY) as world:
        status, sent, _ = await world.request("GET", "/", at_the_desk() | BEHIND)
        assert status == 200
        assert sent["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert [(seen["X-Forwarded-Proto"], seen["X-Forwarded-For"]) for seen in SEEN] == [("https", "203.0.113.9")]


@pytest.mark.parametrize(
    "changes",
    [
        {"X-Forwarded-Proto": ""},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Proto": "https, http"},
        {"X-Forwarded-For": ""},
        {"X-Forwarded-For": "unknown"},
        {"X-Forwarded-For": "203.0.113.9, "},
        {"X-Forwarded-For": "203.0.113.9:4711"},
    ],
)
async def test_what_does_not_say_what_the_proxy_says_is_refused(changes: dict[str, str]) -> None:
    async with behind(PROXY) as world:
        headers = {name: value for name, value in {**at_the_desk(), **BEHIND, **changes}.items() if value}
        status, sent, body = await world.request("GET", "/", headers)
        assert (status, SEEN) == (403, [])
        assert b"X-Forwarded" in body
        assert sent["X-Content-Type-Options"] == "nosniff"


async def test_twice_is_not_once() -> None:
    async with behind(PROXY) as world:
        head = "GET / HTTP/1.1\r\nHost: desk.tre.localhost\r\nX-Forwarded-For: 203.0.113.9\r\n"
        twice = "X-Forwarded-Proto: https\r\n" * 2
        assert b" 403 " in (await world.raw(f"{head}{twice}\r\n".encode())).partition(b"\r\n")[0]
        assert SEEN == []


async def test_a_way_around_the_proxy_is_refused() -> None:
    elsewhere = TlsSettings(terminated_by_proxy=ProxySettings(addresses=("::1",)))
    async with behind(elsewhere) as world:  # our requests come from 127.0.0.1
        status, _, body = await world.request("GET", "/", at_the_desk() | BEHIND)
        assert (status, SEEN) == (403, [])
        assert b"through a proxy" in body


async def test_without_a_proxy_in_the_settings_nobody_is_believed() -> None:
    async with behind(TlsSettings()) as world:
        status, sent, _ = await world.request("GET", "/", at_the_desk() | BEHIND)
        assert status == 200
        assert "Strict-Transport-Security" not in sent
        assert [(seen["X-Forwarded-Proto"], seen["X-Forwarded-For"]) for seen in SEEN] == [("http", "127.0.0.1")]


async def test_workspaces_and_their_sign_in_work_behind_it() -> None:
    hsts = HstsSettings(max_age_seconds=60, include_subdomains=False)
    async with make_world(tls=PROXY.model_copy(update={"hsts": hsts})) as world:
        await add_portal(world)
        status, sent, _ = await world.request("GET", "/", world.shell_headers(Cookie="") | BEHIND)
        assert status == 302
        assert f"to=https%3A%2F%2F{WORKSPACE}.open." in sent["Location"]
        for headers, path in ((world.shell_headers(), "/.tre/state"), (world.lab_headers(), "/api/me")):
            _, sent, _ = await world.request("GET", path, headers | BEHIND)
            assert sent["Strict-Transport-Security"] == "max-age=60"


async def test_websockets_pass_behind_it_for_the_origin_that_browsers_see() -> None:
    async with make_world(tls=PROXY, upstream=echo) as world:
        headers = world.lab_headers() | BEHIND
        address, host = world.url(KERNEL), headers["Host"]
        seen = headers | {"Origin": f"https://{host}"}
        async with world.client.ws_connect(address, headers=seen, protocols=[PROTOCOL]) as socket:
            await socket.send_str("x")
            assert await socket.receive_str() == "x"
        other = headers | {"Origin": f"http://{host}"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await world.client.ws_connect(address, headers=other, protocols=[PROTOCOL])
        assert refused.value.status == 403


@pytest.fixture
async def plain() -> AsyncIterator[int]:
    settings = Settings(listen_port=8443, tls=TlsSettings.model_validate({"certificate": "a", "key": "b"}))
    runner = web.ServerRunner(web.Server(sends_to_tls(settings), access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield port
    await runner.cleanup()


@pytest.mark.parametrize(
    ("method", "host", "path", "status", "location"),
    [
        ("GET", "desk.tre.localhost", "/grants?q=1", 308, "https://desk.tre.localhost:8443/grants?q=1"),
        ("HEAD", "tre.localhost:80", "/", 308, "https://tre.localhost:8443/"),
        ("GET", "W-aaaaaaaaaaaa.lab.tre.localhost", "/lab", 308, "https://w-aaaaaaaaaaaa.lab.tre.localhost:8443/lab"),
        ("GET", "evil.example", "/", 421, None),
        ("GET", "tre.localhost.evil.example", "/", 421, None),
        ("GET", "desk.tre.localhost", "//evil.example/", 400, None),
        ("POST", "desk.tre.localhost", "/sign-out", 403, None),
        ("DELETE", "desk.tre.localhost", "/", 403, None),
        ("TRACE", "desk.tre.localhost", "/", 405, None),
    ],
)
async def test_plain_http_leads_to_tls_and_nowhere_else(
    plain: int, method: str, host: str, path: str, status: int, location: str | None
) -> None:
    import yarl

    address = yarl.URL(f"http://127.0.0.1:{plain}{path}", encoded=True)
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, address, headers={"Host": host}, allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers.get("Location")) == (status, location)
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Server"] == "tre"
