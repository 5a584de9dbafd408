"""Every tour, walked as it is written: commands typed, pages opened, buttons pressed, cells run."""

from __future__ import annotations

from itertools import groupby

import pytest

from tests.docs.conftest import DemoWorld
from tests.docs.documents import ORDER, PRELUDE, TOURS, Cell, Command, Step, blocks, commands, deeds, difference
from tests.docs.terminal import Terminal
from tests.docs.visitor import Visitor
from tre.cli.demonstration.stage import PASSWORD

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
    """The terminal after what stands before every tour."""
    for block in blocks(PRELUDE.read_text(encoding="utf-8")):
        for command in commands(block) if block.language == "console" else ():
            typed(terminal, command, PRELUDE.name)
    return terminal


@pytest.mark.parametrize("name", ORDER)
async def test_a_tour_is_true(world: DemoWorld, ready: Terminal, name: str) -> None:
    done = 0
    async with Visitor(world, PASSWORD) as visitor:
        text = (TOURS / f"{name}.md").read_text(encoding="utf-8")
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


def test_every_tour_is_walked() -> None:
    written = {path.stem for path in TOURS.glob("*.md")} - {PRELUDE.stem}
    assert written == set(ORDER)
