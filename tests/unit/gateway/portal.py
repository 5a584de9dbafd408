"""A small portal: signs everybody in as Alice, hands tickets out and redeems each once."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from aiohttp import web

from tests.unit.gateway.world import ALICE, BASE, World, as_text, utc


class Portal:
    """The sign-in host, the desk, and the internal interface that redeems tickets."""

    def __init__(self, session: str = "s1") -> None:
        self.session = session
        self.tickets: dict[str, str] = {}
        self.redeemed: list[str] = []
        self.seen: list[web.BaseRequest] = []
        self.internal = web.Application()
        self.internal.router.add_post("/internal/tickets", self._redeem)

    def ticket_for(self, host: str) -> str:
        ticket = secrets.token_urlsafe(8)
        self.tickets[ticket] = host
        return ticket

    async def front(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        if request.headers["Host"].startswith(f"enter.{BASE}"):
            to = urlsplit(request.query["to"])
            ticket = self.ticket_for(str(to.hostname))
            back = f"{to.scheme}://{to.netloc}/.tre/ticket?t={ticket}&next={to.path}%3F{to.query}"
            return web.Response(status=302, headers={"Location": back})
        page = "<!doctype html><title>Desk</title><h1>Desk</h1>"
        return web.Response(text=page, content_type="text/html", headers={"Set-Cookie": "desk=1; Path=/"})

    async def _redeem(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.tickets.pop(asked["ticket"], None) != asked["host"]:
            return web.json_response({"reason": "LoginFailed"}, status=403)
        self.redeemed.append(asked["ticket"])
        return web.json_response(
            {
                "session": self.session,
                "subject": ALICE.as_plain(),
                "displayName": "Alice Example",
                "roles": ["researcher"],
                "expiresAt": as_text(utc(hours=8)),
            }
        )


async def add_portal(world: World) -> Portal:
    """Put a portal behind the gateway of a world."""
    portal = Portal()
    await world.serve_unix(world.layout.socket("portal"), web.Server(portal.front))
    await world.serve_unix(world.layout.socket("portal-internal"), portal.internal)
    await world.serve_unix(world.layout.socket("public"), web.Server(portal.front))
    await world.serve_unix(world.layout.socket("hub"), web.Server(portal.front))
    return portal
