"""The units' texts, from the same table of services that `tre up` starts.

Guarantees: what a unit starts, as whom, with which groups, capabilities and environment, is what `tre up` would; the
same table says it. A line of a unit holds no secret: what needs one reads it from a file or a credential.

Does not guarantee: anything about systemd below 247, which knows fewer walls and ignores what it does not know.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tre.cli.services import services
from tre.cli.systemd.walls import Walls, walls_of
from tre.domain.errors import Reason, TREError
from tre.system.installation import Owners
from tre.system.layout import Layout
from tre.system.paths import CHECKOUT
from tre.system.processes import ServiceSpec, python
from tre.system.settings import Settings

UNITS, USERS = Path("etc/systemd/system"), Path("etc/sysusers.d/tre.conf")
MARK = "# Made by `tre install --systemd` for {root}. Changes are lost here; `systemctl edit` keeps them.\n"
TARGET, GROUND = "tre.target", "tre-installation.service"
NIGHTLY = {"backup": "02:30", "doctor": "06:00"}
"""Moments of the machine's own time, before and after which few work."""

_SAFE = re.compile(r"/[A-Za-z0-9._/+@-]*")
_KEPT_BACKUPS = "14"
_WORDS = {
    "launcher": "forks supervisors, looks whether runs are dead",
    "storekeeper": "stores, slices, homes",
    "controller": "brings everything where it belongs",
    "checker": "looks into files that want to leave",
    "portal": "the desk",
    "public": "the public pages",
    "hub": "the sign-in",
    "gateway": "the only door",
}
_SHARED_GROUPS = ("record_writers", "record_readers", "inner_circle", "hub_callers")


@dataclass(frozen=True)
class Nightly:
    """A backup at night: where to, and the file with the passphrase that seals its keys."""

    directory: Path
    passphrase: Path


def user_name(service: str) -> str:
    """The name that a service's number has where units run it."""
    return f"tre-{service}"


def is_own_name(name: str, number: int, settings: Settings) -> bool:
    """Whether an account of the machine is one that the units' file of users made."""
    return any(name == user_name(service) and number == uid for service, uid in settings.services.model_dump().items())


def group_name(group: str) -> str:
    """The name of a group that services share."""
    return f"tre-{group.replace('_', '-')}"


def files(layout: Layout, settings: Settings, nightly: Nightly | None = None) -> dict[Path, str]:
    """Every file below the prefix and its text. Raises `TREError(BadInput)` for a path that no unit can name."""
    named = [layout.root, CHECKOUT, Path(sys.executable), *([] if nightly is None else [nightly.directory])]
    _refuse_odd([*named, *([] if nightly is None else [nightly.passphrase])])
    mark = MARK.format(root=layout.root)
    specs = services(layout, settings, Owners(settings.services, as_root=True))
    units = {GROUND: _ground(layout, settings), TARGET: _target(specs)}
    units |= {f"tre-{spec.name}.service": _service(spec, layout, settings) for spec in specs}
    units |= _doctor(layout)
    if nightly is not None:
        units |= _backup(nightly, layout, settings)
    found = {UNITS / name: mark + text for name, text in units.items()}
    return {USERS: mark + _users(settings), **found}


def _refuse_odd(paths: Iterable[Path]) -> None:
    odd = [str(path) for path in paths if _SAFE.fullmatch(str(path)) is None]
    if odd:
        raise TREError(
            Reason.BadInput,
            f"{odd[0]!r} cannot stand in a unit.",
            why="Units read blanks, %, $ and quotes as more than letters.",
            remedy="Use whole paths of letters, digits and . _ + @ -.",
        )


def _section(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in pairs)


def _text(*sections: str) -> str:
    return "\n".join(sections)


def _walled(walls: Walls) -> list[tuple[str, str]]:
    return [*walls.directives, *(("ReadWritePaths", str(path)) for path in walls.writes)]


def _target(specs: Iterable[ServiceSpec]) -> str:
    wanted = " ".join([GROUND, *(f"tre-{spec.name}.service" for spec in specs)])
    unit = [("Description", "TRE launcher"), ("Wants", wanted), ("After", "network-online.target local-fs.target")]
    return _text(_section("Unit", unit), _section("Install", [("WantedBy", "multi-user.target")]))


def _ground(layout: Layout, settings: Settings) -> str:
    """The unit on which the others stand: owners and modes, the claim of the users, the gateway's certificate."""
    unit = [
        ("Description", "TRE launcher: the installation's directories, users and certificate"),
        ("After", "network-online.target local-fs.target time-sync.target"),
        ("Wants", "network-online.target"),
        ("PartOf", TARGET),
    ]
    service = [
        ("Type", "notify"),
        ("ExecStart", " ".join(python("tre.cli.systemd.ground", "--root", str(layout.root)))),
        *_life(),
        ("WatchdogSec", "60"),
        ("RuntimeDirectory", "tre"),
        ("RuntimeDirectoryMode", "0711"),
        ("RuntimeDirectoryPreserve", "yes"),
        ("CapabilityBoundingSet", "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_NET_BIND_SERVICE"),
        *_walled(walls_of("installation", layout, settings)),
    ]
    return _text(_section("Unit", unit), _section("Service", service))


def _life() -> list[tuple[str, str]]:
    """How every unit lives: started again without end, its words in the journal, no environment but this."""
    return [
        ("WorkingDirectory", str(CHECKOUT)),
        ("Environment", "LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent"),
        ("Restart", "always"),
        ("RestartSec", "2"),
        ("TimeoutStopSec", "10"),
        ("StandardInput", "null"),
        ("LimitCORE", "0"),
        ("LimitNOFILE", "65536"),
    ]


def _service(spec: ServiceSpec, layout: Layout, settings: Settings) -> str:
    unit = [
        ("Description", f"TRE launcher: {spec.name} ({_WORDS[spec.name]})"),
        ("Requires", GROUND),
        ("After", GROUND),
        ("PartOf", TARGET),
        ("StartLimitIntervalSec", "0"),
    ]
    life = [
        (key, " ".join(("LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *_environment(spec))))
        if key == "Environment"
        else (key, value)
        for key, value in _life()
    ]
    service = [("Type", "exec"), ("ExecStart", " ".join(spec.command)), *life, *_identity(spec, settings)]
    return _text(
        _section("Unit", unit), _section("Service", [*service, *_walled(walls_of(spec.name, layout, settings))])
    )


def _environment(spec: ServiceSpec) -> list[str]:
    return [f"{name}={value}" for name, value in spec.environment.items()]


def _identity(spec: ServiceSpec, settings: Settings) -> list[tuple[str, str]]:
    """User, groups and capabilities, as the table of services says; the launcher is root."""
    if spec.name == "launcher":
        return []
    numbers = {getattr(settings.services, group): group_name(group) for group in _SHARED_GROUPS}
    kept = " ".join(spec.capabilities)
    return [
        ("User", user_name(spec.name)),
        ("Group", user_name(spec.name)),
        ("SupplementaryGroups", " ".join(numbers[number] for number in spec.groups)),
        ("CapabilityBoundingSet", kept),
        ("AmbientCapabilities", kept),
    ]


def _at_night(name: str, words: list[str], more: Iterable[tuple[str, str]]) -> dict[str, str]:
    unit = [("Description", f"TRE launcher: {name}"), ("After", TARGET)]
    service = [
        ("Type", "oneshot"),
        ("ExecStart", " ".join(python(*words))),
        *(pair for pair in _life() if pair[0] not in {"Restart", "RestartSec", "TimeoutStopSec"}),
        ("Nice", "10"),
        ("IOSchedulingClass", "idle"),
        *more,
    ]
    timer = [("OnCalendar", f"*-*-* {NIGHTLY[name]}"), ("RandomizedDelaySec", "600"), ("Persistent", "yes")]
    return {
        f"tre-{name}.service": _text(_section("Unit", unit), _section("Service", service)),
        f"tre-{name}.timer": _text(
            _section("Unit", [("Description", f"TRE launcher: {name} every night"), ("PartOf", TARGET)]),
            _section("Timer", timer),
            _section("Install", [("WantedBy", TARGET)]),
        ),
    }


def _doctor(layout: Layout) -> dict[str, str]:
    """It tries what workspaces need, sandboxes included, so it bears as little as the launcher."""
    return _at_night("doctor", ["tre", "doctor", "--root", str(layout.root)], [("UMask", "0077")])


def _backup(nightly: Nightly, layout: Layout, settings: Settings) -> dict[str, str]:
    words = ["tre", "backup", str(nightly.directory), "--passphrase-file", "%d/passphrase", "--keep", _KEPT_BACKUPS]
    more = [
        ("LoadCredential", f"passphrase:{nightly.passphrase}"),
        ("CapabilityBoundingSet", "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER"),
        *_walled(walls_of("backup", layout, settings)),
        ("ReadWritePaths", str(nightly.directory)),
    ]
    return _at_night("backup", [*words, "--root", str(layout.root)], more)


def _users(settings: Settings) -> str:
    """For `systemd-sysusers`: a name for each number, so that a unit can take it."""
    shared = [f"g {group_name(group)} {getattr(settings.services, group)}" for group in _SHARED_GROUPS]
    names = [name for name in _WORDS if name != "launcher"]
    own = [
        f'u {user_name(name)} {getattr(settings.services, name)} "TRE launcher: {name}" /nonexistent' for name in names
    ]
    return "\n".join([*shared, *own]) + "\n"
