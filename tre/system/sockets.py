"""Unix sockets between our programs, and towards sockets whose owner may be hostile.

Guarantees: a server knows who calls (`SO_PEERCRED`, by the kernel) and serves only the users it names; requests and
answers are one JSON line each, bounded. `connect_untrusted` reaches a socket in a directory that its owner controls
without following a link out of it, and refuses anything that is not a socket of that owner.

Threat: a workspace swaps its socket for a link to one of ours.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tre.domain.errors import Reason, TREError

MAX_LINE = 4 * 2**20


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end, as the kernel recorded it at connect time."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", raw)
    return int(uid)


def listen(path: Path, *, mode: int = 0o600, group: int = -1, backlog: int = 64) -> socket.socket:
    """A listening unix socket at a path; one left over from before is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with _ShortAddress(path) as address:
        server.bind(address)
    path.chmod(mode)
    if group != -1 and os.geteuid() == 0:
        os.chown(path, -1, group)
        path.chmod(mode)
    server.listen(backlog)
    return server


class _ShortAddress:
    """A socket address that fits 108 bytes whatever the path: through a descriptor of its directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._descriptor = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def request(path: Path, message: dict[str, Any], *, timeout: float = 10.0) -> dict[str, Any]:
    """Send one JSON line, return the one that comes back.

    Raises `TREError(ServiceUnavailable)` when nobody answers, and the other side's refusal as it was.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(timeout)
            with _ShortAddress(path) as address:
                connection.connect(address)
            connection.sendall(json.dumps(message).encode() + b"\n")
            answer = json.loads(read_line(connection))
    except (OSError, ValueError) as error:
        raise TREError(
            Reason.ServiceUnavailable,
            f"Nobody answers at {path}.",
            why=f"{error}.",
            remedy="Is `tre up` running?",
        ) from error
    if "error" in answer:
        found = answer["error"]
        raise TREError(Reason(found["reason"]), found["what"], why=found["why"], remedy=found["remedy"])
    return dict(answer)


def read_line(connection: socket.socket) -> bytes:
    """Everything up to a line end, at most 4 MiB. Raises `ValueError` beyond that or at an early end."""
    data = bytearray()
    while not data.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk or len(data) + len(chunk) > MAX_LINE:
            msg = "the line ended early or is too long"
            raise ValueError(msg)
        data += chunk
    return bytes(data)


def check_caller(connection: socket.socket, allowed: Collection[int]) -> None:
    """Raise `TREError(NotPermitted)` unless the caller is one of these users."""
    if (uid := peer_uid(connection)) not in allowed:
        raise TREError(Reason.NotPermitted, f"User {uid} may not call this service.")


def connect_untrusted(directory: int, name: str, owner: int, *, timeout: float) -> socket.socket:
    """Connect to the socket `name` in an open directory that `owner` controls.

    Raises `OSError` when it is not there, not a socket, not the owner's, or refuses.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != owner:
            raise OSError(f"{name} is not a socket of user {owner}")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(timeout)
            connection.connect(f"/proc/self/fd/{descriptor}")
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        os.close(descriptor)
