"""The applications of people who sign in and of programs: desk, enter, preview, sources, internal, intake.

Guarantees: every browser-facing application stands behind the guard (the preview host, and the door of sources
elsewhere, behind stricter rules of their own) and answers under its own host only; every page
group is named here once, together with its place in the navigation; the schema of the API holds the API and nothing
else.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.types import ASGIApp

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
from tre.portal.assembling import application, include, local_app, measures, mount_static
from tre.portal.context import Desk
from tre.portal.guard import LARGER, Guard, Rules
from tre.portal.hosts import LOCAL_HOST, HostSwitch, netloc
from tre.portal.live import Live
from tre.portal.preview.origin import PreviewOrigin
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
    plans,
    projects,
    quarantine,
    releases,
    reviews,
    reviews_desk,
    workspaces,
)
from tre.portal.site import NavigationItem, site_for
from tre.portal.source_door import SourceDoor
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


def desk_app(desk: Desk, live: Live) -> FastAPI:
    """The application of `desk.<base>`."""
    navigation: list[NavigationItem] = []
    for group in DESK_GROUPS:
        navigation += getattr(group, "NAVIGATION", ())
    site = site_for(desk.settings, navigation=tuple(navigation))
    app = application("TRE launcher", desk=desk, portal=desk, site=site, live=live)
    include(app, [group.router for group in DESK_GROUPS])
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
    include(app, [group.router for group in programs], in_schema=True)
    include(app, [docs.router])
    mount_static(app)
    return app


def enter_app(desk: Desk) -> FastAPI:
    """The application of `enter.<base>`."""
    app = application("TRE sign-in", desk=desk, portal=desk, site=site_for(desk.settings))
    include(app, [enter.router])
    mount_static(app)
    return app


def internal_app(desk: Desk) -> FastAPI:
    """The application of the socket `portal-internal`."""
    app = application("TRE portal, internal", desk=desk, portal=desk, site=site_for(desk.settings))
    include(app, [internal.router, measures(desk)])
    return app


def intake_app(desk: Desk) -> FastAPI:
    """The application of the socket `portal-intake`."""
    app = application("TRE portal, intake", desk=desk, portal=desk, site=site_for(desk.settings))
    include(app, [intake.router, measures(desk)])
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
            LOCAL_HOST: local_app(desk),
        }
    )
