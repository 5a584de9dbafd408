"""A gateway's and a door's keys, and a workspace's server that is anything but friendly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tre.runtimes.init.attempts import CLOSED, OPEN
from tre.runtimes.kubernetes.keys import Pair, self_signed

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NOW = datetime.now(UTC)


def pair(name: str) -> Pair:
    """Keys for an hour."""
    return self_signed(name, NOW, NOW + timedelta(hours=1))


def write_keys(directory: Path, door: Pair, gateway: Pair) -> Path:
    """What a door finds in its directory of keys."""
    directory.mkdir()
    (directory / "tls.crt").write_text(door.certificate)
    (directory / "tls.key").write_text(door.key)
    (directory / "gateway.crt").write_text(gateway.certificate)
    return directory


def client_context(directory: Path, own: Pair | None, trusted: str) -> ssl.SSLContext:
    """As the gateway connects: with its certificate, trusting exactly the door's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=trusted)
    if own is not None:
        (directory / "client.crt").write_text(own.certificate)
        (directory / "client.key").write_text(own.key)
        context.load_cert_chain(directory / "client.crt", directory / "client.key")
    return context


def told(directory: Path, **changes: Any) -> dict[str, Any]:
    """A door's instruction, every path below a directory."""
    return {
        "version": 1,
        "workspace": "w-aaaaaaaaaaaa-1",
        "port": 18443,
        "health": 18081,
        "socket": str(directory / "lab.sock"),
        "uid": 0,
        "report": str(directory / "report.sock"),
        "own": str(directory / "own"),
        "sealed": [
            {"item": "socket inet stream", "kind": "socket", "family": 2, "types": [1], "protocols": [0]},
            {"item": "tcp api", "kind": "tcp", "address": "192.0.2.1", "port": 443},
            {"item": "create /usr", "kind": "create", "path": "/usr"},
        ],
        "network": [{"item": "tcp api", "kind": "tcp", "address": "127.0.0.1", "port": 9}],
        "answered": ["tcp api"],
        "seconds": 0.5,
        "every": 0.05,
    } | changes


def closed(*items: str) -> list[dict[str, Any]]:
    """Answers of a probe that was refused everywhere."""
    return [{"item": item, "outcome": CLOSED, "detail": "EPERM", "optional": False} for item in items]


def opened(*items: str) -> list[dict[str, Any]]:
    """Answers of a probe that got everywhere."""
    return [{"item": item, "outcome": OPEN, "detail": "done", "optional": False} for item in items]
