"""`/api/v1/optouts`: lists of opt-outs, for data managers: hand in, see the dry run, confirm, take back, receipt.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events; every answer carries
`allowedActions`. A list travels in a body, never in an address.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from tre.domain.desk import permissions
from tre.domain.errors import TREError
from tre.domain.model import parse_record
from tre.portal import optout_actions as actions
from tre.portal.api.optout_models import BatchAnswer, ConfirmRequest, ProposeRequest, batch_answer
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.optout_uploads import check_lines, take_order
from tre.portal.optout_views import batch_view
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.portal.upload_bodies import drain
from tre.slices.receipts import receipt_now
from tre.store import optouts as store

router = APIRouter(prefix="/api/v1/optouts", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {
    "dependencies": [Depends(checked_header)],
    "responses": responses(400),
    "response_model_exclude_none": True,
}
BatchPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
_SCHEMA = ProposeRequest.model_json_schema(ref_template="#/components/schemas/{model}")
_ORDER = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {key: _SCHEMA[key] for key in _SCHEMA if key != "$defs"}}},
    }
}


def _answer(desk: Desk, who: Visitor, identifier: str) -> BatchAnswer:
    with desk.database.read() as connection:
        batch = store.require(connection, identifier)
        return batch_answer(batch_view(connection, who.person, batch, desk.clock.now()))


@router.get("", response_model_exclude_none=True)
def list_batches(
    desk: CurrentDesk, who: CurrentVisitor, dataset: Annotated[str, Query(max_length=63)] = ""
) -> list[BatchAnswer]:
    """Every list, newest first."""
    permissions.check_withdraw(who.person)
    now = desk.clock.now()
    with desk.database.read() as connection:
        found = store.of_dataset(connection, dataset) if dataset else store.everything(connection)
        return [batch_answer(batch_view(connection, who.person, batch, now)) for batch in found]


@router.get("/{identifier}", response_model_exclude_none=True)
def get_batch(desk: CurrentDesk, who: CurrentVisitor, identifier: BatchPath) -> BatchAnswer:
    """One list; `Counting` until the dry run is there."""
    permissions.check_withdraw(who.person)
    return _answer(desk, who, identifier)


@router.post("", status_code=201, openapi_extra=_ORDER, **CHANGES | {"responses": responses(400, 413, 429)})
async def propose(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> BatchAnswer:
    """Hand in a list and have it counted; nothing is withdrawn by that."""
    try:
        order = await take_order(request, who)
    except TREError:
        await drain(request)
        raise
    return await run_in_threadpool(_propose, desk, who, order)


def _propose(desk: Desk, who: Visitor, order: dict[str, Any]) -> BatchAnswer:
    asked = parse_record(ProposeRequest, order, source="the list")
    data = check_lines(asked.list.encode(errors="replace"))
    proposal = actions.Proposal(asked.dataset, asked.kind, asked.level, asked.source, data)
    return _answer(desk, who, actions.propose(desk, who.person, proposal).id)


@router.post("/{identifier}/confirm", **CHANGES)
def confirm(desk: CurrentDesk, who: CurrentVisitor, identifier: BatchPath, body: ConfirmRequest) -> BatchAnswer:
    """Confirm the number of people; above one in a hundred patients, a second person must, too."""
    actions.confirm(desk, who.person, identifier, body.people)
    return _answer(desk, who, identifier)


@router.post("/{identifier}/cancel", **CHANGES)
def cancel(desk: CurrentDesk, who: CurrentVisitor, identifier: BatchPath) -> BatchAnswer:
    """Take a list back that was not accepted."""
    actions.cancel(desk, who.person, identifier)
    return _answer(desk, who, identifier)


@router.get("/{identifier}/receipt")
def receipt(desk: CurrentDesk, who: CurrentVisitor, identifier: BatchPath) -> dict[str, Any]:
    """The receipt for the custodian, as far as it has come."""
    permissions.check_withdraw(who.person)
    with desk.database.read() as connection:
        return receipt_now(connection, identifier, desk.clock.now())
