"""Every tutorial, walked as it is written: commands typed, pages opened, buttons pressed, cells run.

After them, in the same installation, the commands of the guides that name this test.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.docs.conftest import DemoWorld
from tests.docs.documents import CHECKOUT, ORDER, PRELUDE, TUTORIALS, Cell, Command, Step, deeds, difference
from tests.docs.terminal import Terminal
from tests.docs.visitor import Visitor
from tools.event_kinds import kinds
from tools.fences import RUN_BY
from tre.cli.demonstration.stage import PASSWORD
from tre.store.tables.audit import audit_events

GUIDES = [name for name, test in RUN_BY.items() if test == "tests/docs/test_tutorials.py"]
ELSEWHERE = {
    "/etc/tre-passphrase": ".demo/passphrase",
    "/mnt/backup/tre": ".demo/backups",
    "/srv/tre": ".demo/{page}",
    " last-checkpoint": " .demo/last-checkpoint",
}
"""Places that the guides name and a test leaves alone, and what it takes instead."""

pytestmark = [pytest.mark.services, pytest.mark.sandbox, pytest.mark.timeout(300)]


def typed(terminal: Terminal, command: Command, where: str) -> None:
    """Type a command and compare what comes back."""
    printed, code = terminal.run(command.text)
    assert code == 0, f"{where}:{command.line}: `{command.text}` ends with {code}:\n{printed}"
    missing = difference(command.expected, printed)
    assert not missing, f"{where}:{command.line}: `{command.text}`: {missing} in\n{printed}"


async def ran(visitor: Visitor, cells: list[Cell], where: str) -> None:
    """Run cells and compare what they print."""
    for cell, printed in zip(cells, await visitor.run([cell.source for cell in cells]), strict=True):
        missing = difference(cell.expected, printed)
        assert not missing, f"{where}:{cell.line}: {missing} in\n{printed}"


@pytest.fixture(scope="module")
def ready(terminal: Terminal) -> Terminal:
    """The terminal after what stands before every tutorial."""
    for command in deeds(PRELUDE.read_text(encoding="utf-8")):
        assert isinstance(command, Command)
        typed(terminal, command, PRELUDE.name)
    return terminal


@pytest.mark.parametrize("name", ORDER)
async def test_a_tutorial_is_true(world: DemoWorld, ready: Terminal, name: str) -> None:
    done = 0
    async with Visitor(world, PASSWORD) as visitor:
        text = (TUTORIALS / f"{name}.md").read_text(encoding="utf-8")
        for kind, group in groupby(deeds(text), type):
            together = list(group)
            done += len(together)
            if kind is Cell:
                await ran(visitor, together, name)  # type: ignore[arg-type]
            for deed in together:
                if isinstance(deed, Command):
                    typed(ready, deed, name)
                elif isinstance(deed, Step):
                    await visitor.walk(deed.text)
    assert done, f"{name} has nothing to do in it"


def test_every_tutorial_is_walked() -> None:
    written = {path.stem for path in TUTORIALS.glob("*.md")} - {PRELUDE.stem}
    assert written == set(ORDER)


@pytest.mark.parametrize("name", GUIDES)
def test_the_commands_of_a_guide_do_what_it_says(ready: Terminal, name: str) -> None:
    found = [one for one in deeds((CHECKOUT / name).read_text(encoding="utf-8")) if isinstance(one, Command)]
    assert found, f"{name} has no commands, so RUN_BY need not name it"
    for one in found:
        text = one.text
        for place, instead in ELSEWHERE.items():
            text = text.replace(place, instead.format(page=Path(name).stem))
        typed(ready, Command(text, one.expected, one.line), name)


def test_whatever_was_logged_stands_in_the_reference(world: DemoWorld, ready: Terminal) -> None:
    with world.here.database.read() as connection:
        logged = {row.kind for row in connection.execute(select(audit_events.c.kind).distinct())}
    assert len(logged) > 40
    assert sorted(logged - set(kinds())) == []
