"""The services of one machine: who they are, what they may, in which order they start.

Guarantees: the table of rights of the architecture page is this list and `tre.system.installation`; `docs/` is
checked against it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tre.system.heartbeat import heartbeat_of
from tre.system.installation import Owners
from tre.system.layout import Layout
from tre.system.processes import ServiceSpec, python
from tre.system.settings import Settings

MODULES = {
    "launcher": "tre.runtimes.bubblewrap",
    "storekeeper": "tre.storekeeper",
    "controller": "tre.controller",
    "checker": "tre.checker",
    "portal": "tre.portal",
    "public": "tre.portal",
    "hub": "tre.hub",
    "gateway": "tre.gateway",
}
"""Every service in the order of starting. The launcher is the one that stays root."""

GROUPS = {
    "storekeeper": ("record_writers", "record_readers"),
    "controller": ("record_writers", "record_readers", "hub_callers"),
    "portal": ("record_writers", "record_readers", "hub_callers"),
    "public": ("record_readers",),
    "hub": ("inner_circle",),
    "gateway": ("inner_circle", "hub_callers"),
}
CAPABILITIES = {
    "storekeeper": ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"),
    "checker": ("CAP_DAC_READ_SEARCH",),
}
"""The storekeeper makes and removes what belongs to workspaces; the checker reads what they put into an outbox.
Where the gateway listens below port 1024 (https is 443), it may bind that port (CAP_NET_BIND_SERVICE) and no more."""

_FIRST_FREE_PORT = 1024

EXTRA = {"public": ("--public",)}


def services(layout: Layout, settings: Settings, owners: Owners | None = None) -> list[ServiceSpec]:
    """Every service of this installation, in the order of starting; `owners` are those of whoever asks."""
    owners = owners or Owners.of(settings)
    low_port = min(settings.listen_port, settings.tls.redirect_port or _FIRST_FREE_PORT) < _FIRST_FREE_PORT
    more = {"gateway": ("CAP_NET_BIND_SERVICE",)} if low_port else {}
    return [_service(name, layout, owners, more.get(name, CAPABILITIES.get(name, ()))) for name in MODULES]


def _service(name: str, layout: Layout, owners: Owners, capabilities: tuple[str, ...]) -> ServiceSpec:
    root = name == "launcher"
    return ServiceSpec(
        name=name,
        command=python(MODULES[name], "--root", str(layout.root), *EXTRA.get(name, ())),
        uid=os.geteuid() if root or not owners.as_root else owners.uid(name),
        groups=tuple(owners.group(group) for group in GROUPS.get(name, ())) if owners.as_root else (),
        capabilities=capabilities if owners.as_root else (),
        environment={"HOME": str(layout.root / "hub") if name == "hub" else "/nonexistent"},
        ready=_ready(name, layout),
    )


def _ready(name: str, layout: Layout) -> Callable[[], bool]:
    if name == "checker":
        return heartbeat_of(layout.checker_spool).exists
    return partial(listens, layout.socket(name))


def listens(path: Path) -> bool:
    """Whether somebody accepts connections on a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(0.5)
        try:
            connection.connect(os.fspath(path))
        except OSError:
            return False
    return True
