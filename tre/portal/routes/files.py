"""One file of a request at full width, for everybody who may see the request, and its difference from other versions.

Guarantees: whether somebody may see the file is the domain's word; a file that was taken back is not shown; another
version is shown only where it belongs to this very file.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tre.domain.errors import Reason, TREError
from tre.domain.exports.visibility import seen_by
from tre.portal import export_actions, export_words
from tre.portal.context import Desk
from tre.portal.export_views import FileView, file_view, is_outside
from tre.portal.pages import render
from tre.portal.preview.beside import Version, beside
from tre.portal.preview.differences import TableDifference, difference
from tre.portal.preview.viewer import Showing, Viewer
from tre.portal.sessions import CurrentDesk, CurrentVisitor

router = APIRouter()


@router.get("/files/{export}/{key}")
def file_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, export: str, key: str) -> Response:
    """What the checks kept of a file, leaf by leaf, its findings at their places, and what stands beside it."""
    person = who.person
    with desk.database.read() as connection:
        found = export_actions.find(desk, connection, person, export)
        shown = seen_by(found.request, person, found.situation.grant)
        files = [file_view(shown, file, group.name) for group in shown.groups for file in group.files]
        files = [view for view in files if view.file in shown.shown]
        view = _at(files, key)
        others = beside(desk, connection, shown, view.file)
    viewer = Viewer(Showing(request, desk, shown, view))
    version = next((item for item in others.versions if item.sha256 == viewer.asked.against), None)
    place = files.index(view)
    outside = is_outside(person, found.request, found.situation.grant)
    page = render(
        request,
        "preview/file.html",
        viewer=viewer,
        beside=others,
        version=version,
        differences=_differences(desk, viewer, version),
        export=shown,
        grant=found.grant,
        view=view,
        back=f"/reviews/{shown.id}/files/{view.key}" if outside else f"/exports/{shown.id}",
        before=files[place - 1] if place else None,
        after=files[place + 1] if place + 1 < len(files) else None,
        say=export_words,
        now=desk.clock.now(),
    )
    return viewer.remember(page)


def _at(files: list[FileView], key: str) -> FileView:
    for view in files:
        if view.key == key:
            return view
    raise TREError(Reason.ExportNotFound, "There is no such file in this request.", remedy="Go back to the request.")


def _differences(desk: Desk, viewer: Viewer, version: Version | None) -> list[TableDifference]:
    if version is None:
        return []
    return difference(desk.extracts.find(version.sha256, version.type), viewer.content)
