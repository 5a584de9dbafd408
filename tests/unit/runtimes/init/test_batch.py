"""`tre-batch`: jobs that outlive whoever began them, and what their notes say."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tre.runtimes.init import batch
from tre.runtimes.init.batch import FOLDER, KEPT_SECONDS, Places, main, notes

HELD = "import pathlib, time\npathlib.Path('begun').touch()\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n"


def wait_for(true: Callable[[], object], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    for name in ("outbox", "home"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def places(room: Path) -> Places:
    return Places(room / "outbox", sys.executable)


def script(room: Path, text: str, name: str = "plan.py") -> Path:
    path = room / "home" / name
    path.write_text(text)
    return path


def ended(places: Places) -> list[str]:
    wait_for(lambda: not any(note.alive for note in notes(places)))
    return [note.word for note in notes(places)]


def test_a_script_runs_to_its_end_and_its_note_says_so(
    room: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert main(["run", "--json", "--", str(script(room, "print('the result', 6 * 7)"))], places) == 0
    assert json.loads(capsys.readouterr().out) == {"number": 1, "result": "plan.job-1.log"}
    assert ended(places) == ["finished"]
    assert (room / "home" / "plan.job-1.log").read_text() == "the result 42\n"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    (note,) = (room / "outbox" / FOLDER).iterdir()
    assert "plan" not in note.name + note.read_text(), "nothing of a name goes out"
    assert stat.S_IMODE(note.stat().st_mode) == 0o640
    assert stat.S_IMODE(note.parent.stat().st_mode) == 0o750


def test_a_job_that_lives_is_locked_by_its_process_and_by_nothing_else(room: Path, places: Places) -> None:
    assert main(["run", str(script(room, HELD))], places) == 0
    wait_for((room / "home" / "begun").exists)
    (note,) = notes(places)
    assert note.alive
    assert note.word == ""
    forged = note.path.with_name("job-2-0123456789abcdef")
    forged.write_bytes(note.path.read_bytes())
    assert [found.alive for found in notes(places)] == [True, False], "the same words without a process are not alive"
    (room / "home" / "go").touch()
    assert ended(places) == ["finished", ""]


def test_a_failure_is_told_as_one_and_what_was_printed_stays(room: Path, places: Places) -> None:
    main(["run", str(script(room, "print('so far')\nraise SystemExit(3)"))], places)
    assert ended(places) == ["failed"]
    assert (room / "home" / "plan.job-1.log").read_text() == "so far\n"


def test_a_job_that_is_told_to_end_ends_and_others_go_on(
    room: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", str(script(room, HELD))], places)
    wait_for((room / "home" / "begun").exists)
    main(["run", str(script(room, HELD, "other.py"))], places)
    wait_for(lambda: all(note.pid for note in notes(places)))
    capsys.readouterr()
    assert main(["stop", "1"], places) == 0
    wait_for(lambda: not notes(places)[0].alive)
    assert main(["list", "--json"], places) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(told) == {"jobs": [{"number": 1, "state": "cancelled"}, {"number": 2, "state": "running"}]}
    (room / "home" / "go").touch()
    assert ended(places) == ["cancelled", "finished"]
    assert main(["stop", "1"], places) == 1
    assert "no job 1 runs" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "why"), [("data.csv", "no notebook"), ("gone.py", "no notebook"), ("-x.py", "no")])
def test_what_cannot_be_run_is_refused_with_words(
    room: Path, places: Places, capsys: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    (room / "home" / "data.csv").touch()
    assert main(["run", "--json", "--", str(room / "home" / name)], places) == 1
    assert why in json.loads(capsys.readouterr().out)["error"]
    assert notes(places) == []


def test_a_name_is_a_value_and_never_a_word_of_a_shell(room: Path, places: Places) -> None:
    main(["run", "--", str(script(room, "print('ran')", "$(touch gone) ; 'a' -x.py"))], places)
    assert ended(places) == ["finished"]
    assert not (room / "home" / "gone").exists()


def test_notes_that_are_none_are_not_read_and_old_ones_go(room: Path, places: Places) -> None:
    folder = room / "outbox" / FOLDER
    folder.mkdir()
    for name in ("job-0-0123456789abcdef", "job-1-xyz", "job-99999-0123456789abcdef", "note"):
        (folder / name).touch()
    old = folder / "job-7-0123456789abcdef"
    old.write_text("tre-batch/1\n1\nfinished\n")
    os.utime(old, (time.time() - KEPT_SECONDS - 60,) * 2)
    (folder / "job-8-0123456789abcdef").symlink_to(room / "nowhere")
    assert [note.number for note in notes(places)] == [7]
    main(["run", str(script(room, ""))], places)
    assert ended(places) == ["finished"]
    assert [note.number for note in notes(places)] == [1], "the old one's number is free again"


def test_the_lock_of_a_job_whose_holder_is_killed_is_gone_and_no_word_is_there(room: Path, places: Places) -> None:
    main(["run", str(script(room, HELD))], places)
    wait_for(lambda: notes(places)[0].pid)
    os.kill(notes(places)[0].pid, 9)
    assert ended(places) == [""]
    (room / "home" / "go").touch()
    with notes(places)[0].path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_program_is_started_as_the_workspace_starts_it() -> None:
    text = (Path(batch.__file__).parent / "bin" / "tre-batch").read_text()
    assert "-I -S -B /opt/tre/init/batch.py" in text
