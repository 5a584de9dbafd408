"""A data manager's pages of datasets: what there is, what each release holds, what stayed out, who uses it.

Guarantees: nobody is named on them.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tre.domain.desk import permissions
from tre.portal import data_words
from tre.portal.dataset_views import dataset_view, history_of
from tre.portal.pages import render
from tre.portal.quarantine_asked import ONE_LINE
from tre.portal.sessions import CurrentDesk, CurrentVisitor
from tre.portal.site import NavigationItem
from tre.store import datasets

router = APIRouter()
NAVIGATION = (
    NavigationItem(
        "Datasets", "/datasets", permissions.can_manage_data, "What each release holds, what stayed out, who uses it."
    ),
)
DatasetName = Annotated[str, Path(max_length=63, pattern=ONE_LINE)]


@router.get("/datasets")
def list_datasets(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Every dataset: its newest release, what waits, who left."""
    permissions.check_manage_data(who.person)
    with desk.database.read() as connection:
        views = [dataset_view(desk, connection, who.person, one) for one in datasets.all_datasets(connection)]
    return render(request, "data/datasets.html", views=views, now=desk.clock.now())


@router.get("/datasets/{name}")
def dataset_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: DatasetName) -> Response:
    """One dataset: its releases, what stayed out by rule, its slices, its history."""
    permissions.check_manage_data(who.person)
    with desk.database.read() as connection:
        dataset = datasets.require(connection, name)
        view = dataset_view(desk, connection, who.person, dataset)
        history = history_of(connection, name)
    return render(request, "data/dataset.html", view=view, history=history, say=data_words, now=desk.clock.now())
