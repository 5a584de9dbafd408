"""Attempts that wait for an answer: TCP, UDP, DNS, and a name through the C library.

Guarantees: all wait side by side and end together at the given moment; a name is resolved in a fork, because the
C library cannot be told when to stop. A refusal or silence is `closed`; any answer is `open`.

Does not guarantee: that the far side is who it seems; an answer of whatever content proves a way out.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from typing import NoReturn, Protocol

from .attempts import CLOSED, OPEN, Answer, Target, refused

_IN_PROGRESS = {errno.EINPROGRESS, errno.EAGAIN}
_QUERY_ID = b"\x54\x52"


class Waiting(Protocol):
    """An attempt under way: a descriptor that becomes ready, or an answer that came at once."""

    answer: Answer | None
    descriptor: int
    events: int

    def ready(self) -> Answer:
        """What the descriptor says once it is ready."""
        ...

    def close(self) -> None:
        """Let go of everything, answered or not."""
        ...


class Tcp:
    """A connection to `address` and `port`."""

    events = select.POLLOUT

    def __init__(self, target: Target) -> None:
        self.answer: Answer | None = None
        self.descriptor = -1
        self._socket = _opened(target, socket.SOCK_STREAM, self)
        if self._socket is not None:
            result = self._socket.connect_ex((target["address"], target["port"]))
            if result not in _IN_PROGRESS:
                self.answer = refused(result) if result else Answer(OPEN, "connected")

    def ready(self) -> Answer:
        """Connected, or the error of the connection."""
        assert self._socket is not None
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return refused(code) if code else Answer(OPEN, "connected")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class Udp:
    """A datagram to `address` and `port`, and whatever comes back."""

    events = select.POLLIN

    def __init__(self, target: Target) -> None:
        self.answer: Answer | None = None
        self.descriptor = -1
        self._socket = _opened(target, socket.SOCK_DGRAM, self)
        if self._socket is not None:
            try:
                self._socket.connect((target["address"], target["port"]))
                self._socket.send(self.message(target))
            except OSError as refusal:
                self.answer = refused(refusal.errno or errno.EIO)

    def message(self, _target: Target) -> bytes:
        """What is sent."""
        return b"tre isolation probe"

    def ready(self) -> Answer:
        """An answer, or the error that the network sent back."""
        assert self._socket is not None
        try:
            self._socket.recv(512)
        except OSError as refusal:
            return refused(refusal.errno or errno.EIO)
        return Answer(OPEN, "answered")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class Dns(Udp):
    """A query for the address of `name` to the resolver at `address` and `port`."""

    def message(self, target: Target) -> bytes:
        """A query of one question, type A, class IN (RFC 1035 §4)."""
        labels = str(target["name"]).rstrip(".").encode("ascii").split(b".")
        question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        return _QUERY_ID + b"\1\0\0\1\0\0\0\0\0\0" + question + b"\0\1\0\1"


class Resolve:
    """A `name` through the C library: resolv.conf, nsswitch, and every local service that answers names."""

    events = select.POLLIN

    def __init__(self, target: Target) -> None:
        self.answer: Answer | None = None
        self.descriptor, writer = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            _resolve(str(target["name"]).encode("ascii"), writer)
        os.close(writer)

    def ready(self) -> Answer:
        """An address, or the word of the C library for its failure."""
        said = os.read(self.descriptor, 100).decode()
        outcome, _, detail = said.partition(" ")
        return Answer(OPEN, detail) if outcome == OPEN else Answer(CLOSED, detail)

    def close(self) -> None:
        """End the fork, answered or not."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self.descriptor)


def _resolve(name: bytes, writer: int) -> NoReturn:
    try:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            said = f"{OPEN} {found[0][4][0]}"
        except OSError as failure:
            said = f"{CLOSED} {failure}"
        os.write(writer, said.encode()[:100])
    finally:
        os._exit(0)


def _opened(target: Target, kind: socket.SocketKind, waiting: Tcp | Udp) -> socket.socket | None:
    """A non-blocking socket of the family of the target's address; None when that was refused already."""
    family = socket.AF_INET6 if ":" in target["address"] else socket.AF_INET
    try:
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    except OSError as refusal:
        waiting.answer = refused(refusal.errno or errno.EIO)
        return None
    waiting.descriptor = made.fileno()
    return made


def collect(waiting: dict[int, Waiting], until: float) -> dict[int, Answer]:
    """Wait for all of them until a moment of the monotonic clock; silence is closed."""
    answers: dict[int, Answer] = {}
    poll = select.poll()
    positions: dict[int, int] = {}
    for position, one in waiting.items():
        if one.answer is not None:
            answers[position] = one.answer
        else:
            poll.register(one.descriptor, one.events)
            positions[one.descriptor] = position
    while positions and time.monotonic() < until:
        for descriptor, _ in poll.poll(max(1, (until - time.monotonic()) * 1000)):
            poll.unregister(descriptor)
            position = positions.pop(descriptor)
            answers[position] = waiting[position].ready()
    for position in positions.values():
        answers[position] = Answer(CLOSED, "no answer in time")
    for one in waiting.values():
        one.close()
    return answers
