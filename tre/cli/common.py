"""What every command has in common: where the root is, how errors look, how results are printed.

Guarantees: exit code 0 for done and nothing found, 1 for refused, failed or found, 2 for usage; errors go to standard
error as what, why, what to do; `--json` prints exactly one JSON document on standard output.
"""

from __future__ import annotations

import functools
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from tre.cli.failures import known_failure
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store.database import Database, new_id
from tre.store.roles import Role
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings, load_settings, root_from

RootOption = Annotated[Path | None, typer.Option("--root", help="The launcher's root directory [TRE_ROOT].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

P = ParamSpec("P")
R = TypeVar("R")

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

_opened: list[Database] = []


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn an error that a person can act on into three lines on standard error and exit code 1."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TREError as error:
            complain(error)
            raise typer.Exit(1) from error
        except (OSError, ValueError, SQLAlchemyError) as error:
            if (known := known_failure(error)) is None:
                raise
            complain(known)
            raise typer.Exit(1) from error
        finally:
            while _opened:
                _opened.pop().close()  # a server is told; whoever goes on with it connects anew

    return run


def complain(error: TREError) -> None:
    """What happened, why, what to do."""
    first, *rest = error.lines()
    err.print(f"[bold red]{error.reason}[/]: ", end="")
    err.print(first, markup=False, highlight=False)
    for line in rest:
        err.print(f"  {line}", markup=False, highlight=False)


@contextmanager
def reading(path: Path, due: str) -> Iterator[None]:
    """Let errors about a file's content name the file, and say what is due in it."""
    try:
        yield
    except TREError as error:
        named = str(path) in error.what
        raise TREError(
            error.reason,
            error.what if named else f"{path}: {error.what}",
            why=error.why or f"What is due is {due}.",
            remedy=error.remedy or f"Name a file that holds {due}.",
        ) from error


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people."""
    table = Table(title=title or None, title_justify="left", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    out.print(table)


@dataclass(frozen=True)
class Installation:
    """One launcher on this machine, as a command works with it."""

    layout: Layout
    settings: Settings
    database: Database
    clock: SystemClock

    @classmethod
    def open(cls, root: Path | None) -> Installation:
        """The launcher under a root. Raises `TREError(SetupIncomplete)` where `tre init` was not run."""
        layout = Layout(root_from(root))
        settings = load_settings(layout.root)
        require_record(layout, settings)
        database = Database.open(layout, settings, Role.operator)
        _opened.append(database)
        return cls(layout, settings, database, SystemClock())

    def event(self, kind: str, subject: str, **detail: Any) -> Event:
        """An event of the person at the keyboard."""
        return Event(id=new_id(), at=self.clock.now(), actor=operator(), kind=kind, object=subject, detail=detail)


def require_record(layout: Layout, settings: Settings) -> None:
    """Raise `TREError(SetupIncomplete)` where `tre init` made no record here; a server says so itself when asked."""
    if settings.database_url is None and not layout.database.is_file():
        raise TREError(
            Reason.SetupIncomplete,
            f"{layout.database} does not exist.",
            why="`tre init` was not run here, or did not come to its end.",
            remedy=f"Run `tre init --root {layout.root}`.",
        )


def operator() -> Subject:
    """Who is at the keyboard, as the machine names them; under sudo, the person who called it."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = f"uid {os.geteuid()}"
    return Subject(issuer="machine", id=name)


def when(moment: Any) -> str:
    """A time as people read it: UTC, to the second; empty for none."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
