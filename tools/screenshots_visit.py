"""What every part of the walk needs: who takes the pictures, whose browser is whose, and services that stand still."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from playwright.async_api import Page
from screenshots_scene import Scene


class Photographer(Protocol):
    """What takes the pictures."""

    async def page(self) -> Page:
        """A browser of its own."""
        ...

    async def take(self, page: Page, name: str) -> None:
        """A page at every width."""
        ...

    async def sign_in(self, desk: str, name: str) -> Page:
        """Somebody's browser, signed in."""
        ...


@asynccontextmanager
async def still(pid: int) -> AsyncIterator[None]:
    """A process that does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Visit:
    """Somebody who looks at pages and has them taken."""

    def __init__(self, scene: Scene, camera: Photographer) -> None:
        self.scene, self.camera = scene, camera
        self.world = scene.world
        self.pages: dict[str, Page] = {}
        self.exports: dict[str, str] = {}

    def address(self, path: str, host: str = "desk") -> str:
        """An address of one of the hosts."""
        return self.world.settings.origin(host) + path

    async def see(self, who: str, path: str, name: str) -> Page:
        """Open a page of the desk as somebody, and take it."""
        page = self.pages[who]
        await page.goto(self.address(path))
        await self.camera.take(page, name)
        return page

    async def file_key(self, who: str, export: str, path: str) -> str:
        """The address of a file's page."""
        page = self.pages[who]
        await page.goto(self.address(f"/reviews/{export}"))
        found = await page.get_by_role("link", name=path).first.get_attribute("href")
        assert found is not None
        return found

    @asynccontextmanager
    async def held(self, service: str) -> AsyncIterator[None]:
        """A service that does nothing for a while, so that what waits for it can be looked at."""
        async with still(self.world.service(service)):
            yield

    @asynccontextmanager
    async def start_held(self, page: Page, grant: str) -> AsyncIterator[None]:
        """Click on "Open workspace", and hold the run at its beginning."""
        name = self.scene.workspace(grant)
        await page.goto(self.address(f"/projects/{grant}"))
        await page.get_by_role("button", name="Open workspace").click()
        async with still(await self.scene.supervisor(name)):
            yield
