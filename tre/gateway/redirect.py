"""Plain HTTP where an operator wants it answered: with the way to TLS, and with nothing else.

Guarantees: a GET or HEAD of a well-formed address of one of our hosts is sent to the same address over TLS, without a
cookie and without being looked at further; everything else is refused. Nothing is passed on to anybody.

Does not guarantee: that the first request of a browser which never came here is not read on its way.

Threat: a form or a password sent in plain; a redirect to a host that the request made up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from tre.domain.errors import Reason
from tre.gateway.hosts import find_place
from tre.gateway.hygiene import check_form
from tre.gateway.refusals import OWN_HEADERS, RefusedError, answer
from tre.system.settings import Settings


def sends_to_tls(settings: Settings) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """What answers on the port of plain HTTP."""
    port = settings.origin().removeprefix(f"{settings.scheme}://{settings.base}")

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        """One request, whatever it asks for."""
        try:
            response: web.Response = _sent_on(request, settings, port)
        except RefusedError as refusal:
            response = answer(refusal, page=False, home=settings.origin("desk") + "/")
        response.headers.update({**OWN_HEADERS, "Server": "tre"})
        response.force_close()
        return response

    return handle


def _sent_on(request: web.BaseRequest, settings: Settings, port: str) -> web.Response:
    check_form(request)
    place = find_place(request.headers["Host"], settings.base)
    if place is None:
        raise RefusedError(421, Reason.BadInput, "This address serves no such host.")
    if request.method not in {"GET", "HEAD"}:
        raise RefusedError(403, Reason.NotPermitted, "Nothing is taken here without TLS; what was sent may be known.")
    return web.Response(status=308, headers={"Location": f"https://{place.host}{port}{request.raw_path}"})
