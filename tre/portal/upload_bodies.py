"""Reading the body of an upload as it comes: a form with files, or the bytes of one file.

Guarantees: the bytes of files go straight to where they are kept, so that memory stays flat whatever is sent; a
form's token is looked at before the first file of it is kept; who stands still, or takes too long, is cut off. The
number of bytes is bounded by the guard, that of files by `tre.portal.uploads`.

Does not guarantee: that what a browser calls a file's name is one: `problem_of` decides that.

Threat: a form of another page; a part without an end; a sender who holds a place for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tre.domain.errors import Reason, TREError
from tre.portal.guard import BodyTooLargeError

SILENCE_SECONDS = 60.0
"""How long nothing may come."""

LONGEST_SECONDS = 3600.0
"""How long an upload may take: 256 MiB at 600 kbit/s."""

LONGEST_FIELD = 4096
MOST_FIELDS = 20
_BROKEN = "What was sent is no form that can be read."


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises `TREError(BadInput)` where it stands still or takes too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LONGEST_SECONDS
    while not getattr(request.state, "body_is_over", False):  # whoever asks after its end waits for ever
        try:
            async with asyncio.timeout_at(min(until, loop.time() + SILENCE_SECONDS)):
                message = await request.receive()
        except TimeoutError as error:
            raise TREError(Reason.BadInput, "The upload stood still, or took too long.", remedy="Send less.") from error
        if message["type"] == "http.disconnect":
            request.state.body_is_over = True
            raise ClientDisconnect
        request.state.body_is_over = not message.get("more_body", False)
        yield message.get("body", b"")


async def pour(request: Request, feed: Callable[[bytes], None]) -> None:
    """Give the body to `feed`, which may write to the disk."""
    async for piece in pieces_of(request):
        await run_in_threadpool(feed, piece)


async def drain(request: Request) -> None:
    """Read what is left of a body that was refused: most browsers show no answer before they have sent it all."""
    try:
        async for _ in pieces_of(request):
            pass
    except (TREError, BodyTooLargeError, ClientDisconnect):
        return  # the answer is given all the same, to whoever still listens


class Receiver(Protocol):
    """Where the files of a form go."""

    def begin(self, path: str) -> bool:
        """Begin a file; false where it is left out."""
        ...

    def write(self, data: bytes) -> None:
        """The next bytes of it."""
        ...

    def finish(self) -> None:
        """It is whole."""
        ...


class UploadForm:
    """A form with a token, other fields (a folder among them, perhaps), and files; in this order."""

    def __init__(
        self,
        content_type: str,
        check_token: Callable[[str], None],
        arriving: Receiver,
        longest_field: int = LONGEST_FIELD,
    ) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            check_token("")
            raise TREError(Reason.BadInput, _BROKEN)
        self._check_token = check_token
        self._arriving = arriving
        self._longest_field = longest_field
        self._checked = self._ended = self._writing = False
        self._fields: dict[str, bytearray] = {}
        self._part = ""
        self._headers: dict[bytes, bytes] = {}
        self._head, self._value = bytearray(), bytearray()
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise TREError(Reason.BadInput, _BROKEN) from error

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._head.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def feed(self, data: bytes) -> None:
        """The next piece. Raises `TREError`."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise TREError(Reason.BadInput, _BROKEN) from error

    def finish(self) -> None:
        """All of it came. Raises `TREError` where that is not so, or the token was missing."""
        self._need_token()
        if not self._ended:
            raise TREError(Reason.BadInput, "The upload broke off before its end.", remedy="Send it again.")

    def fields(self) -> dict[str, str]:
        """What stood in the fields that have come so far."""
        return {name: self._text(name) for name in self._fields}

    def _need_token(self) -> None:
        if not self._checked:
            self._check_token(self._text("csrf"))
            self._checked = True

    def _text(self, name: str) -> str:
        return bytes(self._fields.get(name, b"")).decode("utf-8", "replace")

    def _begin_part(self) -> None:
        self._headers = {}
        self._part = ""

    def _end_header(self) -> None:
        self._headers[bytes(self._head).lower()] = bytes(self._value)
        self._head, self._value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        filename = options.get(b"filename")
        if filename is None:
            self._begin_field(options.get(b"name", b"").decode("utf-8", "replace"))
        elif filename:  # a form whose reader chose nothing sends an empty one
            self._need_token()
            folder = "/".join(part for part in self._text("folder").strip().split("/") if part)
            name = filename.decode("utf-8", "replace")
            self._writing = self._arriving.begin(f"{folder}/{name}" if folder else name)

    def _begin_field(self, name: str) -> None:
        if name in self._fields or len(self._fields) >= MOST_FIELDS:
            raise TREError(Reason.BadInput, _BROKEN)
        self._part = name
        self._fields[name] = bytearray()

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._writing:
            self._arriving.write(data[start:end])
        elif self._part in self._fields:
            kept = self._fields[self._part]
            kept.extend(data[start:end])
            if len(kept) > self._longest_field:
                raise TREError(Reason.BadInput, "A field of this form is too long.")

    def _end_part(self) -> None:
        if self._writing:
            self._arriving.finish()
        self._writing = False
        self._part = ""

    def _end(self) -> None:
        self._ended = True
