"""The API's description, for people who are signed in: the schema itself, and a page that reads it out.

Guarantees: the page is made from the schema that the tests attack; it needs no script and fetches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from tre.portal.pages import render
from tre.portal.sessions import CurrentVisitor

router = APIRouter()


@dataclass(frozen=True)
class Operation:
    """One operation of the API."""

    method: str
    path: str
    summary: str
    takes: str
    gives: str
    statuses: str


@router.get("/api/openapi.json")
def schema(request: Request, _who: CurrentVisitor) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/api")
def page(request: Request, _who: CurrentVisitor) -> Response:
    """The same as a page."""
    return render(request, "api.html", operations=operations_of(request.app.openapi()))


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI document, in its order."""
    return [
        Operation(
            method=method.upper(),
            path=path,
            summary=str(found.get("description") or found.get("summary", "")),
            takes=_model(found.get("requestBody", {})),
            gives=_model(_success(found["responses"])),
            statuses=", ".join(sorted(found["responses"])),
        )
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]


def _success(answers: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next((value for status, value in answers.items() if status.startswith("2")), {})
    return found


def _model(part: dict[str, Any]) -> str:
    kind = part.get("content", {}).get("application/json", {}).get("schema", {})
    many = "items" in kind
    name = str((kind["items"] if many else kind).get("$ref", "")).rpartition("/")[2]
    return f"list of {name}" if many else name
