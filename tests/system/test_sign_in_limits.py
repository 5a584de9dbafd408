"""Guessing passwords at the real Hub, through the real gateway: slowed with words, and nobody else is locked out."""

from __future__ import annotations

import re

import aiohttp
import pytest

from tre.cli.trial.browser import Browser, Page, _Loopback, sign_in
from tre.cli.trial.world import PASSWORD, World
from tre.domain.desk.attempts import BY_NAME_AND_ADDRESS, WINDOW
from tre.domain.errors import TREError


class BrowserAt(Browser):
    """A browser on a machine with this address."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    async def __aenter__(self) -> BrowserAt:
        connector = aiohttp.TCPConnector(resolver=_Loopback(), limit=5, local_addr=(self._address, 0))
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self


async def attempt(browser: Browser, world: World, name: str, password: str) -> Page:
    """The form as a person fills it in, and what comes of it."""
    page = await browser.get(world.desk + "/")
    return await browser.submit(page, page.form("login"), username=name, password=password)


async def test_a_guesser_waits_and_nobody_else_does(world: World) -> None:
    async with BrowserAt("127.0.0.77") as guesser:
        for _ in range(BY_NAME_AND_ADDRESS):
            page = await attempt(guesser, world, "chris", "a wrong guess 1")
            assert page.status == 403
            assert "The name or the password is not right" in page.text
        page = await attempt(guesser, world, "chris", PASSWORD)
        assert page.status == 429
        said = re.search(r"Too many attempts to sign in\. Wait (\d+) minutes, then try again\.", page.text)
        assert said is not None
        assert 1 <= int(said[1]) <= WINDOW.total_seconds() / 60
        with pytest.raises(TREError):
            await sign_in(guesser, world.desk + "/", "chris", PASSWORD)
        await sign_in(guesser, world.desk + "/", "carol", PASSWORD)  # another account from there
    async with BrowserAt("127.0.0.78") as owner:
        page = await sign_in(owner, world.desk + "/", "chris", PASSWORD)  # that account from elsewhere
        assert page.status == 200
    async with BrowserAt("127.0.0.77") as guesser:
        assert (await attempt(guesser, world, "chris", PASSWORD)).status == 429
