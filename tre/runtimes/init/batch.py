"""`tre-batch`: run a notebook or a script to its end without a browser. Only a notebook's run needs more than Python.

    tre-batch run FILE [--json]      tre-batch list [--json]      tre-batch stop NUMBER

The job runs within the workspace, under its user, its limits and its end: when the workspace ends, so does the job. A
notebook is written beside its source after each cell (`NAME.job-N.ipynb`), what a script prints goes to
`NAME.job-N.log`. Exit: 0 done, 1 refused, 2 used wrongly.

Guarantees: the job needs neither browser nor kernel of a page; nothing but a note goes to the outbox, with the job's
number, a process number and one word, never a name of a file. While the job lives, its process holds a lock on that
note, which can be seen from outside and cannot be written by hand.

Does not guarantee: that somebody outside looks. The mail about a job's end is theirs to send.

This program belongs to the researcher, like everything in a workspace: it decides nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

FORM = "tre-batch/1"
FOLDER = ".batch"
PYTHON = "/opt/tre/workspace/bin/python"
KEPT_SECONDS = 7 * 86400
SUFFIXES = (".ipynb", ".py")
FINISHED, FAILED, STOPPED = "finished", "failed", "cancelled"
_NOTE = re.compile(r"job-([1-9][0-9]{0,3})-([0-9a-f]{16})")


class RefusedError(Exception):
    """What was asked cannot be done; the text says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Where notes go, and with what a job is run."""

    outbox: Path = Path("/outbox")
    python: str = PYTHON


@dataclass(frozen=True)
class Note:
    """A job as its note tells it: `word` is how it ended, `alive` whether its process holds the lock."""

    number: int
    path: Path
    pid: int
    word: str
    alive: bool


def main(words: Sequence[str] | None = None, places: Places | None = None) -> int:
    """Do what is asked and print it; returns the exit code."""
    found = _parser().parse_args(words)
    places = places or Places()
    try:
        if found.act == "hold":
            if os.fork():
                return 0  # whoever began the job waits for nothing of it
            return hold(found.note, found.log, found.command)
        if found.act == "notebook":
            return run_notebook(Path(found.source), Path(found.result))
        told = _ACTS[found.act](found, places)
    except (RefusedError, OSError) as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n" if getattr(found, "json", False) else "")
        sys.stderr.write(f"tre-batch: {error}\n")
        return 1
    sys.stdout.write(told)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tre-batch", description="Run a notebook or a script without a browser.")
    acts = parser.add_subparsers(dest="act", required=True, metavar="{run,list,stop}")
    run_ = acts.add_parser("run", help="run FILE.ipynb or FILE.py to its end")
    run_.add_argument("file", metavar="FILE")
    listing = acts.add_parser("list", help="the jobs of the last week")
    for one in (run_, listing):
        one.add_argument("--json", action="store_true", help="print JSON")
    acts.add_parser("stop", help="end a job").add_argument("number", type=int, metavar="NUMBER")
    holding = acts.add_parser("hold")
    holding.add_argument("note", type=int)
    holding.add_argument("log")
    holding.add_argument("command", nargs=argparse.REMAINDER)
    notebook = acts.add_parser("notebook")
    notebook.add_argument("source")
    notebook.add_argument("result")
    return parser


# What people ask for.


def _run(found: argparse.Namespace, places: Places) -> str:
    number, result = begin(Path(found.file), places)
    if found.json:
        return json.dumps({"number": number, "result": result.name}) + "\n"
    return f"Job {number} runs. The browser can be closed. The result will be {result}.\n"


def _list(found: argparse.Namespace, places: Places) -> str:
    noted = [(note.number, note.word or ("running" if note.alive else FAILED)) for note in notes(places)]
    if found.json:
        return json.dumps({"jobs": [{"number": number, "state": state} for number, state in noted]}) + "\n"
    return "".join(f"Job {number}: {state}\n" for number, state in noted) or "There is no job of the last week.\n"


def _stop(found: argparse.Namespace, places: Places) -> str:
    live = [note for note in notes(places) if note.number == found.number and note.alive]
    if not live or live[0].pid < 2:
        raise RefusedError(f"no job {found.number} runs. `tre-batch list` shows those that do.")
    os.kill(live[0].pid, signal.SIGTERM)
    return f"Job {found.number} is told to end.\n"


_ACTS = {"run": _run, "list": _list, "stop": _stop}


# Beginning a job.


def begin(file: Path, places: Places) -> tuple[int, Path]:
    """Start a job that outlives this process; its number, and where its result will be. Raises `RefusedError`."""
    source = _source(file)
    with _numbering(places) as folder:
        number = 1 + max((note.number for note in notes(places)), default=0)
        stem = f"{source.stem}.job-{number}"
        log = source.with_name(f"{stem}.log")
        result = source.with_name(f"{stem}.ipynb") if source.suffix == ".ipynb" else log
        name = folder / f"job-{number}-{os.urandom(8).hex()}"
        note = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(note, fcntl.LOCK_EX)  # the job inherits it with the descriptor
            _start(source, result, log, note, places)
        except OSError:
            name.unlink()
            raise
        finally:
            os.close(note)
    return number, result


def _source(file: Path) -> Path:
    source = Path(os.path.realpath(file))
    if source.suffix not in SUFFIXES or not source.is_file():
        raise RefusedError(f"{file} is no notebook (.ipynb) and no script (.py).")
    if not os.access(source.parent, os.W_OK):
        raise RefusedError(f"nothing can be written beside {file}. Copy it to the home first.")
    return source


@contextlib.contextmanager
def _numbering(places: Places) -> Iterator[Path]:
    """One at a time gives a job its number; notes of long ago are taken away first."""
    folder = places.outbox / FOLDER
    folder.mkdir(mode=0o750, exist_ok=True)
    folder.chmod(0o750)  # outside it is read by its group
    holding = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(holding, fcntl.LOCK_EX)
        for note in notes(places):
            if not note.alive and time.time() - note.path.stat().st_mtime > KEPT_SECONDS:
                note.path.unlink()
        yield folder
    finally:
        os.close(holding)


def _start(source: Path, result: Path, log: Path, note: int, places: Places) -> None:
    here = os.path.realpath(__file__)
    script = [places.python, "-u", str(source)]
    command = script if result == log else [places.python, "-P", here, "notebook", str(source), str(result)]
    subprocess.run(
        [places.python, "-I", "-S", "-B", here, "hold", str(note), str(log), *command],
        cwd=source.parent,
        pass_fds=(note,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )


def notes(places: Places) -> list[Note]:
    """The notes that are there, by number."""
    folder = places.outbox / FOLDER
    found = [_read(path, int(match[1])) for path in _entries(folder) if (match := _NOTE.fullmatch(path.name))]
    return sorted((note for note in found if note), key=lambda note: note.number)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path, number: int) -> Note | None:
    with contextlib.suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            alive = False
        except BlockingIOError:
            alive = True
        lines = file.read(200).decode("ascii", "replace").split("\n")
        pid = int(lines[1]) if len(lines) > 2 and lines[1].isdecimal() else 0
        return Note(number, path, pid, lines[2] if len(lines) > 3 else "", alive)
    return None


# The job's own process.


def hold(note: int, log: str, command: Sequence[str]) -> int:
    """Run the job's program and write down how it ended; the note stays locked until this process is gone."""
    os.write(note, f"{FORM}\n{os.getpid()}\n".encode())
    with Path(log).open("wb") as output:
        job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        told: list[int] = []

        def end(number: int, _frame: FrameType | None) -> None:
            told.append(number)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)

        signal.signal(signal.SIGTERM, end)
        code = job.wait()
    word = STOPPED if told else FAILED if code else FINISHED
    os.write(note, f"{word}\n".encode())
    return 0


def run_notebook(source: Path, result: Path) -> int:
    """Run a notebook as its own page would, and keep it after each cell: what was done stays, whatever comes."""
    import nbformat  # noqa: PLC0415 - only this act needs it, and only the workspace environment has it
    from nbclient import NotebookClient  # noqa: PLC0415
    from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    notebook = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]

    def keep(**_told: object) -> None:
        unfinished = result.with_name(f".{result.name}.new")
        nbformat.write(notebook, unfinished)  # type: ignore[no-untyped-call]
        unfinished.rename(result)

    client = NotebookClient(
        notebook,
        timeout=None,
        resources={"metadata": {"path": str(source.parent)}},
        config=Config({"KernelManager": {"transport": "ipc"}}),
        on_cell_complete=keep,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        keep()
    return 0


if __name__ == "__main__":
    sys.exit(main())
