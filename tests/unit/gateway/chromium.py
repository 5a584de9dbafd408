"""Chromium as people use it, but without talking to its maker."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import BrowserContext, async_playwright

PROGRAM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
CHROMIUM_MISSING = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: type apt-get install chromium")

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]

_NOT_WANTED = ["--disable-field-trial-config", "--disable-background-networking", "--disable-popup-blocking"]
"""Playwright's own switches that would make this another browser than people use: features that are on for everybody
would be off, and it would not look up names ahead of time, nor stop pop-ups."""


@contextlib.asynccontextmanager
async def chromium(*arguments: str, **context: Any) -> AsyncIterator[BrowserContext]:
    """A fresh browser with one context of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=PROGRAM, args=[*_ARGUMENTS, *arguments], ignore_default_args=_NOT_WANTED
        )
        try:
            yield await browser.new_context(**context)
        finally:
            await browser.close()
