"""A tap on the controller's shoulder: something changed, look.

Guarantees: nothing waits for it and nothing depends on it; it only makes the next look come at once.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

_NAME = "nudge"


def nudge_path(run: Path) -> Path:
    """Where the controller listens for taps."""
    return run / "controller" / _NAME


def nudge(run: Path) -> None:
    """Tap, if anybody listens."""
    with (
        contextlib.suppress(OSError),  # nobody listens, or is tapped already: it will look by itself
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sender,
    ):
        sender.connect(os.fspath(nudge_path(run)))
        sender.send(b"!")
