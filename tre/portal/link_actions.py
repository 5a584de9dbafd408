"""One-time links to releases: made by members, spent by whoever holds one.

Guarantees: the token is shown once and kept as its digest; a link is spent in one transaction with its event, before
the first byte leaves, and opens nothing once the release is called back or its project stopped.

Threat: a link in a mailbox that opens a release years later.
"""

from __future__ import annotations

import secrets

from tre.domain.events import Event
from tre.domain.exports import links
from tre.domain.exports.links import Link
from tre.domain.exports.models import ExportRequest
from tre.domain.people import Person
from tre.portal.context import PROGRAM, Desk
from tre.portal.export_actions import Found, found_now, situation_of
from tre.store import export_desk, exports, grants


def make(desk: Desk, person: Person, export: str) -> tuple[str, Link]:
    """A new token and its link. Raises `TREError`."""
    found = found_now(desk, person, export)
    token = secrets.token_urlsafe(32)
    event = exports.event_of("link-made", found.request, person.subject, found.situation.now)
    with desk.database.change(event) as change:
        known = export_desk.links_of(change.connection, export)
        link = links.make_link(found.request, person, token, known, found.situation)
        export_desk.add_link(change, link)
    return token, link


def look(desk: Desk, token: str) -> tuple[Link, Found]:
    """What a token would open now. Raises `TREError(ExportNotFound)`, the same for every token that opens nothing."""
    with desk.database.read() as connection:
        link = export_desk.find_link(connection, links.token_digest(token))
        if link is None:
            raise links.no_link()
        request = exports.require(connection, link.request)
        grant = grants.require(connection, request.grant)
        found = Found(request, situation_of(desk, grant, request), grant)
    links.check_link(link, request, found.situation)
    return link, found


def spend(desk: Desk, token: str) -> ExportRequest:
    """Use a link; the request whose release it opens. Raises `TREError(ExportNotFound)`."""
    link, found = look(desk, token)
    now = desk.clock.now()
    event: Event = exports.event_of("downloaded", found.request, PROGRAM, now, by_link=link.token[:12])
    with desk.database.change(event) as change:
        request = exports.require(change.connection, link.request)
        grant = grants.require(change.connection, request.grant)
        links.check_link(link, request, situation_of(desk, grant, request))
        if not export_desk.spend_link(change, link, now):
            raise links.no_link()
    return request
