"""Taking a list of opt-outs: a form with a file or with text in it, or a program's order.

Guarantees: whether the person may hand in lists is found out before the body is read, and their session is looked at
again when all of it is there; the list is bounded, held in memory only (no file of it is written, not even for a
moment) and forgotten with the request; what a browser calls the file is read by nobody: names of files name people.

Threat: a stranger who sends megabytes; a list that stays behind in a directory for temporary files; many at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.portal.guard import LARGEST_BODY, LARGEST_LIST
from tre.portal.sessions import Visitor, check_still_in, check_token, desk_of
from tre.portal.upload_bodies import UploadForm, pour

MOST_LINES = 300_000
"""Of a list, empty ones too: as many pseudonyms of twelve characters as fit into its bytes."""


def _too_long(bound: str) -> TREError:
    return TREError(
        Reason.BadInput,
        f"The list is longer than {bound}.",
        why="It is held in memory while it is read.",
        remedy="Give it with `tre withdraw`, which takes longer ones.",
    )


@dataclass
class ListFile:
    """The one file of a form, in memory."""

    data: bytearray = field(default_factory=bytearray)
    begun: bool = False

    def begin(self, _path: str) -> bool:
        """Begin the file. Raises `TREError(BadInput)` for a second one."""
        if self.begun:
            raise TREError(Reason.BadInput, "More than one file was sent.", remedy="Send one list at a time.")
        self.begun = True
        return True

    def write(self, data: bytes) -> None:
        """The next bytes. Raises `TREError(BadInput)` where it is too long."""
        self.data.extend(data)
        if len(self.data) > LARGEST_LIST:
            raise _too_long(f"{LARGEST_LIST >> 20} MiB")

    def finish(self) -> None:
        """It is whole."""


@dataclass(frozen=True)
class Handed:
    """What a form held: its fields, and the list."""

    fields: dict[str, str]
    data: bytes


@dataclass
class ListForm:
    """A form on its way in; `fields` are what has come of it, whatever happens then."""

    fields: dict[str, str] = field(default_factory=dict)

    async def take(self, request: Request, who: Visitor) -> Handed:
        """Read the form; the list is its file or its text, never both. Raises `TREError`."""
        desk = desk_of(request)
        permissions.check_withdraw(who.person)
        with desk.uploads.slot(f"optouts/{who.session.id}"):
            file = ListFile()
            kind = request.headers.get("content-type", "")
            form = UploadForm(kind, lambda given: check_token(request, who, given), file, LARGEST_BODY)
            try:
                await pour(request, form.feed)
                form.finish()
            finally:
                self.fields = form.fields()
        await run_in_threadpool(check_still_in, desk, who)
        found = _one_list(bytes(file.data), self.fields.get("list", ""), begun=file.begun)
        return Handed(self.fields, check_lines(found))


def _one_list(sent: bytes, typed: str, *, begun: bool) -> bytes:
    if begun and typed.strip():
        raise TREError(
            Reason.BadInput, "There are two lists: a file and a text.", remedy="Send the file, or empty the text."
        )
    return sent if begun else typed.encode(errors="replace")


def check_lines(data: bytes) -> bytes:
    """The list again: each line of it takes much more memory than its bytes. Raises `TREError(BadInput)`."""
    if data.count(b"\n") + data.count(b"\r") > 2 * MOST_LINES:
        raise _too_long(f"{MOST_LINES:,} lines")
    return data


async def take_order(request: Request, who: Visitor) -> dict[str, Any]:
    """A program's order, JSON with the list in it. Raises `TREError`."""
    desk = desk_of(request)
    permissions.check_withdraw(who.person)
    with desk.uploads.slot(f"optouts/{who.session.id}"):
        kept = bytearray()
        await pour(request, kept.extend)  # the guard bounds it
    await run_in_threadpool(check_still_in, desk, who)
    return await run_in_threadpool(_order, bytes(kept))


def _order(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TREError(Reason.BadInput, "The body is no JSON that can be read.") from error
    if not isinstance(found, dict):
        raise TREError(Reason.BadInput, "The body is no JSON object.")
    return found
