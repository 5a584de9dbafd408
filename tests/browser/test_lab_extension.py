"""What the launcher adds to JupyterLab, in the real JupyterLab behind the real gateway, inside its shell."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FrameLocator, Page, expect

from tests.unit.gateway.chromium import CHROMIUM_MISSING, launched
from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.real_lab import LAB_MISSING, real_lab
from tests.unit.gateway.world import WORKSPACE, World, make_world, until, utc

pytestmark = [
    pytest.mark.browser,
    CHROMIUM_MISSING,
    LAB_MISSING,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

NASTY = "<img src=x onerror=alert(1)> & 'a'.csv"
NOTES = {
    "form": "tre-desk/1",
    "requests": [
        {
            "id": "e-1",
            "label": "With the checkers",
            "files": 1,
            "own": True,
            "turn": "The checkers",
            "since": "2026-11-03T10:00:00Z",
        },
        {"id": "e-2", "label": NASTY, "files": 2, "own": False, "turn": "", "since": "2026-11-01T10:00:00Z"},
    ],
    "jobs": [{"number": 3, "label": "Finished", "since": "2026-11-02T02:00:00Z"}],
}
ANSWER = {
    "form": "tre-preflight/1",
    "remaining": 19,
    "files": [
        {
            "path": NASTY,
            "worst": "E",
            "findings": [
                {
                    "check": "S01",
                    "severity": "E",
                    "message": "“n_patients” shows 3, below 10.",
                    "suggestion": "Suppress or combine.",
                    "locator": {"row": 2, "column": 2},
                }
            ],
        }
    ],
}


@contextlib.asynccontextmanager
async def answering(home: Path) -> AsyncIterator[list[str]]:
    """Who answers asks in the launcher's place: what was asked is kept."""
    asked: list[str] = []

    async def answer() -> None:
        while True:
            for path in (home / "outbox" / ".preflight").glob("ask-*"):
                text = path.read_text()
                if text not in asked:
                    asked.append(text)
                    place = home / "inbox" / ".preflight" / f"answer-{path.name[4:]}.json"
                    place.write_text(json.dumps(ANSWER))
            await asyncio.sleep(0.1)

    task = asyncio.create_task(answer())
    try:
        yield asked
    finally:
        task.cancel()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk() -> AsyncIterator[tuple[World, Page, FrameLocator, list[str]]]:
    async with make_world() as world, launched() as browser:
        await add_portal(world)
        home = world.root / "home"
        for folder in ("outbox", "inbox/.preflight", "inbox/.desk", "home"):
            (home / folder).mkdir(parents=True)
        (home / "outbox" / NASTY).write_text("sex,n_patients\nF,3\n")
        (home / "home" / "plan.csv").write_text("a\n1\n")
        (home / "inbox" / ".desk" / "notes.json").write_text(json.dumps(NOTES))
        async with real_lab(world.lab_socket, home), answering(home) as asked, await browser.new_context() as context:
            page = await context.new_page()
            page.set_default_timeout(45_000)
            await page.goto(world.origin(f"{WORKSPACE}.open") + "/")
            yield world, page, page.frame_locator("iframe"), asked


async def menu(lab: FrameLocator, folder: str, file: str, entry: str) -> None:
    await lab.locator(".jp-BreadCrumbs-home").click()
    await lab.locator(f'.jp-DirListing-item:has-text("{folder}")').first.dblclick()
    await lab.locator(".jp-DirListing-item", has_text=file).click(button="right")
    await lab.locator(".lm-Menu-item", has_text=entry).click()


async def findings(page: Page, root: str) -> Any:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    frame = next(frame for frame in page.frames if ".lab." in frame.url)
    return await Axe().run(frame, context=root, options=rules)


async def test_all(walk):
    world, page, lab, asked = walk
    await page.set_viewport_size({"width": 1280, "height": 800})
    errors = []
    page.on("console", lambda m: print("CONSOLE", m.type, m.text[:300]) if m.type in ("error", "warning") else None)
    try:
        await expect(lab.locator(".tre-end")).to_contain_text("left", timeout=60_000)
        print(await lab.locator(".tre-end").inner_text())
        await lab.locator(".tre-end").click()
        await expect(lab.locator("#tre-requests")).to_contain_text("With the checkers")
        await menu(lab, "outbox", "onerror", "Check before it leaves")
        await expect(lab.locator("#tre-checked")).to_contain_text("below 10", timeout=20_000)
        print(asked)
        await menu(lab, "outbox", "onerror", "Ask for it to leave")
        await expect(page.locator("#chosen")).to_contain_text("1 file is chosen")
        print(await page.locator("#chosen a").get_attribute("href"))
        r = await findings(page, ".tre-panel")
        print(r.generate_report())
    finally:
    await page.set_viewport_size({"width": 390, "height": 844})
    await asyncio.sleep(1)
