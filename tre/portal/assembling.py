"""What every application of the portal is put together from.

Guarantees: no application describes itself to whoever asks, and programs on this machine ask `/healthz`, `/readyz` and
`/metrics` under the host name `localhost`, which no browser's request has.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from tre.domain.errors import TREError
from tre.portal.context import Portal
from tre.portal.errors import add_handlers
from tre.portal.pages import STATIC
from tre.portal.site import site_for
from tre.register.account_policy import load_account_policy
from tre.store.schema import require_current
from tre.system.health import Probes, health, readiness


class _Static(StaticFiles):
    """Our own files, which browsers may keep: their addresses change with their content."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=86400, immutable"
        return response


def application(title: str, **state: Any) -> FastAPI:
    """One without pages; `state` is what those find in it."""
    app = FastAPI(title=title, version="1", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for name, value in state.items():
        setattr(app.state, name, value)
    add_handlers(app)
    return app


def include(app: FastAPI, routers: Sequence[APIRouter], *, in_schema: bool = False) -> None:
    """Add groups of routes; those of the API stand in its schema.

    Nothing is said of a whole group, no prefix and no dependency, so its routes are the application's as they are.
    `include_router` would have each taken apart once more at the application's first request, which then waits 0.3 s.
    """
    for router in routers:
        for route in router.routes:
            added = copy(route)
            if isinstance(added, APIRoute):
                added.include_in_schema = in_schema
            app.router.routes.append(added)


def mount_static(app: FastAPI) -> None:
    """Add our own files."""
    app.mount("/static", _Static(directory=STATIC))


def measures(portal: Portal) -> APIRouter:
    """What programs ask about the service."""
    router = APIRouter()

    def record() -> str | None:
        try:
            with portal.database.read() as connection:
                connection.execute(text("SELECT 1 FROM grants LIMIT 1"))
        except (TREError, SQLAlchemyError) as error:
            return type(error).__name__
        return None

    probes = Probes(
        {"record": record},
        {"record": partial(require_current, portal.database)},
        {"policies": partial(load_account_policy, portal.layout.root)},
    )

    @router.get("/healthz")
    def healthz() -> JSONResponse:
        status, body = health(probes.checks)
        return JSONResponse(body, status)

    @router.get("/readyz")
    def readyz() -> JSONResponse:
        status, body = readiness(probes)
        return JSONResponse(body, status)

    @router.get("/metrics")
    def metrics() -> Response:
        return Response(probes.numbers(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def local_app(portal: Portal) -> FastAPI:
    """The application of the host name `localhost`."""
    app = application("TRE portal, local", portal=portal, site=site_for(portal.settings))
    include(app, [measures(portal)])
    return app
