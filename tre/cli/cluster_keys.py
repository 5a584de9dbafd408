"""The launcher's secrets on a cluster: which there are, who reads which, and making the missing ones.

Guarantees: a Secret that exists is never changed (they are made `immutable`, so the API server holds that too); two
jobs at once make one set; values come from the system's randomness and are printed nowhere. Whoever runs this needs
the right to create Secrets and to read these by name, no more.

Does not guarantee: rotation. Delete a Secret, run the job again and restart who reads it; never the audit key, whose
log no other key can go on with.

Threat: an upgrade that makes a new audit key and disowns the log; a service that can read another's secret.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tre.audit import keys as audit_keys
from tre.cluster.protocol import ClusterError, Key, Kind, Object
from tre.domain.errors import Reason
from tre.link.certificates import self_signed
from tre.link.table import CALLERS, SOCKETS
from tre.sources.signing_keys import COMMITTEE_KEY, COMMITTEE_PUBLIC, SOURCE_KEY, SOURCE_PUBLIC, new_pair
from tre.store.roles import Role
from tre.system.hub_keys import CONTROLLER_TOKEN, COOKIE_SECRET, OAUTH_SECRET, TOKENS_KEY
from tre.system.installation import SECRETS

SECRET = Kind("", "v1", "Secret", "secrets")
ADMINISTRATOR = "database-administrator.password"
"""Of the small server that the chart brings for trials; it makes the roles."""

PREPARE = "prepare"
DATABASE = "postgresql"
SHELL = "shell"
"""Where an operator types commands, on a cluster: a pod of its own, signed in to the record as `operator`."""

SHELL_READS = frozenset({"dataset-salt.key"})
"""What a service holds and the commands of an operator need too: pseudonyms are made by the dataset's salt."""

LINKED = tuple(sorted({*CALLERS, *SOCKETS.values()}))
HOST_PREFIXES = ("", "*.", "*.open.", "*.lab.")


class Maker:
    """Makes contents."""

    def __init__(self, base: str, now: datetime) -> None:
        self._base, self._now = base, now

    def raw(self, name: str) -> dict[str, bytes]:
        """32 bytes."""
        return {name: secrets.token_bytes(32)}

    def text(self, name: str) -> dict[str, bytes]:
        """64 hexadecimal digits, which are a password too."""
        return {name: secrets.token_hex(32).encode() + b"\n"}

    def audit(self) -> dict[str, bytes]:
        """The key that signs the log, under the name of this launcher."""
        signer = audit_keys.generate(self._base)
        return {
            audit_keys.PRIVATE_KEY_FILE: signer.line().encode() + b"\n",
            audit_keys.PUBLIC_KEY_FILE: signer.public.line().encode() + b"\n",
        }

    def decisions(self) -> dict[str, bytes]:
        """The key that signs what the committee decided here, and its public half."""
        return dict(zip((COMMITTEE_KEY, COMMITTEE_PUBLIC), new_pair(), strict=True))

    def stated(self) -> dict[str, bytes]:
        """The key that signs what a source elsewhere states, and its public half."""
        return dict(zip((SOURCE_KEY, SOURCE_PUBLIC), new_pair(), strict=True))

    def pair(self, name: str, certificate: str, key: str) -> dict[str, bytes]:
        """A certificate of its own."""
        made = self_signed(name, self._now)
        return {certificate: made.certificate, key: made.key}

    def front(self) -> dict[str, bytes]:
        """What the gateway shows where no certificate was brought; an ingress in front shows the public one."""
        made = self_signed(self._base, self._now, tuple(prefix + self._base for prefix in HOST_PREFIXES))
        return {"tls.crt": made.certificate, "tls.key": made.key}


@dataclass(frozen=True)
class SecretSpec:
    """One Secret: its files, and which programs are given which of them."""

    name: str
    files: dict[str, frozenset[str]]
    make: Callable[[Maker], dict[str, bytes]]


def _one(file: str, readers: Iterable[str], *, raw: bool = False) -> SecretSpec:
    def make(maker: Maker) -> dict[str, bytes]:
        return maker.raw(file) if raw else maker.text(file)

    return SecretSpec(f"tre-{file.partition('.')[0]}", {file: frozenset(readers)}, make)


def _link(service: str) -> SecretSpec:
    certificate, key = f"link-{service}.pem", f"link-{service}.key"
    files = {certificate: frozenset[str](), key: frozenset[str]()}  # for sidecars, which are given them by name
    return SecretSpec(f"tre-link-{service}", files, lambda maker: maker.pair(f"tre-{service}", certificate, key))


def _database(role: str, readers: Iterable[str]) -> SecretSpec:
    return _one(f"database-{role}.password", readers)


def _signing_in(role: Role) -> list[str]:
    """Who signs in under a role; the owner of the tables is only the job's."""
    return [] if role is Role.owner else [SHELL if role is Role.operator else role.value]


def _door() -> SecretSpec:
    files = {"gateway-door.crt": frozenset({"gateway", "controller"}), "gateway-door.key": frozenset({"gateway"})}
    return SecretSpec("tre-gateway-door", files, lambda maker: maker.pair("tre-gateway", *files))


_AUDIT = SecretSpec(
    "tre-audit-signing",
    {
        audit_keys.PRIVATE_KEY_FILE: frozenset({"controller"}),
        audit_keys.PUBLIC_KEY_FILE: frozenset({"controller", "portal", SHELL}),
    },
    Maker.audit,
)
_COMMITTEE = SecretSpec(
    "tre-committee-signing",
    {
        COMMITTEE_KEY: frozenset({"controller"}),
        COMMITTEE_PUBLIC: frozenset({"controller", SHELL}),
    },
    Maker.decisions,
)
_SOURCES = SecretSpec(
    "tre-source-signing",
    {SOURCE_KEY: frozenset({"controller"}), SOURCE_PUBLIC: frozenset({"controller", SHELL})},
    Maker.stated,
)
FRONT = SecretSpec(
    "tre-gateway-tls", {"tls.crt": frozenset({"gateway"}), "tls.key": frozenset({"gateway"})}, Maker.front
)
_HUB = {
    CONTROLLER_TOKEN: ("hub", "controller"),
    OAUTH_SECRET: ("hub", "portal"),
    COOKIE_SECRET: ("hub",),
    TOKENS_KEY: ("hub",),
}

SPECS: tuple[SecretSpec, ...] = (
    *(_one(file, (service, *([SHELL] if file in SHELL_READS else [])), raw=True) for file, service in SECRETS.items()),
    *(_one(file, readers) for file, readers in _HUB.items()),
    _AUDIT,
    _COMMITTEE,
    _SOURCES,
    *(_database(role, (PREPARE, *_signing_in(role))) for role in Role),
    _database("administrator", (PREPARE, DATABASE)),
    *(_link(service) for service in LINKED),
    _door(),
    FRONT,
)
"""Every Secret that `tre cluster keys` makes. `prepare` is the job that makes roles and tables."""


class SecretClient(Protocol):
    """The two verbs that this needs of an API server."""

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object; `None` where there is none."""

    def create(self, kind: Kind, item: Object) -> Object:
        """A new object."""


class Secrets:
    """The Secrets of one namespace, through the API."""

    def __init__(self, client: SecretClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    def complete(self, maker: Maker, specs: Iterable[SecretSpec] = SPECS) -> list[str]:
        """Make what is missing; the names of what was made. Raises `ClusterError`."""
        return [spec.name for spec in specs if self._missing(spec.name) and self._create(spec, maker)]

    def _missing(self, name: str) -> bool:
        return self._client.get(SECRET, Key(self._namespace, name)) is None

    def _create(self, spec: SecretSpec, maker: Maker) -> bool:
        content = {name: base64.b64encode(data).decode() for name, data in spec.make(maker).items()}
        labels = {"app.kubernetes.io/part-of": "tre", "app.kubernetes.io/managed-by": "tre-keys"}
        item: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": self._namespace, "name": spec.name, "labels": labels},
            "type": "Opaque",
            "immutable": True,
            "data": content,
        }
        try:
            self._client.create(SECRET, item)
        except ClusterError as error:
            if error.reason is not Reason.AlreadyExists and error.code != 409:
                raise
            return False  # another job was quicker, and its value counts
        return True
