"""What keeps workspaces apart on this machine: the sandbox, its namespaces, the seal, the limits."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from tre.cli.doctor.finding import Check, Field, Place, Seen, bad, good, judged, weak
from tre.domain.errors import TREError
from tre.domain.workspaces.models import Limits
from tre.runtimes.bubblewrap import limits
from tre.runtimes.bubblewrap.program import check_usable
from tre.system.paths import workspace_environment

NAMESPACES = ("user", "pid", "net", "mnt", "ipc", "uts")
_ELSEWHERE = "Workspaces run on a cluster: `tre cluster doctor` looks there."
_SECONDS = 3
_REMEDY = (
    "Allow user namespaces (`sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 "
    "kernel.apparmor_restrict_unprivileged_userns=0`); in a container, allow them in its seccomp profile."
)


def _on_cluster(place: Place) -> bool:
    return place.settings.runtime == "kubernetes"


def _sandbox(place: Place) -> Seen:
    if _on_cluster(place):
        return good(_ELSEWHERE)
    try:
        program = check_usable()
    except TREError as error:
        return bad(f"{error.what} {error.why}", error.remedy)
    return good(f"bubblewrap at {program.path} works")


def inside() -> dict[str, str]:
    """What a program in a sandbox sees of itself: its namespaces and what its status says. Raises `TREError`."""
    listed = " ".join(f"/proc/self/ns/{name}" for name in NAMESPACES)
    command = [
        str(check_usable().path), "--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent",
        "--ro-bind", "/", "/", "/bin/sh", "-c", f"readlink {listed}; cat /proc/self/status",
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout.splitlines()
    names = dict(line.split(":", 1) for line in said[: len(NAMESPACES)])
    return names | dict(line.split(":\t", 1) for line in said[len(NAMESPACES) :] if ":\t" in line)


def judge_inside(found: dict[str, str], outside: dict[str, str]) -> Seen:
    """Whether each namespace is another one than ours, and new privileges are out of reach."""
    wrong = [f"no {name} namespace of its own" for name in NAMESPACES if found.get(name) in {None, outside[name]}]
    if found.get("NoNewPrivs", "").strip() != "1":
        wrong.append("programs inside could gain privileges (no_new_privs is not set)")
    return judged(wrong, f"{', '.join(NAMESPACES)} each its own; no new privileges", _REMEDY)


def _namespaces(place: Place) -> Seen:
    if _on_cluster(place):
        return good(_ELSEWHERE)
    outside = {name: (place.processes / "self" / "ns" / name).readlink().name.split(":", 1)[1] for name in NAMESPACES}
    return judge_inside(inside(), outside)


_SEAL = """
import ctypes, struct
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
one = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.addressof(one))), 0, 0)
print(next(line for line in open("/proc/self/status") if line.startswith("Seccomp:")).split()[1])
"""
"""Sets a filter of one instruction that allows everything, and asks the kernel whether there is one."""


def _seal(_place: Place) -> Seen:
    command = [sys.executable, "-I", "-S", "-c", _SEAL]
    said = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout.strip()
    return judge_seal(said)


def judge_seal(said: str) -> Seen:
    """What the kernel said of a process that set a filter on itself: 2 is one that is in force."""
    if said != "2":
        return bad(
            "the kernel takes no filter of system calls, so no workspace can be sealed",
            "Use a kernel with CONFIG_SECCOMP_FILTER; in a container, allow seccomp(2) and prctl(2) in its profile.",
        )
    return good("a filter of system calls can be set")


def _room(place: Place) -> Seen:
    """How many user namespaces there may be: each workspace takes two."""
    path = place.processes / "sys" / "user" / "max_user_namespaces"
    most = int(path.read_text(encoding="ascii"))
    if most < 1000:
        state = bad if most == 0 else weak
        return state(f"at most {most} user namespaces", "`sysctl user.max_user_namespaces=15000`")
    return good(f"at most {most} user namespaces")


def _limits(place: Place) -> Seen:
    if _on_cluster(place):
        return good(_ELSEWHERE)
    means = means_in_force(place.system / "fs" / "cgroup")
    words = "; ".join(f"{what}: {how}" for what, how in means.items())
    if not all(how.startswith("control group") for how in means.values()):
        return weak(words, "Start as root, or delegate a control group (Delegate=yes in the unit).")
    return good(words)


def means_in_force(root: Path) -> dict[str, str]:
    """What limits a workspace here, tried with a group that is removed again."""
    mark = f"doctor-{secrets.token_hex(4)}"
    means = limits.choose(mark, root)
    if isinstance(means, limits.ResourceLimits):
        return means.means()
    try:
        means.create("probe", Limits())
        means.remove("probe")
    except OSError as error:
        return dict.fromkeys(("memory", "cpu", "processes"), f"none: control groups refuse ({error.strerror})")
    finally:
        means.sweep(())
    return means.means()


def _homes(place: Place) -> Seen:
    if _on_cluster(place):
        return good(_ELSEWHERE)
    if os.geteuid() == 0 and Path("/dev/loop-control").exists():
        return good("limited by a loop file")
    return weak("watched: between two looks a home can outgrow its limit", "Start as root, where /dev/loop-control is.")


def _folders(place: Place) -> Seen:
    """Outbox and project folder are read from outside, so they cannot lie in a file of their own."""
    words, layout = (
        "watched, and single files limited: what is too much ends the workspace within seconds",
        place.layout,
    )
    if layout.outboxes.is_dir() and layout.outboxes.stat().st_dev == layout.root.stat().st_dev:
        remedy = "Give work/ a file system of its own: a workspace that fills it then touches nothing else."
        return weak(f"{words}; they share a disk with the record", remedy)
    return good(words)


def _environment(place: Place) -> Seen:
    path = workspace_environment(place.settings)
    if path.stat().st_mode & 0o022:
        return bad(f"{path} can be changed by others", f"`chmod -R go-w {path}`")
    return good(str(path))


FIELD = Field(
    "Isolation",
    (
        Check("sandbox", "No workspace starts without it.", _sandbox),
        Check("namespaces", "What is outside a workspace is not there for it: no network, no process.", _namespaces),
        Check("seal", "The kernel refuses a workspace what it may not ask: sockets, mounts, other processes.", _seal),
        Check("user namespaces", "Where they run out, no further workspace starts.", _room),
        Check("limits", "One workspace cannot take the machine from the others.", _limits),
        Check("home size", "A home that outgrows its limit fills the disk of all.", _homes),
        Check("outbox and shared folder", "What one workspace writes there can fill the disk of all.", _folders),
        Check(
            "workspace environment", "What runs in every workspace; who changes it, runs in every one.", _environment
        ),
    ),
)
