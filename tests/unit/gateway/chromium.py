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
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.asynccontextmanager
async def chromium(*arguments: str, **context: Any) -> AsyncIterator[BrowserContext]:
    """A fresh browser with one context of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=[*_ARGUMENTS, *arguments])
        try:
            yield await browser.new_context(**context)
        finally:
            await browser.close()
