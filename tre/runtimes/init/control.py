"""The positive control of the isolation probe: the same attempts where everything answers.

Guarantees: the probe runs unsealed in fresh user, network, mount and process namespaces, in which every address
of the targets stands on the loopback device with something that answers, every unix socket listens, every
"read-only" directory is writable, and every path that must be absent exists. No packet leaves that namespace and
no file outside it is touched. It works as root and as an ordinary user. When the caller ends, everything ends.

Does not guarantee: that the host lets anybody make such namespaces; where it does not, `ControlError` is raised
and isolation stays unproven. Resolving a name needs a C library that reads /etc/resolv.conf by itself
(glibc 2.34 or newer, musl).

Threat it answers: a probe that finds everything closed because it asked wrongly.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from . import kernel, netlink, probe
from .attempts import Target
from .rules import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER

_MS_NOSUID_NODEV = 2 | 4
_MS_PRIVATE = 0x40000 | 0x4000  # MS_PRIVATE, MS_REC
_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC
_MNT_DETACH = 2
_HERE = ctypes.create_string_buffer(b".")
_STAGE = "/tmp"  # noqa: S108  a new file system is mounted over it in the new namespace
_LARGEST_DATAGRAM = 512


class ControlError(Exception):
    """The control could not run, so that nothing is proven; the text says why."""


def run(targets: list[Target], seconds: float = 5.0, python: str = sys.executable) -> list[dict[str, Any]]:
    """Run the control in a process of its own; returns answers as `probe.run` does.

    `targets` should be those of `targets.for_control`. Raises `ControlError` when namespaces are refused or it
    takes longer than `seconds`.
    """
    command = [python, "-I", "-S", "-B", str(Path(__file__).parent), "control", str(os.getpid())]
    try:
        done = subprocess.run(
            command, input=json.dumps(targets), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ControlError(f"the control did not come to its end within {seconds} s") from error
    if done.returncode != 0:
        raise ControlError(done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}")
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def main(arguments: list[str]) -> int:
    """The control process: targets on standard input, answers on standard output; argument: the parent's pid."""
    try:
        kernel.die_with_parent(int(arguments[0]))
        targets = json.load(sys.stdin)
        _enter_namespaces()
        # The kernel may forget the wish when rights change, and they just did.
        kernel.die_with_parent(int(arguments[0]))
    except (kernel.KernelError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    first = os.fork()
    if first == 0:
        _first_process(targets)
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _enter_namespaces() -> None:
    """Become the root of new namespaces; the next fork is the first process of a new process namespace."""
    user, group = os.getuid(), os.getgid()
    code = -kernel.call("unshare", _NAMESPACES)
    if code:
        raise OSError(code, f"no new namespaces: {os.strerror(code)}")
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _first_process(targets: list[Target]) -> NoReturn:
    """Prepare the stage, run the probe on it, print, and end; ending kills the one that answers."""
    status = 1
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        listening = _prepare(targets)
        if os.fork() == 0:
            _answer(listening)
        prober = os.fork()
        if prober == 0:
            sys.stdout.write(json.dumps(probe.run(list(targets))))
            sys.stdout.flush()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(prober, 0)[1])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    finally:
        os._exit(status)


def _prepare(targets: list[Target]) -> list[socket.socket]:
    """Addresses, files and listeners for every target; returns what must be answered or kept open."""
    addresses = {str(target["address"]) for target in targets if "address" in target}
    netlink.loopback_up(sorted(one for one in addresses - {"127.0.0.1"} if ":" not in one))
    answered = targets
    try:
        netlink.loopback_up(sorted(one for one in addresses - {"::1"} if ":" in one))
    except OSError:
        # A machine without IPv6: its targets are optional and stay without their control.
        answered = [target for target in targets if ":" not in str(target.get("address"))]
    _stage(targets)
    return [listener for target in answered for listener in _listeners(target)]


def _stage(targets: list[Target]) -> None:
    """A root directory in memory that holds what the targets name, writable."""
    _mounted("none", "/", "none", _MS_PRIVATE)
    _mounted("tmpfs", _STAGE, "tmpfs", _MS_NOSUID_NODEV)
    for name in ("proc", "etc", "tmp"):
        Path(_STAGE, name).mkdir()
    for directory in {str(target["path"]) for target in targets if target["kind"] in _IN_DIRECTORIES}:
        place = Path(_STAGE + directory)
        place.mkdir(parents=True, exist_ok=True)
        _mounted("tmpfs", str(place), "tmpfs", _MS_NOSUID_NODEV)
        (place / "a-file").write_bytes(b"")
    for target in targets:
        if target["kind"] == "absent":
            place = Path(_STAGE + str(target["path"]))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        elif target["kind"] == "dns":
            resolver = f"nameserver {target['address']}\noptions timeout:1 attempts:1\n"
            Path(_STAGE, "etc/resolv.conf").write_text(resolver)
    # Where the host hides parts of /proc a new one is refused: what needs it then stays without its control.
    kernel.mount("proc", f"{_STAGE}/proc", "proc", _MS_NOSUID_NODEV)
    _enter_stage()


_IN_DIRECTORIES = {"append", "chmod", "create", "remount", "unlink"}


def _enter_stage() -> None:
    """Make the stage the root; after a mere chroot the kernel would refuse new user namespaces."""
    os.chdir(_STAGE)
    code = -kernel.call("pivot_root", _HERE, _HERE) or -kernel.call("umount2", _HERE, _MNT_DETACH)
    if code:
        raise OSError(code, f"changing the root: {os.strerror(code)}")
    os.chdir("/")


def _mounted(source: str, target: str, kind: str, flags: int) -> None:
    code = -kernel.mount(source, target, kind, flags)
    if code:
        raise OSError(code, f"mounting {kind} on {target}: {os.strerror(code)}")


def _listeners(target: Target) -> Iterable[socket.socket]:
    """What answers a target; connections are completed by the kernel without being accepted."""
    kind = target["kind"]
    if kind == "unix":
        path = str(target["path"])
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if path.startswith("@"):
            listener.bind("\0" + path[1:])
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            listener.bind(path)
    elif kind in {"tcp", "udp", "dns"}:
        family = socket.AF_INET6 if ":" in target["address"] else socket.AF_INET
        transport = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
        listener = socket.socket(family, transport)
        listener.bind((target["address"], target["port"]))
    else:
        return
    if listener.type == socket.SOCK_STREAM:
        listener.listen()
    yield listener


def _answer(listening: list[socket.socket]) -> NoReturn:
    """Answer datagrams until the namespace ends."""
    try:
        poll = select.poll()
        by_descriptor = {}
        for one in listening:
            if one.type == socket.SOCK_DGRAM:
                poll.register(one, select.POLLIN)
                by_descriptor[one.fileno()] = one
        while True:
            for descriptor, _ in poll.poll():
                query, sender = by_descriptor[descriptor].recvfrom(_LARGEST_DATAGRAM)
                by_descriptor[descriptor].sendto(_dns_answer(query), sender)
    finally:
        os._exit(1)


def _dns_answer(query: bytes) -> bytes:
    """The query with one address appended (RFC 1035 §4.1); any other datagram comes back with the same tail."""
    header = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
    end = query.find(b"\0", 12) + 5
    address = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    return header + query[12:end] + address
