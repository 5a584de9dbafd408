"""The few figures that a person looks at first, taken from the very numbers that a collector gets.

Guarantees: what the operator's page and `tre metrics show` say is what `/metrics` said at that moment; a service that
does not answer is named, one that whoever asks may not reach is left out.

Does not guarantee: that a figure out of bounds is an alert. `monitoring/alerts.yaml` says what is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_SECONDS = 2.0
_MOST_BYTES = 2**23


@dataclass(frozen=True)
class Wanted:
    """One figure: the sum of a metric's samples that have these labels, and what it says."""

    service: str
    metric: str
    words: str
    bad_above: float
    seconds: bool = False
    labels: tuple[tuple[str, str], ...] = ()


WANTED = (
    Wanted("controller", "tre_workspaces", "Workspaces running", float("inf"), labels=(("phase", "Running"),)),
    Wanted("controller", "tre_workspaces_overdue", "Workspaces that should have ended", 0),
    Wanted(
        "controller", "tre_proofs_total", "Proofs of isolation that failed since the start", 0,
        labels=(("kind", "isolation"), ("outcome", "failed")),
    ),
    Wanted(
        "controller", "tre_proofs_total", "Deaths that a person had to state since the start", 0,
        labels=(("kind", "death"), ("outcome", "failed")),
    ),
    Wanted("controller", "tre_audit_oldest_seconds", "Oldest event that is not in the signed log", 60, seconds=True),
    Wanted("controller", "tre_clock_behind_seconds", "Clock behind the log", 60, seconds=True),
    Wanted("controller", "tre_record_seconds", "The record answers within", 1, seconds=True),
    Wanted("controller", "tre_checker_heard_seconds", "Checker last heard", 60, seconds=True),
    Wanted("controller", "tre_jobs_oldest_seconds", "Oldest job that nobody has taken", 900, seconds=True),
    Wanted("controller", "tre_workspaces_queue_oldest_seconds", "Workspace that waits longest", 3600, seconds=True),
    Wanted("controller", "tre_exports_oldest_seconds", "Export that waits longest for checkers", 259200, seconds=True),
    Wanted("controller", "tre_letters_oldest_seconds", "Oldest letter that should be sent", 3600, seconds=True),
    Wanted("gateway", "tre_gateway_heard_seconds", "Gateway last heard the controller", 30, seconds=True),
    Wanted("gateway", "tre_gateway_open_websockets", "Open connections to workspaces", float("inf")),
    Wanted("portal", "tre_optouts_overdue", "Opt-out lists whose next step is late", 0),
)  # fmt: skip
"""What is shown, in this order; above `bad_above` it is marked. The bounds are those of the alerts."""


@dataclass(frozen=True)
class Figure:
    """One figure as it is now."""

    service: str
    metric: str
    words: str
    value: float
    seconds: bool
    bad: bool

    @property
    def shown(self) -> str:
        """The value with its unit, as short as it can be read."""
        if self.value == float("inf"):
            return "never"
        if not self.seconds:
            return f"{self.value:.0f}"
        for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
            if self.value >= 2 * size:
                return f"{self.value / size:.0f} {unit}"
        return f"{self.value:.0f} s" if self.value >= 10 else f"{self.value:.2f} s"

    def as_plain(self) -> dict[str, object]:
        """For `--json`; what is infinite is null."""
        value = None if self.value == float("inf") else self.value
        return {"service": self.service, "metric": self.metric, "what": self.words, "value": value, "bad": self.bad}


def figures_in(service: str, text: str) -> list[Figure]:
    """The wanted figures in one service's numbers; one that is not there is left out."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = []
    for item in (item for item in WANTED if item.service == service):
        labels = dict(item.labels).items()
        values = [one.value for one in samples if one.name == item.metric and labels <= one.labels.items()]
        if values:
            value = sum(values)
            bad = value > item.bad_above
            found.append(Figure(service, item.metric, item.words, value, item.seconds, bad))
    return found


async def figures_of(sockets: Mapping[str, Path]) -> tuple[list[Figure], list[str]]:
    """Ask each service; its figures, and who did not answer. Who may not be asked from here is in neither."""
    wanted = {item.service for item in WANTED}
    texts = await asyncio.gather(*(_ask(path) for path in sockets.values()))
    answers = dict(zip(sockets, texts, strict=True))
    found = [figure for name, text in answers.items() if text and name in wanted for figure in figures_in(name, text)]
    order = {name: place for place, name in enumerate(dict.fromkeys(item.service for item in WANTED))}
    return sorted(found, key=lambda item: order[item.service]), [name for name, text in answers.items() if text is None]


async def _ask(socket: Path) -> str | None:
    """A service's numbers, nothing where it does not answer, an empty text where it may not be asked."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as client,
            client.get("http://localhost/metrics", allow_redirects=False) as answer,
        ):
            return (await answer.content.read(_MOST_BYTES)).decode() if answer.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        return "" if isinstance(cause, PermissionError) else None
