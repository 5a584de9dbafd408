"""Which page of the browser a request comes from, as the browser itself says (Fetch Metadata, Origin).

Guarantees: a Lab host answers its own page; of other pages only the shell, and only to put the Lab in its frame.
All workspaces of one installation are "same-site" to the browser, which sends their cookies along on requests from
one to another, so "same-site" is not enough and never taken for it. A page load at the top of a window is sent to
the shell, since outside its frame nothing keeps a page from navigating away with what it knows.

Does not guarantee: anything about programs that are no browsers; they can write any header and have a cookie or not.

Threat: workspace A's page using the reader's cookies for workspace B; a form elsewhere that posts to a workspace.
"""

from __future__ import annotations

from aiohttp.web import BaseRequest

from tre.domain.errors import Reason
from tre.gateway.refusals import RefusedError

_OUTDATED = "This browser does not say where its requests come from. Use a current browser."


def is_document(request: BaseRequest) -> bool:
    """Whether the response would become the page at the top of a window or tab."""
    return request.headers.get("Sec-Fetch-Dest") == "document"


def is_frame(request: BaseRequest) -> bool:
    """Whether the response would become the page inside a frame."""
    return request.headers.get("Sec-Fetch-Dest") == "iframe"


def check_lab_request(request: BaseRequest) -> None:
    """Raise `RefusedError` unless a request to a Lab host comes from its own page, or is the shell's frame loading."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        raise RefusedError(403, Reason.NotPermitted, _OUTDATED)
    framing = request.method == "GET" and is_frame(request) and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site != "same-origin" and not (site == "same-site" and framing):
        raise RefusedError(403, Reason.NotPermitted, "This request does not come from the page of this workspace.")
    check_origin(request, required=False)


def check_lab_websocket(request: BaseRequest) -> None:
    """Raise `RefusedError` unless a websocket was opened by the page of this very Lab host."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise RefusedError(403, Reason.NotPermitted, "This websocket does not come from the page of this workspace.")
    check_origin(request, required=True)


def check_same_origin(request: BaseRequest) -> None:
    """Raise `RefusedError` unless a state change comes from the very page it is for."""
    if request.headers.get("Sec-Fetch-Site") != "same-origin":
        raise RefusedError(403, Reason.NotPermitted, "This request does not come from the page it is for.")
    check_origin(request, required=True)


def check_origin(request: BaseRequest, *, required: bool) -> None:
    """Raise `RefusedError` unless the `Origin` header is the host that was asked, by the scheme that was spoken."""
    given = request.headers.getall("Origin", [])
    own = f"{'https' if request.secure else 'http'}://{request.headers['Host'].lower()}"
    if given != [own] and (required or given):
        raise RefusedError(403, Reason.NotPermitted, "The Origin header names another page.")
