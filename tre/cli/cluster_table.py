"""What the chart must know of the programs: `python -m tre.cli.cluster_table` prints `helm/tre/files/services.yaml`.

Guarantees: users, capabilities, keys, links, ports and sockets of the chart are those of the code; a test compares
the file with this module, so a new link or key cannot be forgotten in the chart.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from tre.cli.cluster_keys import PREPARE, SHELL, SPECS
from tre.cli.services import CAPABILITIES, MODULES
from tre.link.table import HEALTH_PORT, Link, inward, outward
from tre.store.roles import Role
from tre.system.layout import Layout
from tre.system.settings import ServiceUids

ROOT = Path("/srv/tre")
"""Where services find their root inside a pod; it is theirs, empty at first, and gone with the pod."""

ON_CLUSTER = tuple(name for name in MODULES if name != "launcher")
WITH_DATABASE = frozenset({"controller", "portal", "public", "storekeeper"})
BECOMES = {"storekeeper": CAPABILITIES["storekeeper"], "checker": ("CAP_DAC_OVERRIDE",)}
"""What a service keeps when it stops being root. The checker reads what belongs to workspaces: its view of their
outboxes is mounted read-only, and CAP_DAC_READ_SEARCH is beyond what the baseline profile lets a pod have."""

GIVES_UP = ("CAP_SETGID", "CAP_SETUID")
"""What becoming another user takes; both are gone afterwards."""

SHELL_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
"""What root in the operator's pod keeps: it gives what it takes in to the storekeeper, as on one machine."""

MOUNTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "gateway": (("vault", "spool", "rw"),),
    "controller": (("vault", "spool", "rw"), ("vault", "audit", "rw"), ("vault", "vault/spool", "rw")),
    "portal": (
        ("vault", "vault/releases", "ro"),
        ("vault", "vault/papers", "ro"),
        ("vault", "vault/extracts", "ro"),
        ("vault", "vault/uploads", "rw"),
    ),
    "storekeeper": (("data", "data", "rw"), ("work", "work", "rw"), ("vault", "vault/handover", "ro")),
    "checker": (("data", "data", "ro"), ("work", "work/outbox", "ro"), ("vault", "vault", "rw")),
    SHELL: (("data", "data", "rw"),),
    PREPARE: (
        ("data", "data", "rw"),
        ("work", "work", "rw"),
        ("vault", "vault", "rw"),
        ("vault", "spool", "rw"),
        ("vault", "audit", "rw"),
    ),
}
"""Claim, directory below the root, and whether it is written: who may touch what, as the table of rights says."""


def socket(name: str) -> str:
    """A service's socket inside a pod."""
    return str(in_pod().run / name / "sock")


def in_pod() -> Layout:
    """The layout as a pod has it: its root belongs to the container's root user."""
    return _PodLayout(ROOT)


class _PodLayout(Layout):
    def _owner(self) -> int:
        return 0


def table() -> dict[str, Any]:
    """The whole file."""
    return {
        "root": str(ROOT),
        "run": str(in_pod().run),
        "healthPort": HEALTH_PORT,
        "secrets": sorted(spec.name for spec in SPECS),
        "prepare": {"keys": _keys(PREPARE), "mounts": _mounts(PREPARE)},
        "shell": {"capabilities": list(SHELL_CAPABILITIES), "keys": _keys(SHELL), "mounts": _mounts(SHELL)},
        "services": {name: _service(name) for name in ON_CLUSTER},
    }


def _service(name: str) -> dict[str, Any]:
    kept = BECOMES.get(name, ())
    return {
        "uid": getattr(ServiceUids(), name),
        "capabilities": sorted(one.removeprefix("CAP_") for one in {*kept, *(GIVES_UP if kept else ())}),
        "database": name in WITH_DATABASE,
        "socket": None if name == "checker" else socket(name),
        "keys": _keys(name),
        "mounts": _mounts(name),
        "calls": [_outward(link) for link in outward(name)],
        "callers": [_inward(link) for link in inward(name)],
    }


def _keys(program: str) -> list[dict[str, Any]]:
    found = [
        {"secret": spec.name, "files": [file for file, readers in spec.files.items() if program in readers]}
        for spec in SPECS
    ]
    return [item for item in found if item["files"]]


def _mounts(program: str) -> list[dict[str, Any]]:
    """Whole claims for data and work, whose parts are areas of a node too; parts of the claim `vault`."""
    return [
        {"claim": claim, "path": path, "part": path.removeprefix(claim).strip("/") if claim != "vault" else path,
         "readOnly": mode == "ro"}
        for claim, path, mode in MOUNTS.get(program, ())
    ]  # fmt: skip


def _outward(link: Link) -> dict[str, Any]:
    return {
        "service": link.owner,
        "socket": socket(link.socket),
        "port": link.port,
        "variable": f"TRE_{link.owner.upper()}_SERVICE_HOST",
    }


def _inward(link: Link) -> dict[str, Any]:
    return {
        "service": link.caller,
        "name": f"{link.caller}-{link.socket}",
        "uid": getattr(ServiceUids(), link.caller),
        "socket": socket(link.socket),
        "port": link.port,
    }


HEADING = "# Made by `python -m tre.cli.cluster_table` from the code. Do not edit.\n"


def text() -> str:
    """The file."""
    return HEADING + yaml.safe_dump(table(), sort_keys=True, width=116)


if __name__ == "__main__":
    assert set(WITH_DATABASE) <= {*Role}
    sys.stdout.write(text())
