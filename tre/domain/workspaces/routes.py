"""What the gateway must know of a workspace to decide by itself.

Guarantees: a route holds every fact that the gateway's decisions need, so that it goes on deciding (and ending
access) when nobody else answers.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.workspaces.models import HourlyBudgets, Progress
from tre.domain.workspaces.states import WorkspacePhase

_LONGEST_CERTIFICATE = 8192
_ONE_CERTIFICATE = r"^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n?$"


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        msg = "an address of IPv4 or IPv6 is due, no name"
        raise ValueError(msg) from error


class Door(Record):
    """Where the door of a pod listens, and the one certificate (PEM) by which it is known: nobody vouches for it."""

    address: Annotated[Line, AfterValidator(_address)]
    port: Annotated[int, Field(ge=1, le=65535)]
    certificate: Annotated[str, Field(pattern=_ONE_CERTIFICATE, max_length=_LONGEST_CERTIFICATE)]


class Route(Record):
    """One workspace as the gateway serves it.

    Its server is reached by `socket`, the path of a unix socket on this machine, or through the `door` of its pod;
    both are absent while nothing runs. `end` is when this run ends by the wall clock; `boottime_end_ms` is the same
    bound on this machine's boot-time clock, in milliseconds (a pod's machine has another such clock: none then).
    `idle_minutes` is for how long nothing may happen, `idle_end` when it will be stopped for that, once that is near.
    `grant_end` may lie later than `end` after a renewal: the page then offers a restart. `slices` are those mounted.
    """

    workspace: Line
    instance: int
    grant: Line
    project_title: Line
    subject: Subject
    phase: WorkspacePhase
    reason: Reason
    message: Line = ""
    socket: str | None = None
    door: Door | None = None
    uid: int | None = None
    slices: frozenset[str] = frozenset()
    budgets: HourlyBudgets = HourlyBudgets()
    progress: tuple[Progress, ...] = ()
    end: UtcTime | None = None
    boottime_end_ms: Annotated[int, Field(ge=0)] | None = None
    idle_minutes: Annotated[int, Field(ge=1)] | None = None
    idle_end: UtcTime | None = None
    grant_end: UtcTime
    grant_end_reason: Reason

    @model_validator(mode="after")
    def _one_way(self) -> Route:
        if self.socket is not None and self.door is not None:
            msg = "a workspace has a socket or a door, not both"
            raise ValueError(msg)
        return self

    @property
    def is_served(self) -> bool:
        """Whether there is a server to go to."""
        return self.socket is not None or self.door is not None
