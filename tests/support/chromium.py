"""Chromium for tests: the whole program as people use it, or its engine alone, which draws and runs the same pages.

Guarantees: what leaves a page is looked for in the whole program, without switches that would close a way. Pages
themselves are looked at in the engine of the same version (`chromium-headless-shell`) where it is installed: that takes
a third of the processor time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright import sync_api
from playwright.async_api import Browser, BrowserContext, async_playwright

PROGRAM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
ENGINE = shutil.which("chromium-headless-shell") or PROGRAM
REASON = "needs chromium: type apt-get install chromium"
CHROMIUM_MISSING = pytest.mark.skipif(PROGRAM is None, reason=REASON)

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]

_PLAIN = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
]


@contextlib.contextmanager
def engine() -> Iterator[sync_api.Browser]:
    """The same for tests that wait without a loop; skips, with the reason, where there is none."""
    if ENGINE is None:
        pytest.skip(REASON)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=ENGINE, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


LOOK = """async known => {
    const painted = new Map(), fresh = new Set();
    const ground = one => {
        if (!one) { return ''; }
        if (!painted.has(one)) {
            const {backgroundColor, backgroundImage, opacity, filter} = getComputedStyle(one);
            painted.set(one, [backgroundColor, backgroundImage, opacity, filter, ground(one.parentElement)].join());
        }
        return painted.get(one);
    };
    const writing = one => one.matches('input, select, textarea')
        || [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const ofAnotherLook = one => {
        const {color, fontSize, fontWeight, textShadow} = getComputedStyle(one);
        const looks = [color, fontSize, fontWeight, textShadow, ground(one)].join();
        return !known.includes(looks) && !fresh.has(looks) && fresh.add(looks);
    };
    const include = [...document.querySelectorAll('body *')]
        .filter(one => one.checkVisibility() && writing(one) && ofAnotherLook(one));
    const options = {resultTypes: ['violations'], preload: false};
    const runs = [await axe.run(document, {...options, rules: {'color-contrast': {enabled: false}}})];
    if (include.length) {
        runs.push(await axe.run({include}, {...options, runOnly: ['color-contrast']}));
    }
    const faults = runs.flatMap(run => run.violations)
        .map(rule => [rule.id, rule.nodes.map(node => node.html.slice(0, 200))]);
    return [faults, [...fresh]];
}"""
"""axe over a page. Whether letters stand out from what is behind them is most of its work: it is asked about one place
of each colour, size and weight on each ground, and not where `known` says that another page had the same. A ground is
what is around letters: something else that is laid under them in one place and not in another is not told apart."""

_seen_to_stand_out: list[str] = []


def accessibility_faults(page: sync_api.Page) -> list[tuple[str, list[str]]]:
    """Each rule of axe that a page breaks, with where. Its style sheets are not read a second time for it."""
    page.evaluate(AXE_SCRIPT)
    faults, fresh = page.evaluate(LOOK, _seen_to_stand_out)
    if not faults:
        _seen_to_stand_out.extend(fresh)
    return [(rule, places) for rule, places in faults]


@contextlib.asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser without any window yet, driven by Playwright with the switches it likes."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=ENGINE, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def plain_chromium(*arguments: str, **preferences: object) -> AsyncIterator[BrowserContext]:
    """A fresh browser as people have it, without Playwright's switches; `preferences` are set in its profile.

    Those would turn off what is on for everybody: looking names up ahead of time, speculative loading, trials.
    """
    assert PROGRAM is not None
    profile = tempfile.mkdtemp(prefix="chromium-")
    if preferences:
        (Path(profile) / "Default").mkdir()
        (Path(profile) / "Default" / "Preferences").write_text(json.dumps(preferences))
    command = [PROGRAM, *_PLAIN, f"--user-data-dir={profile}", *arguments, "about:blank"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(await _debugging_address(Path(profile)))
            yield browser.contexts[0]
            session = await browser.new_browser_cdp_session()
            await session.send("Browser.close")
        async with asyncio.timeout(20):
            await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)


async def _debugging_address(profile: Path) -> str:
    port_file = profile / "DevToolsActivePort"
    async with asyncio.timeout(30):
        while not (port_file.exists() and port_file.read_text().count("\n")):
            await asyncio.sleep(0.1)
    return f"http://127.0.0.1:{port_file.read_text().split()[0]}"
