"""The desk's JSON interface, used under somebody's sign-in as a page's script would use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tre.cli.trial.browser import Browser
from tre.domain.errors import Reason, TREError

_POLL_SECONDS = 0.1
_PATIENCE = 120.0


class RefusedError(TREError):
    """The desk said no; `status` is how."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        reason = answer.get("reason", "")
        known = Reason(reason) if reason in Reason.__members__ else Reason.NotPermitted
        super().__init__(known, str(answer.get("what", "The desk refused.")), why=str(answer.get("why", "")))
        self.status = status


class Desk:
    """One person's interface."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser, self._origin = browser, origin
        self._token = ""

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask; return the JSON answer. Raises `RefusedError`."""
        if not self._token:
            session = await self._browser.call("GET", f"{self._origin}/api/v1/session", origin=self._origin)
            self._token = session.json()["csrfToken"]
        page = await self._browser.call(
            method,
            f"{self._origin}/api/v1{path}",
            origin=self._origin,
            body=body,
            headers={"X-CSRF-Token": self._token},
        )
        answer = page.json() if page.text else None
        if page.status >= 400:
            raise RefusedError(page.status, answer if isinstance(answer, dict) else {})
        return answer

    async def until(self, path: str, condition: Callable[[Any], bool]) -> Any:
        """Ask again and again until the answer is so. Raises `TimeoutError` after two minutes."""
        async with asyncio.timeout(_PATIENCE):
            while not condition(answer := await self.call("GET", path)):
                await asyncio.sleep(_POLL_SECONDS)
        return answer

    async def download(self, path: str) -> bytes:
        """The bytes at an address of the desk."""
        return await self._browser.download(f"{self._origin}{path}")
