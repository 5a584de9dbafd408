"""Sources elsewhere at work: the policy is followed, each source does what is due, the record's news wake them.

Guarantees: level-triggered: what is looked at is read anew, so that a start after a power cut goes on where it was; the
trouble of one source delays no other one; a policy that is wrong stops asking and takes nothing in, and access by what
its sources said ends when that is too old. Only who leads writes.

Does not guarantee: that a source's grants end at once when it is taken out of the policy; its word only is not renewed
(`tre.sources.removed`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from tre.domain.errors import TREError
from tre.domain.sources.policy import NO_SOURCES, SourcePolicy
from tre.sources.directory import Directory
from tre.sources.keeper import Keeper, KeeperTerms
from tre.sources.policyfile import PolicyFile
from tre.sources.removed import believe_no_longer, tell_removed
from tre.sources.rems.source import Beside, Rems, in_a_thread
from tre.store.changes import ChangeFeed
from tre.system.layout import Layout

log = structlog.get_logger()

TICK_SECONDS = 0.25
IDLE_SECONDS = 2.0
"""How soon a first policy is seen, where there is none."""
LISTEN_SECONDS = 0.005
MISSED = timedelta(minutes=1)
"""How often it is looked which sources have grants and stand in the policy no more."""

STEPS = Counter("tre_sources_steps", "Looks at a source elsewhere", ["kind", "outcome"])
COUNTED = Gauge("tre_sources", "Sources elsewhere in the policy")


class Source(Protocol):
    """What does what is due when it is asked to."""

    def step(self) -> bool:
        """Do it, or a part of it; whether more is left."""
        ...


class Sources:
    """Every source of the policy."""

    def __init__(self, layout: Layout, terms: KeeperTerms, beside: Beside = in_a_thread) -> None:
        self._layout, self._terms, self._beside = layout, terms, beside
        self._file = PolicyFile(layout.root)
        self._policy: SourcePolicy = NO_SOURCES
        self._sources: dict[str, Source] = {}
        self._said = ""
        self._outcomes: dict[str, str] = {}
        self._missed_at = terms.clock.now()

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        feed: ChangeFeed | None = None
        while not stop.is_set():
            more = self.step()
            if not self._sources:
                stop.wait(IDLE_SECONDS)
            elif not more:
                feed = feed or ChangeFeed(self._terms.database)
                _listen(feed.changed, stop, TICK_SECONDS)
        if feed is not None:
            feed.close()

    def step(self) -> bool:
        """Follow the policy, then let each source do what is due; whether more is left."""
        self._follow()
        more = self._guarded("policy", self._see_to_removed)
        for name, source in self._sources.items():
            more = self._guarded(name, source.step) or more
        return more

    def _guarded(self, name: str, step: Callable[[], bool]) -> bool:
        """One's trouble stays its own."""
        try:
            self._terms.check_leading()
            more = step()
            self._count(name, "ok", None)
        except Exception as error:  # noqa: BLE001 - the loop must outlive anything, and says what is wrong
            reason = error.reason.value if isinstance(error, TREError) else type(error).__name__
            self._count(name, reason, error)
            return False
        return more

    def _see_to_removed(self) -> bool:
        now = self._terms.clock.now()
        if not self._said and now >= self._missed_at:  # a policy that cannot be read takes no source out
            tell_removed(self._terms, self._policy)
            believe_no_longer(self._terms, self._policy)
            self._missed_at = now + MISSED
        return False

    def _count(self, name: str, outcome: str, error: Exception | None) -> None:
        """Count a look, and say what went wrong where it is news."""
        STEPS.labels(name.partition(":")[0], outcome).inc()
        if error is not None and self._outcomes.get(name) != outcome:
            unknown = not isinstance(error, TREError)
            log.error("source-step", source=name, reason=outcome, error=str(error), exc_info=error if unknown else None)
        self._outcomes[name] = outcome

    def _follow(self) -> None:
        try:
            policy = self._file.read()
        except TREError as error:
            if self._said != str(error):
                log.error("source-policy", reason=error.reason.value, error=str(error))
            self._said, self._policy, self._sources = str(error), NO_SOURCES, {}
            return
        self._said = ""
        if policy is not self._policy:
            self._policy, self._sources = policy, self._made(policy)
            self._missed_at = self._terms.clock.now()
            COUNTED.set(len(self._sources))

    def _made(self, policy: SourcePolicy) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for rems in policy.spec.rems:
            keeper = Keeper(self._terms, rems.id, rems.staleness, signed_elsewhere=False)
            found[rems.id] = Rems(self._layout, rems, keeper, self._beside)
        for directory in policy.spec.directories:
            keeper = Keeper(self._terms, directory.id, directory.staleness, signed_elsewhere=True)
            found[directory.id] = Directory(self._layout.root, directory, keeper)
        return found


def _listen(changed: Callable[[], bool], stop: threading.Event, seconds: float) -> None:
    """Until the record changes, or the time is up."""
    for _ in range(int(seconds / LISTEN_SECONDS)):
        if changed() or stop.wait(LISTEN_SECONDS):
            return
