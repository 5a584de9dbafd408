"""Handing out released bundles.

Guarantees: only a member of the project, only while the request is released, only the very bytes that the record
names: the bundle is opened once, without following a link, hashed, and sent from the same descriptor. Each download
stands in the log before its first byte leaves.

Does not guarantee: what becomes of the files outside. A recall ends further downloads; it brings nothing back.

Threat: a bundle that was exchanged on the disk; a download after a recall.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import structlog
from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.exports.models import ExportRequest, Release
from tre.domain.exports.permissions import check_download
from tre.portal import export_actions
from tre.portal.context import Desk
from tre.portal.handing_out import OtherBytesError, open_exact, pieces
from tre.portal.sessions import CurrentDesk, CurrentVisitor
from tre.store import exports

router = APIRouter()

log = structlog.get_logger()


@router.get("/exports/{export}/release.zip")
def download(desk: CurrentDesk, who: CurrentVisitor, export: str) -> Response:
    """The released bundle."""
    with desk.database.read() as connection:
        found = export_actions.find(desk, connection, who.person, export)
    check_download(who.person, found.request, found.situation.grant)
    release = found.request.release
    assert release is not None, "a released request names its bundle"
    bundle = open_bundle(desk, found.request, release)
    event = exports.event_of(
        "downloaded", found.request, who.person.subject, desk.clock.now(), bundle=release.bundle_sha256
    )
    return _send(bundle, export, release, lambda: _record(desk, event))


def _record(desk: Desk, event: Event) -> None:
    with desk.database.change(event):
        pass


def send_once(desk: Desk, request: ExportRequest, spend: Callable[[], object]) -> Response:
    """The released bundle to who holds a link; `spend` uses it, in one transaction with its event.

    The bundle is opened first: one that cannot be read spends no link.
    """
    release = request.release
    assert release is not None, "a released request names its bundle"
    return _send(open_bundle(desk, request, release), request.id, release, spend)


def _send(bundle: BinaryIO, export: str, release: Release, record: Callable[[], object]) -> Response:
    try:
        record()
    except BaseException:
        bundle.close()
        raise
    headers = {
        "Content-Disposition": f'attachment; filename="{export}.zip"',
        "Content-Length": str(release.bundle_size),
        "X-Bundle-SHA256": release.bundle_sha256,
    }
    return StreamingResponse(pieces(bundle), media_type="application/zip", headers=headers)


def open_bundle(desk: Desk, request: ExportRequest, release: Release) -> BinaryIO:
    """The bundle, at its beginning, after its bytes were found to be the recorded ones.

    Raises `TREError(ContentChanged)` where they are not, `TREError(ServiceUnavailable)` where it cannot be read.
    """
    try:
        return open_exact(desk.layout.releases / f"{request.id}.zip", release.bundle_sha256, release.bundle_size)
    except OSError as error:
        log.error("bundle-unreadable", export=request.id, error=error.strerror)
        raise TREError(
            Reason.ServiceUnavailable, "The release cannot be read now.", remedy="Tell an operator if it stays so."
        ) from error
    except OtherBytesError as error:
        log.error("bundle-changed", export=request.id)
        raise TREError(
            Reason.ContentChanged,
            "The stored release is not the one that was approved.",
            why="Its bytes differ from those on record.",
            remedy="Nothing is handed out. Tell an operator.",
        ) from error
