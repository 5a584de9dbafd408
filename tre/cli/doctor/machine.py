"""The machine itself: its programs, users, clock, limits, addresses."""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import socket
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, bad, good, judged, weak
from tre.cli.services import listens
from tre.cli.systemd.units import is_own_name
from tre.domain.quantities import parse_bytes
from tre.store.events import latest_moment

_UNSYNCHRONISED = 0x40
"""`STA_UNSYNC` of adjtimex(2)."""

MOST_ERROR = timedelta(seconds=1)
"""How far off the kernel may take its clock to be: a grant's end is a matter of seconds."""

AHEAD = timedelta(seconds=5)
LEAST_FILES, LEAST_PROCESSES = 4096, 4096
"""The gateway has two descriptors for each open connection; each workspace has some dozen processes."""


def _python(_place: Place) -> Seen:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return good(f"{version} at {sys.executable}")


def _users(_place: Place) -> Seen:
    if os.geteuid() == 0:
        return good("a user of its own for each service and each workspace")
    return weak(
        "services and workspaces share one user; what keeps them apart is namespaces and the seal alone",
        "Start the launcher as root for data of patients.",
    )


def _uids(place: Place) -> Seen:
    settings = place.settings
    ours = {*settings.services.model_dump().values()}
    taken = [
        f"{entry.pw_name} holds {entry.pw_uid}"
        for entry in pwd.getpwall()
        if entry.pw_uid in ours or settings.workspace_uids.holds(entry.pw_uid)
        if not is_own_name(entry.pw_name, entry.pw_uid, settings)
    ]
    if os.geteuid() != 0:
        return good("not used: an ordinary user starts everything")
    remedy = "Set services and workspaceUids in tre.yaml to numbers that nobody has."
    return judged(taken, "the numbers set aside are nobody else's", remedy)


class _Timex(ctypes.Structure):
    _fields_ = [
        ("modes", ctypes.c_uint),
        *[(name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")],
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 24),
    ]


def read_clock_state() -> tuple[bool, timedelta]:
    """Whether the kernel's clock is kept in step by somebody, and how far off it may be. Raises `OSError`."""
    found = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(found)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"adjtimex: {os.strerror(number)}")
    return not found.status & _UNSYNCHRONISED, timedelta(microseconds=found.maxerror)


def judge_clock(in_step: bool, error: timedelta) -> Seen:
    """What a clock's state means."""
    remedy = "Run a time service (`systemctl enable --now systemd-timesyncd` or chrony); `timedatectl` shows whether."
    if not in_step:
        return weak("nobody keeps the clock in step, as far as the kernel knows", remedy)
    if error > MOST_ERROR:
        return weak(f"the clock may be {error.total_seconds():.1f} s off", remedy)
    return good(f"in step, at most {error.total_seconds() * 1000:.0f} ms off")


def _clock(_place: Place) -> Seen:
    return judge_clock(*read_clock_state())


def _jumps(place: Place) -> Seen:
    """The log knows a time before which it cannot be."""
    newest = place.asked(latest_moment)
    if newest is not None and newest > place.now + AHEAD:
        return bad(
            f"the newest event of the log is of {newest:%Y-%m-%d %H:%M:%S}Z, which is still to come",
            "Set the clock right (`timedatectl`); until then nothing begins. See docs/runbooks.md, TreClockBehind.",
        )
    return good("no event of the log is still to come")


def _zones(_place: Place) -> Seen:
    try:
        summer = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/London")).utcoffset()
    except (ZoneInfoNotFoundError, ValueError):
        summer = None
    if summer != timedelta(hours=1):
        return bad("working hours of reviewers cannot be told: there is no time zone data", "Install `tzdata`.")
    return good("time zone data is there")


def judge_limits(files: int, processes: int) -> Seen:
    """What the limits of this user's programs allow."""
    wrong = []
    if files != resource.RLIM_INFINITY and files < LEAST_FILES:
        wrong.append(f"{files} open files, {LEAST_FILES} are due")
    if processes != resource.RLIM_INFINITY and processes < LEAST_PROCESSES:
        wrong.append(f"{processes} processes, {LEAST_PROCESSES} are due")
    if wrong:
        return weak("; ".join(wrong), "Raise `ulimit -Hn` and `ulimit -Hu`: LimitNOFILE and LimitNPROC in the unit.")
    return good("open files and processes are enough")


def _limits(_place: Place) -> Seen:
    return judge_limits(resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1])


def _entropy(_place: Place) -> Seen:
    try:
        os.getrandom(16, os.GRND_NONBLOCK)
    except BlockingIOError:
        return bad("the kernel's randomness is not ready", "Wait, or give the machine a source (virtio-rng).")
    return good("the kernel's randomness is ready")


def judge_memory(text: str, profiles: dict[str, int]) -> Seen:
    """Whether the largest workspace fits into the machine's memory, as /proc/meminfo tells it."""
    lines = dict(line.partition(":")[::2] for line in text.splitlines())
    total = int(lines["MemTotal"].split()[0]) * 1024
    wrong = [f"profile {name} asks for {size / 2**30:.1f} GiB" for name, size in profiles.items() if size > total]
    words = f"{total / 2**30:.1f} GiB"
    return judged(wrong, words, f"The machine has {words}: set profiles in tre.yaml to less.")


def _memory(place: Place) -> Seen:
    sizes = {name: parse_bytes(profile.memory) for name, profile in place.settings.profiles.items()}
    return judge_memory((place.processes / "meminfo").read_text(encoding="ascii"), sizes)


def _port(place: Place) -> Seen:
    settings = place.settings
    family = socket.AF_INET6 if ":" in settings.listen_address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(0.5)
        answers = probe.connect_ex((settings.listen_address, settings.listen_port)) == 0
    words = f"{settings.listen_address}:{settings.listen_port}"
    ours = listens(place.layout.socket("gateway"))
    if answers and not ours:
        remedy = f"`ss -ltnp sport = :{settings.listen_port}` shows who; end it, or set listenPort in tre.yaml."
        return bad(f"somebody else listens at {words}", remedy)
    return good(f"{words} {'answers' if answers else 'is free'}")


def _programs(_place: Place) -> Seen:
    wanted = {"mount": "util-linux", "umount": "util-linux", "mkfs.ext4": "e2fsprogs"}
    folders = [Path(name) for name in ("/usr/sbin", "/usr/bin", "/sbin", "/bin")]
    missing = [name for name in wanted if not any((folder / name).is_file() for folder in folders)]
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        return good("none is needed: homes are not files of their own here")
    remedy = f"`apt install {' '.join(sorted({wanted[name] for name in missing}))}`"
    return judged([f"{name} is missing" for name in missing], "what homes are made with is there", remedy)


FIELD = Field(
    "Machine",
    (
        Check("Python", "Every program of the launcher runs in it.", _python),
        Check("users", "One user for each service and workspace: a fault in one reads nothing of another.", _users),
        Check("numeric users", "A number that somebody else holds would be let into a workspace's files.", _uids),
        Check("clock", "Access ends by the clock: one that is wrong ends it too late.", _clock),
        Check("clock set back", "A clock behind the log would let ended grants begin again.", _jumps, Need.record),
        Check("time zones", "Targets for answers count working hours where the reviewers are.", _zones),
        Check("open files and processes", "Connections and workspaces are refused where they run out.", _limits),
        Check("randomness", "Keys and sessions are made of it.", _entropy),
        Check("memory", "A workspace that asks for more than there is never starts.", _memory),
        Check("gateway port", "The one address that browsers reach.", _port),
        Check("system programs", "Homes of limited size are made with them.", _programs),
    ),
)
