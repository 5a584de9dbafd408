"""Bringing a database to the schema of this program.

Guarantees: all revisions that are missing are applied in one transaction, or none; two programs that try at once
queue up and the second finds nothing to do. A database that a newer program made is refused, not guessed at.

Does not guarantee: a way back. Make a backup first (`tre backup`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.store import roles
from tre.store.database import Database
from tre.store.schema import refuse_newer

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(database: Database, role_prefix: str = "") -> str:
    """Create the schema or bring it up to date; the revision it has now.

    On PostgreSQL `role_prefix` begins the names of the roles that get their rights. Raises `TREError(SetupIncomplete)`
    where a newer program made the database, where it keeps text in another encoding than UTF-8, and where a role is
    missing.
    """
    from alembic import command  # noqa: PLC0415 - as below

    config = _config()
    with database.migrating() as connection:
        refuse_newer(connection)
        if database.is_postgres:
            _refuse_encoding(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if database.is_postgres and role_prefix:
            roles.apply(connection, role_prefix)
        return str(refuse_newer(connection))


def _refuse_encoding(connection: Connection) -> None:
    found = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if found != "UTF8":
        raise TREError(
            Reason.SetupIncomplete,
            f"The database keeps text as {found}; this program needs UTF8.",
            remedy="Make the database with ENCODING 'UTF8' TEMPLATE template0.",
        )


def head_revision() -> str:
    """The revision that this program needs."""
    return str(_scripts().get_current_head())


def known_revisions() -> list[str]:
    """Every revision that there is, the oldest first."""
    return [script.revision for script in _scripts().walk_revisions()][::-1]


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as below

    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - a service that finds its record up to date never reads it

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
