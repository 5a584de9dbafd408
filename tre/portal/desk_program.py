"""The portal for people who sign in, as a program."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from tre.portal.applications import intake_app, internal_app, portal_switch
from tre.portal.context import Desk
from tre.portal.handing_in import SOCKET
from tre.portal.live import Live
from tre.portal.metrics import AccountNumbers, OptOutNumbers
from tre.portal.passwords import PasswordChecker
from tre.portal.roles import load_roles
from tre.portal.seals import Sealer, read_key
from tre.portal.serving import serve
from tre.register.account_policy import load_account_policy
from tre.store.database import Database
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.system import hub_keys
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings


def make_desk(layout: Layout, settings: Settings) -> Desk:
    """The portal for people who sign in. Raises `TREError(SetupIncomplete | PolicyMissing | BadInput)`."""
    database = Database.open(layout, settings, Role.portal)
    require_current(database)
    load_account_policy(layout.root)  # a mistake in it is told now, not to the first who asks
    return Desk(
        settings=settings,
        layout=layout,
        database=database,
        clock=SystemClock(),
        sealer=Sealer(read_key(layout.keys)),
        passwords=PasswordChecker(),
        roles=load_roles(layout.root),
        hub_secret=hub_keys.read_key(layout, hub_keys.OAUTH_SECRET),
    )


async def run(layout: Layout, settings: Settings) -> None:
    """Run until told to end."""
    desk = make_desk(layout, settings)
    REGISTRY.register(OptOutNumbers(desk.database, desk.clock))
    REGISTRY.register(AccountNumbers(desk.database, desk.clock))
    live = Live(desk.database)
    applications: dict[Path, ASGIApp] = {
        layout.socket("portal"): portal_switch(desk, live),
        layout.socket("portal-internal"): internal_app(desk),
        layout.socket(SOCKET): intake_app(desk),
    }
    await serve(applications, live)
