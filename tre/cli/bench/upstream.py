"""A server in a workspace's place that answers faster than any proxy asks, and holds thousands of websockets.

A program of its own (`python -I upstream.py SOCKET UID`): it listens on the socket, which then belongs to the user,
and on a free port of the loopback address, which it prints. `/api/contents/…` is answered with a large body, a
websocket is said back what it says, everything else gets a few bytes. One real JupyterLab could do neither: each of
its kernels is a process, and it answers some hundreds of requests a second.
"""

import asyncio
import os
import sys

from aiohttp import WSMsgType, web

LARGE = b'"' + b"x" * (8 * 2**20 - 2) + b'"'
SMALL = b'{"identity": {"username": "researcher", "name": "Researcher", "initials": null}, "permissions": {}}'


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    """Answer anything."""
    if "Upgrade" in request.headers:
        return await echo(request)
    large = request.raw_path.startswith("/api/contents/")
    return web.Response(body=LARGE if large else SMALL, content_type="application/json")


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Say back what is said, until the other side ends."""
    channel = web.WebSocketResponse(compress=False)
    await channel.prepare(request)
    async for message in channel:
        if message.type is WSMsgType.TEXT:
            await channel.send_str(message.data)
    return channel


async def main(path: str, owner: int) -> None:
    """Listen until killed."""
    os.umask(0o117)  # the gateway is in the directory's group
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.UnixSite(runner, path).start()
    if os.geteuid() == 0:
        os.chown(path, owner, -1)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[-1][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
