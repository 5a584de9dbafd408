"""A policy that is asked for often: read once, and again when it is another file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tre.domain.errors import Reason, TREError
from tre.domain.model import Record
from tre.system import resources
from tre.system.resources import read_settled
from tre.system.yamlfile import load_yaml


class Small(Record):
    """A policy."""

    number: int


def write(path: Path, text: str, age_seconds: float) -> None:
    path.write_text(text)
    written = path.stat().st_mtime - age_seconds
    os.utime(path, (written, written))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every reading of a file."""
    found: list[Path] = []
    read = load_yaml

    def counted(path: Path) -> object:
        found.append(path)
        return read(path)

    monkeypatch.setattr(resources, "load_yaml", counted)
    return found


def test_a_file_that_rests_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "small.yaml"
    write(path, "number: 1\n", 60)
    assert [read_settled(Small, path).number for _ in range(3)] == [1, 1, 1]
    assert reads == [path]
    write(path, "number: 2\n", 30)
    assert [read_settled(Small, path).number for _ in range(2)] == [2, 2]
    assert reads == [path, path]


def test_a_file_just_written_is_read_each_time(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "small.yaml"
    write(path, "number: 1\n", 0)
    assert [read_settled(Small, path).number for _ in range(2)] == [1, 1]
    assert reads == [path, path]


def test_one_that_is_wrong_or_gone_is_no_policy_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    write(path, "number: 1\n", 60)
    assert read_settled(Small, path).number == 1
    write(path, "number: one\n", 50)
    with pytest.raises(TREError) as wrong:
        read_settled(Small, path)
    assert wrong.value.reason is Reason.BadInput
    path.unlink()
    with pytest.raises(TREError):
        read_settled(Small, path)
