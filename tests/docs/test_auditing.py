"""The page on auditing: every command on it, typed in its order over a real log, by somebody with the file alone."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.documents import CHECKOUT, DOCS, blocks, commands, difference
from tests.docs.terminal import Terminal
from tests.unit.cli.test_audit import Installed
from tre.audit.checkpoint import parse
from tre.audit.keys import PUBLIC_KEY_FILE
from tre.audit.places import FilePlace
from tre.audit.records import last_checkpoint
from tre.system.settings import Settings

PAGE = DOCS / "auditing.md"
FENCED = list(blocks(PAGE.read_text(encoding="utf-8")))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell beside an installation with a log, a key and checkpoints that were kept."""
    here = Installed(tmp_path / "root")
    work, programs = tmp_path / "work", tmp_path / "bin"
    work.mkdir()
    programs.mkdir()
    for count in (8, 3):
        here.grow(count)
        with here.database.read() as connection:
            row = last_checkpoint(connection)
        assert row is not None
        FilePlace(work / "seen.jsonl", here.keys).keep(parse(row.note))
    shutil.copy(here.layout.keys / PUBLIC_KEY_FILE, work / "audit-signing.pub")
    shutil.copy(CHECKOUT / "verifier" / "tre_log_verify.py", work)
    for name, words in {"tre": "-m tre", "python3": "-I -S"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "TRE_ROOT": str(here.layout.root), "PYTHONPATH": str(CHECKOUT)}
    with Terminal(work, {**os.environ, **own, "COLUMNS": "200"}) as made:
        yield made
    here.database.close()
    shutil.rmtree(here.layout.run, ignore_errors=True)


@pytest.mark.timeout(240)
def test_every_command_does_what_the_page_says(terminal: Terminal) -> None:
    typed = [command for block in FENCED if block.language == "console" for command in commands(block)]
    assert len(typed) >= 8
    for command in typed:
        printed, code = terminal.run(command.text)
        assert code == 0, f"{command.line}: {command.text}: {printed}"
        missing = difference(command.expected, printed)
        assert not missing, f"{command.line}: {command.text}: {missing} in\n{printed}"


def test_the_settings_on_the_page_are_settings() -> None:
    (block,) = (block for block in FENCED if block.language == "yaml")
    found = Settings.model_validate(yaml.safe_load("\n".join(block.lines)))
    assert [one.name for one in found.witnesses] == ["volume", "regulator", "owner"]
