"""A stream with two ends that close one by one, over a connection that can only close as a whole.

Guarantees: bytes arrive whole and in order, or the reader is told that they did not: a direction ends by a frame that
says so, and a connection that stops without one raises `EOFError`. TLS as Python has it closes both directions at
once; here each direction ends by itself, as on a unix socket. No part is larger than `PART`.

Does not guarantee: anything about who is at the other end. TLS does.

Threat: somebody between two pods cuts a connection, and half of a message passes for all of it.
"""

from __future__ import annotations

import asyncio

PART = 2**16
_LENGTH = 4


async def copy_framed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """From a unix socket to the other pod; waits while the other pod does not read."""
    while part := await reader.read(PART):
        writer.write(len(part).to_bytes(_LENGTH, "big") + part)
        await writer.drain()
    writer.write(bytes(_LENGTH))
    await writer.drain()


async def copy_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """From the other pod to a unix socket, whose direction is closed when the other pod says so.

    Raises `EOFError` where the connection stopped in the middle, `ValueError` for what is no frame of ours.
    """
    while length := int.from_bytes(await reader.readexactly(_LENGTH), "big"):
        if length > PART:
            msg = f"a frame of {length} bytes, at most {PART} may be"
            raise ValueError(msg)
        writer.write(await reader.readexactly(length))
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
