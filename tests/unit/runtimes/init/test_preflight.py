"""`tre-check`: what it takes, what it writes, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tre.runtimes.init import preflight
from tre.runtimes.init.preflight import FOLDER, Places, UsageError, main, names_in

PROGRAM = Path(preflight.__file__)


@dataclass
class Room:
    """A workspace's two folders, and somebody who answers at the first look."""

    root: Path
    answer: dict[str, Any] = field(default_factory=dict)
    wait: dict[str, Any] = field(default_factory=dict)
    now: float = 1e9
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("outbox", f"inbox/{FOLDER}"):
            (self.root / name).mkdir(parents=True)

    @property
    def places(self) -> Places:
        return Places(self.root / "outbox", self.root / "inbox", lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1.0)
        for path in (self.root / "outbox" / FOLDER).glob("ask-*"):
            self.asked.append(path.read_text())
            assert path.stat().st_mode & 0o777 == 0o640, "the checker reads it by its group"
            answers = self.root / "inbox" / FOLDER
            if self.answer:
                (answers / f"answer-{path.name.removeprefix('ask-')}.json").write_text(json.dumps(self.answer))
            if self.wait:
                (answers / "wait.json").write_text(json.dumps(self.wait))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path)
    (tmp_path / "outbox" / "a.csv").write_text("a")
    return made


FINDING = {"check": "S01", "severity": "E", "message": "small \x1b[8m", "suggestion": "Round.", "locator": {"row": 2}}
FOUND = {"files": [{"path": "a.csv", "worst": "E", "findings": [FINDING], "more": 2}], "remaining": 1}


def test_findings_are_printed_by_file_and_stop(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    room.answer = FOUND
    assert main(["a.csv"], room.places) == 1
    printed = capsys.readouterr().out
    assert "a.csv: 1 found" in printed
    assert "E S01 (row 2): small" in printed
    assert "\x1b" not in printed, "what a file says never reaches the terminal as a command"
    assert "and 2 more" in printed
    assert "1 more check can" in printed
    assert room.asked[-1] == "tre-preflight/1\na.csv\n"
    assert list((room.root / "outbox" / FOLDER).iterdir()) == [], "the ask is taken away"


@pytest.mark.parametrize("worst", ["A", "I", None])
def test_what_does_not_stop_exits_with_zero(room: Room, worst: str | None) -> None:
    room.answer = {"files": [{"path": "a.csv", "worst": worst}], "remaining": 3}
    assert main(["a.csv", "--json"], room.places) == 0


def test_a_refusal_is_said_and_an_old_one_is_not(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    room.wait = {"until": "2001-09-09T01:40:00Z", "refused": {"what": "Too often."}}
    room.answer = {"files": [], "remaining": 3}
    assert main([], room.places) == 0, "the time is over"
    room.answer = {}
    room.wait["until"] = "2001-09-09T02:40:00Z"
    assert main([], room.places) == 1
    assert "Too often." in capsys.readouterr().out


def test_no_answer_says_what_to_do(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.csv", "--wait", "5"], room.places) == 1
    assert "no answer came within 5 seconds" in capsys.readouterr().err
    assert list((room.root / "outbox" / FOLDER).iterdir()) == []


def test_names_lead_to_the_outbox_or_are_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = room.root / "outbox"
    (outbox / "sub").mkdir()
    (outbox / "sub" / "b.csv").write_text("b")
    (outbox / ".hidden").write_text("h")
    (room.root / "workspace").mkdir()
    (room.root / "workspace" / "outbox").symlink_to(outbox)
    (room.root / "elsewhere.csv").write_text("e")
    assert names_in([], room.places) == ["a.csv", "sub/b.csv"]
    shown = room.root / "workspace" / "outbox"
    assert names_in(["sub/b.csv", str(outbox / "a.csv"), str(shown / "a.csv")], room.places) == ["sub/b.csv", "a.csv"]
    monkeypatch.chdir(shown / "sub")
    assert names_in(["b.csv"], room.places) == ["sub/b.csv"]
    for wrong in ("../../elsewhere.csv", "/etc/passwd", "none.csv", "", ".", ".."):
        with pytest.raises(UsageError):
            names_in([wrong], room.places)
    (outbox / "new\nline").write_text("n")
    with pytest.raises(UsageError):
        names_in(["new\nline"], room.places)


def test_wrong_use_says_what_to_do(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["none.csv"], room.places) == 2
    assert "cp none.csv /outbox/" in capsys.readouterr().err
    (room.root / "outbox" / "a.csv").unlink()
    assert main([], room.places) == 2
    for number in range(51):
        (room.root / "outbox" / f"{number}.csv").write_text("x")
    assert main([], room.places) == 2


def test_what_a_killed_program_left_is_swept(room: Room) -> None:
    folder = room.root / "outbox" / FOLDER
    folder.mkdir()
    for name, age in (("ask-old", 700), ("ask-young", 10)):
        (folder / name).write_text("x")
        (folder / name).chmod(0o640)
        os.utime(folder / name, (room.now - age, room.now - age))
    room.answer = {"files": [], "remaining": 3}
    assert main(["a.csv"], room.places) == 0
    assert [path.name for path in folder.iterdir()] == ["ask-young"]


def test_the_program_stands_alone_and_on_the_path() -> None:
    """As it is started in a workspace: isolated, without site-packages, by its file."""
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(PROGRAM), "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "before they are submitted" in told.stdout
    starter = PROGRAM.parent / "bin" / "tre-check"
    assert os.access(starter, os.X_OK)
    assert "/opt/tre/init/preflight.py" in starter.read_text()
