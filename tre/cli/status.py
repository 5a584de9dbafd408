"""`tre status` and `tre version`: whether everything answers, and what it is."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import typer
from sqlalchemy.exc import SQLAlchemyError

from tre import __version__
from tre.audit.courier import read_state, standing, state_path
from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.services import services
from tre.domain.errors import TREError
from tre.domain.model import as_line
from tre.store import queue
from tre.system import local_http
from tre.system.clock import SystemClock
from tre.system.heartbeat import HEARTBEAT_SECONDS, heartbeat_age
from tre.system.layout import Layout
from tre.system.settings import load_settings, root_from


@command
def status(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Which services answer, and how they are."""
    layout = Layout(root_from(root))
    load_settings(layout.root)
    found = {
        spec.name: asyncio.run(_health(layout, spec.name)) for spec in services(layout, load_settings(layout.root))
    }
    found |= _witnesses(layout)
    shown = found | _queue(layout)
    if as_json:
        common.print_json(shown)
    else:
        common.print_table("", ("service", "state"), shown.items())
    if any(state != "ok" for state in found.values()):
        raise typer.Exit(1)


def _queue(layout: Layout) -> dict[str, str]:
    """Who waits for room for a workspace: nothing that fails, so it changes no exit code."""
    try:
        here = Installation.open(layout.root)
        with here.database.read() as connection:
            count, since = queue.length(connection)
    except (TREError, SQLAlchemyError) as error:
        return {"queue": f"not known: {as_line(str(error), 200)}"}
    if since is None:
        return {"queue": "empty"}
    minutes = int((here.clock.now() - since).total_seconds() // 60)
    return {"queue": f"{count} {'waits' if count == 1 else 'wait'} for room, the first for {minutes} min"}


def _witnesses(layout: Layout) -> dict[str, str]:
    """How the places stand that keep checkpoints of the log."""
    names = [one.name for one in load_settings(layout.root).witnesses]
    found = standing(read_state(state_path(layout.root)), names, SystemClock().now())
    return {f"witness {name}": state for name, state in found.items()}


async def _health(layout: Layout, name: str) -> str:
    if name == "checker":
        return _heartbeat(layout)
    try:
        answer = await local_http.ask(layout.socket(name), "GET", "/healthz")
        if answer.status != HTTPStatus.OK:
            return f"failing: {answer.value}"
        return _readiness((await local_http.ask(layout.socket(name), "GET", "/readyz")).value)
    except TREError:
        return "does not answer"


def _readiness(said: Any) -> str:
    """What `/readyz` answered, as a line: each missing condition with its reason."""
    parts = []
    for key, words in (("checks", "not ready"), ("heldBack", "held back")):
        found = said.get(key) if isinstance(said, dict) else None
        parts += [f"{words}: {name}: {item['reason']}: {item['what']}" for name, item in (found or {}).items()]
    return " ".join(parts) or "ok"


def _heartbeat(layout: Layout) -> str:
    """The checker has no socket: it touches a file."""
    age = heartbeat_age(layout.checker_spool)
    if age is None:
        return "does not answer"
    return "ok" if age < HEARTBEAT_SECONDS else f"last seen {age:.0f} s ago"


@command
def version() -> None:
    """The version of this program."""
    common.out.print(__version__, highlight=False)
