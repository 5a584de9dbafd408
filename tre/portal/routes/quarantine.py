"""A data manager's pages of quarantine: what waits, why, since when, and the decision, singly or in bulk.

Guarantees: nobody is named on them, and no value that broke a rule is shown; they work without a script; a refused form
comes back with what was chosen and typed, but neither with the number that confirms nor with files that wait for
something else by now.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.quarantine import LONGEST_REASON, LOOKED_AT_WITHIN, QuarantineState
from tre.portal import data_words, quarantine_actions
from tre.portal.context import Desk
from tre.portal.dataset_views import PAGE, decision_lines, quarantine_view
from tre.portal.errors import STATUS
from tre.portal.export_forms import Fault
from tre.portal.pages import render
from tre.portal.quarantine_actions import Verdict, Whole
from tre.portal.quarantine_asked import ONE_LINE, Asked, Filter
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor
from tre.portal.site import NavigationItem
from tre.store import datasets
from tre.store import quarantine as store

router = APIRouter()
NAVIGATION = (
    NavigationItem(
        "Quarantine",
        "/quarantine",
        permissions.can_manage_data,
        "Files that the header gate wants a person to look at.",
    ),
)
DatasetName = Annotated[str, Path(max_length=63, pattern=ONE_LINE)]
_TOO_LATE = frozenset({Reason.StateForbids, Reason.Conflict, Reason.DataWithdrawn})
_ON_THE_PAGE = _TOO_LATE | {Reason.BadInput, Reason.ConfirmationWrong}
"""Refusals that are shown on the page they come from, as it is now."""

_STALE = "maincontent"
_FILE = re.compile(r"file-([0-9a-f]{64})")


@router.get("/quarantine")
def overview(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    dataset: Annotated[str, Query(max_length=63, pattern=ONE_LINE)] = "",
) -> Response:
    """What waits, by dataset, rule and attribute."""
    permissions.check_manage_data(who.person)
    with desk.database.read() as connection:
        groups = store.waiting_groups(connection, dataset)
        known = datasets.all_datasets(connection)
    values: dict[str, Any] = {"groups": groups, "datasets": known, "dataset": dataset, "say": data_words}
    now = desk.clock.now()
    return render(request, "data/quarantine.html", now=now, late_before=now - LOOKED_AT_WITHIN, **values)


@router.get("/quarantine/{name}")
def files_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: DatasetName, asked: Asked) -> Response:
    """Files of a dataset that wait, or were decided about, and the forms to decide."""
    permissions.check_manage_data(who.person)
    return _files_page(request, desk, who, (name, asked))


def _files_page(
    request: Request, desk: Desk, who: Visitor, shown: tuple[str, Filter], fault: Fault | None = None
) -> Response:
    name, asked = shown
    with desk.database.read() as connection:
        view = quarantine_view(desk, connection, who.person, asked.search(name), asked.first)
        counts = store.counts_of(connection, name)
        history = decision_lines(connection, name)
    values: dict[str, Any] = {
        "view": view,
        "asked": asked,
        "here": asked.address,
        "rules": sorted({rule for _, rule, _ in counts}),
        "attributes": sorted({attribute for _, rule, attribute in counts if attribute and asked.rule in {"", rule}}),
        "every": sum(counts.values()),
        "history": history,
        "page_size": PAGE,
        "longest": LONGEST_REASON,
        "fault": fault,
        "say": data_words,
    }
    status = STATUS.get(fault.error.reason, HTTPStatus.CONFLICT) if fault else HTTPStatus.OK
    return render(request, "data/quarantined.html", status=status, now=desk.clock.now(), **values)


Act = Callable[[Verdict], Any]


@router.post("/quarantine/{name}/decide")
def decide_chosen(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: DatasetName, asked: Asked, form: Form
) -> Response:
    """Decide about the files that are ticked."""
    marks = {found[1]: mark for key, mark in form.items() if (found := _FILE.fullmatch(key))}

    def act(verdict: Verdict) -> None:
        quarantine_actions.decide_chosen(desk, who.person, name, marks, verdict)

    return _decided(request, (desk, who, (name, asked)), ("chosen", form), act)


@router.post("/quarantine/{name}/decide-all")
def decide_whole(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: DatasetName, asked: Asked, form: Form
) -> Response:
    """Decide about all files that wait for one rule, by a typed number."""

    def act(verdict: Verdict) -> None:
        whole = Whole(asked.rule, asked.attribute, _moment(form.get("until", "")), form.get("count", ""))
        quarantine_actions.decide_whole(desk, who.person, name, whole, verdict)

    return _decided(request, (desk, who, (name, asked)), ("whole", form), act)


def _decided(
    request: Request,
    at: tuple[Desk, Visitor, tuple[str, Filter]],
    sent: tuple[str, dict[str, str]],
    act: Act,
) -> Response:
    """Act, and go back to the page; beside the form, where it was not filled in as it is due."""
    desk, who, (name, asked) = at
    kind, form = sent
    permissions.check_manage_data(who.person)
    try:
        act(Verdict(form.get("state", ""), form.get("reason", "")))
    except TREError as error:
        if error.reason not in _ON_THE_PAGE:
            raise
        return _files_page(request, desk, who, (name, asked), Fault(kind, error, _field(kind, error, form), form))
    return RedirectResponse(asked.address(name, first=0), 303)


def _field(kind: str, error: TREError, form: dict[str, str]) -> str:
    """Which input an error is about."""
    if error.reason in _TOO_LATE:
        return _STALE
    if error.reason is Reason.ConfirmationWrong:
        return "count"
    if form.get("state") not in {QuarantineState.released, QuarantineState.rejected}:
        return f"{kind}-released"
    files = any(map(_FILE.fullmatch, form))
    return f"{kind}-reason" if kind == "whole" or files else "files"


def _moment(text: str) -> datetime:
    """The moment that a page was bounded by. Raises `TREError(BadInput)`."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else _no_moment()
    except (ValueError, OverflowError):
        return _no_moment()


def _no_moment() -> NoReturn:
    raise TREError(Reason.BadInput, "The form does not say which files it showed.", remedy="Load the page again.")
