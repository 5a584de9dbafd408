"""Cookies in the wrong hands, on the wrong host, from the wrong page, at the wrong time."""

from __future__ import annotations

import aiohttp
import pytest

from tests.system.endings import Scene, scenes
from tre.cli.trial.browser import Browser
from tre.cli.trial.world import World


def cookie(scene: Scene, origin: str) -> dict[str, str]:
    """What the browser holds for a host, as a thief would send it."""
    return scene.browser.cookie_header(origin)


async def asked(browser: Browser, origin: str, headers: dict[str, str], page: str = "") -> int:
    """The status of a request for a workspace's files, as a script of `page` makes it."""
    return (await browser.call("GET", f"{origin}/api/contents/", origin=page or origin, headers=headers)).status


async def test_a_cookie_opens_one_door_for_its_own_page_and_while_its_session_lasts(world: World) -> None:
    async with scenes(world, ["cookie-one", "cookie-two"]) as (one, two), Browser() as thief:
        first, second = one.lab.origin, two.lab.origin
        shell = world.shell_of(one.workspace)
        stolen = cookie(one, first)
        assert await asked(thief, first, stolen) == 200  # a cookie is what it is: whoever has it may try
        # On another workspace's host, on the shell's, and the shell's on the Lab's.
        assert await asked(thief, second, stolen) != 200
        assert (await thief.call("GET", f"{shell}/.tre/state", origin=shell, headers=stolen)).status != 200
        assert await asked(thief, first, cookie(one, shell)) != 200
        assert (await thief.call("POST", f"{shell}/.tre/lab", origin=shell, headers=stolen)).status != 200
        # From the page of another workspace of the same person, whose browser sends the cookie along: same-site.
        same_site = {"Sec-Fetch-Site": "same-site"}
        assert await asked(one.browser, first, same_site, page=second) == 403
        assert await asked(one.browser, first, {}, page=second) == 403
        address = first.replace("http", "ws", 1) + "/api/events/subscribe"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with one.browser.websocket(address, origin=second):
                pass
        assert refused.value.status == 403
        # After signing out, on every host.
        page = await one.browser.get(f"{world.desk}/account")
        await one.browser.submit(page, page.form("/sign-out"))
        await one.closed()
        await two.closed()
        for scene in (one, two):
            for origin in (scene.lab.origin, world.shell_of(scene.workspace)):
                assert await asked(thief, origin, cookie(scene, origin)) != 200
