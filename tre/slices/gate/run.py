"""The gate over any paths: one verdict for each file, with no installation and no store.

Guarantees: nothing is changed and no link followed; a file that cannot be read gets one line and the others their
verdicts; several processes share the work; memory holds eight bytes a file and what is being judged. Two files with
one identifier are both refused, wherever they stand in what was asked about.

Does not guarantee: that an addition says the same: it knows who opted out on record and what was decided.
"""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

import numpy as np

from tre.domain.errors import Reason, TREError
from tre.domain.gate import GateReason, verdict_of
from tre.slices import clinical
from tre.slices.files import Beneath
from tre.slices.gate.attributes import SOP_INSTANCE
from tre.slices.gate.manifest import NO_RULES, TagRules
from tre.slices.gate.sidecar import MAX_SIDECAR_BYTES, is_model, judge_alone, parse_model, read_sidecar
from tre.slices.gate.surroundings import Surroundings, root_of
from tre.slices.gate.wire import Reader
from tre.slices.headers import header_of
from tre.slices.taking import (
    gate_of,
    judge_image,
    judge_place,
    record_judge_of,
    record_pseudonym,
    sidecar_place,
)
from tre.slices.unfit import UnfitError
from tre.slices.walk import Kind, Refusal, kind_of, one_line, walk

WORKERS = 2
PARALLEL_FROM = 4000
"""Fewer files are judged faster here than other processes take to start."""

_WINDOW = 1 << 16
"""A header is read with one call of the system."""

_CHUNK = 50
_IN_FLIGHT = 8
_NEIGHBOURS = 2000
_NO_UID = 0
_DUPLICATE = GateReason("duplicate-sop-uid", "SOPInstanceUID", "several images have this identifier")


@dataclass(frozen=True)
class FileVerdict:
    """One file's verdict, as it is printed."""

    path: str
    reasons: tuple[GateReason, ...]

    def as_plain(self) -> dict[str, Any]:
        """As `--json` prints it."""
        reasons = [reason.as_plain() for reason in self.reasons]
        return {"path": self.path, "verdict": verdict_of(self.reasons).value, "reasons": reasons}


@dataclass(frozen=True)
class _Task:
    """A file by the root of its delivery and its parts below; `shown` is the path as it was asked for."""

    root: Path
    parts: tuple[str, ...]
    kind: Kind
    shown: str


@dataclass(frozen=True)
class _Answer:
    """A verdict on its way: reasons, and the image's identifier in eight bytes."""

    shown: str
    reasons: tuple[GateReason, ...]
    uid: int = _NO_UID


def gate_paths(paths: Sequence[Path], rules: TagRules = NO_RULES, workers: int = WORKERS) -> Iterator[FileVerdict]:
    """Judge every file at and below these paths, in their order."""
    uids = array("Q")
    with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        for answer in _answers(_tasks(paths), rules, workers):
            uids.append(answer.uid)
            reasons = [(one.rule, one.attribute, one.message, one.refuses) for one in answer.reasons]
            spool.write(json.dumps([answer.shown, reasons]) + "\n")
        for path in paths:
            uids.extend(_neighbours(path))
        yield from _told(spool, uids)


def _told(spool: IO[str], uids: array[int]) -> Iterator[FileVerdict]:
    """The verdicts again, those of repeated identifiers with that reason too."""
    values, counts = np.unique(np.frombuffer(uids, dtype=np.uint64), return_counts=True)
    repeated = set(values[counts > 1].tolist()) - {_NO_UID}
    spool.seek(0)
    for line, uid in zip(spool, uids, strict=False):
        shown, reasons = json.loads(line)
        found = tuple(GateReason(*one) for one in reasons)
        yield FileVerdict(shown, (*found, _DUPLICATE) if uid in repeated else found)


def _tasks(paths: Iterable[Path]) -> Iterator[_Task | _Answer]:
    for path in paths:
        shown = one_line(str(path))
        if ".." in path.parts or path.is_symlink():
            why = "the path climbs" if ".." in path.parts else "a link is never followed"
            yield _Answer(shown, (GateReason("path", "", why),))
        elif path.is_dir():
            yield from _below(path)
        elif not path.is_file():
            yield _Answer(shown, (GateReason("path", "", "not a regular file, or there is none"),))
        else:
            yield _single(path)


def _below(path: Path) -> Iterator[_Task | _Answer]:
    root = root_of(path.absolute())
    above = path.absolute().relative_to(root).parts
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for found in walk(descriptor):
            if isinstance(found, Refusal):
                yield _Answer(one_line(f"{path}/{found.path}"), (GateReason(found.rule, "", found.message),))
            elif (task := _task(root, (*above, *found.parts), f"{path}/{found.path}")) is not None:
                yield task
    finally:
        os.close(descriptor)


def _single(path: Path) -> _Task | _Answer:
    root = root_of(path.absolute())
    parts = path.absolute().relative_to(root).parts
    task = _task(root, parts, str(path))
    if task is None and (kind := _kind_by_content(path)) is not None:
        task = _Task(root, parts, kind, one_line(str(path)))
    return task or _Answer(one_line(str(path)), (GateReason("unknown-file", "", "neither an image nor a sidecar"),))


def _kind_by_content(path: Path) -> Kind | None:
    """What a JSON file is that was named by itself, wherever it lies and whatever it is called."""
    try:
        with path.open("rb") as file:
            model = parse_model(file.read(MAX_SIDECAR_BYTES + 1))
    except (OSError, UnfitError):
        return None
    if is_model(model):
        return Kind.sidecar
    return Kind.clinical if "Pseudonym" in model else None


def _task(root: Path, parts: tuple[str, ...], shown: str) -> _Task | None:
    kind = kind_of(parts)
    return None if kind in {None, Kind.beside} else _Task(root, parts, kind or Kind.image, one_line(shown))


def _answers(tasks: Iterator[_Task | _Answer], rules: TagRules, workers: int) -> Iterator[_Answer]:
    first = list(islice(tasks, PARALLEL_FROM))
    if len(first) < PARALLEL_FROM or workers < 2:
        yield from _judge_chunk(first, rules)
        for one in tasks:
            yield from _judge_chunk([one], rules)
        return
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
            yield from _shared(executor, _chunks(first, tasks), rules)
    except BrokenProcessPool as error:
        raise TREError(
            Reason.RuntimeFailed,
            "A process that judges headers died.",
            why="It may have been killed for want of memory.",
            remedy="Try again, with fewer paths at once.",
        ) from error


def _chunks(first: list[_Task | _Answer], rest: Iterator[_Task | _Answer]) -> Iterator[list[_Task | _Answer]]:
    for start in range(0, len(first), _CHUNK):
        yield first[start : start + _CHUNK]
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _shared(executor: Executor, chunks: Iterator[list[_Task | _Answer]], rules: TagRules) -> Iterator[_Answer]:
    """Answers in order, with a bounded number of chunks on their way."""
    flying: deque[Future[list[_Answer]]] = deque()
    for chunk in chunks:
        flying.append(executor.submit(_judge_chunk, chunk, rules))
        if len(flying) >= _IN_FLIGHT:
            yield from flying.popleft().result()
    while flying:
        yield from flying.popleft().result()


def _judge_chunk(chunk: list[_Task | _Answer], rules: TagRules) -> list[_Answer]:
    with _Roots() as roots:
        return [one if isinstance(one, _Answer) else _judge(one, roots, rules) for one in chunk]


class _Roots:
    """The roots of deliveries, open as long as a chunk's files are judged."""

    def __init__(self) -> None:
        self._open: dict[Path, tuple[int, Beneath]] = {}

    def of(self, path: Path) -> Beneath:
        """What opens files below a root. Raises `OSError`."""
        if path not in self._open:
            root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._open[path] = root, Beneath(root)
        return self._open[path][1]

    def __enter__(self) -> _Roots:
        return self

    def __exit__(self, *_: object) -> None:
        for root, beneath in self._open.values():
            beneath.close()
            os.close(root)


def _judge(task: _Task, roots: _Roots, rules: TagRules) -> _Answer:
    """One file's answer, whatever it holds."""
    try:
        return _JUDGES[task.kind](task, roots.of(task.root), rules)
    except UnfitError as error:
        return _Answer(task.shown, (GateReason(error.rule, "", error.message),))
    except OSError as error:
        return _Answer(task.shown, (GateReason("path", "", f"cannot be opened: {error.strerror}"),))
    except Exception:  # noqa: BLE001 - whatever a hostile file breaks, the others get their verdicts
        return _Answer(task.shown, (GateReason("not-dicom", "", "cannot be read"),))


def _judge_image(task: _Task, root: Beneath, rules: TagRules) -> _Answer:
    with os.fdopen(root.open(task.parts), "rb", _WINDOW) as file:
        judged = judge_image(gate_of(rules), file)
    reasons = set(judged.reasons)
    try:
        header = header_of(judged.text)
        if (person := surroundings(task.root).person(header)) is not None:
            reasons.add(person)
        judge_place(header, task.parts)
    except UnfitError as error:
        reasons.add(GateReason(error.rule, "", error.message))
    return _Answer(task.shown, tuple(sorted(reasons)), _hash(judged.text_at(SOP_INSTANCE)))


@cache
def surroundings(root: Path) -> Surroundings:
    """What lies around the files of a delivery, looked at once in a process."""
    return Surroundings.of(root)


def _judge_sidecar(task: _Task, root: Beneath, rules: TagRules) -> _Answer:
    directory, stem = sidecar_place(task.parts)
    beside = (*task.parts[:-5], *filter(None, directory.split("/")), f"{stem}.dcm")
    gate = gate_of(rules)
    with os.fdopen(root.open(task.parts), "rb") as file:
        data = file.read(MAX_SIDECAR_BYTES + 1)
    try:
        image = root.open(beside)
    except OSError:
        return _Answer(task.shown, judge_alone(gate, parse_model(data)).reasons)
    with os.fdopen(image, "rb") as file:
        judged, _ = read_sidecar(gate, data, gate.judge_file(file))
    return _Answer(task.shown, judged.reasons)


def _judge_clinical(task: _Task, root: Beneath, rules: TagRules) -> _Answer:
    with os.fdopen(root.open(task.parts), "rb") as file:
        values = clinical.parse_record(file.read(clinical.MAX_BYTES + 1))
    pseudonym = record_pseudonym(values, task.parts)
    reasons = list(record_judge_of(rules).judge(values))
    if pseudonym in surroundings(task.root).denied:
        reasons.append(GateReason("withdrawn", "Pseudonym", "the person opted out"))
    return _Answer(task.shown, tuple(sorted(reasons)))


_JUDGES = {Kind.image: _judge_image, Kind.sidecar: _judge_sidecar, Kind.clinical: _judge_clinical}


def _hash(uid: str) -> int:
    return int.from_bytes(blake2b(uid.encode(), digest_size=8).digest(), "big") or 1 if uid else _NO_UID


def _neighbours(path: Path) -> Iterator[int]:
    """The identifiers of the other images of a single file's series."""
    if ".." in path.parts or path.is_symlink() or not path.is_file() or kind_of(path.absolute().parts) != Kind.image:
        return
    for other in islice(sorted(path.absolute().parent.iterdir()), _NEIGHBOURS):
        if other.name != path.name and other.is_file() and not other.is_symlink():
            yield _hash(_identifier(other))


def _identifier(path: Path) -> str:
    try:
        with path.open("rb") as file:
            for element in Reader(file).elements():
                if element.tag == SOP_INSTANCE and element.value is not None:
                    return element.value.decode("latin-1").strip(" \0")
    except (OSError, UnfitError):
        return ""  # what is wrong with it is said when it is judged itself
    return ""
