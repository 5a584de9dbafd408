"""The shell page in Chromium: what a person sees while a workspace starts, runs, and ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Error, Frame, FrameLocator, Page, expect

from tests.support.chromium import CHROMIUM_MISSING, launched
from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.real_lab import LAB_MISSING, real_lab
from tests.unit.gateway.world import (
    BOB,
    WORKSPACE,
    World,
    as_text,
    grant_message,
    make_world,
    route_message,
    until,
    utc,
)
from tre.gateway.budgets import Budget

pytestmark = [
    pytest.mark.browser,
    CHROMIUM_MISSING,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),  # for one browser; each test has windows of its own
]

NARROW = {"width": 390, "height": 844}
MARK = "the workspace's page"
STEPS = ("GrantChecked", "SlicesMounted", "IsolationProven", "ServerReady")


async def blank_lab(request: web.BaseRequest) -> web.StreamResponse:
    page = f"<!doctype html><html lang=en><title>Lab</title><body><main><h1>{MARK}</h1></main></body>"
    return web.Response(text=page if request.path == "/lab" else "{}", content_type="text/html")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as found:
        yield found


@contextlib.asynccontextmanager
async def opened(browser: Browser, **route: Any) -> AsyncIterator[tuple[World, Page, BrowserContext]]:
    """A person who opened the workspace's address and was signed in on the way."""
    async with make_world(upstream=blank_lab, **route) as world, await browser.new_context() as context:
        await add_portal(world)
        page = await context.new_page()
        await page.goto(world.origin(f"{WORKSPACE}.open") + "/")
        yield world, page, context


async def lab_of(page: Page) -> Frame:
    element = await page.wait_for_selector("iframe[title=JupyterLab]")
    assert element is not None
    frame = await element.content_frame()
    assert frame is not None
    await frame.wait_for_selector(f"text={MARK}")
    return frame


def starting(steps: int, **changes: Any) -> dict[str, Any]:
    progress = [{"step": step, "at": as_text(utc())} for step in STEPS[:steps]]
    return route_message(phase="Starting", reason="Requested", progress=progress, **changes)


async def check_page(page: Page) -> None:
    """No accessibility finding of WCAG 2.2 A and AA, and nothing to scroll sideways at 390 pixels."""
    await page.set_viewport_size(NARROW)
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "iframes": False}
    found = await Axe().run(page, options=rules)
    assert found.violations_count == 0, found.generate_report()


async def test_the_lab_opens_in_its_frame_with_the_facts_around_it(browser: Browser) -> None:
    async with opened(browser) as (_world, page, _):
        await lab_of(page)
        await expect(page.locator("#title")).to_have_text("Severity scoring of COVID-19 on chest X-rays")
        await expect(page.locator("#person")).to_have_text("Alice Example")
        await expect(page.locator("#countdown")).to_contain_text("4 h 59 min left")
        await expect(page.locator("[data-budget=fileReads] .budget-left")).to_have_text("20 of 20 MiB left")
        assert await page.locator("iframe").get_attribute("sandbox") == "allow-scripts allow-same-origin"
        assert await page.locator("iframe").get_attribute("allow") == ""
        await check_page(page)


async def test_the_countdown_goes_down(browser: Browser) -> None:
    async with opened(browser, end=as_text(utc(minutes=30)), grantEnd=as_text(utc(minutes=30))) as (_world, page, _):
        await expect(page.locator("#countdown")).to_contain_text("29 min")
        first = await page.locator("#countdown").inner_text()
        await page.wait_for_function("first => document.getElementById('countdown').innerText !== first", arg=first)
        await expect(page.locator("#warning")).to_contain_text("Save your work now")


async def test_a_revocation_cuts_the_lab_and_says_why_in_time(browser: Browser) -> None:
    async with opened(browser) as (world, page, _):
        frame = await lab_of(page)
        await frame.evaluate("""() => { window.socket = new WebSocket(location.origin.replace('http', 'ws') +
            '/api/kernels/0f3a9b1c-1111-4222-8333-444455556666/channels'); }""")
        await page.evaluate("""() => { window.gone = new Promise((done) => new MutationObserver(() => {
            if (!document.querySelector('iframe')) done(Date.now()); }).observe(document.body,
            {childList: true, subtree: true})); }""")
        began = time.time()
        await world.controller.send(grant_message(phase="Revoked", revokedAt="2026-11-03T10:00:00Z"))
        gone = await page.evaluate("window.gone")
        assert (gone / 1000) - began < 0.5
        await expect(page.locator("#ended-heading")).to_have_text("The approval was withdrawn")
        await expect(page.locator("#ended-since")).to_contain_text("3 Nov 2026")
        await expect(page.locator("#ended-remedy")).to_contain_text("Ask the committee")
        await expect(page.locator("#ended-reason")).to_have_text("GrantRevoked")
        assert await page.evaluate("document.activeElement.id") == "ended-heading"
        assert await page.locator("#alarm").inner_text() != ""
        await check_page(page)


async def test_an_ended_page_asks_nothing_more_of_the_lab(browser: Browser) -> None:
    async with opened(browser) as (world, page, _):
        await lab_of(page)
        await world.controller.send(grant_message(phase="Expired"))
        await expect(page.locator("#ended")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        with contextlib.suppress(Error):
            await page.wait_for_timeout(1500)
        assert [url for url in asked if ".lab." in url] == []


async def test_the_end_by_the_clock_removes_the_lab(browser: Browser) -> None:
    async with opened(browser, end=as_text(utc(seconds=6)), grantEnd=as_text(utc(seconds=6))) as (_world, page, _):
        await lab_of(page)
        await expect(page.locator("iframe")).to_have_count(0, timeout=10_000)
        await expect(page.locator("#ended-reason")).to_have_text("GrantExpired", timeout=7_000)


async def test_a_start_is_shown_step_by_step_and_opens_by_itself(browser: Browser) -> None:
    async with opened(browser) as (world, page, _):
        await lab_of(page)
        await world.controller.send(starting(1, instance=2))
        await expect(page.locator("#starting")).to_be_visible()
        await expect(page.locator("#steps li[data-done=yes]")).to_have_count(1)
        await expect(page.locator("#steps li[data-done=now] .step-state")).to_have_text("in progress")
        await check_page(page)
        await world.controller.send(starting(3, instance=2))
        await expect(page.locator("#steps li[data-done=yes]")).to_have_count(3)
        await expect(page.locator("#announcer")).to_have_text("Isolation proven: no network: done")
        await world.controller.send(route_message(socket=str(world.lab_socket), instance=2))
        await lab_of(page)
        await expect(page.locator("#starting")).to_be_hidden()


async def test_a_renewal_is_offered(browser: Browser) -> None:
    async with opened(browser, grantEnd=as_text(utc(days=90))) as (_world, page, _):
        await expect(page.locator("#renewed")).to_contain_text("Your approval runs longer")
        await expect(page.locator("#end-label")).to_have_text("This run ends")
        await check_page(page)


async def test_a_used_up_budget_is_explained_and_can_be_reconnected(browser: Browser) -> None:
    async with opened(browser) as (world, page, _):
        await lab_of(page)
        route = world.gateway.table.route(WORKSPACE)
        assert route is not None
        world.gateway.budgets.charge(route, Budget.kernel_output, 100 * 2**20)
        world.gateway.shell.bells.ring(None)
        await expect(page.locator("#spent")).to_contain_text("Kernel output is used up until about")
        await expect(page.locator("[data-budget=kernelOutput] .budget-left")).to_contain_text("Used up")
        await expect(page.get_by_role("button", name="Reconnect")).to_be_visible()
        await check_page(page)


async def test_a_lost_session_removes_the_lab(browser: Browser) -> None:
    async with opened(browser) as (world, page, _):
        await lab_of(page)
        await world.controller.send({"type": "session-revoked", "session": "s1"})
        await expect(page.locator("#ended-heading")).to_have_text("You are signed out")
        await expect(page.locator("iframe")).to_have_count(0)
        await check_page(page)


async def test_a_stranger_gets_a_page_that_everybody_can_read(browser: Browser) -> None:
    async with opened(browser) as (world, page, _):
        await lab_of(page)
        await world.controller.send(route_message(socket=str(world.lab_socket), subject=BOB.as_plain(), instance=2))
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text("This is not permitted")
        way = page.get_by_role("link", name="Go to my projects")
        await expect(way).to_have_attribute("href", world.origin("desk") + "/")
        assert await way.evaluate("link => getComputedStyle(link).backgroundColor") == "rgb(0, 103, 71)"  # the style
        await check_page(page)


async def test_the_shell_is_left_and_entered_by_keyboard(browser: Browser) -> None:
    async with opened(browser) as (_world, page, _):
        await lab_of(page)
        await page.locator("body").evaluate("body => { body.tabIndex = -1; body.focus(); }")
        order = []
        for _ in range(3):
            await page.keyboard.press("Tab")
            order.append(await page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert order[:2] == ["skip", "desk"]
        await page.locator(".skip").focus()
        assert await page.locator(".skip").evaluate("link => link.getBoundingClientRect().width > 50")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"


async def test_a_lost_controller_is_said_before_the_workspace_closes(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(browser) as (world, page, _):
        await lab_of(page)
        world.controller.beats = False
        await world.runners[0].cleanup()
        world.gateway.table.heard_at = world.gateway.clock.boottime() - 30
        world.gateway.shell.bells.ring(None)
        await expect(page.locator("#silent")).to_contain_text("lost touch with the records")
        world.gateway.table.heard_at = world.gateway.clock.boottime() - 60
        await expect(page.locator("#ended-reason")).to_have_text("StreamStale", timeout=8_000)
        await expect(page.locator("iframe")).to_have_count(0)


async def test_the_lab_at_the_top_of_a_window_becomes_the_shell(browser: Browser) -> None:
    async with opened(browser) as (world, page, context):
        await lab_of(page)
        second = await context.new_page()
        await second.goto(world.origin(f"{WORKSPACE}.lab") + "/lab")
        assert second.url == world.origin(f"{WORKSPACE}.open") + "/"
        await lab_of(second)


TAKE_AWAY = {
    "blob": "URL.createObjectURL(new Blob(['data']))",
    "data": "'data:application/octet-stream,data'",
}


@pytest.mark.parametrize("kind", TAKE_AWAY)
@pytest.mark.parametrize("guarded", [True, False])
async def test_downloads_are_refused_by_the_frame_alone(browser: Browser, kind: str, guarded: bool) -> None:
    """Refused with the frame's sandbox and the page's; given when exactly those are taken away."""
    async with make_world(upstream=blank_lab) as world, await browser.new_context() as context:
        await add_portal(world)
        if not guarded:
            script = world.gateway.shell._assets["shell.js"].decode()
            bare = script.replace("allow-scripts allow-same-origin", "allow-scripts allow-same-origin allow-downloads")
            world.gateway.shell._assets["shell.js"] = bare.encode()
            original = world.gateway.lab.headers
            sandbox = "sandbox allow-scripts allow-same-origin"
            world.gateway.lab.headers = lambda place: {  # type: ignore[method-assign]
                name: value.replace(sandbox, "") for name, value in original(place).items()
            }
        page = await context.new_page()
        await page.goto(world.origin(f"{WORKSPACE}.open") + "/")
        frame = await lab_of(page)
        downloads: list[object] = []

        def note(download: object) -> None:
            downloads.append(download)

        page.on("download", note)
        await frame.evaluate(
            f"() => {{ const a = document.createElement('a'); a.href = {TAKE_AWAY[kind]}; a.download = 'x.csv';"
            " document.body.append(a); a.click(); }"
        )
        with contextlib.suppress(Error):
            await page.wait_for_timeout(800)
        assert len(downloads) == (0 if guarded else 1)


async def test_the_clipboard_and_the_file_picker_are_refused_to_the_page(browser: Browser) -> None:
    async with opened(browser) as (_world, page, _):
        frame = await lab_of(page)
        for code in ("navigator.clipboard.writeText('x')", "navigator.clipboard.readText()", "showSaveFilePicker()"):
            outcome = await frame.evaluate(
                f"async () => {{ try {{ await {code}; return 'done'; }} catch (e) {{ return e.name; }} }}"
            )
            assert outcome in {"NotAllowedError", "SecurityError"}, code


async def test_the_lab_cannot_touch_the_page_around_it(browser: Browser) -> None:
    async with opened(browser) as (_world, page, _):
        frame = await lab_of(page)
        for code in ("parent.document.title", "top.document.body", "parent.location.href"):
            outcome = await frame.evaluate(
                f"() => {{ try {{ return String({code}); }} catch (e) {{ return e.name; }} }}"
            )
            assert outcome == "SecurityError"
        outcome = await frame.evaluate(
            "async (page) => { try { await fetch(page + '.tre/lab', {method: 'POST', credentials: 'include'}); }"
            " catch (e) { return e.name; } return 'sent'; }",
            page.url,
        )
        assert outcome == "TypeError"


async def run_first_cell(lab: FrameLocator) -> None:
    """Run it until it answers: JupyterLab drops what is run in the first moments of a kernel, gateway or not."""
    output = lab.locator(".jp-OutputArea-output").first
    for _ in range(10):
        await lab.locator(".jp-Notebook .cm-content").first.press("Shift+Enter")
        with contextlib.suppress(AssertionError):
            await expect(output).to_have_text("42", timeout=3_000)
            return
    raise AssertionError("the kernel never answered")


@LAB_MISSING
async def test_a_person_works_in_the_real_jupyterlab_until_it_is_revoked(browser: Browser) -> None:
    async with make_world() as world:
        await add_portal(world)
        async with real_lab(world.lab_socket, world.root / "home"), await browser.new_context() as context:
            page = await context.new_page()
            await page.goto(world.origin(f"{WORKSPACE}.open") + "/")
            lab = page.frame_locator("iframe")
            await lab.locator('.jp-LauncherCard[data-category="Notebook"]').first.click(timeout=45_000)
            await expect(lab.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
                "data-status", "idle", timeout=30_000
            )
            cell = lab.locator(".jp-Notebook .cm-content").first
            await cell.press_sequentially("6*7")
            await run_first_cell(lab)
            await page.keyboard.press("Control+s")
            await lab.locator(".jp-Dialog .jp-mod-accept").click()  # the first time it asks for a name
            await until(lambda: any("6*7" in path.read_text() for path in (world.root / "home").glob("*.ipynb")))
            assert world.gateway.openings.count("websocket") >= 2
            began = time.perf_counter()
            await world.controller.send(grant_message(phase="Revoked", revokedAt=as_text(utc())))
            await until(lambda: world.gateway.metrics.registry.get_sample_value("tre_gateway_cut_seconds_count") == 1.0)
            assert time.perf_counter() - began < 0.1
            await expect(page.locator("#ended-reason")).to_have_text("GrantRevoked")
            await expect(page.locator("iframe")).to_have_count(0)
