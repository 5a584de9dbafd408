"""Small servers in place of a workspace's JupyterLab, friendly and hostile."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import WSMsgType, web

KERNEL = "/api/kernels/0f3a9b1c-1111-4222-8333-444455556666/channels"
PROTOCOL = "v1.kernel.websocket.jupyter.org"

HOSTILE_HEADERS = {
    "Set-Cookie": "__Host-tre-shell=stolen; Path=/; Secure",
    "Content-Security-Policy": "default-src *",
    "Content-Disposition": "attachment; filename=data.csv",
    "Clear-Site-Data": '"*"',
    "Refresh": "0; url=http://evil.example/",
    "Link": "<http://evil.example/>; rel=preconnect",
    "Report-To": '{"endpoints":[{"url":"http://evil.example/"}]}',
    "NEL": '{"report_to":"x"}',
    "SourceMap": "http://evil.example/map",
    "Access-Control-Allow-Origin": "*",
    "Connection-Allowlist": '("http://evil.example/*")',
    "Service-Worker-Allowed": "/",
    "Speculation-Rules": '"http://evil.example/rules"',
    "Content-Encoding": "gzip",
    "WWW-Authenticate": "Basic",
    "X-Anything": "1",
}


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Say what came in; as a websocket, say it back."""
    if "Upgrade" in request.headers:
        socket = web.WebSocketResponse(protocols=[PROTOCOL])
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket
    body = await request.read()
    told = {
        "method": request.method,
        "target": request.raw_path,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": body.decode("latin-1")[:2000],
        "length": len(body),
    }
    return web.json_response(told, headers={"ETag": '"tag"', "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"})


async def hostile(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with every header that could do harm."""
    response = web.Response(body=b"<script>1</script>", content_type="text/html")
    response.headers.update(HOSTILE_HEADERS)
    return response


def body_of(size: int, *, length: bool = True) -> Any:
    """A server whose every answer has this many bytes, announced or not."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if length:
            return web.Response(body=b"x" * size)
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(size // 1000):
            await response.write(b"x" * 1000)
        return response

    return serve


def pouring(size: int) -> Any:
    """A websocket that sends messages of this size for as long as anybody listens."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        while not socket.closed:
            await socket.send_bytes(b"x" * size)
            await asyncio.sleep(0)
        return socket

    return serve


def redirecting(to: str) -> Any:
    """A server that sends everybody elsewhere."""

    async def serve(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": to})

    return serve
