"""`tre audit rotate-key`: another key signs the log from now on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tre.audit.lease import LEASE_SECONDS, Lease
from tre.audit.lock import FileLock, lock_path
from tre.audit.rotation import Place, rotate
from tre.audit.witness import FileWitness, witness_path
from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.store.changes import ChangeFeed
from tre.store.database import Database
from tre.store.roles import Role
from tre.system.files import make_directory
from tre.system.installation import Owners


@command
def rotate_key(
    root: RootOption = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="The key is gone and there is no copy: the new one is not vouched for.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a new key sign the log; the services must not run. The earlier key signs over the new one."""
    here = Installation.open(root)
    if here.settings.runtime == "kubernetes":
        raise TREError(
            Reason.StateForbids,
            "The key of a launcher on a cluster is a Secret, which this command does not change.",
            remedy="Read docs/auditing.md on what to do instead.",
        )
    with _alone(here) as (database, lease):
        change = rotate(_place(here, database, lease), lost=lost)
    told = {"earlier": change.earlier.line(), "key": change.later.line(), "lost": change.lost}
    if as_json:
        common.print_json(told)
        return
    common.out.print(f"From now on this key signs the log: {change.later.line()}", markup=False, highlight=False)
    if lost:
        common.out.print(
            "Nothing but your word connects it with the log so far: tell everybody who keeps the earlier key.",
            highlight=False,
        )
    else:
        common.out.print(
            f"The earlier key vouches for it. Destroy every copy of {change.earlier.key_id.hex()} that you keep.",
            highlight=False,
        )


@contextmanager
def _alone(here: Installation) -> Iterator[tuple[Database, Lease | None]]:
    """The record as the controller's own, with nobody else sequencing."""
    path = lock_path(here.layout.run)
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = Owners.of(here.settings).uid("controller")
    make_directory(witness_path(here.layout.root).parent, 0o755, owner=owner, group=owner)
    with FileLock(path).hold():
        os.chown(path, owner, -1)  # where root made it, it is not root's to keep
        database = Database.open(here.layout, here.settings, Role.controller)
        try:
            lease = _lease(here, database) if database.is_postgres else None
            try:
                yield database, lease
            finally:
                if lease is not None:
                    lease.release()
        finally:
            database.close()


def _lease(here: Installation, database: Database) -> Lease:
    """Lead, after one that ended out of order was waited for. Raises `TREError(Conflict)`."""
    lease, feed = Lease(database, here.clock), ChangeFeed(database)
    until = here.clock.boottime() + 2 * LEASE_SECONDS
    try:
        while not lease.keep():
            if here.clock.boottime() > until:
                raise TREError(
                    Reason.Conflict,
                    "A controller runs and sequences the log.",
                    remedy="Stop the services, then try again.",
                )
            feed.wait(0.5)
    finally:
        feed.close()
    return lease


def _place(here: Installation, database: Database, lease: Lease | None) -> Place:
    def record(kind: str, about: str, statement: str) -> Event:
        return here.event(kind, about, statement=statement)

    return Place(
        keys=here.layout.keys,
        database=database,
        clock=here.clock,
        record=record,
        witness=FileWitness(witness_path(here.layout.root)),
        lease=lease,
        owner=Owners.of(here.settings).uid("controller"),
    )
