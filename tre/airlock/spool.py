"""The checker's only door: a directory of jobs and a directory of answers.

Guarantees: each directory has one writer (`in/` the controller, `out/` the checker), so that neither needs rights
over the other's files; files appear whole or not at all and are read with bounds, without following links; a job
that was put twice is one job; an answer stays until the controller has removed the job, so none is lost in a crash.

Does not guarantee: that an answer comes. The controller keeps its own deadline and looks at the heartbeat.

Threat: a checker that was taken over and answers with links, pipes or endless files.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from tre.airlock.jobs import (
    Answer,
    AnswerFile,
    Ask,
    AskList,
    BatchList,
    BatchNote,
    FailedAnswer,
    Heartbeat,
    Job,
    JobFile,
)
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record
from tre.system.files import sweep_unfinished, write_json

MOST_BYTES = 64 * 2**20
MOST_ATTEMPTS = 3
"""A job that brought the checker down three times is answered as failed."""

_MODE = 0o640
_ASKS = "asks"
_BATCHES = "batches"
_JOB_ID = re.compile(r"[0-9a-f]{32}")
R = TypeVar("R", bound=Record)


class Spool:
    """Both sides of the door; the controller uses the first half, the checker the second."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._in = root / "in"
        self._out = root / "out"
        self._taken = root / "taken"

    def make(self) -> None:
        """Make the directories where they are missing; modes and owners are the installer's."""
        for directory in (self._in, self._out, self._taken):
            directory.mkdir(parents=True, exist_ok=True)

    # The controller's side.

    def sweep_jobs(self) -> int:
        """Remove jobs that an interruption left half written; before any is put."""
        return sweep_unfinished(self._in)

    def put(self, job_id: str, job: Job) -> None:
        """Ask for a job under an id of 32 hexadecimal digits; asking again changes nothing."""
        path = self._in / _file_name(job_id)
        if not path.exists():
            write_json(path, JobFile(job=job).as_plain(), mode=_MODE)

    def asks(self) -> tuple[Ask, ...]:
        """What workspaces ask to have checked, as the checker last saw it; nothing where it cannot be read."""
        path = self._out / _ASKS
        return read_bounded(path, AskList).asks if path.exists() else ()

    def asks_mark(self) -> int:
        """Changes whenever `asks` may have."""
        return self._mark(_ASKS)

    def batches(self) -> tuple[BatchNote, ...]:
        """What workspaces note of jobs without a browser, as the checker last saw it."""
        path = self._out / _BATCHES
        return read_bounded(path, BatchList).notes if path.exists() else ()

    def batches_mark(self) -> int:
        """Changes whenever `batches` may have."""
        return self._mark(_BATCHES)

    def _mark(self, name: str) -> int:
        try:
            return (self._out / name).stat(follow_symlinks=False).st_mtime_ns
        except FileNotFoundError:
            return 0

    def results(self) -> Iterator[tuple[str, Answer]]:
        """Answers to jobs that were not yet removed. One that cannot be read counts as a failed job."""
        for job_id in _ids(self._in):
            path = self._out / _file_name(job_id)
            if not path.exists():
                continue
            try:
                yield job_id, read_bounded(path, AnswerFile).answer
            except TREError as error:
                yield job_id, _failed(error)

    def holds_jobs(self) -> bool:
        """Whether any job is not answered and removed yet."""
        return bool(_ids(self._in))

    def done(self, job_id: str) -> None:
        """The answer was taken to heart: the job may go."""
        (self._in / _file_name(job_id)).unlink(missing_ok=True)

    def heartbeat(self) -> Heartbeat | None:
        """The checker's last sign of life; `None` if there never was one."""
        path = self._out / "heartbeat"
        return read_bounded(path, Heartbeat) if path.exists() else None

    # The checker's side.

    def sweep_answers(self) -> int:
        """Remove answers that an interruption left half written; before any is given."""
        return sweep_unfinished(self._out)

    def waiting(self) -> list[str]:
        """Jobs without an answer, oldest first."""
        return [job_id for job_id in _ids(self._in) if not (self._out / _file_name(job_id)).exists()]

    def take(self, job_id: str) -> Job:
        """Read a job, after keeping on disk that it is being tried.

        Raises `TREError(CheckerFailed)` where it was tried too often, `TREError(BadInput)` where it is none.
        """
        attempts = self._taken / job_id
        tried = len(attempts.read_bytes()) if attempts.exists() else 0
        if tried >= MOST_ATTEMPTS:
            raise TREError(
                Reason.CheckerFailed,
                f"The checker broke down {tried} times at this job.",
                remedy="Leave out the last file that was added, and tell the operator.",
            )
        with attempts.open("ab") as file:
            file.write(b".")
            file.flush()
            os.fsync(file.fileno())
        return read_bounded(self._in / _file_name(job_id), JobFile).job

    def answer(self, job_id: str, answer: AnswerFile) -> None:
        """Put the answer where the controller finds it."""
        write_json(self._out / _file_name(job_id), answer.as_plain(), mode=_MODE)
        (self._taken / job_id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove answers and marks whose job the controller has removed."""
        open_jobs = set(_ids(self._in))
        for job_id in _ids(self._out):
            if job_id not in open_jobs:
                (self._out / _file_name(job_id)).unlink(missing_ok=True)
        for path in self._taken.iterdir():
            if path.name not in open_jobs:
                path.unlink(missing_ok=True)

    def tell_asks(self, asks: AskList) -> None:
        """Say what workspaces ask to have checked."""
        write_json(self._out / _ASKS, asks.as_plain(), mode=_MODE, durable=False)

    def tell_batches(self, notes: BatchList) -> None:
        """Say what workspaces note of jobs without a browser."""
        write_json(self._out / _BATCHES, notes.as_plain(), mode=_MODE, durable=False)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Say that the checker lives."""
        write_json(self._out / "heartbeat", heartbeat.as_plain(), mode=_MODE, durable=False)


def _file_name(job_id: str) -> str:
    if _JOB_ID.fullmatch(job_id) is None:
        raise TREError(Reason.BadInput, "A job's id is 32 hexadecimal digits.")
    return f"{job_id}.json"


def _ids(directory: Path) -> list[str]:
    with os.scandir(directory) as entries:
        found = []
        for entry in entries:
            stem, dot, ending = entry.name.partition(".")
            if dot and ending == "json" and _JOB_ID.fullmatch(stem):
                found.append((entry.stat(follow_symlinks=False).st_mtime_ns, stem))
    return [stem for _, stem in sorted(found)]


def read_bounded(path: Path, kind: type[R]) -> R:
    """A record from a file that another program wrote: a plain file, no link, of bounded size, exactly that record.

    Raises `TREError(BadInput)`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = file.read(MOST_BYTES + 1) if plain else b""
        if not plain or len(data) > MOST_BYTES:
            raise TREError(Reason.BadInput, "A file in the spool is no plain file of bounded size.")
        return kind.model_validate_json(data)
    except OSError as error:
        raise TREError(Reason.BadInput, f"A file in the spool cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise TREError(Reason.BadInput, f"A file in the spool is no {kind.__name__}.") from error


def _failed(error: TREError) -> Answer:
    return FailedAnswer(reason=Reason.CheckerFailed.value, what=error.what, why=error.why, remedy=error.remedy)
