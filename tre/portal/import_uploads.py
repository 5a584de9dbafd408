"""Taking an upload into a request: who may, the bytes, and then the asking.

Guarantees: whether the person may send files into the request is found out before the body is read, and again when
all of it is there, with the session: it may be minutes later. Nothing of a refused upload stays.

Threat: files sent with a session that has ended; two uploads that meet in one request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tre.domain.errors import Reason, TREError
from tre.portal import import_actions
from tre.portal.context import Desk
from tre.portal.guard import LARGEST_UPLOAD
from tre.portal.sessions import Visitor, check_still_in, check_token, desk_of
from tre.portal.upload_bodies import UploadForm, pour
from tre.portal.uploads import Arriving, LeftOut


async def take_form(request: Request, who: Visitor, name: str) -> tuple[LeftOut, ...]:
    """Keep the files of a form, and have them copied; what was left out of them. Raises `TREError`."""
    async with _arriving(request, who, name) as arriving:
        kind = request.headers.get("content-type", "")
        form = UploadForm(kind, lambda given: check_token(request, who, given), arriving)
        await pour(request, form.feed)
        form.finish()
    return tuple(arriving.left_out)


async def take_file(request: Request, who: Visitor, name: str, path: str) -> None:
    """Keep a body as one file, and have it copied. Raises `TREError`."""
    async with _arriving(request, who, name) as arriving:
        if arriving.begin(path):
            await pour(request, arriving.write)
            await run_in_threadpool(arriving.finish)


@asynccontextmanager
async def _arriving(request: Request, who: Visitor, name: str) -> AsyncIterator[Arriving]:
    desk = desk_of(request)
    await run_in_threadpool(import_actions.check_upload, desk, who.person, name)
    with desk.uploads.slot(name):
        arriving = await run_in_threadpool(desk.uploads.begin, _expected(request))
        try:
            yield arriving
            _check_any(arriving)
            await run_in_threadpool(_ask, desk, who, name, arriving)
        except BaseException:
            await run_in_threadpool(arriving.discard)
            raise


def _expected(request: Request) -> int:
    """Bytes that will come; as many as may where that is not said."""
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isascii() and stated.isdecimal() else LARGEST_UPLOAD


def _check_any(arriving: Arriving) -> None:
    if arriving.left_out and not arriving.paths:
        raise refusal(tuple(arriving.left_out), 0)
    if not arriving.paths:
        raise TREError(Reason.BadInput, "No file is chosen.", remedy="Choose at least one file.")


def refusal(left_out: tuple[LeftOut, ...], kept: int) -> TREError:
    """What a person is told of files that were left out."""
    named = "; ".join(f"{item.path[:200]!r}: {item.problem}" for item in left_out[:10])
    more = f" And {len(left_out) - 10} more." if len(left_out) > 10 else ""
    return TREError(
        Reason.FileRefused,
        "1 file was left out." if len(left_out) == 1 else f"{len(left_out)} files were left out.",
        why=named + more,
        remedy="Rename what should come in, and send it again." + (" The other files were taken." if kept else ""),
    )


def _ask(desk: Desk, who: Visitor, name: str, arriving: Arriving) -> None:
    arriving.seal()
    check_still_in(desk, who)
    import_actions.ask_receive(desk, who.person, name, (arriving.name, tuple(arriving.paths)))
