"""Places elsewhere that keep checkpoints: a file on another volume, a host that takes them by HTTP, somebody's mail.

Guarantees: a file gets whole lines, flushed, in the order of growth; a host is asked once at a time, with an end to the
time, its certificate is verified and no redirect is followed; what is sent is the signed note and nothing else. A file
whose last checkpoint is larger than the log, or is signed by nobody here, is not added to: that is what it is kept for.

Does not guarantee: that a place keeps what it took. Whoever can write both the record and the place sees to both.

Threat: a log that is shortened or written anew by whoever has its key and this machine.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tre.audit.checkpoint import Checkpoint, SignedCheckpoint, open_note, parse
from tre.audit.keys import PublicKey
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.letters.writing import Message
from tre.domain.model import as_line
from tre.domain.names import short_hash
from tre.system.smtp import MailServer
from tre.system.witness_settings import WitnessSettings

CALL_SECONDS, ANSWER_SECONDS = 10.0, 30.0
"""How long anything may take, and all of it."""

_START = b'{"checkpoint": "'
_TAIL = 4096
"""What is read of a file's end: several times a line."""


class Place(Protocol):
    """Something elsewhere that keeps checkpoints."""

    def keep(self, signed: SignedCheckpoint) -> None:
        """Have it keep this one. Raises `TREError` where it does not."""
        ...


def read_notes(text: str) -> list[SignedCheckpoint]:
    """The checkpoints of a file: one signed note, or lines of JSON with one each. Raises `TREError(BadInput)`."""
    if not text.startswith("{"):
        return [parse(text)]
    found = []
    for line in text.splitlines():
        try:
            note = json.loads(line)["checkpoint"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise TREError(Reason.BadInput, "A line of the file holds no checkpoint.") from error
        found.append(parse(str(note)))
    return found


def line_of(signed: SignedCheckpoint) -> str:
    """A checkpoint as one line of ASCII."""
    return json.dumps({"checkpoint": signed.note()}) + "\n"


class FilePlace:
    """A file of lines, each with one checkpoint; `keys` verify the last one before another is added."""

    def __init__(self, path: Path, keys: tuple[PublicKey, ...]) -> None:
        self._path, self._keys = path, keys

    def keep(self, signed: SignedCheckpoint) -> None:
        """Add a line, unless it is there. Raises `TREError(AuditBroken)` for a file that knows more than the log."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _unkept(f"{self._path}", f"{error.strerror}") from error
        try:
            self._add(descriptor, signed)
        except OSError as error:
            raise _unkept(f"{self._path}", f"{error.strerror}") from error
        finally:
            os.close(descriptor)

    def _add(self, descriptor: int, signed: SignedCheckpoint) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _unkept(f"{self._path}", "It is no file")
        tail = os.pread(descriptor, _TAIL, max(0, found.st_size - _TAIL))
        whole = tail[: tail.rfind(b"\n") + 1]
        torn = tail[len(whole) :]
        if torn and torn[: len(_START)] != _START[: len(torn)]:
            raise _unkept(f"{self._path}", "It holds something else than checkpoints")
        last = self._last(whole)
        if last is not None and _goes_back(last, signed.checkpoint):
            raise _gone(f"{self._path}", last, signed.checkpoint)
        if torn:  # a power cut within a line
            os.ftruncate(descriptor, found.st_size - len(torn))
        if last is None or last.size < signed.checkpoint.size:
            os.write(descriptor, line_of(signed).encode())
            os.fsync(descriptor)

    def _last(self, whole: bytes) -> Checkpoint | None:
        lines = whole.decode("utf-8", "replace").splitlines()
        return open_note(read_notes(lines[-1])[0].note(), self._keys) if lines else None


def _goes_back(last: Checkpoint, now: Checkpoint) -> bool:
    return last.size > now.size or (last.size == now.size and last.root != now.root)


class UrlPlace:
    """A host that takes each checkpoint by PUT."""

    def __init__(self, address: str) -> None:
        self._address = address

    def keep(self, signed: SignedCheckpoint) -> None:
        """Send the note. Raises `TREError(ServiceUnavailable)` unless the host says that it has it."""
        parts = urlsplit(self._address)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                str(parts.hostname), parts.port, timeout=CALL_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=CALL_SECONDS)
        end = threading.Timer(ANSWER_SECONDS, _cut, (connection,))
        end.daemon = True
        end.start()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("PUT", target, signed.note().encode(), {"content-type": "text/plain; charset=utf-8"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unkept(str(parts.hostname), f"{type(error).__name__}: {as_line(str(error), 200)}") from error
        finally:
            end.cancel()
            connection.close()
        if not 200 <= status < 300:
            raise _unkept(str(parts.hostname), f"It answered {status}")


def _cut(connection: http.client.HTTPConnection) -> None:
    """End whatever waits for an answer that comes letter by letter."""
    if (found := connection.sock) is not None:
        with contextlib.suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)


class MailPlace:
    """Somebody who gets each checkpoint by mail."""

    def __init__(self, server: MailServer, address: str, clock: Clock) -> None:
        self._server, self._address, self._clock = server, address, clock

    def keep(self, signed: SignedCheckpoint) -> None:
        """Send a message. Raises `TREError(MailUnavailable)` and its like unless the server has it."""
        found = signed.checkpoint
        body = (
            "This is a checkpoint of the audit log: what the log was at this time, signed.\n"
            "Keep this mail. Whoever has the next line as a file can prove whether the log\n"
            "was shortened or written anew since, with tre audit verify --seen FILE.\n\n"
        )
        subject = f"[{self._server.base}] Checkpoint of the audit log: {found.size} events"
        message = Message(short_hash("checkpoint", str(found.size), found.root.hex()), subject, body + line_of(signed))
        with self._server.connection() as session:
            session.deliver(self._address, message, self._clock.now())


@dataclass(frozen=True)
class Means:
    """What places are reached with: where relative paths begin, the mail server, the log's keys, and the time."""

    root: Path
    mail: MailServer | None
    keys: tuple[PublicKey, ...]
    clock: Clock


def place_of(settings: WitnessSettings, means: Means) -> Place:
    """What the settings of a place describe."""
    if settings.file is not None:
        return FilePlace(means.root / settings.file, means.keys)
    if settings.url is not None:
        return UrlPlace(settings.url)
    if settings.mail is None or means.mail is None:
        raise TREError(Reason.SetupIncomplete, f"The witness {settings.name} is to get mail, and no server is named.")
    return MailPlace(means.mail, settings.mail, means.clock)


def _unkept(where: str, why: str) -> TREError:
    return TREError(
        Reason.ServiceUnavailable,
        f"The checkpoint was not kept at {where}.",
        why=f"{why}.",
        remedy="See to that place, or correct `witnesses` in tre.yaml. It is tried again by itself.",
    )


def _gone(where: str, last: Checkpoint, now: Checkpoint) -> TREError:
    return TREError(
        Reason.AuditBroken,
        f"{where} holds a checkpoint of {last.size} events that does not fit the log, which has {now.size} now.",
        why="The log was shortened or written anew, or this is the file of another log.",
        remedy="Keep copies of both as they are, and run `tre audit verify --seen` with this file.",
    )
