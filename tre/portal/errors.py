"""What people and programs get when something is refused or goes wrong.

Guarantees: a person gets a page in plain words, a program gets JSON with the reason; neither gets a stack trace, the
text of an exception that was not written for people, or anything of the request beyond what they sent. What was not
foreseen is logged with an identifier that the page shows.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from tre.domain.errors import Reason, TREError
from tre.domain.model import Record
from tre.portal.guard import BodyTooLargeError
from tre.portal.metrics import REFUSED
from tre.portal.pages import render
from tre.portal.retold import retold
from tre.portal.sessions import SignInNeededError, desk_of, send_to_sign_in
from tre.portal.words import words_for

log = structlog.get_logger()

STATUS = {
    Reason.AlreadyExists: HTTPStatus.CONFLICT,
    Reason.ApplicationNotFound: HTTPStatus.NOT_FOUND,
    Reason.BadInput: HTTPStatus.BAD_REQUEST,
    Reason.ConfirmationWrong: HTTPStatus.BAD_REQUEST,
    Reason.Conflict: HTTPStatus.CONFLICT,
    Reason.DatasetNotFound: HTTPStatus.NOT_FOUND,
    Reason.ExportNotFound: HTTPStatus.NOT_FOUND,
    Reason.GrantNotFound: HTTPStatus.NOT_FOUND,
    Reason.ImportNotFound: HTTPStatus.NOT_FOUND,
    Reason.LoginFailed: HTTPStatus.FORBIDDEN,
    Reason.LoginRequired: HTTPStatus.UNAUTHORIZED,
    Reason.NotAMember: HTTPStatus.FORBIDDEN,
    Reason.NotPermitted: HTTPStatus.FORBIDDEN,
    Reason.ObjectNotFound: HTTPStatus.NOT_FOUND,
    Reason.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.ServiceUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.SliceNotFound: HTTPStatus.NOT_FOUND,
}
"""Every other reason is a refusal because of the state of things: 409."""

_NOT_FOUND = TREError(
    Reason.BadInput, "There is no such page.", why="The address may be mistyped, or what it named is gone."
)
_NOT_SO = TREError(Reason.BadInput, "This page cannot be asked in this way.")
_TOO_MUCH = TREError(Reason.BadInput, "This is more than may be sent here.")


class ErrorAnswer(Record):
    """An error as the API answers it."""

    reason: str
    what: str
    why: str
    remedy: str


_REFUSAL = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}}}


def add_handlers(app: FastAPI) -> None:
    """Let an application answer errors in this way."""
    app.add_exception_handler(TREError, _tre_error)
    app.add_exception_handler(SignInNeededError, _sign_in)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(BodyTooLargeError, _too_large)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unforeseen)


def wants_json(request: Request) -> bool:
    """Whether a program asks."""
    path = request.url.path
    return path.startswith(("/api/", "/internal/", "/intake")) or path.endswith(".json")


def answer(request: Request, error: TREError, status: int, incident: str = "") -> Response:
    """An error as a page or as JSON; either is counted."""
    REFUSED.labels(error.reason.value).inc()
    if wants_json(request):
        return JSONResponse(error.as_dict(), status)
    told = retold(error)
    return render(request, "error.html", status=status, error=told, words=words_for(error.reason), incident=incident)


async def _tre_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TREError)
    return answer(request, error, STATUS.get(error.reason, HTTPStatus.CONFLICT))


async def _sign_in(request: Request, _error: Exception) -> Response:
    """Lead a page to the sign-in; tell everything else that it is needed."""
    navigates = request.method == "GET" and not wants_json(request) and not request.url.path.endswith("/events")
    if navigates:
        return send_to_sign_in(desk_of(request), request)
    error = TREError(Reason.LoginRequired, "You are not signed in.", remedy="Sign in, then try again.")
    return answer(request, error, HTTPStatus.UNAUTHORIZED)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()[:10])
    return answer(request, TREError(Reason.BadInput, "This request is not understood.", why=places), 422)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known: dict[int, TREError] = {404: _NOT_FOUND, 413: _TOO_MUCH}
    response = answer(request, known.get(error.status_code, _NOT_SO), error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _too_large(request: Request, _error: Exception) -> Response:
    return answer(request, _TOO_MUCH, 413)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _unforeseen(request: Request, error: Exception) -> Response:
    incident = secrets.token_hex(4)
    where = getattr(request.scope.get("route"), "path", "")  # the pattern: an address can hold the name of a file
    log.error("unforeseen", incident=incident, route=where, kind=type(error).__name__, exc_info=error)
    told = TREError(
        Reason.ServiceUnavailable,
        "Something went wrong that should not have.",
        remedy=f"Try again. If it stays, tell an operator the number {incident}.",
    )
    return answer(request, told, HTTPStatus.INTERNAL_SERVER_ERROR, incident)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the API's schema says of refusals: by name, since a model given here is built once for each of them."""
    return {status: {"description": HTTPStatus(status).phrase, "content": _REFUSAL} for status in statuses}
