"""What one link program carries: a JSON file, read strictly.

Guarantees: an unknown key, a missing one and a wrong kind of value are refused by name before anything listens.
Standard library only, as all of `tre.link`: one such program runs for each pair of services.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tre.domain.errors import Reason, TREError


@dataclass(frozen=True)
class Identity:
    """The service's own certificate and key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Outward:
    """A unix socket of ours behind which another pod's service answers.

    `variable` names the environment variable in which the kubelet put the service's address; where there is none,
    `host` is asked of the name server. Only the kernel-named `users` are carried.
    """

    socket: Path
    users: tuple[int, ...]
    host: str
    variable: str
    port: int
    certificate: Path


@dataclass(frozen=True)
class Inward:
    """A port of ours for one caller, and the service's socket behind it."""

    port: int
    caller: Path
    socket: Path


@dataclass(frozen=True)
class Health:
    """A port on which the kubelet and the collector of metrics ask; `socket` is whom they ask after, if any."""

    port: int
    socket: Path | None


@dataclass(frozen=True)
class LinkConfig:
    """Everything of one program."""

    identity: Identity | None
    outward: tuple[Outward, ...]
    inward: tuple[Inward, ...]
    health: Health | None
    address: str | None = None
    """Where ports listen: everywhere in the pod, unless a test says otherwise."""


def read_config(path: Path) -> LinkConfig:
    """Read the file. Raises `TREError(BadInput)`."""
    try:
        return parse_config(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TREError(
            Reason.BadInput,
            f"{path} does not say what to carry.",
            why=f"{type(error).__name__}: {error}.",
            remedy="The chart writes this file: install it again.",
        ) from error


def parse_config(value: Any) -> LinkConfig:
    """The file's content. Raises `ValueError`, `TypeError` or `KeyError`."""
    found = _keys(value, {"outward", "inward", "health", "identity", "address"}, optional=True)
    identity, health = found.get("identity"), found.get("health")
    config = LinkConfig(
        identity=None if identity is None else _identity(identity),
        outward=tuple(_outward(item) for item in found.get("outward") or ()),
        inward=tuple(_inward(item) for item in found.get("inward") or ()),
        health=None if health is None else _health(health),
        address=found.get("address"),
    )
    if config.identity is None and (config.outward or config.inward):
        msg = "links need an identity"
        raise ValueError(msg)
    return config


def _keys(value: Any, names: set[str], *, optional: bool = False) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"an object with {', '.join(sorted(names))} is due, not {value!r}"
        raise TypeError(msg)
    if wrong := set(value) - names if optional else set(value) ^ names:
        msg = f"missing or unknown: {', '.join(sorted(wrong))}"
        raise ValueError(msg)
    return value


def _identity(value: Any) -> Identity:
    found = _keys(value, {"certificate", "key"})
    return Identity(Path(found["certificate"]), Path(found["key"]))


def _outward(value: Any) -> Outward:
    found = _keys(value, {"socket", "users", "host", "variable", "port", "certificate"})
    return Outward(
        socket=Path(found["socket"]),
        users=tuple(int(user) for user in found["users"]),
        host=str(found["host"]),
        variable=str(found["variable"]),
        port=_port(found["port"]),
        certificate=Path(found["certificate"]),
    )


def _inward(value: Any) -> Inward:
    found = _keys(value, {"port", "caller", "socket"})
    return Inward(_port(found["port"]), Path(found["caller"]), Path(found["socket"]))


def _health(value: Any) -> Health:
    found = _keys(value, {"port", "socket"})
    return Health(_port(found["port"]), None if found["socket"] is None else Path(found["socket"]))


def _port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
        msg = f"{value!r} is no port"
        raise ValueError(msg)
    return value
