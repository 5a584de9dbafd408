"""What the gateway is told of a workspace survives the way there, and nothing else is taken for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.factories import ALICE
from tre.domain.errors import Reason
from tre.domain.workspaces.routes import Route
from tre.domain.workspaces.states import WorkspacePhase


def route(**changes: Any) -> Route:
    values: dict[str, Any] = {
        "workspace": "w-aaaaaaaaaaaa",
        "instance": 3,
        "grant": "g",
        "project_title": "Chest X-rays",
        "subject": ALICE,
        "phase": WorkspacePhase.Running,
        "reason": Reason.Entitled,
        "socket": "/run/x/lab.sock",
        "slices": frozenset({"cxr"}),
        "end": datetime(2027, 1, 1, tzinfo=UTC),
        "grant_end": datetime(2027, 6, 1, tzinfo=UTC),
        "grant_end_reason": Reason.GrantExpired,
    }
    return Route.model_validate(values | changes)


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DOOR = {"address": "10.1.2.3", "port": 8443, "certificate": CERTIFICATE}


@pytest.mark.parametrize("way", [{}, {"socket": None}, {"socket": None, "door": DOOR}])
def test_a_route_arrives_as_it_was_sent(way: dict[str, Any]) -> None:
    sent = route(**way)
    assert sent.is_served is (way != {"socket": None})
    assert Route.model_validate(json.loads(json.dumps(sent.as_plain()))) == sent


@pytest.mark.parametrize(
    "change",
    [
        {"boottime_end_ms": -1},
        {"sockets": "/x"},
        {"end": "2027-01-01T00:00:00"},
        {"door": DOOR},
        {"socket": None, "door": DOOR | {"address": "hub.tre-system"}},
        {"socket": None, "door": DOOR | {"port": 0}},
        {"socket": None, "door": DOOR | {"certificate": "AAAA"}},
        {"socket": None, "door": DOOR | {"certificate": CERTIFICATE + CERTIFICATE}},
    ],
)
def test_what_is_no_route_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        route(**change)
