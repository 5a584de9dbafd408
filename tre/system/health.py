"""Whether a service is well and whether it is ready, and its numbers: three addresses that every service answers.

Guarantees: `/healthz` says 200 only while every check passes, else 503 and which one does not; `/readyz` says 200 only
while the service could do its work, else 503 and for each condition the reason, a constant of
`tre.domain.errors.Reason`; `/metrics`, in Prometheus' text format, says the same of each check and each condition. A
condition that cannot be looked at counts as not met. A service that speaks JSON lines answers the same addresses to
whoever asks in HTTP, without reading anything of the request but its first line.

Does not guarantee: that a service that is well does what it should. That is what the numbers are for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from tre.domain.errors import Reason, TREError

Check = Callable[[], str | None]
"""A health check: `None` where all is well, else what is wrong."""

Condition = Callable[[], object]
"""A condition of being ready: it raises the `TREError` that says what is missing."""

FAILING = Gauge("tre_check_failing", "Whether a check of the service's health fails (1) or passes (0).", ["check"])
NOT_READY = Gauge("tre_not_ready", "Whether a condition of being ready is missing (1) or met (0).", ["check"])

_JSON = "application/json"


@dataclass(frozen=True)
class Probes:
    """What a service is asked.

    `held_back` are conditions of some of its work only: `/readyz` names one that is missing and stays 200, for the
    rest of the work must go on. `ready` is the status of a service that is ready; `more_numbers` are those of a
    registry of its own.
    """

    checks: Mapping[str, Check]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    held_back: Mapping[str, Condition] = field(default_factory=dict)
    ready: Callable[[], str] = lambda: "ready"
    more_numbers: Callable[[], bytes] = bytes

    def numbers(self) -> bytes:
        """Everything that is counted, the state of each check and condition with it."""
        health(self.checks)
        readiness(self)
        return generate_latest() + self.more_numbers()


def health(checks: Mapping[str, Check]) -> tuple[int, dict[str, Any]]:
    """Status and body of `/healthz`; each check's figure is set."""
    found = {}
    for name, check in checks.items():
        wrong = check()
        FAILING.labels(name).set(wrong is not None)
        if wrong is not None:
            found[name] = wrong
    return (503, {"status": "failing", "checks": found}) if found else (200, {"status": "ok"})


def readiness(probes: Probes) -> tuple[int, dict[str, Any]]:
    """Status and body of `/readyz`; the figure of each condition is set."""
    missing, held = _all_missing(probes.conditions), _all_missing(probes.held_back)
    body: dict[str, Any] = {"status": "not-ready" if missing else probes.ready()}
    body |= {"checks": missing} if missing else {}
    body |= {"heldBack": held} if held else {}
    return (503 if missing else 200), body


def _all_missing(conditions: Mapping[str, Condition]) -> dict[str, dict[str, str]]:
    found = {}
    for name, condition in conditions.items():
        missing = _missing(condition)
        NOT_READY.labels(name).set(missing is not None)
        if missing is not None:
            found[name] = {"reason": missing.reason.value, "what": missing.what}
    return found


def _missing(condition: Condition) -> TREError | None:
    try:
        condition()
    except TREError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a condition that breaks is one that is not met
        return TREError(Reason.ServiceUnavailable, f"It cannot be looked at: {type(error).__name__}.")
    return None


def health_routes(probes: Probes) -> list[web.RouteDef]:
    """`/healthz`, `/readyz` and `/metrics` for an aiohttp service, whose loop waits for none of them."""

    async def healthz(_request: web.Request) -> web.Response:
        """200 while every check passes."""
        status, body = health(probes.checks)
        return web.json_response(body, status=status)

    async def readyz(_request: web.Request) -> web.Response:
        """200 while every condition is met."""
        status, body = await asyncio.to_thread(readiness, probes)
        return web.json_response(body, status=status)

    async def metrics(_request: web.Request) -> web.Response:
        """Everything that is counted."""
        body = await asyncio.to_thread(probes.numbers)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


def health_answer(request: bytes, checks: Mapping[str, Check]) -> bytes | None:
    """The whole HTTP answer where the first line of a request asks for one of the addresses; else `None`.

    What answers so is ready whenever it is well.
    """
    if not request.startswith(b"GET /"):
        return None
    probes = Probes(checks, {name: _as_condition(check) for name, check in checks.items()})
    path = request.split(b" ", 2)[1]
    kind = _JSON
    if path == b"/metrics":
        status, kind, body = 200, CONTENT_TYPE_LATEST, probes.numbers()
    elif path in {b"/healthz", b"/readyz"}:
        status, found = health(checks) if path == b"/healthz" else readiness(probes)
        body = json.dumps(found).encode()
    else:
        status, kind, body = 404, "text/plain", b""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


def _as_condition(check: Check) -> Condition:
    def met() -> None:
        wrong = check()
        if wrong is not None:
            raise TREError(Reason.SetupIncomplete, wrong)

    return met
