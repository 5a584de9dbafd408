"""The Hub's own addresses: the door for the controller, the way to the desk, health and measurements.

Guarantees: a name enters the Hub before its owner signs in only by `MirrorUser`, which makes plain users of the
launcher's form, puts them in the one group, and needs the controller's scope. Every page of JupyterHub that offers
what people here may not do is replaced by one that leads to the desk.

Does not guarantee: that a name made by `MirrorUser` can sign in. Signing in always asks the portal or the provider.

Threat: `admin:users`, the smallest stock scope that can make a user, can also rename users into one another.
"""

from __future__ import annotations

import re
from typing import Any

import prometheus_client
from jupyterhub import orm
from jupyterhub.apihandlers.auth import OAuthAuthorizeHandler
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.handlers.base import BaseHandler
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from tre.domain.errors import Reason, TREError
from tre.hub.authenticators import RESEARCHERS
from tre.system.health import Probes, readiness

MIRROR_SCOPE = "custom:tre:mirror"
HUB_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}-[a-z2-7]{12}")
"""What `tre.domain.names.hub_user_name` gives: a readable beginning and 60 bits of a hash."""

LOCAL_HOST = "localhost"
"""The Host header of callers on this machine; the gateway only ever passes on the Hub's public host."""


class MirrorUser(APIHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """`PUT /hub/api/tre/users/NAME`: see to it that a plain user exists and is in the group."""

    async def put(self, name: str) -> None:
        """201 where the user is new, 200 where not; 400 for another form of name, 403 without the scope."""
        # JupyterHub's decorator knows no custom scopes at import, so the scope is looked at here.
        if MIRROR_SCOPE not in self.expanded_scopes:
            raise web.HTTPError(403, "Only the controller may do this.")
        if HUB_NAME.fullmatch(name) is None:
            raise web.HTTPError(400, "This cannot be the name of a person.")
        user = self.find_user(name)
        created = user is None
        if user is None:
            user = self.user_from_username(name)
        if user.admin:
            raise web.HTTPError(409, "An administrator is never mirrored.")
        group = orm.Group.find(self.db, RESEARCHERS)
        if group is None:
            group = orm.Group(name=RESEARCHERS)
            self.db.add(group)
        if group not in user.orm_user.groups:
            user.orm_user.groups.append(group)
        self.db.commit()
        self.set_status(201 if created else 200)
        self.write({"name": name})


class DeskPage(BaseHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """In place of pages whose buttons would be refused: the way to the desk. It tells nobody anything."""

    async def get(self, *_path: str) -> None:
        """The page, for whoever asks; no sign-in needed."""
        self.finish(await self.render_template("desk.html"))


class Authorize(OAuthAuthorizeHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """`/hub/api/oauth2/authorize`, for requests whose proof key is hashed (RFC 7636, S256; RFC 9700, 2.1.1)."""

    async def prepare(self) -> None:
        """400 for any other method: `plain` would show the key to whoever sees the request."""
        await super().prepare()
        if self.get_query_argument("code_challenge_method", "") != "S256":
            raise web.HTTPError(400, "A code challenge with method S256 is required.")


class Health(BaseHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """`GET /healthz`."""

    async def get(self) -> None:
        """200 while the Hub reaches its database, else 503."""
        self.set_header("Content-Type", "application/json")
        try:
            self.db.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self.db.rollback()
            self.set_status(503)
            self.finish({"status": "failed", "reason": "the Hub's database does not answer"})
            return
        self.finish({"status": "ok"})


class Readiness(BaseHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """`GET /readyz`."""

    async def get(self) -> None:
        """200 while the Hub reaches its database, and the database is the one it needs; else 503 and the reason."""

        def database() -> None:
            """The users are there."""
            try:
                self.db.execute(text("SELECT 1 FROM users LIMIT 1"))
            except SQLAlchemyError as error:
                self.db.rollback()
                what = "The Hub's database does not answer."
                raise TREError(Reason.ServiceUnavailable, what, why=type(error).__name__) from error

        status, body = readiness(Probes({}, {"record": database}))
        self.set_header("Content-Type", "application/json")
        self.set_status(status)
        self.finish(body)


class Measurements(BaseHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """`GET /metrics`, for callers on this machine."""

    async def get(self) -> None:
        """Prometheus text; 404 for whoever comes through the gateway."""
        if self.request.host != LOCAL_HOST:
            raise web.HTTPError(404)
        self.set_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
        self.finish(prometheus_client.generate_latest())


def hub_handlers(static: str, static_handler: Any) -> list[tuple[Any, ...]]:
    """Addresses under `/hub`, looked at before JupyterHub's own."""
    replaced = ("/home", "/token", "/admin", "/accept-share", "/spawn(?:/.*)?", "/spawn-pending/.*")
    pages = [(rf"{path}", DeskPage) for path in (*replaced, "/user/.*", "/user-redirect(?:/.*)?")]
    return [
        (r"/api/tre/users/([^/]+)", MirrorUser),
        (r"/api/oauth2/authorize", Authorize),
        (r"/tre/static/(.*)", static_handler, {"path": static}),
        *pages,
    ]


def root_handlers() -> list[tuple[Any, ...]]:
    """Addresses beside `/hub`."""
    return [(r"/healthz", Health), (r"/readyz", Readiness), (r"/metrics", Measurements), (r"/user/.*", DeskPage)]
