"""Every route of every host answers with that host's security headers, whatever the answer is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fastapi import FastAPI
from starlette.routing import Mount, Route

from tests.support.headers import SECURITY_HEADERS
from tests.unit.gateway.world import WORKSPACE, make_world
from tests.unit.gateway.world import World as GatewayWorld
from tests.unit.portal.world import GRANT, World, populated
from tre.gateway.hosts import Door
from tre.portal.applications import desk_app, enter_app
from tre.portal.public_applications import public_app

EVERYWHERE = SECURITY_HEADERS | {"Cache-Control"}
FRAMED_BY_NOBODY = EVERYWHERE | {"X-Frame-Options"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with populated(tmp_path / "root") as made:
        yield made


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and address of an application, with values in its places."""
    found: list[tuple[str, str]] = []

    def collect(routes: list[Any]) -> None:
        for route in routes:
            if isinstance(route, Mount):
                found.extend([("GET", f"{route.path}/app.css"), ("GET", f"{route.path}/../nothing")])
                continue
            inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
            if inner and not isinstance(route, Route):
                collect(list(inner))
            for method in sorted(getattr(route, "methods", None) or ()):
                found.append((method, filled(route.path)))

    collect(list(app.routes))
    return [*found, ("GET", "/nothing/here"), ("POST", "/nothing/here"), ("DELETE", "/")]


def filled(path: str) -> str:
    for place, value in {"{name}": GRANT, "{identifier}": "a" * 32}.items():
        path = path.replace(place, value)
    while "{" in path:
        before, _, rest = path.partition("{")
        path = f"{before}x{rest.partition('}')[2]}"
    return path


@pytest.mark.parametrize("who", [None, "olga", "alice"])
@pytest.mark.parametrize("prefix", ["desk", "enter", ""])
async def test_every_route_of_the_portal(world: World, prefix: str, who: str | None) -> None:
    made = {"desk": lambda: desk_app(world.desk, world.live), "enter": lambda: enter_app(world.desk)}
    routes = routes_of(made.get(prefix, lambda: public_app(world.desk))())
    assert len(routes) > {"desk": 70, "enter": 5, "": 8}[prefix]
    browser = world.browser(who)
    seen: set[int] = set()
    for method, path in routes:
        for headers in (browser.same_origin(prefix), {"Sec-Fetch-Site": "cross-site"}):
            answer = await browser.send(method, path, prefix, headers=headers)
            seen.add(answer.status_code)
            missing = {name for name in FRAMED_BY_NOBODY if name not in answer.headers}
            assert missing == set(), (method, path, answer.status_code)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "server" not in answer.headers
            assert answer.status_code < 500, (method, path)
    assert {403, 404} <= seen


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayWorld]:
    async with make_world() as made:
        yield made


async def naked(request: web.BaseRequest) -> web.StreamResponse:
    """A service that sets nothing of what it should, and says what it is."""
    del request
    return web.Response(text="x", headers={"Server": "Curious/1.0", "X-Powered-By": "curiosity"})


@pytest.mark.parametrize(
    "prefix", ["", *(door.value for door in Door if door not in {Door.public, Door.shell, Door.lab})]
)
async def test_every_host_of_the_gateway_refuses_with_headers(gateway: GatewayWorld, prefix: str) -> None:
    for path in ("/", "/nothing", "/hub/login", "/.tre/static/shell.css"):
        for dest in ("document", "empty"):
            headers = {"Host": gateway.host(prefix), "Sec-Fetch-Dest": dest}
            status, sent, _ = await gateway.request("GET", path, headers)
            if path.endswith(".css"):
                assert (status, sent["X-Content-Type-Options"]) == (200, "nosniff")
                continue
            assert status in {404, 502}
            assert {name for name in FRAMED_BY_NOBODY if name not in sent} == set(), (prefix, path)
            assert sent["Server"] == "tre"


async def test_no_service_says_through_the_gateway_what_it_is(gateway: GatewayWorld) -> None:
    await gateway.serve_unix(gateway.layout.socket("portal"), web.Server(naked))
    _, sent, _ = await gateway.request("GET", "/", {"Host": gateway.host("desk")})
    assert (sent.getall("Server"), "X-Powered-By" in sent) == (["tre"], False)
    assert {name for name in FRAMED_BY_NOBODY if name not in sent} == set()


async def test_what_a_service_says_itself_stands(gateway: GatewayWorld) -> None:
    async def careful(request: web.BaseRequest) -> web.StreamResponse:
        del request
        return web.Response(headers={"Cache-Control": "public", "Content-Security-Policy": "default-src 'self'"})

    await gateway.serve_unix(gateway.layout.socket("portal"), web.Server(careful))
    _, sent, _ = await gateway.request("GET", "/", {"Host": gateway.host("desk")})
    assert sent.getall("Cache-Control") == ["public"]
    assert sent.getall("Content-Security-Policy") == ["default-src 'self'"]


async def test_every_address_of_the_shell(gateway: GatewayWorld) -> None:
    await gateway.synced()
    known = [*gateway.gateway.shell._handlers, ("GET", "/.tre/static/shell.js"), ("GET", "/.tre/ticket"), ("GET", "/x")]
    assert len(known) >= 7
    for method, path in known:
        for headers in (gateway.shell_headers(), gateway.shell_headers(Cookie="")):
            async with gateway.client.request(
                method, gateway.url(path), headers=headers, allow_redirects=False
            ) as answer:
                missing = {name for name in FRAMED_BY_NOBODY if name not in answer.headers}
                assert missing - ({"Cache-Control"} if "static" in path else set()) == set(), (method, path)
                policy = answer.headers["Content-Security-Policy"]
                assert f"frame-src {gateway.origin(f'{WORKSPACE}.lab')}" in policy
                assert "frame-ancestors 'none'" in policy


async def test_every_kind_of_address_of_the_lab(gateway: GatewayWorld) -> None:
    await gateway.synced()
    paths = (
        "/lab",
        "/api/contents",
        "/api/kernels/x/channels",
        "/files/a",
        "/static/lab/x.js",
        "/.tre/ticket?t=x",
        "/",
    )
    for path in paths:
        for headers in (gateway.lab_headers(), gateway.lab_headers(Cookie="")):
            _, sent, _ = await gateway.request("GET", path, headers)
            assert {name for name in EVERYWHERE if name not in sent} == set(), path
            assert "X-Frame-Options" not in sent  # it would shut out the shell, which the policy lets in
            assert f"frame-ancestors {gateway.origin(f'{WORKSPACE}.open')}" in sent["Content-Security-Policy"]
