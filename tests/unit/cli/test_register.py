"""`tre register build`: what it prints, where it writes, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.portal.register_world import furnish
from tests.unit.portal.world import World, populated
from tre.cli.main import app


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with populated(tmp_path / "root") as made:
        furnish(made)
        yield made


def run(world: World, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["register", "build", *arguments, "--root", str(world.layout.root)])
    return result.exit_code, result.output


def test_it_writes_and_says_how_much(world: World, tmp_path: Path) -> None:
    code, said = run(world, str(tmp_path / "site"))
    assert code == 0
    assert "Projects: 2. Datasets: 1." in said
    code, said = run(world, str(tmp_path / "site"), "--json", "--address", "https://register.example/")
    assert (code, json.loads(said)["projects"]) == (0, 2)
    assert b"https://register.example/projects/told<" in (tmp_path / "site/register.rss").read_bytes()


@pytest.mark.parametrize(
    "address", ["register.example", "javascript:alert(1)", "https://a b", 'https://a"b', "https://a/b"]
)
def test_an_address_that_is_none_is_refused(world: World, tmp_path: Path, address: str) -> None:
    code, said = run(world, str(tmp_path / "site"), "--address", address)
    assert code == 1
    assert "BadInput" in said
    assert not (tmp_path / "site").exists()


def test_a_directory_with_something_else_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    code, said = run(world, str(tmp_path / "mine"))
    assert code == 1
    assert "was not made here" in said
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter"]
