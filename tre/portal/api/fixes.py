"""`/api/v1/exports/{export}/fixes`: what the service can make of a file that was found wanting, and asking for it.

Guarantees: the same functions as behind the pages; offered is only what a finding of the present run suggests.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from tre.domain.exports.models import FileKind, FilePath, Sha256
from tre.domain.model import Line, Record
from tre.portal import export_actions, fix_actions
from tre.portal.api.export_models import ExportAnswer, export_answer
from tre.portal.api.exports import CHANGES, ExportPath
from tre.portal.errors import responses
from tre.portal.export_views import export_view
from tre.portal.fix_actions import Wish
from tre.portal.sessions import CurrentDesk, CurrentVisitor

router = APIRouter(prefix="/api/v1/exports", responses=responses(401, 403, 404, 409, 422))


class FixOffer(Record):
    """One fix; `parameters` are the numbers that it would be told."""

    id: Line
    title: Line
    statement: Line
    version: int
    parameters: dict[str, int]


class FileOffers(Record):
    """What can be made of one file."""

    path: FilePath
    sha256: Sha256
    fixes: list[FixOffer]


class FixRequest(Record):
    """A fix of a file that was seen with these bytes; `afterwards` is what the old file is then."""

    path: FilePath
    sha256: Sha256
    fix: Annotated[Line, Field(max_length=40)]
    parameters: Annotated[dict[Annotated[Line, Field(max_length=40)], int], Field(max_length=10)] = {}
    afterwards: Literal["withdrawn", "supporting"] = "withdrawn"


@router.get("/{export}/fixes", response_model_exclude_none=True)
def get_fixes(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> list[FileOffers]:
    """What is offered to the person for each file of a request now."""
    found = export_actions.found_now(desk, who.person, export)
    seen = {file.path: file.sha256 for file in found.request.files}
    return [
        FileOffers(path=path, sha256=seen[path], fixes=[_told(offer) for offer in offered])
        for path, offered in fix_actions.offers(found, who.person).items()
    ]


def _told(offer: fix_actions.Offer) -> FixOffer:
    fix = offer.fix
    return FixOffer(id=fix.id, title=fix.title, statement=fix.statement, version=fix.version, parameters=offer.numbers)


@router.post("/{export}/fixes", status_code=202, **CHANGES)
def ask_fix(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: FixRequest) -> ExportAnswer:
    """Have new files made of one file, in its place; `busy` until they are there and checked."""
    wish = Wish(body.path, body.sha256, body.fix, FileKind(body.afterwards), body.parameters)
    fix_actions.ask(desk, who.person, export, wish)
    with desk.database.read() as connection:
        found = export_actions.find(desk, connection, who.person, export)
        return export_answer(export_view(desk, connection, who.person, found), found, who.person.subject)
