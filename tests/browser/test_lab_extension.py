"""What the launcher adds to JupyterLab, in the real JupyterLab behind the real gateway, inside its shell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Frame, FrameLocator, Page, expect

from tests.support.chromium import CHROMIUM_MISSING, launched
from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.real_lab import LAB_MISSING, real_lab
from tests.unit.gateway.world import CHECKOUT, WORKSPACE, World, make_world, until

pytestmark = [
    pytest.mark.browser,
    CHROMIUM_MISSING,
    LAB_MISSING,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

NASTY = "<img src=x onerror=alert(1)> & 'a'.csv"
SCRIPT = "$(touch gone); 'a' \"b\".py"
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {checkout!r})
from pathlib import Path
from tre.runtimes.init.batch import Places, main
words = [word.replace("/workspace", {home!r}, 1) for word in sys.argv[1:]]
sys.exit(main(words, Places(Path({home!r}) / "outbox", {python!r})))
"""
"""The real program, at the places of this test."""

NOTES = {
    "form": "tre-desk/1",
    "person": "Alice Example",
    "requests": [
        {
            "id": "e-1",
            "state": "Submitted",
            "files": 1,
            "own": True,
            "turn": "checker",
            "begun": "2026-11-03T10:00:00Z",
        },
        {"id": "e-2", "state": "Released", "files": 2, "own": False, "begun": "2026-11-01T10:00:00Z"},
    ],
    "jobs": [{"number": 3, "state": "Finished", "since": "2026-11-02T02:00:00Z"}],
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


@dataclass
class Walk:
    """One person's page, kept open for all tests of this module."""

    world: World
    page: Page
    asked: list[str]

    @property
    def home(self) -> Path:
        return self.world.root / "home"

    @property
    def lab(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    @property
    def frame(self) -> Frame:
        return next(frame for frame in self.page.frames if ".lab." in frame.url)

    async def post(self, message: Any) -> None:
        """What any script in JupyterLab can say to the page around it."""
        await self.frame.evaluate("message => parent.postMessage(message, '*')", message)
        await self.page.wait_for_timeout(50)

    async def shown(self, name: str) -> None:
        """Kept for eyes where somebody asks for it."""
        if (folder := os.environ.get("TRE_SCREENSHOTS")) is not None:
            for width, height in ((390, 844), (1280, 800)):
                await self.page.set_viewport_size({"width": width, "height": height})
                await self.page.screenshot(path=f"{folder}/lab-{name}-{width}.png")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk() -> AsyncIterator[Walk]:
    async with make_world() as world, launched() as browser:
        await add_portal(world)
        home = world.root / "home"
        for folder in ("outbox", "inbox/.preflight", "inbox/.desk", "home"):
            (home / folder).mkdir(parents=True)
        (home / "outbox" / NASTY).write_text("sex,n_patients\nF,3\n")
        (home / "home" / "plan.csv").write_text("a\n1\n")
        (home / "home" / SCRIPT).write_text("print('it ran')\n")
        (home / "inbox" / ".desk" / "notes.json").write_text(json.dumps(NOTES))
        programs = world.root / "programs"
        programs.mkdir()
        (programs / "tre-batch").write_text(
            PROGRAM.format(python=sys.executable, checkout=str(CHECKOUT), home=str(home))
        )
        (programs / "tre-batch").chmod(0o755)
        async with (
            real_lab(world.lab_socket, home, programs),
            answering(home) as asked,
            await browser.new_context() as context,
        ):
            page = await context.new_page()
            page.set_default_timeout(45_000)
            await page.set_viewport_size({"width": 1280, "height": 800})
            await page.goto(world.origin(f"{WORKSPACE}.open") + "/")
            yield Walk(world, page, asked)


async def menu(lab: FrameLocator, folder: str, file: str, entry: str) -> None:
    await lab.locator(".jp-BreadCrumbs-home").click()
    await lab.locator(f'.jp-DirListing-item:has-text("{folder}")').first.dblclick()
    await lab.locator(".jp-DirListing-item", has_text=file).click(button="right")
    await lab.locator(".lm-Menu-item", has_text=entry).click()


async def test_the_status_bar_says_the_end_in_words_and_opens_the_panel(walk: Walk) -> None:
    end = walk.lab.locator(".tre-end")
    await expect(end).to_contain_text("Approval ends", timeout=60_000)
    await expect(end).to_contain_text("left")
    await expect(end).to_have_attribute("data-level", "fine")
    await end.press("Enter")
    await expect(walk.lab.locator("#tre-access")).to_contain_text("File reads: ")
    requests = walk.lab.locator("#tre-requests")
    await expect(requests).to_contain_text("With the checkers. e-1, 1 file. It waits for the checkers. Begun 3 Nov")
    await expect(requests).to_contain_text("Released. e-2, 2 files, a colleague’s. Begun 1 Nov")
    await expect(walk.lab.locator("#tre-jobs")).to_contain_text("Job 3: finished.")


async def test_a_file_is_checked_from_its_menu_and_the_findings_are_shown_as_text(walk: Walk) -> None:
    await menu(walk.lab, "outbox", "onerror", "Check before it leaves")
    checked = walk.lab.locator("#tre-checked")
    await expect(checked).to_contain_text("E S01. Needs an exception", timeout=20_000)
    await expect(checked).to_contain_text("“n_patients” shows 3, below 10.")
    await expect(checked).to_contain_text("19 more checks")
    assert walk.asked == [f"tre-preflight/1\n{NASTY}\n"]
    assert not [path for path in (walk.home / "outbox" / ".preflight").iterdir() if path.is_file()], "the ask is gone"
    assert await walk.lab.locator(".tre-panel img").count() == 0
    await walk.shown("check")


async def test_what_is_chosen_leads_to_the_page_of_a_request(walk: Walk) -> None:
    await menu(walk.lab, "outbox", "onerror", "Ask for it to leave")
    await expect(walk.page.locator("#chosen")).to_contain_text("1 file is chosen. To ask for it to leave")
    link = walk.page.locator("#chosen a")
    await expect(link).to_be_focused()
    address = urlsplit(await link.get_attribute("href") or "")
    assert f"{address.scheme}://{address.netloc}{address.path}" == walk.world.origin("desk") + "/exports/new"
    assert parse_qsl(address.query) == [("grant", "chest-severity"), ("file", NASTY)]
    assert await link.get_attribute("rel") == "noopener noreferrer"
    await walk.shown("submit")
    await walk.page.get_by_role("button", name="Close").click()
    await expect(walk.page.locator("#chosen")).to_be_hidden()


async def test_a_file_elsewhere_is_copied_to_the_outbox_first(walk: Walk) -> None:
    await menu(walk.lab, "home", "plan.csv", "Copy to the outbox")
    await expect(walk.lab.locator(".tre-panel [role=status]")).to_have_text("1 copy is in the outbox.")
    assert (walk.home / "outbox" / "plan.csv").read_text() == "a\n1\n"


async def test_a_job_is_begun_from_the_menu_and_its_name_is_no_shells(walk: Walk) -> None:
    await menu(walk.lab, "home", ".py", "Run to the end")
    status = walk.lab.locator(".tre-panel [role=status]")
    await expect(status).to_contain_text("Job 1 runs. The browser can be closed.", timeout=60_000)
    log = walk.home / "home" / SCRIPT.replace(".py", ".job-1.log")
    await until(lambda: log.is_file() and log.read_text() == "it ran\n")
    assert not list(walk.home.rglob("gone"))


@pytest.mark.parametrize(
    "message",
    [
        {"form": "tre-lab/1", "act": "submit", "paths": "everything"},
        {"form": "tre-lab/1", "act": "open", "paths": ["a.csv"]},
        {"form": "another", "act": "submit", "paths": ["a.csv"]},
        "submit",
        None,
    ],
)
async def test_what_is_no_choice_of_files_changes_nothing_outside(walk: Walk, message: Any) -> None:
    before = await walk.page.locator("body").inner_html()
    await walk.post(message)
    await walk.post({"form": "tre-lab/1", "act": "hello"})
    assert await walk.page.locator("#chosen").is_hidden()
    assert (await walk.page.locator("body").inner_html()).count("<a ") == before.count("<a ")


async def test_a_page_inside_can_have_a_link_shown_and_nothing_more(walk: Walk) -> None:
    hostile = [
        "&grant=other",
        "https://evil.test/",
        "<b>x</b>",
        "x" * 301,
        7,
        None,
        "\ud800",
        *(f"{n}.csv" for n in range(900)),
    ]
    await walk.post({"form": "tre-lab/1", "act": "submit", "paths": hostile, "href": "https://evil.test/"})
    link = walk.page.locator("#chosen a")
    await expect(link).to_be_visible()
    address = await link.get_attribute("href") or ""
    assert address.startswith(walk.world.origin("desk") + "/exports/new?grant=chest-severity&file=")
    assert len(address) < 2000
    named = parse_qsl(urlsplit(address).query)
    assert [value for name, value in named if name == "grant"] == ["chest-severity"]
    assert [value for _, value in named][1:4] == ["&grant=other", "https://evil.test/", "<b>x</b>"]
    assert "evil" not in await walk.page.locator("#chosen").inner_text()
    await walk.page.get_by_role("button", name="Close").click()


async def test_another_window_is_not_listened_to(walk: Walk) -> None:
    await walk.page.evaluate("window.postMessage({form: 'tre-lab/1', act: 'submit', paths: ['a.csv']}, '*')")
    await walk.page.wait_for_timeout(100)
    assert await walk.page.locator("#chosen").is_hidden()
    shown = await walk.lab.locator(".tre-end").inner_text()
    await walk.frame.evaluate("window.postMessage({form: 'tre-shell/1', end: null, budgets: []}, '*')")
    await walk.page.wait_for_timeout(100)
    assert await walk.lab.locator(".tre-end").inner_text() == shown


async def test_low_budgets_are_said_in_words_too(walk: Walk) -> None:
    facts = "{name: 'fileReads', label: 'File reads', level: 'low', left: 1048576, limit: 20971520}"
    await walk.page.evaluate(f"() => {{ state.budgets[0] = {facts}; tellLab(); }}")
    end = walk.lab.locator(".tre-end")
    await expect(end).to_contain_text("File reads: Low: 1 of 20 MiB left this hour")
    await expect(end).to_have_attribute("data-level", "low")


async def test_the_panel_has_no_accessibility_finding(walk: Walk) -> None:
    await walk.lab.locator(".tre-end").click()
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    for part in (".tre-panel", ".tre-end"):
        found = await Axe().run(walk.frame, context=part, options=rules)
        assert found.violations_count == 0, found.generate_report()
