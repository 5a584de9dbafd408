"""Passing websockets on between the Lab's page and the workspace, message by message.

Guarantees: a message of the workspace passes its budget and a last look at the register before it passes the door;
compression is off on both sides, so nothing can be blown up; a message is bounded; a slow browser slows the workspace
down and fills no memory. When either side ends, the other is ended.

Does not guarantee: which messages a kernel sends. Everything inside belongs to the researcher.

Threat: a kernel that pours data out through the only window there is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp
from aiohttp import WSMsgType, web

from tre.domain.errors import Reason
from tre.domain.workspaces.routes import Route
from tre.gateway.budgets import Budget, Budgets
from tre.gateway.metrics import Metrics
from tre.gateway.openings import Opening
from tre.gateway.proxy import Visit
from tre.gateway.refusals import RefusedError
from tre.gateway.upstream import Upstreams, exact_url, silent_workspace

LARGEST_MESSAGE = 16 * 2**20
"""Bytes of one message: a notebook output with several large pictures."""

_HEARTBEAT_SECONDS = 30.0
_CLOSE_SECONDS = 0.5
_POLICY_VIOLATION = 1008
_DATA = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})


class WebsocketProxy:
    """Websockets to workspaces."""

    def __init__(
        self, upstreams: Upstreams, budgets: Budgets, metrics: Metrics, note: Callable[[Route], None] = lambda _: None
    ) -> None:
        self._note = note
        self._upstreams = upstreams
        self._budgets = budgets
        self._metrics = metrics

    async def serve(self, request: web.BaseRequest, visit: Visit, opening: Opening) -> web.StreamResponse:
        """Connect the two sides until one of them ends. Raises `RefusedError` before the handshake only."""
        if not self._budgets.may_open(visit.route):
            raise RefusedError(429, Reason.BudgetExhausted)
        inside = await self._connect(request, visit)
        outside = web.WebSocketResponse(
            protocols=[inside.protocol] if inside.protocol else [],
            compress=False,
            heartbeat=_HEARTBEAT_SECONDS,
            timeout=_CLOSE_SECONDS,
            max_msg_size=LARGEST_MESSAGE,
            decode_text=False,
        )
        outside.headers["Server"] = "tre"
        self._metrics.websockets.inc()
        try:
            await outside.prepare(request)
            await self._pump(inside, outside, visit, opening)
        finally:
            self._metrics.websockets.dec()
            await inside.close()
        return outside

    async def _connect(self, request: web.BaseRequest, visit: Visit) -> aiohttp.ClientWebSocketResponse[bool]:
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        upstream = await self._upstreams.workspace(visit.route)
        try:
            return await upstream.client.ws_connect(
                exact_url(visit.address.target, upstream.origin),
                protocols=[name.strip() for name in offered if name.strip()],
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
                headers={"Host": "localhost"},
                max_msg_size=LARGEST_MESSAGE,
                compress=0,
                decode_text=False,
            )
        except aiohttp.ClientConnectorError as error:
            await self._upstreams.drop(visit.route.workspace)
            raise silent_workspace() from error
        except (aiohttp.ClientError, ValueError) as error:
            raise silent_workspace("The workspace opens no such websocket.") from error

    async def _pump(
        self,
        inside: aiohttp.ClientWebSocketResponse[bool],
        outside: web.WebSocketResponse,
        visit: Visit,
        opening: Opening,
    ) -> None:
        up = asyncio.create_task(self._send_in(inside, outside, visit.route))
        down = asyncio.create_task(self._send_out(inside, outside, visit, opening))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            results = await asyncio.gather(up, down, return_exceptions=True)
        exhausted = any(result is False for result in results)
        if not outside.closed and opening.cut_for is None:
            reason = Reason.BudgetExhausted.value.encode() if exhausted else b""
            await outside.close(code=_POLICY_VIOLATION if exhausted else 1001, message=reason)

    async def _send_in(
        self, inside: aiohttp.ClientWebSocketResponse[bool], outside: web.WebSocketResponse, route: Route
    ) -> None:
        sent = self._metrics.bytes.labels(Budget.kernel_output, "up")
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # the other side is gone: the same as its end
            while (message := await outside.receive()).type in _DATA:
                sent.inc(len(message.data))
                self._note(route)
                await inside.send_frame(message.data, message.type)

    async def _send_out(
        self,
        inside: aiohttp.ClientWebSocketResponse[bool],
        outside: web.WebSocketResponse,
        visit: Visit,
        opening: Opening,
    ) -> bool:
        sent = self._metrics.bytes.labels(Budget.kernel_output, "down")
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # the other side is gone: the same as its end
            while (message := await inside.receive()).type in _DATA:
                if opening.cut_for is not None:
                    return True
                if not self._budgets.admit(visit.route, Budget.kernel_output, len(message.data)):
                    return False
                sent.inc(len(message.data))
                await outside.send_frame(message.data, message.type)
        return True
