"""Who speaks with whom between services: every link there is, and from it the ports.

| socket | whose | callers |
|---|---|---|
| `controller` | controller | gateway (routes, events), hub (what the record says), portal (health) |
| `portal` | portal | gateway |
| `portal-internal` | portal | gateway (who is this), hub (passwords of local accounts) |
| `portal-intake` | portal | the public pages (questions and comments) |
| `public` | the public pages | gateway |
| `hub` | hub | gateway, portal (exchange of a code), controller (mirror) |

Guarantees: what is not in `LINKS` is not linked: the sidecars' configuration and the network policies of the chart
follow from this table, and a test compares them. `gateway` and `storekeeper` answer on sockets only within their own
pods (health), the checker has none.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PORT = 9400
HEALTH_PORT = 8081
"""Where the sidecar of each pod answers for its service: `/healthz`, `/readyz`, `/metrics`, and `/live` for itself."""

SOCKETS = {
    "controller": "controller",
    "portal": "portal",
    "portal-internal": "portal",
    "portal-intake": "portal",
    "public": "public",
    "hub": "hub",
}
"""Sockets that are reached from other pods, and whose each is."""

CALLERS = ("gateway", "hub", "portal", "controller", "public")
_STEP = 10


@dataclass(frozen=True)
class Link:
    """One caller at one socket."""

    caller: str
    socket: str

    @property
    def owner(self) -> str:
        """The service that listens."""
        return SOCKETS[self.socket]

    @property
    def port(self) -> int:
        """A port of its own for each caller and socket of a pod: so a network policy can name both."""
        sockets = [name for name, owner in SOCKETS.items() if owner == self.owner]
        return FIRST_PORT + _STEP * sockets.index(self.socket) + CALLERS.index(self.caller) + 1


LINKS = (
    Link("gateway", "controller"),
    Link("hub", "controller"),
    Link("portal", "controller"),
    Link("gateway", "portal"),
    Link("gateway", "portal-internal"),
    Link("hub", "portal-internal"),
    Link("public", "portal-intake"),
    Link("gateway", "public"),
    Link("gateway", "hub"),
    Link("portal", "hub"),
    Link("controller", "hub"),
)


def outward(service: str) -> tuple[Link, ...]:
    """What a service calls."""
    return tuple(link for link in LINKS if link.caller == service)


def inward(service: str) -> tuple[Link, ...]:
    """Who calls a service."""
    return tuple(link for link in LINKS if link.owner == service)
