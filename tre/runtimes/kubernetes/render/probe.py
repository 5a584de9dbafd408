"""What must be closed to a pod, as lists for its two probes: pure data.

Guarantees: the sealed first process tries everything that one machine's does, the door's own port on the loopback, the
door's keys, every slice, and every address of the cluster that its operators named; the door, which has no seal, tries
those addresses. Nothing is in a list that no control can reach: the door reaches what is in its pod, the controller
what is in the cluster; what neither reached is named in the proof as uncontrolled, and held against nobody.

Does not guarantee: that an address that operators forgot is closed. The seal does not depend on the list.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tre.domain.model import Line, Record
from tre.domain.workspaces.models import MountKind, WorkspacePlan
from tre.runtimes.bubblewrap.sandbox import ENVIRONMENT, INIT
from tre.runtimes.init import targets
from tre.runtimes.kubernetes.render.facts import ClusterFacts
from tre.runtimes.kubernetes.render.vocabulary import HEALTH_PORT, KEYS_DIRECTORY, Object

SECONDS = 1.2
"""How long an address has to answer: the same for pods and for the controller."""

EVERY_SECONDS = 3.0
"""How often the door tries again."""

_READ_ONLY = ("/usr", ENVIRONMENT, INIT)
_REACHED_WITHOUT_A_NAME = ("tcp", "udp", "dns")
_QUESTION = "kubernetes.default.svc.cluster.local"


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        msg = "an address of IPv4 or IPv6 is due, no name"
        raise ValueError(msg) from error


class ProbeAddress(Record):
    """An address that the controller's own pod reaches and that no workspace may."""

    name: Line
    """What people call it: `API server`, `name server`."""

    kind: Literal["tcp", "udp", "dns"] = "tcp"
    """How it is tried; `dns` asks it a question."""

    address: Annotated[Line, AfterValidator(_address)]
    """Where it is, as a number: names need a name server."""

    port: Annotated[int, Field(ge=1, le=65535)]
    """Its port."""

    optional: bool = False
    """Whether isolation is proven also where nobody answers here, the controller neither (a metadata service that
    this cluster has not)."""

    @property
    def item(self) -> str:
        """What it is called in a proof."""
        return f"{self.kind} {self.name} {self.address} {self.port}"

    def target(self) -> Object:
        """As probes take it."""
        found: Object = {
            "item": self.item,
            "kind": self.kind,
            "address": self.address,
            "port": self.port,
            "optional": self.optional,
        }
        return found | ({"name": _QUESTION} if self.kind == "dns" else {})


def network(addresses: Iterable[ProbeAddress]) -> list[Object]:
    """What the door and the controller try: the cluster's addresses, and the way out into the world.

    A name is not among them: the door and the controller have different name servers, or none.
    """
    world = targets.targets(targets.Surroundings())
    return [
        *(one.target() for one in addresses),
        *(one for one in world if one["kind"] in _REACHED_WITHOUT_A_NAME),
    ]


def sealed(plan: WorkspacePlan, facts: ClusterFacts, addresses: Iterable[ProbeAddress]) -> list[Object]:
    """What the first process tries."""
    slices = [mount.target for mount in plan.mounts if mount.kind is MountKind.slice]
    surroundings = targets.Surroundings(
        loopback=(HEALTH_PORT,),
        read_only=(*_READ_ONLY, *slices),
        absent=(KEYS_DIRECTORY,),
        x86=facts.x86,
    )
    return [*targets.targets(surroundings), *(one.target() for one in addresses)]
