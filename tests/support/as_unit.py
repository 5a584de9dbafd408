"""Start a unit's program as systemd would, on a machine where systemd does not run: `python as_unit.py PLAN`.

What is emulated: working directory, umask, an environment of nothing but the unit's own, user, groups, capabilities,
no new privileges, a file system read-only but for what may be written, no network, no memory both writable and
executable, and the list of permitted system calls. What the kernel or this machine lacks is named on standard error.

The plan is JSON: the sections of the unit, the numbers of its users, the calls that it may make.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import struct
import sys
from pathlib import Path

from tre.airlock.child.walls import ALLOW, ARCHITECTURES, JUMP_EQUAL, LOAD, RETURN, Instruction, install
from tre.system.process import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount
from tre.system.processes import CAPABILITIES, become_with

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
CLONE_NEWNET, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 0x40000000, -100, 0x8000, 1
MOUNT_SETATTR, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 442, 24, 38, 65
EPERM, LAST_CAPABILITY = 0x00050000 | 1, 40
NUMBERS = CAPABILITIES | {"CAP_FSETID": 4, "CAP_SETGID": 6, "CAP_SETUID": 7}


def checked(result: int, doing: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), doing)


def set_read_only(path: str, wanted: bool) -> None:
    attributes = struct.pack("=4Q", READ_ONLY if wanted else 0, 0 if wanted else READ_ONLY, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    checked(libc.syscall(MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE, attributes, size), f"{path} read-only")


def close_files(unit: dict[str, list[str]]) -> None:
    """ProtectSystem=strict with its exceptions."""
    checked(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, Path("/"), None, MS_REC | MS_PRIVATE)
    if unit.get("ProtectSystem") != ["strict"]:
        return
    writable = unit.get("ReadWritePaths", [])
    for path in writable:
        mount(Path(path), Path(path), None, MS_BIND | MS_REC)
    set_read_only("/", True)
    for path in [*writable, "/dev", "/proc", "/sys"]:
        set_read_only(path, False)


def bound(unit: dict[str, list[str]]) -> None:
    """The capability bounding set, while we still are root."""
    words = " ".join(unit.get("CapabilityBoundingSet", ["~"])).split()
    if words and words[0].startswith("~"):
        return
    kept = {NUMBERS[word] for word in words}
    for number in range(LAST_CAPABILITY + 1):
        if number not in kept:
            checked(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), f"drop {number}")


def permit(calls: list[int]) -> None:
    """SystemCallFilter: these calls, and EPERM for every other."""
    audit, _, _ = ARCHITECTURES[os.uname().machine]
    steps: list[Instruction] = [(LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, audit), (RETURN, 0, 0, EPERM), (LOAD, 0, 0, 0)]
    for number in calls:
        steps += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    install([*steps, (RETURN, 0, 0, EPERM)])


def start(plan: dict[str, object]) -> None:
    unit: dict[str, list[str]] = plan["unit"]  # type: ignore[assignment]
    numbers: dict[str, int] = plan["numbers"]  # type: ignore[assignment]
    if unit.get("PrivateNetwork") == ["yes"]:
        checked(libc.unshare(CLONE_NEWNET), "unshare the network")
    close_files(unit)
    os.chdir(unit["WorkingDirectory"][0])
    os.umask(int(unit["UMask"][0], 8))
    bound(unit)
    if "User" in unit:
        groups = tuple(numbers[name] for name in " ".join(unit["SupplementaryGroups"]).split())
        become_with(numbers[unit["User"][0]], groups, tuple(" ".join(unit["AmbientCapabilities"]).split()))
    if unit.get("NoNewPrivileges") == ["yes"]:
        checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if unit.get("MemoryDenyWriteExecute") == ["yes"] and libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0:
        sys.stderr.write("this kernel knows no PR_SET_MDWE\n")
    given = dict(word.split("=", 1) for word in " ".join(unit["Environment"]).split())
    if unit["Type"] == ["notify"]:
        given["NOTIFY_SOCKET"] = str(plan["notify"])
    words = shlex.split(unit["ExecStart"][0].replace("%d", str(plan["credentials"])))
    calls: list[int] = plan["calls"]  # type: ignore[assignment]
    if unit.get("SystemCallFilter") and calls:
        permit(calls)
    os.execve(words[0], words, given)


if __name__ == "__main__":
    start(json.loads(Path(sys.argv[1]).read_bytes()))
