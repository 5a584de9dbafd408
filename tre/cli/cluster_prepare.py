"""The job that makes a cluster's launcher ready: roles and tables of the record, directories of the volumes.

Guarantees: run again, it changes nothing that is right; roles' passwords become those of the Secrets; every directory
of the volumes gets the owner and mode of the design's table of rights. Needs root with CHOWN, FOWNER, DAC_OVERRIDE on
the volumes, as `tre up` does on one machine.

Does not guarantee: anything on a file server that squashes root. Let the job's pod be root there, or arrange by hand.
"""

from __future__ import annotations

import os

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tre.cli.cluster_keys import ADMINISTRATOR
from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.store.migrate import migrate
from tre.store.postgres import password_path
from tre.store.roles import Role, creation
from tre.system.installation import arrange_volumes
from tre.system.layout import Layout
from tre.system.settings import Settings

CONNECT_SECONDS = 10
_DATABASE = "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0"


def prepare(layout: Layout, settings: Settings, *, as_administrator: bool) -> str:
    """Roles where asked, then tables and rights, then directories; the record's revision. Raises `TREError`."""
    if settings.database_url is None:
        raise TREError(
            Reason.SetupIncomplete,
            "No databaseUrl is set.",
            why="On a cluster the record is on a PostgreSQL server: several pods write it.",
            remedy="Give the chart database.url, or database.bundled.enabled for a trial.",
        )
    if as_administrator:
        make_roles(layout, settings)
    os.umask(0o002)
    database = Database.open(layout, settings, Role.owner)
    try:
        revision = migrate(database, settings.database_role_prefix)
    finally:
        database.close()
    arrange_volumes(layout, settings)
    return revision


def make_roles(layout: Layout, settings: Settings) -> None:
    """As the administrator of the chart's own small server: roles with their passwords, and the database.

    Raises `TREError(ServiceUnavailable)` where the server does not answer (yet): the job is started again.
    """
    assert settings.database_url is not None
    prefix, name = settings.database_role_prefix, str(conninfo_to_dict(settings.database_url)["dbname"])
    owner = f"{prefix}{Role.owner}"
    try:
        with _connect(layout, settings, "postgres") as connection:
            known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            for role, statement in zip(Role, creation(prefix), strict=True):
                if f"{prefix}{role}" not in known:
                    connection.execute(statement.encode())
                _give_password(connection, f"{prefix}{role}", password_path(layout, role).read_text("ascii").strip())
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL(_DATABASE).format(sql.Identifier(name), sql.Identifier(owner)))
        with _connect(layout, settings, name) as connection:
            connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(owner)))
    except psycopg.OperationalError as error:
        raise TREError(
            Reason.ServiceUnavailable, "The database server does not answer.", why=" ".join(str(error).split())
        ) from error


def _connect(layout: Layout, settings: Settings, name: str) -> psycopg.Connection[tuple[object, ...]]:
    password = (layout.keys / ADMINISTRATOR).read_text("ascii").strip()
    where = make_conninfo(str(settings.database_url), dbname=name, user="postgres", password=password)
    return psycopg.connect(where, connect_timeout=CONNECT_SECONDS, autocommit=True)


def _give_password(connection: psycopg.Connection[tuple[object, ...]], role: str, password: str) -> None:
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
    connection.execute(statement)
