"""What each service bears of systemd's walls, beside its user, groups and capabilities.

Guarantees: what a service may write is what the table of rights says it writes; a service that speaks with no other
machine has no network at all; whoever makes sandboxes (launcher, checker) keeps the calls that this takes, and nobody
else has them.

Does not guarantee: that these walls stand where somebody changed a unit by hand (`systemctl edit`): `systemd-analyze
security` says what is in force. The launcher has few, since workspaces are its descendants and inherit what it has:
their own walls are tighter and are proven at each start.

Threat: a service that was taken over writes where it should not, opens a connection, loads code into the kernel, or
makes itself a namespace in which it is root.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tre.cli.cluster_table import MOUNTS, WITH_DATABASE
from tre.link.table import SOCKETS
from tre.system.layout import Layout
from tre.system.settings import Settings

Directives = tuple[tuple[str, str], ...]

EVERYBODY: Directives = (
    ("UMask", "0007"),
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectProc", "invisible"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    ("RemoveIPC", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallErrorNumber", "EPERM"),
)
"""Of every unit that makes no sandboxes."""

_MAKES_SANDBOXES = {
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelTunables",
    "ProtectProc",
    "RestrictNamespaces",
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "MemoryDenyWriteExecute",
    "PrivateDevices",
}
"""What the checker's confined children would not come up with: the kernel refuses a fresh `/proc` in a namespace to
whoever sees a `/proc` with parts covered, and their namespaces and mounts are calls that the filter leaves out."""

LAUNCHER: Directives = (
    ("UMask", "0022"),
    ("KillMode", "process"),
    ("RestrictRealtime", "yes"),
    ("LockPersonality", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
    ("CapabilityBoundingSet", "~CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_TIME CAP_SYSLOG CAP_WAKE_ALARM"),
)
"""Its descendants are the workspaces, which inherit what is said here: nothing that they should not have, no favour
when memory runs out, nothing that their own walls and namespaces would not come up with."""

_SETGID_BITS = {"storekeeper", "installation", "backup"}
"""Whoever makes directories whose files belong to a group: a set-group bit is what RestrictSUIDSGID forbids."""


@dataclass(frozen=True)
class Walls:
    """What one unit's section `[Service]` says about walls."""

    directives: Directives
    writes: tuple[Path, ...]


def walls_of(name: str, layout: Layout, settings: Settings) -> Walls:
    """The walls of a service; of the launcher, those that its workspaces can bear, too."""
    if name == "launcher":
        return Walls(LAUNCHER, ())
    left_out = set(_MAKES_SANDBOXES) if name == "checker" else set()
    if name in _SETGID_BITS:
        left_out.add("RestrictSUIDSGID")
    kept = tuple(pair for pair in EVERYBODY if pair[0] not in left_out)
    if name == "installation":
        kept = tuple((key, "0022" if key == "UMask" else value) for key, value in kept)
    if name == "storekeeper":
        kept = tuple((key, "read-only" if key == "ProtectHome" else value) for key, value in kept)
    return Walls((*kept, *_network(name, settings)), _writes(name, layout))


def _network(name: str, settings: Settings) -> Directives:
    if name == "checker":
        return (("PrivateNetwork", "yes"), ("RestrictAddressFamilies", "AF_UNIX AF_NETLINK"))
    if _speaks_with_others(name, settings):
        return (("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),)
    return (("PrivateNetwork", "yes"), ("RestrictAddressFamilies", "AF_UNIX"))


def _speaks_with_others(name: str, settings: Settings) -> bool:
    """Whether a program has business with the network: browsers, the provider, mail, witnesses, sources, a server."""
    if name in {"gateway", "controller", "installation"}:
        return True
    if name == "backup":
        return settings.database_url is not None
    if name == "hub":
        return settings.auth == "oidc"
    return name in WITH_DATABASE and settings.database_url is not None


def _writes(name: str, layout: Layout) -> tuple[Path, ...]:
    if name in {"installation", "backup"}:
        return (layout.root, layout.run.parent) if name == "installation" else (layout.root,)
    below = [layout.root / path for _, path, mode in MOUNTS.get(name, ()) if mode == "rw"]
    if name in WITH_DATABASE - {"public"}:
        below.append(layout.database.parent)
    if name == "hub":
        below.append(layout.root / "hub")
    own = dict.fromkeys([*(socket for socket, owner in SOCKETS.items() if owner == name), name])
    doors = [] if name == "checker" else [layout.socket(one).parent for one in own]
    return tuple(sorted([*below, *doors]))
