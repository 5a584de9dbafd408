"""One workspace's JupyterLab, used as its own page's script uses it: through the gateway, with the page's ticket.

Guarantees: nothing but public addresses; a cell that fails is an error with its words.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp

from tre.cli.trial.browser import Browser, Page, origin_of
from tre.domain.errors import Reason, TREError

START_SECONDS = 90.0
"""Longer than a start may take, so that the launcher's own word is heard first."""

POLL_SECONDS = 0.02
"""How often the state of a start is asked for; the page itself is told by events."""


class Lab:
    """One workspace's JupyterLab, as its page's script uses it."""

    def __init__(self, browser: Browser, shell: str) -> None:
        self._browser, self._shell = browser, shell
        self.origin = ""

    async def enter(self) -> None:
        """Through the shell's door into the frame. Raises `TREError` with the gateway's reason."""
        page = await self._browser.get(self._shell + "/")
        ticket = await self._browser.call("POST", self._shell + "/.tre/lab", origin=self._shell)
        if ticket.status != 200:
            raise TREError(Reason.NotPermitted, "The workspace's door is closed.", why=f"{page.status}, {ticket.text}")
        address = ticket.json()["address"]
        self.origin = origin_of(address)
        entered = await self._browser.frame(address, source=self._shell)
        if entered.status != 200:
            raise TREError(Reason.NotPermitted, "JupyterLab did not open.", why=f"Status {entered.status}.")

    async def call(self, method: str, path: str, body: Any = None) -> Page:
        """A request of the Lab's own."""
        return await self._browser.call(method, self.origin + path, origin=self.origin, body=body)

    @asynccontextmanager
    async def kernel(self) -> AsyncIterator[Kernel]:
        """A new kernel and its websocket."""
        answer = await self.call("POST", "/api/kernels", {"name": "python3"})
        if answer.status != HTTPStatus.CREATED:
            raise TREError(Reason.RuntimeFailed, "No kernel was started.", why=f"{answer.status}: {answer.text[:300]}")
        async with self.attached(answer.json()["id"]) as kernel:
            yield kernel

    @asynccontextmanager
    async def attached(self, identifier: str) -> AsyncIterator[Kernel]:
        """A websocket to a kernel that runs."""
        address = f"{self.origin.replace('http', 'ws', 1)}/api/kernels/{identifier}/channels"
        async with self._browser.websocket(address, origin=self.origin) as channel:
            yield Kernel(channel)

    async def run(self, sources: list[str], seconds: float = 120.0) -> list[str]:
        """Run cells in a new kernel; return what each printed. Raises `TREError` for a cell that fails."""
        async with asyncio.timeout(seconds), self.kernel() as kernel:
            return [await kernel.execute(source) for source in sources]


class Kernel:
    """An open websocket to a kernel."""

    def __init__(self, channel: aiohttp.ClientWebSocketResponse) -> None:
        self.channel = channel

    async def closed(self) -> float:
        """When the websocket was closed from the other side, by the monotonic clock in seconds."""
        while not (await self.channel.receive()).type.name.startswith("CLOS"):
            continue
        return time.monotonic()

    async def execute(self, source: str) -> str:
        """Run a cell and return what it printed. Raises `TREError` for a cell that fails."""
        message_id = uuid.uuid4().hex
        await self.channel.send_json(_execute_request(message_id, source))
        printed: list[str] = []
        while True:
            message = json.loads(await self.channel.receive_str())
            if message.get("parent_header", {}).get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "execute_result":
                printed.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                raise TREError(Reason.RuntimeFailed, f"A cell failed: {content['ename']}: {content['evalue']}.")
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(printed)


def _execute_request(message_id: str, source: str) -> dict[str, Any]:
    header = {
        "msg_id": message_id,
        "msg_type": "execute_request",
        "version": "5.3",
        "username": "",
        "session": message_id,
    }
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }


async def _await_running(browser: Browser, shell: str) -> None:
    """Until the door is open. Raises `TREError` with the shell's own words where the start came to an end instead."""
    starting, heading = False, "nothing"
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        answer = await browser.call("GET", f"{shell}/.tre/state", origin=shell)
        # A gateway that has not heard of the workspace yet says no; right after the click, the last end is still shown.
        state = answer.json() if answer.status == HTTPStatus.OK else {"view": "unknown"}
        if state["view"] == "running":
            return
        if starting and state["view"] == "ended":
            raise TREError(
                Reason(state["reason"]), "The workspace did not open.", why=str(state["message"] or state["text"])
            )
        starting, heading = starting or state["view"] == "starting", state.get("heading", heading)
        await asyncio.sleep(POLL_SECONDS)
    raise TREError(
        Reason.StartTimeout,
        f"The workspace did not open within {START_SECONDS:.0f} s.",
        why=f"Its page said last: {heading}.",
        remedy="See whether the machine has much else to do.",
    )


async def start_workspace(browser: Browser, projects: Page, grant: str, shell_of: Callable[[str], str]) -> Lab:
    """Click on the page of projects, and wait as the shell's script does until the door could be entered.

    `shell_of` gives a workspace's shell address. Raises `TREError` where it does not open.
    """
    page = await browser.submit(projects, projects.form(f"/{grant}/open"))
    shell = shell_of(page.url.rsplit("/", 1)[1])
    await browser.get(f"{shell}/")
    await _await_running(browser, shell)
    return Lab(browser, shell)


async def open_workspace(browser: Browser, projects: Page, grant: str, shell_of: Callable[[str], str]) -> Lab:
    """Start a workspace and enter it. Raises `TREError` where it does not open."""
    lab = await start_workspace(browser, projects, grant, shell_of)
    await lab.enter()
    return lab
