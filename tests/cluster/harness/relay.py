"""Passes connections from this machine's loopback to one address inside the cluster's own network.

Guarantees: nothing of the machine's network is changed: the listening socket was opened outside and handed in,
connections go on from inside. It passes bytes and knows nothing of them.

It is run as `python -m tests.cluster.harness.relay LISTENING_FD [ADDRESS PORT]`; without an address, to the API server.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys

from tests.cluster.harness.layout import INNER_PORT

CHUNK = 256 * 1024


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass bytes in one direction until the end, and pass the end on."""
    with contextlib.suppress(ConnectionError):  # either side may hang up; the other is told below
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]) -> None:
    """Pass one connection on."""
    with contextlib.suppress(OSError):  # what it leads to may be stopped: the caller sees its connection end
        inner_reader, inner_writer = await asyncio.open_connection(*target)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))
        inner_writer.close()
    writer.close()


async def main() -> None:
    """Serve until killed."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    target = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else ("127.0.0.1", INNER_PORT)
    async with await asyncio.start_server(functools.partial(handle, target=target), sock=listener) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
