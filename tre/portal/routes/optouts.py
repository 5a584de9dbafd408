"""A data manager's pages of opt-outs: lists, the dry run, the typed count, how far it is, the receipt.

Guarantees: nobody is named on them; what a list said of reasons is not even received further than its reading.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.optouts.batches import Batch
from tre.domain.optouts.lists import ListKind
from tre.domain.people import Person
from tre.domain.withdrawals import MEANINGS, WithdrawalLevel
from tre.portal import optout_actions as actions
from tre.portal.context import Desk
from tre.portal.guard import LARGEST_LIST
from tre.portal.optout_uploads import Handed, ListForm
from tre.portal.optout_views import BatchView, batch_view
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, desk_of
from tre.portal.site import NavigationItem
from tre.portal.streams import stream_of
from tre.portal.upload_bodies import drain
from tre.slices.receipts import as_html, receipt_now
from tre.store import datasets
from tre.store import optouts as store

router = APIRouter()
NAVIGATION = (
    NavigationItem("Opt-outs", "/optouts", permissions.can_withdraw, "Who must leave the data, and that they have."),
)
Identifier = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.get("/optouts")
def list_batches(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Every list of opt-outs, and a form for a new one."""
    permissions.check_withdraw(who.person)
    return _list_page(request, desk)


def _list_page(
    request: Request, desk: Desk, error: TREError | None = None, typed: dict[str, str] | None = None
) -> Response:
    with desk.database.read() as connection:
        values: dict[str, Any] = {
            "batches": store.everything(connection),
            "datasets": datasets.all_datasets(connection),
        }
    levels = {level.value: (level.value, meaning) for level, meaning in MEANINGS.items()}
    values |= {"levels": levels, "error": error, "typed": typed or {}, "now": desk.clock.now()}
    values["largest"] = LARGEST_LIST
    values["error_at"] = "source" if error and not _source(typed or {}) else "list"
    return render(request, "optouts.html", status=400 if error else 200, **values)


@router.post("/optouts")
async def propose(request: Request, who: CurrentVisitor) -> Response:
    """Take a list and have it counted; nothing is withdrawn by that."""
    form = ListForm()
    try:
        batch = await run_in_threadpool(_propose, desk_of(request), who.person, await form.take(request, who))
    except TREError as error:
        await drain(request)
        if error.reason is not Reason.BadInput:
            raise
        return await run_in_threadpool(_list_page, request, desk_of(request), error, form.fields)
    return RedirectResponse(f"/optouts/{batch.id}", 303)


def _source(form: dict[str, str]) -> str:
    """Who sent the list, as it is kept; nothing where that is missing or too long."""
    source = " ".join(form.get("source", "").split())
    return source if len(source) <= 200 else ""


def _propose(desk: Desk, person: Person, handed: Handed) -> Batch:
    form = handed.fields
    if not (source := _source(form)):
        raise TREError(Reason.BadInput, "Say who sent the list, in at most 200 characters.")
    try:
        kind, level = ListKind(form.get("kind", "")), WithdrawalLevel(form.get("level", ""))
    except ValueError as error:
        raise TREError(Reason.BadInput, "Say which kind of list it is, and how far it goes.") from error
    return actions.propose(desk, person, actions.Proposal(form.get("dataset", ""), kind, level, source, handed.data))


@router.get("/optouts/{identifier}")
def batch_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """One list: the dry run, who confirmed it, how far it is, what was done."""
    permissions.check_withdraw(who.person)
    return _batch_page(request, desk, who.person, identifier)


def _view(desk: Desk, person: Person, identifier: str) -> BatchView:
    permissions.check_withdraw(person)
    with desk.database.read() as connection:
        return batch_view(connection, person, store.require(connection, identifier), desk.clock.now())


def _batch_page(
    request: Request, desk: Desk, person: Person, identifier: str, error: TREError | None = None
) -> Response:
    view = _view(desk, person, identifier)
    values: dict[str, Any] = {"view": view, "meaning": MEANINGS[view.batch.level], "now": view.now}
    return render(request, "optout.html", status=400 if error else 200, error=error, **values)


@router.get("/optouts/{identifier}/events")
def live(request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """How far it is, as server-sent events, until it rests."""
    return stream_of(request, desk, who, lambda: _view(desk, who.person, identifier).message())


@router.post("/optouts/{identifier}/confirm")
def confirm(request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier, form: Form) -> Response:
    """Take the typed number of people."""
    permissions.check_withdraw(who.person)
    try:
        actions.confirm(desk, who.person, identifier, actions.typed_count(form.get("count", "")))
    except TREError as error:
        if error.reason is not Reason.ConfirmationWrong:
            raise
        return _batch_page(request, desk_of(request), who.person, identifier, error)
    return RedirectResponse(f"/optouts/{identifier}", 303)


@router.post("/optouts/{identifier}/cancel")
def cancel(desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier, form: Form) -> Response:
    """Take a list back."""
    del form  # its token was checked
    actions.cancel(desk, who.person, identifier)
    return RedirectResponse(f"/optouts/{identifier}", 303)


@router.get("/optouts/{identifier}/receipt.json")
def receipt_json(desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """The receipt for machines, as far as it has come."""
    permissions.check_withdraw(who.person)
    with desk.database.read() as connection:
        found = receipt_now(connection, identifier, desk.clock.now())
    return JSONResponse(found, headers=_attached(identifier, "json"))


@router.get("/optouts/{identifier}/receipt.html")
def receipt_page(desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """The receipt as one page for the custodian, to keep."""
    permissions.check_withdraw(who.person)
    with desk.database.read() as connection:
        text = as_html(receipt_now(connection, identifier, desk.clock.now()))
    return Response(text, media_type="text/html; charset=utf-8", headers=_attached(identifier, "html"))


def _attached(identifier: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="opt-out-receipt-{identifier[:8]}.{ending}"'}
