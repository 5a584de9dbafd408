"""Pages that follow from the code are up to date, and tables that people write name what the code has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import CHECKOUT, DOCS
from tre.cli.services import MODULES
from tre.gateway.hosts import Door

ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """The first cells of the table under a heading of the architecture."""
    part = ARCHITECTURE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [line.split("|")[1].strip() for line in lines]


@pytest.mark.timeout(240)
def test_generated_pages_say_what_the_code_says_and_drift_is_noticed(tmp_path: Path) -> None:
    """On a copy of the checkout's pages of which two were changed: those are named, and no other.

    The program makes every page, so it runs once; that the two are right where they were not changed says `make check`.
    """
    (tmp_path / "tools").mkdir()
    for part in (CHECKOUT / "tools").glob("*.py"):
        shutil.copy(part, tmp_path / "tools" / part.name)
    program = tmp_path / "tools" / "generate_docs.py"
    shutil.copytree(DOCS, tmp_path / "docs", ignore=shutil.ignore_patterns("images"))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    changes = {
        "states.md": lambda text: text.replace("`Expired`", "`Over`"),
        "reference/commands.md": lambda text: text + "more\n",
    }
    for name, change in changes.items():
        page = tmp_path / "docs" / name
        page.write_text(change(page.read_text(encoding="utf-8")), encoding="utf-8")
    done = subprocess.run([sys.executable, str(program), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert sorted(re.findall(r"docs/(\S+?\.\w+)", done.stdout)) == sorted(changes)


def test_the_table_of_rights_names_every_program() -> None:
    assert sorted(first_cells("Who may touch what")) == sorted([*MODULES, "workspace"])


def test_the_table_of_hosts_names_every_host() -> None:
    named = {cell.strip("`").replace("<base>", "").strip(".") for cell in first_cells("Hosts")}
    doors = {door.value for door in Door} - {"public", "shell", "lab"}
    assert named == doors | {"", "<workspace>.open", "<workspace>.lab"}


def test_every_kind_of_policy_stands_in_the_reference() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "tre").rglob("*.py"))
    kinds = set(re.findall(r'kind: Literal\["(\w+Policy)"\]', code))
    assert len(kinds) > 6
    assert kinds == set(re.findall(r"`kind: (\w+)`", (DOCS / "reference" / "policies.md").read_text(encoding="utf-8")))
