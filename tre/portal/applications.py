"""The applications of the portal, put together: desk, enter, preview, sources, internal, intake, public.

Guarantees: every browser-facing application stands behind the guard (the preview host, and the door of sources
elsewhere, behind stricter rules of their own) and answers under its own host only; every page
group is named here once, together with its place in the navigation; the schema of the API holds the API and nothing
else. Programs on this machine ask `/healthz`, `/readyz` and `/metrics` under the host name `localhost`, which no
browser's request has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from tre.domain.errors import TREError
from tre.portal import enter, intake, internal
from tre.portal.api import applying as applying_api
from tre.portal.api import conditions as conditions_api
from tre.portal.api import costs as costs_api
from tre.portal.api import datasets as datasets_api
from tre.portal.api import deciding as deciding_api
from tre.portal.api import docs
from tre.portal.api import exports as exports_api
from tre.portal.api import exports_desk as exports_desk_api
from tre.portal.api import fixes as fixes_api
from tre.portal.api import imports as imports_api
from tre.portal.api import letters as letters_api
from tre.portal.api import optouts as optouts_api
from tre.portal.api import papers as papers_api
from tre.portal.api import people as people_api
from tre.portal.api import plans as plans_api
from tre.portal.api import publicaccount as account_api
from tre.portal.api import routes as api
from tre.portal.context import Desk, Portal
from tre.portal.errors import add_handlers
from tre.portal.guard import LARGER, Guard, Rules
from tre.portal.hosts import LOCAL_HOST, HostSwitch, netloc
from tre.portal.live import Live
from tre.portal.pages import STATIC
from tre.portal.preview.origin import PreviewOrigin
from tre.portal.register_files import RegisterFiles
from tre.portal.routes import (
    account,
    account_desk,
    applying,
    applying_data,
    audit_log,
    certificates,
    conditions,
    costs,
    datasets,
    deciding,
    exports,
    exports_desk,
    files,
    fixes,
    grants,
    imports,
    operations,
    optouts,
    outcomes,
    papers,
    people,
    plain_words,
    plans,
    projects,
    public,
    public_account,
    public_committee,
    quarantine,
    register,
    releases,
    reviews,
    reviews_desk,
    workspaces,
)
from tre.portal.site import NavigationItem, site_for
from tre.portal.source_door import SourceDoor
from tre.portal.speaking import Speaking, languages_of
from tre.register.account_policy import load_account_policy
from tre.store.schema import require_current
from tre.system.health import Probes, health, readiness
from tre.system.languages import Language
from tre.system.settings import Settings

DESK_GROUPS: tuple[Any, ...] = (
    projects,
    outcomes,
    workspaces,
    account,
    exports,
    exports_desk,
    fixes,
    releases,
    reviews,
    reviews_desk,
    files,
    imports,
    plans,
    applying,
    applying_data,
    papers,
    deciding,
    conditions,
    grants,
    certificates,
    costs,
    datasets,
    quarantine,
    optouts,
    account_desk,
    operations,
    audit_log,
    people,
)
"""Groups of pages; one that has entries in the navigation names them in `NAVIGATION`."""

PUBLIC_GROUPS: tuple[Any, ...] = (public, register, public_account, public_committee, plain_words)
"""Groups of public pages."""


class _Static(StaticFiles):
    """Our own files, which browsers may keep: their addresses change with their content."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=86400, immutable"
        return response


def _application(title: str, **state: Any) -> FastAPI:
    app = FastAPI(title=title, version="1", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for name, value in state.items():
        setattr(app.state, name, value)
    add_handlers(app)
    return app


def _include(app: FastAPI, routers: Sequence[APIRouter], *, in_schema: bool = False) -> None:
    for router in routers:
        app.include_router(router, include_in_schema=in_schema)


def desk_app(desk: Desk, live: Live) -> FastAPI:
    """The application of `desk.<base>`."""
    navigation: list[NavigationItem] = []
    for group in DESK_GROUPS:
        navigation += getattr(group, "NAVIGATION", ())
    site = site_for(desk.settings, navigation=tuple(navigation))
    app = _application("TRE launcher", desk=desk, portal=desk, site=site, live=live)
    _include(app, [group.router for group in DESK_GROUPS])
    programs = (
        api,
        applying_api,
        papers_api,
        deciding_api,
        conditions_api,
        exports_api,
        exports_desk_api,
        fixes_api,
        imports_api,
        datasets_api,
        optouts_api,
        plans_api,
        costs_api,
        letters_api,
        account_api,
        people_api,
    )
    _include(app, [group.router for group in programs], in_schema=True)
    _include(app, [docs.router])
    app.mount("/static", _Static(directory=STATIC))
    return app


def enter_app(desk: Desk) -> FastAPI:
    """The application of `enter.<base>`."""
    app = _application("TRE sign-in", desk=desk, portal=desk, site=site_for(desk.settings))
    _include(app, [enter.router])
    app.mount("/static", _Static(directory=STATIC))
    return app


def internal_app(desk: Desk) -> FastAPI:
    """The application of the socket `portal-internal`."""
    app = _application("TRE portal, internal", desk=desk, portal=desk, site=site_for(desk.settings))
    _include(app, [internal.router, _measures(desk)])
    return app


def intake_app(desk: Desk) -> FastAPI:
    """The application of the socket `portal-intake`."""
    app = _application("TRE portal, intake", desk=desk, portal=desk, site=site_for(desk.settings))
    _include(app, [intake.router, _measures(desk)])
    return app


def public_app(portal: Portal, languages: tuple[Language, ...] = ()) -> FastAPI:
    """The application of `<base>`."""
    navigation: list[NavigationItem] = []
    for group in PUBLIC_GROUPS:
        navigation += getattr(group, "NAVIGATION", ())
    site = site_for(portal.settings, public_navigation=tuple(navigation)).speaks(languages)
    files = RegisterFiles(portal, {public.ALL_PROJECTS: public.all_projects})
    app = _application("TRE public pages", portal=portal, site=site, register_files=files)
    _include(app, [group.router for group in PUBLIC_GROUPS])
    app.mount("/static", _Static(directory=STATIC))
    return app


def _measures(portal: Portal) -> APIRouter:
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


def _local_app(portal: Portal) -> FastAPI:
    app = _application("TRE portal, local", portal=portal, site=site_for(portal.settings))
    _include(app, [_measures(portal)])
    return app


def _signs_out_at(settings: Settings) -> tuple[str, ...]:
    """The provider's origin, where signing out goes on there: browsers follow a form only to origins that are named."""
    if settings.oidc is None or settings.oidc.end_session_url is None:
        return ()
    parts = urlsplit(settings.oidc.end_session_url)
    return (f"{parts.scheme}://{parts.netloc}",)


def portal_switch(desk: Desk, live: Live) -> ASGIApp:
    """What listens on the socket `portal`."""
    settings = desk.settings
    desk_rules = Rules(
        origin=settings.origin("desk"),
        larger=LARGER,
        form_targets=(settings.origin("hub"), *_signs_out_at(settings)),
        previews=settings.origin("preview"),
    )
    return HostSwitch(
        {
            netloc(settings, "desk"): Guard(desk_app(desk, live), desk_rules),
            netloc(settings, "enter"): Guard(enter_app(desk), Rules(origin=settings.origin("enter"), scripts=False)),
            netloc(settings, "preview"): PreviewOrigin(desk),
            netloc(settings, "sources"): SourceDoor(desk),
            LOCAL_HOST: _local_app(desk),
        }
    )


def public_switch(portal: Portal) -> ASGIApp:
    """What listens on the socket `public`. Raises `TREError(PolicyMissing | BadInput)` for a bad catalogue."""
    languages = languages_of(portal.layout.root, portal.settings)
    rules = Rules(origin=portal.settings.origin(), scripts=False)
    pages = Guard(Speaking(public_app(portal, languages), languages), rules)
    return HostSwitch({netloc(portal.settings): pages, LOCAL_HOST: _local_app(portal)})
