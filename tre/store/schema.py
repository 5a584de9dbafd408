"""Which schema a database has, and whether it is this program's: what every service asks before it starts.

Guarantees: nothing is changed. A schema that this program does not know, because a newer one made it, is refused and
not guessed at. Asking takes none of what migrating needs: a service that starts again has to be quick.
"""

from __future__ import annotations

from sqlalchemy import Connection, column, inspect, select, table

from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.store.tables.jobs import settings

REVISIONS = ("0001",)
"""Every revision that `tre.store.migrations` holds, the oldest first."""

RESTORED = "restored"
"""The key under which a record says that it was put back from a backup and waits (`tre.backup.reopening`)."""

_TABLE = "alembic_version"


def require_current(database: Database) -> None:
    """What a service asks before it starts.

    Raises `TREError(SetupIncomplete)` unless the schema is this program's, and `TREError(StateForbids)` for a record
    that was restored and waits to hear of later opt-outs.
    """
    with database.read() as connection:
        found = refuse_newer(connection)
    if found != REVISIONS[-1]:
        raise TREError(
            Reason.SetupIncomplete,
            f"The database is at revision {found or 'none'}; this program needs {REVISIONS[-1]}.",
            remedy="Make a backup, then run `tre init`: it brings the database up to date.",
        )
    refuse_restored(database)


def refuse_restored(database: Database) -> None:
    """Raise `TREError(StateForbids)` for a record that was restored and waits to hear of later opt-outs."""
    with database.read() as connection:
        found = connection.execute(select(settings.c.value).where(settings.c.key == RESTORED)).scalar()
    if found is not None:
        raise TREError(
            Reason.StateForbids,
            f"This record was restored from the backup {found['backup']} and is closed.",
            why="Opt-outs and revocations since that backup are not in it.",
            remedy="Apply the lists that came since with `tre withdraw`, then run `tre reopen`.",
        )


def refuse_newer(connection: Connection) -> str | None:
    """The revision that a database has, `None` for an empty one.

    Raises `TREError(SetupIncomplete)` for one that this program does not know.
    """
    found = _revision(connection)
    if found is not None and found not in REVISIONS:
        raise TREError(
            Reason.SetupIncomplete,
            f"The database is at revision {found}, which this program does not know.",
            why="A newer program made it.",
            remedy="Install that version again, or restore the backup made before it.",
        )
    return found


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    found = connection.execute(select(column("version_num")).select_from(table(_TABLE))).scalar()
    return None if found is None else str(found)
