"""Public pages beside those of projects: data, totals, hospitals, the log, and the register's files for machines.

Guarantees: as for `tre.portal.routes.public`; a hospital is named only where the dataset publishes its hospitals; the
checkpoint is shown as it was signed.

Does not guarantee: that a reader without the log's public key can check a checkpoint: it has to come another way.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tre.audit.records import last_checkpoint
from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.portal import account_public, account_words, committee_public
from tre.portal.pages import render
from tre.portal.register_files import KINDS, RegisterFiles
from tre.portal.register_views import dataset_page, opt_outs_of
from tre.portal.routes.public import portal_of
from tre.register.feed import NEWEST, feed
from tre.store import datasets, register
from tre.system.languages import gettext

router = APIRouter()


@router.get("/register.rss")
def register_feed(request: Request) -> Response:
    """The newest projects."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        data = feed(register.newest(connection, NEWEST), portal.settings.origin())
    return Response(data, media_type="application/rss+xml")


@router.get("/register.csv")
def register_csv(request: Request) -> Response:
    """Every project, as comma-separated values."""
    return _file(request, "csv")


@router.get("/register.json")
def register_json(request: Request) -> Response:
    """Every project, as JSON."""
    return _file(request, "json")


@router.get("/register.xlsx")
def register_xlsx(request: Request) -> Response:
    """Every project, as the workbook that HDR UK's Gateway takes."""
    return _file(request, "xlsx")


def _file(request: Request, kind: str) -> Response:
    files: RegisterFiles = request.app.state.register_files
    headers = {"Content-Disposition": f'attachment; filename="register.{kind}"'}
    return Response(files.get(kind), media_type=KINDS[kind].media_type, headers=headers)


@router.get("/data")
def all_data(request: Request) -> Response:
    """Every dataset."""
    with portal_of(request).database.read() as connection:
        known = [dataset_page(connection, item) for item in datasets.all_datasets(connection)]
    return render(request, "public/datasets.html", datasets=known)


@router.get("/data/{name}")
def one_dataset(request: Request, name: str) -> Response:
    """One dataset: what it holds, who is in it, how to opt out."""
    with portal_of(request).database.read() as connection:
        found = datasets.get(connection, name) if name == as_line(name) else None
        if found is None:
            raise TREError(
                Reason.DatasetNotFound, gettext("There is no such data here."), remedy=gettext("See the list of data.")
            )
        page = dataset_page(connection, found)
    return render(request, "public/dataset.html", page=page)


@router.get("/hospitals")
def hospitals(request: Request, q: Annotated[str, Query()] = "") -> Response:
    """Whether data from a hospital are here and who used them."""
    with portal_of(request).database.read() as connection:
        values = hospital_values(connection, as_line(q, 60))
    return render(request, "public/hospitals.html", **values)


def hospital_values(connection: Connection, code: str) -> dict[str, Any]:
    """What the page of hospitals shows for a code, or without one."""
    known = [dataset_page(connection, item) for item in datasets.all_datasets(connection)]
    fitting = [page for page in known if code and page.hospitals and _holds(page.hospitals, code)]
    silent = [page for page in known if page.hospitals is None]
    return {"code": code, "known": known, "fitting": fitting, "silent": silent}


def _holds(codes: list[str], code: str) -> bool:
    return code.casefold() in {one.casefold() for one in codes}


@router.get("/totals")
def totals(request: Request) -> Response:
    """How many projects, what left, how many opted out."""
    with portal_of(request).database.read() as connection:
        values = total_values(connection)
    return render(request, "public/totals.html", **values)


def total_values(connection: Connection) -> dict[str, Any]:
    """What the page of totals shows."""
    applied = [opt_outs_of(connection, item) for item in datasets.all_datasets(connection)]
    return {
        "totals": register.totals(connection),
        "left": register.left(connection),
        "opt_outs": applied,
        "declined": committee_public.declined(connection, committee_public.LATEST),
        "incidents": account_public.count_incidents(account_public.incidents(connection)),
        "say": account_words,
    }


@router.get("/log")
def log(request: Request) -> Response:
    """What the audit log is, and how anybody checks it."""
    with portal_of(request).database.read() as connection:
        found = last_checkpoint(connection)
    return render(request, "public/log.html", checkpoint=found)


@router.get("/log/checkpoint.txt")
def checkpoint(request: Request) -> Response:
    """The last checkpoint as it was signed, to be kept and compared later."""
    with portal_of(request).database.read() as connection:
        found = last_checkpoint(connection)
    if found is None:
        raise TREError(Reason.ObjectNotFound, "The log was not signed yet.", remedy="Come back in a minute.")
    return Response(found.note, media_type="text/plain")
