"""The public pages, as a program: it opens the record for reading only and reads no secret."""

from __future__ import annotations

from tre.portal.context import Portal
from tre.portal.public_applications import public_switch
from tre.portal.serving import serve
from tre.register.account_policy import load_account_policy
from tre.store.database import Database
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings


def make_public(layout: Layout, settings: Settings) -> Portal:
    """The public pages, which only read. Raises `TREError(SetupIncomplete | PolicyMissing | BadInput)`."""
    load_account_policy(layout.root)
    database = Database.open(layout, settings, Role.public, read_only=True)
    require_current(database)
    return Portal(settings=settings, layout=layout, database=database, clock=SystemClock())


async def run(layout: Layout, settings: Settings) -> None:
    """Run until told to end."""
    await serve({layout.socket("public"): public_switch(make_public(layout, settings))})
