"""The sign-in page in a real Chromium: it works without scripts, by keyboard, and its policy lets the way through."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.contract import oidc_world
from tests.contract.hub_world import World, a_world
from tests.contract.oidc_world import a_provider
from tests.support.chromium import accessibility_faults

pytestmark = pytest.mark.browser
HOP = {"host", "connection", "transfer-encoding", "content-length", "content-encoding"}


class Front:
    """The least of a gateway: the Hub by its host name, and the hosts that a sign-in passes through."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    async def _start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._world.settings.listen_port).start()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        origin = self._world.settings.origin
        host = request.host.split(".")[0]
        if host == "hub":
            return await self._hub(request)
        if host == "enter":
            raise web.HTTPFound(origin("w-x.open") + "/.tre/ticket?t=1")
        if request.path == "/.tre/ticket":
            raise web.HTTPFound(origin("desk") + "/")
        return web.Response(text="<!DOCTYPE html><title>Desk</title><h1>The desk</h1>", content_type="text/html")

    async def _hub(self, request: web.Request) -> web.Response:
        connector = aiohttp.UnixConnector(path=str(self._world.socket))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP - {"host"}}
        headers["X-Forwarded-For"] = "127.0.0.1"
        async with (
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
            session.request(
                request.method, f"http://localhost{request.path_qs}", data=await request.read(), headers=headers,
                allow_redirects=False,
            ) as answer,
        ):  # fmt: skip
            response = web.Response(status=answer.status, body=await answer.read())
            for name, value in answer.headers.items():
                if name.lower() not in HOP:
                    response.headers.popall(name, None) if name.lower() == "content-type" else None
                    response.headers.add(name, value)
            return response


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("hub") / "root", {"listenPort": free_port()}) as made:
        made.start()
        front = Front(made)
        yield made
        front.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False)
    made.set_default_timeout(15_000)
    yield made
    made.close()


def begin(world: World, context: BrowserContext) -> Page:
    page = context.new_page()
    origin = world.settings.origin
    page.goto(
        f"{origin('hub')}/hub/api/oauth2/authorize?client_id=service-enter&response_type=code&state=s"
        f"&redirect_uri={origin('enter')}/oauth_callback&code_challenge={'a' * 43}&code_challenge_method=S256"
    )
    return page


def test_sign_in_by_keyboard_and_through_every_host(world: World, context: BrowserContext) -> None:
    page = begin(world, context)
    assert page.title() == "Sign in – Trusted research environment"
    page.get_by_label("User name").fill("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("guess")
    page.keyboard.press("Enter")
    expect(page).to_have_title(re.compile("^Error: Sign in"))
    assert page.get_by_role("alert").inner_text().split("\n")[0] == "There is a problem"
    assert page.get_by_label("User name").input_value() == "alice"
    assert page.get_by_label("Password").input_value() == ""
    page.get_by_role("link", name="The name or the password is not right").click()
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{world.settings.origin('desk')}/")
    assert page.get_by_role("heading").inner_text() == "The desk"


def test_the_policy_stops_other_ways(world: World, chromium: Browser) -> None:
    context = chromium.new_context()
    page = begin(world, context)
    page.evaluate("document.querySelector('form').action = 'http://preview.tre.localhost:1/steal'")
    page.get_by_label("User name").fill("alice")
    with page.expect_console_message(lambda message: "form-action" in message.text):
        page.keyboard.press("Enter")
    assert page.url.startswith(world.settings.origin("hub"))
    context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(world: World, chromium: Browser, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800})
    page = begin(world, context)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@pytest.mark.parametrize("state", ["form", "error", "desk", "nowhere"])
def test_accessibility(world: World, chromium: Browser, state: str) -> None:
    context = chromium.new_context(bypass_csp=True)  # axe brings a script of its own
    page = begin(world, context)
    if state == "error":
        page.get_by_role("button", name="Sign in").click()
    elif state != "form":
        page.goto(f"{world.settings.origin('hub')}/hub/{ {'desk': 'home'}.get(state, state) }")
    assert accessibility_faults(page) == []
    context.close()


def test_the_provider_and_back(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> None:
    port = free_port()
    client = oidc_world.CLIENT
    callback = f"http://hub.tre.localhost:{port}/hub/oauth_callback"
    people = {"ada": {"name": "Ada", "groups": ["staff"], "amr": ["mfa"]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(client, "redirect", callback)
        with (
            a_provider(people) as issuer,
            a_world(
                tmp_path_factory.mktemp("hub") / "root",
                oidc_world.provider_settings(issuer, require_mfa=True) | {"listenPort": port},
            ) as world,
        ):
            oidc_world.write_client_secret(world.layout.root)
            world.start()
            front = Front(world)
            context = chromium.new_context(java_script_enabled=False)
            page = begin(world, context)
            assert urlsplit(page.url).hostname == "127.0.0.1"
            page.get_by_label("Person").fill("ada")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{world.settings.origin('desk')}/")
            assert [person["id"] for person in world.portal.people] == ["ada"]
            context.close()
            front.close()
