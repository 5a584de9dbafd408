"""Passing HTTP on: to our own services as it is, to workspaces under the rules of the browser channel.

Guarantees: nothing that the gateway knows of a person (cookies, authorisation, addresses) reaches a workspace, and of
a workspace's response only status, body, entity tag and date come back; the content type is the one that belongs to
the address, so that no file can become a page; redirects stay among the pages of the same Lab. Bodies stream both
ways with bounded memory, and bytes of a workspace pass its budget before they pass the door. Our own services get
`X-Forwarded-*` from us alone.

Does not guarantee: that a body is what its type says. `nosniff` and the policy of `tre.gateway.headers` bound that.

Threat: a workspace that answers with `Set-Cookie`, `Clear-Site-Data`, a foreign `Location` or a looser policy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from tre.domain.errors import Reason
from tre.domain.workspaces.routes import Route
from tre.gateway.budgets import Budget, Budgets
from tre.gateway.decisions import Session
from tre.gateway.headers import passed_on
from tre.gateway.hygiene import body_length, check_size
from tre.gateway.metrics import Metrics
from tre.gateway.outbox import Outbox
from tre.gateway.paths import Address, Kind, permitted
from tre.gateway.refusals import OWN_HEADERS, RefusedError
from tre.gateway.upstream import Upstreams, exact_url, silent_workspace

LARGEST_UPLOAD = 64 * 2**20
"""Bytes of one request into a workspace: a large notebook with its pictures."""

_SAYS_WHO_ANSWERS = ("Server", "X-Powered-By", "X-JupyterHub-Version")
_UNREADABLE = "The workspace answered in a way nobody can read."
_SMALL = 64 * 2**10
_LARGEST_ANSWER_TO_WRITE = 256 * 2**10


@dataclass(frozen=True)
class Visit:
    """One permitted request to a workspace: where, by whom, for what."""

    route: Route
    session: Session
    address: Address


@dataclass(frozen=True)
class Service:
    """One of our own services: its socket, the largest body it is sent, whether cookies concern it, and whether its
    answers may be framed where their own policy says so."""

    socket: Path
    largest_body: int
    cookies: bool = True
    framed: bool = False


async def pass_to_service(
    request: web.BaseRequest, client: aiohttp.ClientSession, service: Service, always: Mapping[str, str]
) -> web.StreamResponse:
    """Send a request to a service of ours, stream its answer back; `always` are headers of the gateway's own.

    Raises `RefusedError` where the service is silent.
    """
    check_size(request, service.largest_body)
    headers = passed_on(request.headers, without=() if service.cookies else ("Cookie",))
    scheme = "https" if request.secure else "http"
    headers["X-Forwarded-For"] = request.remote or "unknown"
    headers["X-Forwarded-Proto"] = scheme
    headers["X-Forwarded-Host"] = request.headers["Host"]
    try:
        async with client.request(
            request.method,
            exact_url(request.raw_path),
            headers=headers,
            data=_body(request, service.largest_body),
            allow_redirects=False,
        ) as answer:
            without = (*_SAYS_WHO_ANSWERS, *(() if service.cookies else ("Set-Cookie",)))
            response = web.StreamResponse(status=answer.status, headers=passed_on(answer.headers, without=without))
            response.headers.update(always)
            for name, value in OWN_HEADERS.items():  # a service's own come first; its static files have none
                response.headers.setdefault(name, value)
            if service.framed:  # X-Frame-Options knows no exception for a host of ours; the policy does
                del response.headers["X-Frame-Options"]
            await _stream(request, answer, response, lambda _amount: True)
            return response
    except aiohttp.ClientConnectionError as error:
        raise RefusedError(502, Reason.ServiceUnavailable) from error


class WorkspaceProxy:
    """HTTP to workspaces."""

    def __init__(
        self,
        upstreams: Upstreams,
        budgets: Budgets,
        outbox: Outbox,
        metrics: Metrics,
        note: Callable[[Route], None] = lambda _: None,
    ) -> None:
        self._note = note
        self._upstreams = upstreams
        self._budgets = budgets
        self._outbox = outbox
        self._metrics = metrics

    async def serve(self, request: web.BaseRequest, visit: Visit, headers: Mapping[str, str]) -> web.StreamResponse:
        """Answer a permitted request; `headers` are those of the Lab host. Raises `RefusedError`."""
        check_size(request, LARGEST_UPLOAD)
        if request.method != "GET":  # a page that is merely open only reads
            self._note(visit.route)
        if "Content-Encoding" in request.headers:
            raise RefusedError(415, Reason.BadInput, "Compressed bodies are not taken here.", close=True)
        budget = _budget(request.method, visit.address, request.query_string)
        if budget is not None and self._budgets.left(visit.route, budget) == 0:
            raise self._exhausted(visit, budget)
        upstream = await self._upstreams.workspace(visit.route)
        try:
            async with upstream.client.request(
                request.method,
                exact_url(visit.address.target, upstream.origin),
                headers=_request_headers(request),
                data=_body(request, LARGEST_UPLOAD),
                allow_redirects=False,
            ) as answer:
                return await self._pass_back(request, answer, visit, headers)
        except aiohttp.ClientConnectorError as error:
            await self._upstreams.drop(visit.route.workspace)  # its handle may be of an earlier socket: look again
            raise silent_workspace() from error
        except (aiohttp.ClientError, ValueError) as error:
            raise silent_workspace(_UNREADABLE) from error

    async def _pass_back(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, visit: Visit, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        if not 200 <= answer.status < 600:
            raise silent_workspace(_UNREADABLE)
        kept = _response_headers(answer, visit.address, headers)
        budget = _budget(request.method, visit.address, request.query_string)
        length = answer.content_length
        if answer.status in {204, 304}:
            return web.Response(status=answer.status, headers=kept)
        if (length is not None and length <= _SMALL) or budget is None:
            body = await _read(answer, _SMALL if budget else _LARGEST_ANSWER_TO_WRITE)
            self._count(visit, budget, len(body))
            return web.Response(status=answer.status, headers=kept, body=body)
        if length is not None:
            self._count(visit, budget, length)
            kept["Content-Length"] = str(length)
        response = web.StreamResponse(status=answer.status, headers=kept)

        def admit(amount: int) -> bool:
            return length is not None or self._budgets.admit(visit.route, budget, amount)

        await _stream(request, answer, response, admit)
        return response

    def _count(self, visit: Visit, budget: Budget | None, amount: int) -> None:
        if budget is None:
            self._budgets.charge(visit.route, Budget.kernel_output, amount)
        elif not self._budgets.admit(visit.route, budget, amount):
            raise self._exhausted(visit, budget, amount)
        if budget is Budget.file_reads:
            self._outbox.put_read(visit.route.workspace, visit.session.subject, visit.address.file, amount)
        self._metrics.bytes.labels(budget or Budget.kernel_output, "down").inc(amount)

    def _exhausted(self, visit: Visit, budget: Budget, amount: int = 0) -> RefusedError:
        refusal = RefusedError(429, Reason.BudgetExhausted)
        refusal.headers["Retry-After"] = str(int(self._budgets.returns_in(visit.route, budget, amount)) + 1)
        return refusal


def _budget(method: str, address: Address, query: str) -> Budget | None:
    """Which budget an answer is counted against; `None` for answers to writing, which is always allowed."""
    if method != "GET":
        return None
    asked = query.split("&")
    listing = "type=directory" in asked or "content=0" in asked
    return Budget.file_reads if address.kind is Kind.file and not listing else Budget.kernel_output


def _request_headers(request: web.BaseRequest) -> dict[str, str]:
    kept = {"Host": "localhost", "Accept": "*/*"}
    for name in ("Content-Type", "Content-Length"):
        if name in request.headers:
            kept[name] = request.headers[name]
    return kept


def _response_headers(answer: aiohttp.ClientResponse, address: Address, ours: Mapping[str, str]) -> CIMultiDict[str]:
    page = address.kind is Kind.page and answer.status < 400
    kept = CIMultiDict(
        {
            "Content-Type": "text/html; charset=utf-8" if page else "application/json",
            "Cache-Control": "no-store",
        }
    )
    for name in ("ETag", "Last-Modified"):
        if len(value := answer.headers.get(name, "")) in range(1, 200) and value.isascii() and value.isprintable():
            kept[name] = value
    if 300 <= answer.status < 400 and answer.status != 304:
        kept["Location"] = _own_page(answer.headers.get("Location", ""))
    kept.update(ours)
    return kept


def _own_page(location: str) -> str:
    try:
        address = permitted("GET", location)
    except RefusedError as error:
        raise ValueError("the workspace redirects out of its pages") from error
    if address.kind is not Kind.page:
        raise ValueError("the workspace redirects to what is no page")
    return address.target


def _body(request: web.BaseRequest, largest: int) -> AsyncIterator[bytes] | None:
    return None if body_length(request) == 0 else _limited(request, largest)


async def _limited(request: web.BaseRequest, largest: int) -> AsyncIterator[bytes]:
    passed = 0
    async for chunk in request.content.iter_any():
        passed += len(chunk)
        if passed > largest:
            raise RefusedError(413, Reason.BadInput, f"At most {largest} bytes may be sent here.", close=True)
        yield chunk


async def _stream(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    response: web.StreamResponse,
    admit: Callable[[int], bool],
) -> None:
    """Pass a body on piece by piece; where it ends early, abort: half an answer must not look like a whole one."""
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            if not admit(len(chunk)):
                _abort(request)
                return
            await response.write(chunk)
        await response.write_eof()
    except aiohttp.ClientError:
        _abort(request)


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _read(answer: aiohttp.ClientResponse, largest: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise ValueError("the answer is longer than it may be")
    return bytes(body)
