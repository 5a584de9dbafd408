"""PostgreSQL: how a program signs in, and what makes its transactions mean what they mean on SQLite.

Guarantees: writers queue: a writing transaction begins by locking the table `writing_turn`, before it sees anything,
so it sees all that was committed before it and nobody commits beside it. Numbers of events are therefore given in the
order of commitment, and there is nothing that could fail to serialise (docs/decisions/015). Every wait has an end:
for a connection, for the turn, for a statement, and for a program that fell asleep in a transaction, whose session
the server ends. Each program has a role of its own (`tre.store.roles`); its password is a file of `keys/`, or
whatever libpq finds (a password file, a service, a certificate), and is never a setting.

The driver is read by whoever connects: one machine's programs, which have a file, never wait for it.

Does not guarantee: encryption. Say `sslmode=verify-full` in `databaseUrl` where the server is another machine.

Threat: the public process, taken over, that stops all writing by taking their lock: it has no right to it, which a
lock by number (`pg_advisory_lock`, anybody's) would not give.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, RootTransaction, create_engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from tre.domain.errors import Reason, TREError
from tre.system.layout import Layout
from tre.system.settings import Settings

DRIVER = "postgresql+psycopg"
TURN_TIMEOUT_MS = 10_000
"""How long a writer waits for its turn before it gives up: as long as on SQLite."""

STATEMENT_TIMEOUT_MS = 60_000
"""The longest statement is the sequencer's look at every event when it starts."""

SLEEPER_TIMEOUT_MS = 7_000
"""A program that holds the turn and does nothing for so long has lost it: others wait behind it, and get theirs before
they give up."""

READER_TIMEOUT_MS = 120_000
"""The same for a reader, behind whom nobody waits; what it read is kept from being cleared away."""

_OPTIONS = {
    "statement_timeout": STATEMENT_TIMEOUT_MS,
    "lock_timeout": TURN_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": READER_TIMEOUT_MS,
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}
"""What the server is told of each session. A program whose line was lost without a word leaves sessions behind: the
server notices within a minute, not after two hours, when there may be no place left for the program's new ones."""

_CONNECTING = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A server whose machine vanished is noticed within seconds, not after the two hours of the kernel's default."""

TAKE_TURN = (
    f"SET LOCAL idle_in_transaction_session_timeout = {SLEEPER_TIMEOUT_MS}; LOCK TABLE writing_turn IN EXCLUSIVE MODE"
)
"""What every writing transaction begins with. `LOCK` takes no snapshot: what is read comes after the turn has come."""

ALONE = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(7238245)"
"""Of several who migrate at once, one does; only the owner of the tables migrates, so nobody else's lock matters."""

TAKE_TURN_IF_ANY = """
DO $$ BEGIN
    IF to_regclass('writing_turn') IS NOT NULL THEN LOCK TABLE writing_turn IN EXCLUSIVE MODE; END IF;
END $$"""

_CONFLICTS = {"40001": "another transaction was in the way", "40P01": "two transactions waited for each other"}
_TURN_NEVER_CAME = "55P03"
_NOT_NOW = {"57P01", "57P02", "57P03", "53300"}
"""Shut down, crashed, starting up, no place left: the same request may do a moment later."""


def password_path(layout: Layout, role: str) -> Path:
    """Where a role's password is kept, if the server asks for one: a file of one owner, mode 0600."""
    return layout.keys / f"database-{role}.password"


def url_for(layout: Layout, settings: Settings, role: str) -> URL:
    """The server's address with a program's own role and, where there is one, its password.

    Raises `TREError(SetupIncomplete)` where the password cannot be read.
    """
    assert settings.database_url is not None
    path = password_path(layout, role)
    try:
        password = path.read_text("utf-8").strip()
    except FileNotFoundError:
        password = None
    except (OSError, UnicodeDecodeError) as error:
        raise TREError(
            Reason.SetupIncomplete,
            f"The password of the database role {role} cannot be read.",
            why=f"{path}: {error.__class__.__name__}.",
            remedy="Run `tre init`: it gives each password to the program that reads it.",
        ) from error
    url = make_url(settings.database_url).set(drivername=DRIVER, username=f"{settings.database_role_prefix}{role}")
    return url if password is None else url.set(password=password)


def make_engine(url: URL, *, read_only: bool) -> Engine:
    """An engine whose connections are looked at before they are used, and bounded in every wait."""
    options = _OPTIONS | ({"default_transaction_read_only": "on"} if read_only else {})
    said = " ".join(f"-c {name}={value}" for name, value in options.items())
    given: Any = url.query.get("options", "")
    named = url.username or "tre"
    arguments = _CONNECTING | {"application_name": named, "options": f"{given} {said}".strip()}
    return create_engine(
        url.difference_update_query(["options"]),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=TURN_TIMEOUT_MS / 1000,
        isolation_level="REPEATABLE READ",
        connect_args=arguments,
    )


def begin_reading(connection: Connection) -> None:
    """One moment for everything that is read, and no right to write."""
    connection.execution_options(postgresql_readonly=True)
    connection.begin()


def begin_writing(connection: Connection) -> None:
    """Wait for the turn, then see what is so now."""
    connection.begin()
    connection.exec_driver_sql(TAKE_TURN)


def transaction_of(connection: Connection) -> RootTransaction:
    """The transaction that was begun: as a context it is committed at the end, or rolled back, also if that fails."""
    found = connection.get_transaction()
    assert found is not None
    return found


def sqlstate(error: BaseException) -> str:
    """The five characters by which PostgreSQL names an error; empty where it named none."""
    found = error.orig if isinstance(error, DBAPIError) else error
    return getattr(found, "sqlstate", None) or ""  # the driver's errors have it, and no others


def may_begin_again(error: DBAPIError) -> bool:
    """Whether a transaction in which nothing was done yet may simply be begun again."""
    is_the_servers = hasattr(error.orig, "sqlstate")
    unreachable = is_the_servers and isinstance(error, OperationalError) and not sqlstate(error)
    return error.connection_invalidated or unreachable or sqlstate(error) in (_NOT_NOW | _CONFLICTS.keys())


def in_words(error: DBAPIError) -> TREError | None:
    """What happened to a transaction of which nothing was kept; `None` for an error of another kind."""
    state = sqlstate(error)
    said = str(error.orig).strip().partition("\n")[0]
    if state == _TURN_NEVER_CAME:
        return turn_never_came(said)
    if state in _CONFLICTS:
        return TREError(
            Reason.Conflict,
            "The record changed at the same moment; nothing of this change was kept.",
            why=f"The database says that {_CONFLICTS[state]}.",
            remedy="Try again.",
        )
    if may_begin_again(error):
        return TREError(
            Reason.ServiceUnavailable,
            "The record cannot be reached; nothing of this change was kept.",
            why=f"The database says: {said}.",
            remedy="Is the server of databaseUrl (tre.yaml) up, and may this program sign in there? Then try again.",
        )
    return None


def turn_never_came(said: str) -> TREError:
    """Somebody held the writer's place for longer than writers wait; `said` is the database's word for it."""
    return TREError(
        Reason.Conflict,
        "Another program has held the record for too long.",
        why=f"The database says: {said}.",
        remedy="Try again; `tre status` shows who runs.",
    )


def unsettled(error: DBAPIError) -> TREError:
    """The connection broke while a change was being committed, and nobody can be asked whether it was."""
    return TREError(
        Reason.ServiceUnavailable,
        "The connection to the record broke in the moment of keeping a change: it was kept whole or not at all.",
        why=f"The database says: {str(error.orig).strip().partition(chr(10))[0]}.",
        remedy="Once the record can be reached again, look which it is before you repeat it.",
    )
