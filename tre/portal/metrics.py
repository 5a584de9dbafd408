"""What the portal and the public pages count, for `/metrics`.

Guarantees: labels are states, reasons and ways of signing in; no name, pseudonym or address of anybody. What is in the
record is read when it is asked for, by the portal alone: the public pages may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tre.domain.clock import Clock
from tre.domain.errors import TREError
from tre.domain.optouts.states import ENDED, BatchState
from tre.domain.publicaccount.states import ItemKind
from tre.store import optouts, publicaccount
from tre.store.database import Database
from tre.store.workspaces import count_restarts

REFUSED = Counter("tre_portal_refused", "Requests that were refused or failed, by what the person read.", ["reason"])
SIGN_INS = Counter("tre_portal_sign_ins", "Attempts to sign in that were looked at.", ["way", "outcome"])


def count_sign_in(way: str, error: TREError | None = None) -> None:
    """One attempt; `way` is `local` or `oidc`."""
    SIGN_INS.labels(way, "ok" if error is None else error.reason.value).inc()


class OptOutNumbers(Collector):
    """How far opt-outs are, at the moment of asking."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that registering it asks the record nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Lists under way by state (each state is named), those whose next step is late, workspaces that restart."""
        now = self._clock.now()
        under_way = [state for state in BatchState if state not in ENDED]
        with self._database.read() as connection:
            found = optouts.at_work(connection, under_way)
            restarts = count_restarts(connection)
        lists = GaugeMetricFamily("tre_optouts", "Lists of opt-outs that are not done, by state.", labels=["state"])
        for state in under_way:
            lists.add_metric([state.value], sum(batch.state is state for batch in found))
        yield lists
        late = sum(batch.is_late(now) for batch in found)
        yield GaugeMetricFamily("tre_optouts_overdue", "Lists of opt-outs whose next step is late.", value=late)
        yield GaugeMetricFamily(
            "tre_optout_restarts", "Workspaces that wait for their restart after people opted out.", value=restarts
        )


class AccountNumbers(Collector):
    """What waits for the team in the public account, at the moment of asking."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that registering it asks the record nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Items that wait by kind (each kind is named), and those whose clock has run out."""
        now = self._clock.now()
        with self._database.read() as connection:
            found = publicaccount.waiting(connection)
        waiting = GaugeMetricFamily(
            "tre_public_account", "Items of the public account that wait for the team, by kind.", labels=["kind"]
        )
        for kind in ItemKind:
            waiting.add_metric([kind.value], sum(item.kind is kind for item in found))
        yield waiting
        late = sum(item.due_at is not None and item.due_at < now for item in found)
        yield GaugeMetricFamily(
            "tre_public_account_overdue", "Items of the public account that should have been acted on.", value=late
        )
