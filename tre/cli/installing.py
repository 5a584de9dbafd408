"""`tre init` and `tre up`: making an installation and keeping it running."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tre.airlock.policy import SITE_DIRECTORY, read_policy
from tre.audit import keys as audit_keys
from tre.backup.snapshot import keep_older_record
from tre.cli import common
from tre.cli.common import RootOption, command
from tre.cli.services import services
from tre.domain.errors import Reason, TREError
from tre.portal.roles import load_roles
from tre.slices.populations import check_policies
from tre.sources.committee_policy import load_committee
from tre.sources.signed import COMMITTEE, ELSEWHERE, KINDS, PRACTICE, SOURCE
from tre.sources.signing_keys import OWN_SIGNER, new_pair
from tre.store.database import Database
from tre.store.migrate import migrate
from tre.store.postgres import password_path
from tre.store.roles import Role
from tre.store.schema import refuse_restored
from tre.system import installation
from tre.system.certificates import CopyWatch
from tre.system.claims import claimed
from tre.system.files import make_directory, sweep_unfinished, write_atomically
from tre.system.hub_keys import CONTROLLER_TOKEN, OAUTH_SECRET, TOKENS_KEY, make_keys
from tre.system.layout import Layout
from tre.system.logs import configure_log
from tre.system.paths import CHECKOUT
from tre.system.processes import Keeper
from tre.system.reach import open_the_way
from tre.system.settings import Settings, load_settings, root_from
from tre.system.transport import check_transport

log = structlog.get_logger()


@command
def init(
    root: RootOption = None,
    base: Annotated[str | None, typer.Option(help="Domain of the pages [tre.localhost].")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the gateway [8000].")] = None,
) -> None:
    """Make an installation, or bring an existing one up to date."""
    layout = Layout(root_from(root))
    installation.initialise(layout, base, port)
    with installation.alone(layout):
        complete(layout)
    common.out.print(f"Ready: {layout.root}\nNext: [bold]tre up --root {layout.root}[/]", highlight=False)


def complete(layout: Layout) -> None:
    """Make whatever is missing: run again, it goes on where an earlier run was interrupted."""
    settings = load_settings(layout.root)
    for directory in (layout.root, layout.keys, *(layout.keys / kind.directory for kind in KINDS.values())):
        sweep_unfinished(directory)
    installation.make_secrets(layout)
    _make_grant_key(layout)
    make_keys(layout)
    audit_keys.complete_keys(layout.keys, settings.base)
    installation.arrange(layout, settings)
    _give_keys(layout)
    os.umask(0o002)
    keep_older_record(layout, settings)
    database = Database.open(layout, settings, Role.owner)
    try:
        migrate(database, settings.database_role_prefix)
    finally:
        database.close()
    installation.arrange(layout, settings)


def _make_grant_key(layout: Layout) -> None:
    """The keys whose signatures make grants count here, unless the operator brought keys: an approving body's for any,
    a data manager's for practice data, this service's own for what a committee decided in it and what sources state."""
    private = {SOURCE: layout.grant_key, PRACTICE: layout.practice_key}
    private |= {COMMITTEE: layout.committee_key, ELSEWHERE: layout.source_key}
    for source, path in private.items():
        _make_signer(layout.keys / KINDS[source].directory, path)


def _make_signer(signers: Path, target: Path) -> None:
    make_directory(signers, 0o755)
    if any(signers.glob("*.pub")):
        return
    private, public = new_pair()
    write_atomically(target, private, mode=0o600)
    write_atomically(signers / OWN_SIGNER, public, mode=0o644)


def _give_keys(layout: Layout) -> None:
    """Each secret to whom reads it: one owner, and one group where two services share it."""
    owners = installation.Owners.of(load_settings(layout.root))
    controller, hub, portal = (owners.uid(name) for name in ("controller", "hub", "portal"))
    installation.own_secret(layout.keys / audit_keys.PRIVATE_KEY_FILE, controller)
    for path in (layout.committee_key, layout.source_key):
        if path.exists():
            installation.own_secret(path, controller)
    _give_source_keys(layout, controller)
    installation.own_secret(layout.keys / "hub-cookie-secret", hub)
    installation.own_secret(layout.keys / TOKENS_KEY, hub)
    installation.own_secret(layout.keys / CONTROLLER_TOKEN, controller, hub)
    installation.own_secret(layout.keys / OAUTH_SECRET, portal, hub)
    for role in Role:
        if (password := password_path(layout, role)).exists():
            of_a_service = role in installation.SERVICES
            installation.own_secret(password, owners.uid(role) if of_a_service else os.geteuid())


def _give_source_keys(layout: Layout, controller: int) -> None:
    """What sources elsewhere are asked with, to who asks them."""
    make_directory(layout.source_secrets, 0o700, owner=controller)
    for path in layout.source_secrets.glob("*.key"):
        installation.own_secret(path, controller)


@command
def up(root: RootOption = None) -> None:
    """Start every service and keep them running until Ctrl-C. Workspaces go on when this ends."""
    layout = Layout(root_from(root))
    settings = load_settings(layout.root)
    common.require_record(layout, settings)
    installation.arrange(layout, settings)
    configure_log("keeper")
    with claimed(layout, settings):
        check_startable(layout, settings)
        _keep_up(layout, settings)


def check_startable(layout: Layout, settings: Settings) -> None:
    """Raise `TREError` for what a service would refuse to start with, where somebody reads it."""
    _refuse_restored(layout, settings)
    _check_policies(layout)
    check_transport(settings)
    for port in (settings.listen_port, settings.tls.redirect_port):
        if port is not None:
            _check_address(settings.listen_address, port)


def _refuse_restored(layout: Layout, settings: Settings) -> None:
    """Raise `TREError(StateForbids)` for a restored record that waits, before services try to start with it."""
    with closing(Database.open(layout, settings, Role.operator, read_only=True)) as database:
        refuse_restored(database)


def _check_policies(layout: Layout) -> None:
    """Raise `TREError` for a policy that a service would refuse to start with, where somebody reads it."""
    load_roles(layout.root)
    load_committee(layout.root)
    for path in sorted((layout.root / SITE_DIRECTORY).glob("*.yaml")):
        read_policy(path)
    check_policies(layout.root)


def _check_address(address: str, port: int) -> None:
    """Raise `TREError(AddressInUse)` before eight services start around a gateway that cannot listen."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            raise TREError(
                Reason.AddressInUse,
                f"The gateway cannot listen at {address}, port {port}.",
                why=f"{error.strerror}.",
                remedy=f"`ss -ltnp sport = :{port}` shows who does; or set another port in tre.yaml.",
            ) from error


def _keep_up(layout: Layout, settings: Settings) -> None:
    if os.geteuid() == 0:
        open_the_way([layout.root, CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)])
    keeper = Keeper(services(layout, settings), layout.logs)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: keeper.stop())
    common.out.print(f"Starting the services of {layout.root}; their words are in {layout.logs}.", highlight=False)
    keeper.run(
        lambda: common.out.print(f"Up: [bold]{settings.origin()}/[/]  (Ctrl-C ends the services)"),
        beside=partial(hand_over_anew, installation.copy_watch(layout, settings)),
    )


def hand_over_anew(watch: CopyWatch) -> None:
    """Give the gateway a certificate that was replaced; what cannot be used is told in the log."""
    try:
        if watch.look():
            log.info("certificate-handed-over")
    except (TREError, OSError) as error:
        log.error("certificate-refused", error=str(error))
