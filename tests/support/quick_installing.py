"""Installations and accounts for tests of something else, without what takes long in making them.

Guarantees: the tables are those that the migrations make, which are run once for a process; a password fits its hash.

Does not guarantee: that a password is kept as well as it has to be, nor that `tre init` migrates. Tests of these two
use the programs as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from argon2 import PasswordHasher

from tests.support.databases import migrated
from tre.cli import installing
from tre.portal import passwords
from tre.store.database import Database
from tre.store.migrate import migrate

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


def with_tables(database: Database, role_prefix: str = "") -> str:
    """What `migrate` makes of a SQLite file that is not there yet, copied; then, as for any other, what is missing."""
    path = Path(str(database.engine.url.database))
    if not database.is_postgres and not path.exists():
        path.touch(mode=0o644)  # as SQLite makes it
        path.write_bytes(migrated())
    return migrate(database, role_prefix)


@contextmanager
def quick_installing() -> Iterator[None]:
    """Make installations and accounts in this process quickly."""
    with mock.patch.object(installing, "migrate", with_tables), mock.patch.object(passwords, "_HASHER", CHEAP):
        yield
