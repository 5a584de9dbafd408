"""Whether a workspace's server answers, asked of a server that belongs to somebody else.

Guarantees: at most one line is read, within a tenth of a second, from a socket that is proven to be the workspace's
own; nothing of the answer is kept but yes or no.
"""

from __future__ import annotations

import os
from pathlib import Path

from tre.runtimes.bubblewrap.sandbox import SOCKET_NAME
from tre.system.sockets import connect_untrusted

_REQUEST = b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def answers_http(door: Path, uid: int, timeout: float = 0.1) -> bool:
    """Whether `GET /api` is answered with 200."""
    try:
        directory = os.open(door, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        with connect_untrusted(directory, SOCKET_NAME, uid, timeout=timeout) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False  # not there yet
    finally:
        os.close(directory)
