"""`tre init`, `tre up`, `tre status`, `tre version`: making an installation and keeping it running."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from http import HTTPStatus
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.audit import keys as audit_keys
from tre.cli import common
from tre.cli.common import JsonOption, RootOption, command
from tre.cli.services import listens, services
from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.store.migrate import migrate
from tre.system import installation, local_http
from tre.system.files import write_atomically
from tre.system.hub_keys import CONTROLLER_TOKEN, OAUTH_SECRET, make_keys
from tre.system.layout import Layout
from tre.system.paths import CHECKOUT
from tre.system.processes import Keeper
from tre.system.reach import open_the_way
from tre.system.service import configure_log
from tre.system.settings import load_settings, root_from

GRANT_KEY = "grant-signing.key"
HEARTBEAT_SECONDS = 15.0
"""A checker that was silent for longer is not well."""


@command
def init(
    root: RootOption = None,
    base: Annotated[str, typer.Option(help="Domain of the pages.")] = "tre.localhost",
    port: Annotated[int, typer.Option(help="Port of the gateway.")] = 8000,
) -> None:
    """Make an installation, or bring an existing one up to date."""
    layout = Layout(root_from(root))
    installation.initialise(layout, base, port)
    settings = load_settings(layout.root)
    installation.make_secrets(layout)
    _make_grant_key(layout)
    make_keys(layout)
    if not (layout.keys / audit_keys.PRIVATE_KEY_FILE).exists():
        audit_keys.make_keys(layout.keys, settings.base)
    installation.arrange(layout, settings)
    _give_keys(layout)
    os.umask(0o002)
    migrate(Database.sqlite(layout.database))
    installation.arrange(layout, settings)
    common.out.print(f"Ready: {layout.root}\nNext: [bold]tre up --root {layout.root}[/]", highlight=False)


def _make_grant_key(layout: Layout) -> None:
    """The key whose signature makes a grant count here, unless the operator brought keys of a committee."""
    signers = layout.keys / "grant-signers"
    if any(signers.glob("*.pub")):
        return
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_atomically(layout.keys / GRANT_KEY, private, mode=0o600)
    write_atomically(signers / "this-installation.pub", public, mode=0o644)


def _give_keys(layout: Layout) -> None:
    """Each secret to whom reads it: one owner, and one group where two services share it."""
    owners = installation.Owners.of(load_settings(layout.root))
    controller, hub, portal = (owners.uid(name) for name in ("controller", "hub", "portal"))
    installation.own_secret(layout.keys / audit_keys.PRIVATE_KEY_FILE, controller)
    installation.own_secret(layout.keys / "hub-cookie-secret", hub)
    installation.own_secret(layout.keys / CONTROLLER_TOKEN, controller, hub)
    installation.own_secret(layout.keys / OAUTH_SECRET, portal, hub)


@command
def up(root: RootOption = None) -> None:
    """Start every service and keep them running until Ctrl-C. Workspaces go on when this ends."""
    layout = Layout(root_from(root))
    settings = load_settings(layout.root)
    if not layout.database.is_file():
        raise TREError(Reason.SetupIncomplete, f"{layout.database} does not exist.", remedy="Run `tre init` first.")
    installation.arrange(layout, settings)
    configure_log("keeper")
    if os.geteuid() == 0:
        open_the_way([layout.root, CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)])
    keeper = Keeper(services(layout, settings), layout.logs)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: keeper.stop())
    common.out.print(f"Starting the services of {layout.root}; their words are in {layout.logs}.", highlight=False)
    keeper.run(lambda: common.out.print(f"Up: [bold]{settings.origin()}/[/]  (Ctrl-C ends the services)"))


@command
def status(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Which services answer, and how they are."""
    layout = Layout(root_from(root))
    load_settings(layout.root)
    found = {
        spec.name: asyncio.run(_health(layout, spec.name)) for spec in services(layout, load_settings(layout.root))
    }
    if as_json:
        common.print_json(found)
    else:
        common.print_table("", ("service", "state"), found.items())
    if any(state != "ok" for state in found.values()):
        raise typer.Exit(1)


async def _health(layout: Layout, name: str) -> str:
    if name == "launcher":
        return "ok" if listens(layout.socket(name)) else "does not answer"
    if name == "checker":
        return _heartbeat(layout)
    try:
        answer = await local_http.ask(layout.socket(name), "GET", "/healthz")
    except TREError:
        return "does not answer"
    return "ok" if answer.status == HTTPStatus.OK else f"failing: {answer.value}"


def _heartbeat(layout: Layout) -> str:
    """The checker has no socket: it touches a file."""
    try:
        age = time.time() - (layout.checker_spool / "out" / "heartbeat").stat().st_mtime
    except FileNotFoundError:
        return "does not answer"
    return "ok" if age < HEARTBEAT_SECONDS else f"last seen {age:.0f} s ago"


@command
def version() -> None:
    """The version of this program."""
    common.out.print(package_version("tre-launcher"), highlight=False)
