"""Attempts that the kernel answers at once: sockets, calls, memory, files.

Guarantees: each function tries one thing and returns an `Answer`; an attempt that would change this process if
it succeeded (namespaces, mounts, tracing, foreign code) runs in a fork that is killed after `_FORK_SECONDS`.
Attempts on files change nothing even where they succeed: they name a file that does not exist, set the mode that
is already set, or open without writing.

Does not guarantee: that a refusal came from a particular guard; the detail names the errno.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import select
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from . import kernel, rules

OPEN = "open"
CLOSED = "closed"
ERROR = "error"

Target = dict[str, Any]

_FORK_SECONDS = 5.0
_ALL_TYPES = (1, 2, 3, 4, 5, 6, 10)  # SOCK_STREAM, DGRAM, RAW, RDM, SEQPACKET, DCCP, PACKET
_PTRACE_SEIZE = 0x4206
_MS_REMOUNT_BIND = 32 | 4096
_MNT_DETACH = 2
_MOUNT_FLAGS = 1 | 2 | 4 | 8
_NOT_THERE = ".tre-isolation-probe"
_ENTRIES_LOOKED_AT = 200

# int fd = socket(AF_INET, SOCK_DGRAM, 0) by the 32-bit call gate: push rbx; mov eax,359; mov ebx,2; mov ecx,2;
# xor edx,edx; int 0x80; pop rbx; ret.
_FOREIGN_CODE = bytes.fromhex("53b867010000bb02000000b90200000031d2cd805bc3")
_X32_BIT = 0x40000000


class Answer:
    """What came of one attempt: `OPEN`, `CLOSED` or `ERROR`, and the detail for a person."""

    __slots__ = ("detail", "outcome")

    def __init__(self, outcome: str, detail: str) -> None:
        self.outcome = outcome
        self.detail = detail


def refused(code: int) -> Answer:
    """The answer for an errno."""
    return Answer(CLOSED, errno.errorcode.get(code, str(code)))


def judged(result: int, detail: str = "") -> Answer:
    """The answer for the result of a system call, which is a `-errno` when refused."""
    return refused(-result) if result < 0 else Answer(OPEN, detail)


def forked(attempt: Callable[[], int]) -> Answer:
    """Run an attempt in a fork; it returns a result like a system call. Killed by a signal is `CLOSED`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _in_fork(attempt, writer)
    os.close(writer)
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    in_time = bool(poll.poll(_FORK_SECONDS * 1000))
    if not in_time:
        os.kill(child, signal.SIGKILL)
    text = os.read(reader, 64) if in_time else b""
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not in_time:
        return Answer(ERROR, "no answer in time")
    if text:
        return judged(int(text))
    if status < 0:
        return Answer(CLOSED, f"killed by {signal.Signals(-status).name}")
    return Answer(ERROR, "the attempt broke")


def _in_fork(attempt: Callable[[], int], writer: int) -> NoReturn:
    try:
        os.write(writer, str(attempt()).encode())
    finally:
        os._exit(0)


def socket_family(target: Target) -> Answer:
    """`socket(2)` with `family` and each of `types` × `protocols`: open if any of them is."""
    types, protocols = target.get("types", _ALL_TYPES), target.get("protocols", (0,))
    opened, last = [], -errno.EINVAL
    for kind in types:
        for protocol in protocols:
            result = kernel.call("socket", target["family"], kind, protocol)
            if result >= 0:
                os.close(result)
                opened.append(f"{kind}/{protocol}")
            last = result
    return Answer(OPEN, f"type/protocol {' '.join(opened)}") if opened else refused(-last)


def socket_pair(target: Target) -> Answer:
    """`socketpair(2)` of a `family`; a kernel that reaches the family's own code counts as open."""
    pair = ctypes.create_string_buffer(8)
    result = kernel.call("socketpair", target["family"], 1, 0, pair)
    return Answer(OPEN, "EOPNOTSUPP") if result == -errno.EOPNOTSUPP else judged(result)


def io_uring(_target: Target) -> Answer:
    """`io_uring_setup(2)` with one entry."""
    result = kernel.call("io_uring_setup", 1, ctypes.create_string_buffer(120))
    if result >= 0:
        os.close(result)
    return judged(result)


def foreign_32_bit(_target: Target) -> Answer:
    """A network socket through the 32-bit call gate of x86."""

    def attempt() -> int:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(_FOREIGN_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())

    return forked(attempt)


def foreign_x32(_target: Target) -> Answer:
    """A network socket through the x32 numbers."""
    return forked(lambda: kernel.call(_X32_BIT | kernel.number("socket"), 2, 2, 0))


def unix(target: Target) -> Answer:
    """Connect to a unix socket by `path`; a leading @ names an abstract one. A path that exists is open."""
    path = str(target["path"])
    abstract = path.startswith("@")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_FORK_SECONDS)
        try:
            connection.connect("\0" + path[1:] if abstract else path)
        except OSError as refusal:
            code = refusal.errno or errno.ETIMEDOUT
            # Another type of socket, or a full queue: something listens there and was reached.
            reached = code in {errno.EPROTOTYPE, errno.EAGAIN, errno.ETIMEDOUT}
            if reached or not (abstract or absent(target).outcome == CLOSED):
                return Answer(OPEN, errno.errorcode[code])
            return refused(code)
    return Answer(OPEN, "connected")


def unshare(_target: Target) -> Answer:
    """`unshare(2)` of a user namespace."""
    return forked(lambda: kernel.call("unshare", rules.CLONE_NEWUSER))


def clone(_target: Target) -> Answer:
    """`clone(2)` into a user namespace."""

    def attempt() -> int:
        result = kernel.call("clone", rules.CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
        if result == 0:
            os._exit(0)
        return result

    return forked(attempt)


def mount(target: Target) -> Answer:
    """Mount a file system in memory on `path`, and take it off again."""
    path = str(target["path"])

    def attempt() -> int:
        result = kernel.mount("tmpfs", path, "tmpfs", 0)
        if result == 0:
            kernel.call("umount2", ctypes.create_string_buffer(path.encode()), _MNT_DETACH)
        return result

    return forked(attempt)


def remount(target: Target) -> Answer:
    """Make the mount at `path` writable, and give it its former flags back."""
    path = str(target["path"])
    # The flags of statvfs for read-only, nosuid, nodev and noexec are those of mount(2).
    flags = os.statvfs(path).f_flag & _MOUNT_FLAGS

    def attempt() -> int:
        result = kernel.mount("none", path, "none", _MS_REMOUNT_BIND | (flags & ~os.ST_RDONLY))
        if result == 0:
            kernel.mount("none", path, "none", _MS_REMOUNT_BIND | flags)
        return result

    return forked(attempt)


def ptrace(_target: Target) -> Answer:
    """Begin to trace the first process; a tracer that ends lets go."""
    return forked(lambda: kernel.call("ptrace", _PTRACE_SEIZE, 1, 0, 0))


def memory(_target: Target) -> Answer:
    """Open the memory of the first process."""
    return _opening("/proc/1/mem", os.O_RDONLY)


def absent(target: Target) -> Answer:
    """Look at a `path` of the host that must not exist here, readable or not."""
    try:
        os.lstat(str(target["path"]))
    except OSError as refusal:
        return refused(refusal.errno or errno.EIO)
    return Answer(OPEN, "it exists")


def create(target: Target) -> Answer:
    """Make a file in the directory `path` (without a name, so that nothing is left)."""
    return _read_only(target, lambda path: os.close(os.open(path, os.O_TMPFILE | os.O_WRONLY, 0o600)))


def unlink(target: Target) -> Answer:
    """Remove a file that does not exist: a read-only mount refuses before it looks, a writable one looks."""
    return _read_only(target, lambda path: os.unlink(f"{path}/{_NOT_THERE}"))  # noqa: PTH108


def chmod(target: Target) -> Answer:
    """Give the directory `path` the mode that it has."""
    return _read_only(target, lambda path: os.chmod(path, stat.S_IMODE(os.stat(path).st_mode)))  # noqa: PTH101, PTH116


def append(target: Target) -> Answer:
    """Open the first file below `path` for appending, without writing."""
    for file in _files(str(target["path"])):
        return _opening(file, os.O_WRONLY | os.O_APPEND)
    return Answer(CLOSED, "there is no file")


def _read_only(target: Target, attempt: Callable[[str], None]) -> Answer:
    """Only EROFS says that the mount is read-only; a refusal by permissions would fall with the permissions."""
    path = str(target["path"])
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return Answer(ERROR, "not a directory")
    try:
        attempt(path)
    except OSError as refusal:
        if refusal.errno == errno.EROFS:
            return refused(errno.EROFS)
        name = errno.errorcode.get(refusal.errno or 0, "unknown")
        return Answer(OPEN, f"the mount is writable ({name})")
    return Answer(OPEN, "done")


def _opening(path: str, flags: int) -> Answer:
    try:
        os.close(os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError as refusal:
        return refused(refusal.errno or errno.EIO)
    return Answer(OPEN, "opened")


def _files(top: str) -> Iterator[str]:
    """Regular files below a directory, nearest first; looks at `_ENTRIES_LOOKED_AT` entries at most."""
    waiting, looked = [top], 0
    while waiting:
        with os.scandir(waiting.pop(0)) as entries:
            for entry in entries:
                looked += 1
                if looked > _ENTRIES_LOOKED_AT:
                    return
                if entry.is_file(follow_symlinks=False):
                    yield entry.path
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
