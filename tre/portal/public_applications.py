"""The public pages' application, put together.

Guarantees: it stands behind the guard and answers under its own host only. No page of the desk, of the sign-in or of
the API is even loaded by the program that serves it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from tre.portal.assembling import application, include, local_app, mount_static
from tre.portal.context import Portal
from tre.portal.guard import Guard, Rules
from tre.portal.hosts import LOCAL_HOST, HostSwitch, netloc
from tre.portal.register_files import RegisterFiles
from tre.portal.routes import plain_words, public, public_account, public_committee, register
from tre.portal.site import NavigationItem, site_for
from tre.portal.speaking import Speaking, languages_of
from tre.system.languages import Language

PUBLIC_GROUPS: tuple[Any, ...] = (public, register, public_account, public_committee, plain_words)
"""Groups of public pages."""


def public_app(portal: Portal, languages: tuple[Language, ...] = ()) -> FastAPI:
    """The application of `<base>`."""
    navigation: list[NavigationItem] = []
    for group in PUBLIC_GROUPS:
        navigation += getattr(group, "NAVIGATION", ())
    site = site_for(portal.settings, public_navigation=tuple(navigation)).speaks(languages)
    files = RegisterFiles(portal, {public.ALL_PROJECTS: public.all_projects})
    app = application("TRE public pages", portal=portal, site=site, register_files=files)
    include(app, [group.router for group in PUBLIC_GROUPS])
    mount_static(app)
    return app


def public_switch(portal: Portal) -> ASGIApp:
    """What listens on the socket `public`. Raises `TREError(PolicyMissing | BadInput)` for a bad catalogue."""
    languages = languages_of(portal.layout.root, portal.settings)
    rules = Rules(origin=portal.settings.origin(), scripts=False)
    pages = Guard(Speaking(public_app(portal, languages), languages), rules)
    return HostSwitch({netloc(portal.settings): pages, LOCAL_HOST: local_app(portal)})
