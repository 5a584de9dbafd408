"""`tre doctor`: what this machine can and cannot do for the launcher, before anything is promised."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import typer

from tre.audit.courier import read_state, standing, state_path
from tre.cli import common
from tre.cli.common import JsonOption, RootOption, command
from tre.cli.services import listens
from tre.cli.systemd.units import is_own_name
from tre.domain.errors import TREError
from tre.runtimes.bubblewrap import limits
from tre.runtimes.bubblewrap.program import check_usable
from tre.system.certificates import SOON, ends_at, load_pair, pair_of, shortcomings
from tre.system.clock import SystemClock
from tre.system.heartbeat import HEARTBEAT_SECONDS, heartbeat_age
from tre.system.layout import Layout
from tre.system.paths import workspace_environment
from tre.system.settings import SETTINGS_FILE, Settings, load_settings, root_from

_LEAST_FREE_BYTES = 5 * 2**30


class Finding(NamedTuple):
    """One thing looked at: `good`, `weak` (works, but promises less) or `bad` (will not work)."""

    what: str
    state: str
    detail: str
    remedy: str = ""


def findings(layout: Layout, settings: Settings) -> list[Finding]:
    """Everything that was looked at."""
    checks: tuple[Callable[[Layout, Settings], Finding], ...] = (
        _python, _sandbox, _users, _limits, _homes, _folders, _environment, _same_file_system, _space, _port,
        _certificate, _checker, _uids, _witnesses,
    )  # fmt: skip
    return [check(layout, settings) for check in checks]


def _python(_layout: Layout, _settings: Settings) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("Python", "good", f"{version} at {sys.executable}")


def _sandbox(_layout: Layout, _settings: Settings) -> Finding:
    try:
        program = check_usable()
    except TREError as error:
        return Finding("sandbox", "bad", f"{error.what} {error.why}", error.remedy)
    return Finding("sandbox", "good", f"bubblewrap at {program.path} works")


def _users(_layout: Layout, _settings: Settings) -> Finding:
    if os.geteuid() == 0:
        return Finding("users", "good", "a user of its own for each service and each workspace")
    return Finding(
        "users",
        "weak",
        "services and workspaces share one user; what keeps them apart is namespaces and the seal alone",
        "Start the launcher as root for data of patients.",
    )


def _limits(layout: Layout, _settings: Settings) -> Finding:
    means = limits.choose(layout.run.name).means()
    words = "; ".join(f"{what}: {how}" for what, how in means.items())
    state = "good" if all(how.startswith("control group") for how in means.values()) else "weak"
    return Finding("limits", state, words, "" if state == "good" else "Start as root, or delegate a control group.")


def _homes(_layout: Layout, _settings: Settings) -> Finding:
    if os.geteuid() == 0 and Path("/dev/loop-control").exists():
        return Finding("home size", "good", "limited by a loop file")
    return Finding("home size", "weak", "watched: between two looks a home can outgrow its limit", "Start as root.")


def _folders(layout: Layout, _settings: Settings) -> Finding:
    """Outbox and project folder are read from outside, so they cannot lie in a file of their own."""
    words = "watched, and single files limited: what is too much ends the workspace within seconds"
    place = layout.outboxes if layout.outboxes.is_dir() else None
    if place is not None and place.stat().st_dev == layout.root.stat().st_dev:
        remedy = "Give work/ a file system of its own: a workspace that fills it then touches nothing else."
        return Finding("outbox and shared folder", "weak", f"{words}; they share a disk with the record", remedy)
    return Finding("outbox and shared folder", "good", words)


def _environment(_layout: Layout, settings: Settings) -> Finding:
    try:
        path = workspace_environment(settings)
    except TREError as error:
        return Finding("workspace environment", "bad", error.what, error.remedy)
    writable = path.stat().st_mode & 0o022
    if writable:
        return Finding("workspace environment", "bad", f"{path} can be changed by others", "Run `make setup`.")
    return Finding("workspace environment", "good", str(path))


def _same_file_system(layout: Layout, _settings: Settings) -> Finding:
    directories = [path for path in (layout.datasets, layout.slices) if path.is_dir()]
    if len({path.stat().st_dev for path in directories}) > 1:
        return Finding("store and slices", "bad", "lie on two file systems; slices are hard links", "Keep them on one.")
    return Finding("store and slices", "good", "one file system")


def _witnesses(layout: Layout, settings: Settings) -> Finding:
    """Whether checkpoints of the log are where nobody of this machine reaches."""
    what, names = "witnesses of the log", [one.name for one in settings.witnesses]
    if not names:
        words = "no place but this machine keeps checkpoints: a log written anew with its key would not show"
        return Finding(what, "weak", words, "Name one under `witnesses` in tre.yaml (docs/auditing.md).")
    found = standing(read_state(state_path(layout.root)), names, SystemClock().now())
    wrong = [f"{name} {state}" for name, state in found.items() if state != "ok"]
    root = layout.root.stat().st_dev if layout.root.is_dir() else None
    for one in settings.witnesses:
        if one.file is not None and (near := (layout.root / one.file).parent).is_dir() and near.stat().st_dev == root:
            wrong.append(f"{one.name} lies on the same disk as the record")
    if wrong:
        return Finding(what, "weak", "; ".join(wrong), "See to these places; the controller tries again by itself.")
    return Finding(what, "good", ", ".join(names))


def _space(layout: Layout, _settings: Settings) -> Finding:
    place = layout.root if layout.root.is_dir() else Path("/")
    free = shutil.disk_usage(place).free
    state = "good" if free > _LEAST_FREE_BYTES else "weak"
    return Finding("disk", state, f"{free / 2**30:.0f} GiB free at {place}", "" if state == "good" else "Make room.")


def _port(_layout: Layout, settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        taken = probe.connect_ex((settings.listen_address, settings.listen_port)) == 0
    words = f"{settings.listen_address}:{settings.listen_port}"
    return Finding("gateway port", "good", f"{words} {'answers' if taken else 'is free'}")


def _certificate(layout: Layout, settings: Settings) -> Finding:
    """What browsers will say of the gateway's certificate."""
    if settings.tls.certificate is None:
        there = "none here: a proxy on this machine speaks TLS" if settings.tls.in_force else "none: plain HTTP"
        return Finding("certificate", "good", f"{there}, for this machine only" if not settings.tls.in_force else there)
    certificate, key = pair_of(layout, settings)
    try:
        load_pair(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), certificate, key)
        wrong = shortcomings(certificate, settings.base, SystemClock().now())
    except TREError as error:
        return Finding("certificate", "bad", f"{error.what} {error.why}", error.remedy)
    if wrong:
        return Finding("certificate", "bad", "; ".join(wrong), "Have it made anew, for every host of the launcher.")
    end = ends_at(certificate)
    state = "good" if end - SystemClock().now() > SOON else "weak"
    return Finding("certificate", state, f"lasts until {end:%Y-%m-%d}", "" if state == "good" else "Renew it.")


def _checker(layout: Layout, _settings: Settings) -> Finding:
    """It has no socket that could be asked: its sign of life is a file."""
    age = heartbeat_age(layout.checker_spool)
    if age is None:
        return Finding("checker", "good", "has not run here yet")
    words = f"last seen {age:.0f} s ago"
    if age < HEARTBEAT_SECONDS or not listens(layout.socket("controller")):
        return Finding("checker", "good", words if age < HEARTBEAT_SECONDS else "does not run, nor does the controller")
    remedy = f"Nothing is let out meanwhile. Look into {layout.logs / 'checker.log'}, then start `tre up` again."
    return Finding("checker", "bad", f"{words}, while the controller runs", remedy)


def _uids(_layout: Layout, settings: Settings) -> Finding:
    known = [(one.pw_name, one.pw_uid) for one in pwd.getpwall() if _ours(one.pw_uid, settings)]
    taken = [name for name, uid in known if not is_own_name(name, uid, settings)]
    if taken and os.geteuid() == 0:
        return Finding(
            "numeric users", "bad", f"{', '.join(taken)} hold numbers set aside for us", "Change services in tre.yaml."
        )
    return Finding("numeric users", "good", "the numbers set aside are nobody else's")


def _ours(uid: int, settings: Settings) -> bool:
    workspace = settings.workspace_uids
    return workspace.first <= uid <= workspace.last or uid in settings.services.model_dump().values()


@command
def doctor(root: RootOption = None, as_json: JsonOption = False) -> None:
    """What this machine can and cannot do for the launcher."""
    layout = Layout(root_from(root))
    settings = load_settings(layout.root) if (layout.root / SETTINGS_FILE).is_file() else Settings()
    found = findings(layout, settings)
    if as_json:
        common.print_json([item._asdict() for item in found])
    else:
        colours = {"good": "green", "weak": "yellow", "bad": "red"}
        rows = [(f.what, f"[{colours[f.state]}]{f.state}[/]", f.detail, f.remedy) for f in found]
        common.print_table("", ("what", "state", "detail", "what to do"), rows)
    if any(item.state == "bad" for item in found):
        raise typer.Exit(1)
