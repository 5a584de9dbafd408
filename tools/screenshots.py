"""Takes a picture of every page that a person can see, in a real Chromium, at two widths.

    .venv/bin/python tools/screenshots.py DIRECTORY [--documentation]

Guarantees: an installation of its own is made, used through its public surfaces, photographed and removed. A page
that is wider than the screen, or of which the browser complains, is named, and the exit code is 1. With
`--documentation` the few pictures that the documentation shows are written to docs/images as well, reduced.

Does not guarantee: that a page is good. A person has to look at the pictures; that is what they are for.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from screenshots_scene import Scene
from screenshots_tour import Tour

from tre.cli.trial.world import PASSWORD, running_world
from tre.system.paths import CHECKOUT, ENVIRONMENT

WIDTHS = (1280, 390)
HEIGHTS = {1280: 860, 390: 844}
PATIENCE = 60_000
"""Milliseconds: a start of JupyterLab on a busy machine."""

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--lang=en-GB",
]
DOCUMENTED = {
    "projects": ("desk-projects-1280", 1030),
    "workspace": ("shell-notebook-1280", 860),
    "access-ended": ("shell-revoked-1280", 520),
    "export": ("export-draft-ready-1280", 1075),
    "review": ("review-file-findings-1280", 1100),
    "operations": ("operate-workspaces-after-1280", 1085),
}
"""Pictures of the documentation: the page each is of, and how much of it from above is shown."""

TOO_WIDE = """
[...document.querySelectorAll('html, .app-table-frame, .app-panel, .card')]
    .filter(place => place.scrollWidth > place.clientWidth + (place.localName === 'html' ? 0 : 4))
    .map(place => place.className || place.tagName)
"""
"""What of a page holds more than fits: the page itself, or a part that would run under its neighbour. The design
system lets tables reach two pixels beyond their text on either side."""

REDUCE = """
import sys
from PIL import Image
source, target, tallest = sys.argv[1], sys.argv[2], int(sys.argv[3])
image = Image.open(source).convert('RGB')
image = image.crop((0, 0, image.width, min(image.height, tallest)))
image.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(target, optimize=True)
"""


class Camera:
    """Takes the pictures, and notes what is wrong with a page."""

    def __init__(self, browser: Browser, directory: Path) -> None:
        self._browser, self._directory = browser, directory
        self.faults: list[str] = []
        self.taken = 0

    async def page(self) -> Page:
        """A browser of its own for one person."""
        context = await self._browser.new_context(
            viewport={"width": WIDTHS[0], "height": HEIGHTS[WIDTHS[0]]},
            reduced_motion="reduce",
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._note_error(page.url, str(error)))
        return page

    def _note(self, message: ConsoleMessage) -> None:
        inside = ".lab." in str(message.location.get("url", ""))  # JupyterLab talks to itself
        if message.type == "error" and not inside and "status of 4" not in message.text:
            self.faults.append(f"{message.location.get('url')}: {message.text}")

    def _note_error(self, url: str, error: str) -> None:
        if "is not among the addresses of a workspace" not in error:  # JupyterLab, told what it may not have
            self.faults.append(f"{url}: {error}")

    async def take(self, page: Page, name: str) -> None:
        """A page at every width, as it stands."""
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            await page.evaluate("document.fonts.ready")
            for what in await page.evaluate(TOO_WIDE):
                self.faults.append(f"{name}: {what} is too wide for {width} pixels")
            await page.screenshot(path=self._directory / f"{name}-{width}.png", full_page=True)
            self.taken += 1
        await page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHTS[WIDTHS[0]]})
        print(f"  {name}", flush=True)

    async def keep_what_is_open(self) -> None:
        """Pictures of every open page, for who wants to know why the tour could not go on."""
        for number, page in enumerate(page for context in self._browser.contexts for page in context.pages):
            await page.screenshot(path=self._directory / f"failure-{number}.png")
            print(f"  failure-{number}: {page.url}", flush=True)

    async def sign_in(self, desk: str, name: str) -> Page:
        """Somebody's browser, signed in at the desk."""
        page = await self.page()
        await page.goto(desk + "/")
        await page.get_by_label("User name").fill(name)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(desk + "/")
        return page


async def take_all(scene: Scene, directory: Path) -> list[str]:
    """Every picture; what was found wrong on the way."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=SWITCHES)
        camera = Camera(browser, directory)
        try:
            await Tour(scene, camera).run()
        except BaseException:
            await camera.keep_what_is_open()
            raise
        finally:
            await browser.close()
    print(f"{camera.taken} pictures in {directory}")
    return camera.faults


def document(directory: Path) -> None:
    """Write the documentation's pictures, with fewer colours: Pillow is part of the workspaces' environment."""
    images = CHECKOUT / "docs" / "images"
    images.mkdir(exist_ok=True)
    python = CHECKOUT / ENVIRONMENT / "bin" / "python"
    for name, (source, height) in DOCUMENTED.items():
        target = images / f"{name}.png"
        command = [str(python), "-c", REDUCE, str(directory / f"{source}.png"), str(target), str(height)]
        subprocess.run(command, check=True)
        print(f"  docs/images/{name}.png, {target.stat().st_size // 1024} KiB")


def main() -> int:
    """Takes the pictures; returns the exit code."""
    parser = argparse.ArgumentParser(description="A picture of every page, at 1280 and at 390 pixels.")
    parser.add_argument("directory", type=Path, help="where the pictures go")
    parser.add_argument("--documentation", action="store_true", help="write those of docs/images too")
    options = parser.parse_args()
    if shutil.which("chromium") is None and shutil.which("chromium-browser") is None:
        print("There is no Chromium. Type: apt-get install chromium", file=sys.stderr)
        return 2
    options.directory.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    print("Making an installation", flush=True)
    with running_world() as world:
        faults = asyncio.run(take_all(Scene(world), options.directory))
    if options.documentation:
        document(options.directory)
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{time.monotonic() - began:.0f} s, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
