"""Telling systemd how a program fares, where it asked to be told: sd_notify(3), without its library.

Guarantees: without systemd nothing happens, and one that does not listen holds nobody up; what is said holds no
value of the program's.
"""

from __future__ import annotations

import os
import socket

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


def notify(state: str) -> bool:
    """Say one thing; whether somebody heard it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        with socket.socket(socket.AF_UNIX, kind) as speaking:
            speaking.sendto(state.encode(), address.replace("@", "\0", 1))
    except OSError:  # it went, or does not listen: its own watchdog is what acts on silence
        return False
    return True
