"""The browser without a screen leaves no connection open behind it."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import re
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mail_server import Pair, pair_in
from tre.cli.trial.browser import Browser

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What RFC 6455 §1.3 puts behind a client's key."""

CLOSE = b"\x88\x00"


@contextmanager
def one_that_never_hangs_up(pair: Pair) -> Iterator[int]:
    """A TLS server of one websocket: it answers the last word, and then leaves the connection as it is. Its port."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            with pair.context.wrap_socket(plain, server_side=True) as one:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += one.recv(4096)
                key = re.search(rb"(?i)sec-websocket-key: (\S+)", asked)
                assert key
                accept = base64.b64encode(hashlib.sha1(key[1] + ACCEPT, usedforsecurity=False).digest())
                head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                one.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                one.recv(4096)
                one.sendall(CLOSE)
                done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            done.set()
            thread.join()


def test_a_websocket_is_closed_although_the_other_side_never_hangs_up(tmp_path: Path) -> None:
    pair = pair_in(tmp_path)
    trust = ssl.create_default_context(cafile=str(pair.certificate))

    async def story(port: int) -> None:
        async with Browser(trust) as browser:
            address = f"wss://localhost:{port}/"
            async with browser.websocket(address, origin=address):
                pass

    with one_that_never_hangs_up(pair) as port, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(story(port))
        gc.collect()
    assert [str(one.message) for one in said] == []
