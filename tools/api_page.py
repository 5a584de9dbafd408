"""The page of the API, from the very application that answers it."""

from __future__ import annotations

from itertools import groupby
from types import SimpleNamespace
from typing import Any

from page import code, page, table

from tre.portal.api.docs import Operation, operations_of
from tre.portal.applications import desk_app
from tre.system.settings import Settings

BASE = "/api/v1/"


def schema() -> dict[str, Any]:
    """The schema that `/api/openapi.json` answers."""
    nobody: Any = SimpleNamespace(settings=Settings())
    return desk_app(nobody, nobody).openapi()


def _about(operation: Operation) -> str:
    return operation.path.removeprefix(BASE).split("/")[0]


def api_page() -> str:
    """Every operation, by what it is about, and every body's fields."""
    document = schema()
    found = sorted(operations_of(document), key=_about)
    parts = []
    for about, group in groupby(found, _about):
        rows = [
            (
                f"{code(one.method)} {code(one.path)}",
                " ".join(one.summary.split()),
                _named(one.takes),
                _named(one.gives),
                one.statuses,
            )
            for one in group
        ]
        parts += [f"## {about}", table(("address", "what it does", "takes", "gives", "answers"), rows)]
    return page(
        "API",
        "The desk answers programs at the same host as people. Sign in, keep the cookie; send the header "
        "`X-CSRF-Token` with whatever changes something (`GET /api/v1/me` gives it). A refusal is JSON with `reason` "
        "(one of the [reasons](reasons.md)), `what`, `why` and `remedy`. `allowedActions` says what this person may do "
        "with an object now. The desk reads out the whole schema to people at `/api`, to programs at "
        "`/api/openapi.json`.",
        *parts,
    )


def _named(model: str) -> str:
    many, _, name = model.rpartition(" ")
    return f"{many} {code(name.rpartition('__')[2])}".strip() if model else "–"
