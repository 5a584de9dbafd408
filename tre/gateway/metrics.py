"""What the gateway counts, for `/metrics`.

Guarantees: labels are doors, reasons and directions only; no name of a person, project, workspace or file.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ALARM_KINDS = ("workspace.budget-warned", "workspace.budget-exhausted", "grant.drawn-much")


class Metrics:
    """Counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tre_gateway_requests", "Requests by door and status class.", ["door", "status"], registry=self.registry
        )
        self.refused = Counter(
            "tre_gateway_refused", "Requests refused, by reason.", ["door", "reason"], registry=self.registry
        )
        self.websockets = Gauge("tre_gateway_open_websockets", "Websockets open to workspaces.", registry=self.registry)
        self.bytes = Counter(
            "tre_gateway_bytes", "Bytes of workspaces by budget and direction.", ["kind", "direction"],
            registry=self.registry,
        )  # fmt: skip
        self.cut_seconds = Histogram(
            "tre_gateway_cut_seconds", "From the news of an ending to the cut.", buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.cuts = Counter(
            "tre_gateway_cuts",
            "Connections to workspaces that were cut.",
            ["reason"],
            registry=self.registry,
        )
        self.alarms = Counter(
            "tre_gateway_alarms", "Alarms of the budgets that bound what a browser draws.", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        for kind in ALARM_KINDS:
            self.alarms.labels(kind)
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Time from a request's head to the end of its answer; websockets and streams of news are left out.",
            ["door", "method", "status"], buckets=_REQUEST_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.heard_seconds = Gauge(
            "tre_gateway_heard_seconds",
            "Seconds since the controller was last heard; infinite where it never was.",
            registry=self.registry,
        )
        self.events_waiting = Gauge(
            "tre_gateway_events_waiting", "Audit events not yet handed over.", registry=self.registry
        )

    def count_request(self, door: str, method: str, status: int, seconds: float | None) -> None:
        """One answered request; `seconds` is nothing for what is meant to last."""
        told = f"{status // 100}xx"
        self.requests.labels(door, told).inc()
        if seconds is not None:
            self.seconds.labels(door, method if method in _METHODS else "other", told).observe(seconds)

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
