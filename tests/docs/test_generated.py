"""Pages that follow from the code are up to date, and tables that people write name what the code has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable

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


CHANGES: dict[str, Callable[[str], str]] = {
    "states.md": lambda text: text.replace("`Expired`", "`Over`"),
    "reference/commands.md": lambda text: text + "more\n",
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, set[str]]:
    """How the program ends, and which pages it names, on a copy of the checkout's pages of which two were changed."""
    place = tmp_path_factory.mktemp("copy")
    (place / "tools").mkdir()
    for part in (CHECKOUT / "tools").glob("*.py"):
        shutil.copy(part, place / "tools" / part.name)
    shutil.copytree(DOCS, place / "docs", ignore=shutil.ignore_patterns("images"))
    shutil.copytree(CHECKOUT / "requirements", place / "requirements")
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(CHECKOUT / name, place / name)
    for name, change in CHANGES.items():
        page = place / "docs" / name
        page.write_text(change(page.read_text(encoding="utf-8")), encoding="utf-8")
    command = [sys.executable, str(place / "tools" / "generate_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, set(re.findall(r"docs/(\S+?\.\w+)", done.stdout))


def test_generated_pages_say_what_the_code_says(compared: tuple[int, set[str]]) -> None:
    assert compared[1] - CHANGES.keys() == set()


def test_drift_is_noticed(compared: tuple[int, set[str]]) -> None:
    code, named = compared
    assert code == 1
    assert CHANGES.keys() <= named


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
