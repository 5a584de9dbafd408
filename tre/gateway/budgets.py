"""How many bytes a browser may draw from a workspace in an hour, and who is told when it is much.

Guarantees: in any 60 minutes at most the budget passes (a sliding window in steps of a minute, on the boot-time
clock; a full minute is counted until it is wholly past, so the error is on the safe side). Two budgets: `fileReads`
counts what the contents interface answers, `kernelOutput` every other byte that the workspace sends: kernels,
terminals, events and the rest of its interface, so that no address is a channel beside the meters. At 80 % and at the
end the audit log is told, and each time a grant's members have together drawn another gibibyte.

Does not guarantee: secrecy of what fits the budget. It bounds the rate at which a screen, or what reads it, can take
data out, and it makes taking visible. Counters begin anew with the gateway; the audit log keeps what was drawn.

Threat: the whole of a slice printed, base64, into a notebook, night after night.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tre.domain.clock import Clock
from tre.domain.workspaces.routes import Route

WINDOW_MINUTES = 60
ALARM_PERCENT = 80
"""Share of a budget at which the audit log is told: the design's choice, early enough for somebody to look."""

GRANT_ALARM_BYTES = 2**30
"""Bytes drawn by all members of a grant between two cumulative alarms."""

_REOPEN_SHARE = 50  # a new kernel socket needs a fiftieth of the budget: less would be cut at the first picture


class Budget(StrEnum):
    """The two budgets, by their names in a grant."""

    file_reads = "fileReads"
    kernel_output = "kernelOutput"


class Meter:
    """Bytes within a sliding hour. Times are seconds of the boot-time clock."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._minutes: deque[list[int]] = deque()
        self._used = 0

    def used(self, at: float) -> int:
        """Bytes drawn in the hour that ends now."""
        oldest = int(at // 60) - WINDOW_MINUTES
        while self._minutes and self._minutes[0][0] < oldest:
            self._used -= self._minutes.popleft()[1]
        return self._used

    def left(self, at: float) -> int:
        """Bytes that may still be drawn now."""
        return max(0, self.limit - self.used(at))

    def charge(self, amount: int, at: float) -> None:
        """Count bytes that are sent whatever the limit says."""
        minute = int(at // 60)
        if self._minutes and self._minutes[-1][0] >= minute:
            self._minutes[-1][1] += amount
        else:
            self._minutes.append([minute, amount])
        self._used += amount

    def returns_in(self, at: float, amount: int = 1) -> float:
        """Seconds until at least `amount` bytes can be drawn; 0 where they can be now."""
        missing = amount - self.left(at)
        for minute, drawn in self._minutes:
            if missing <= 0:
                break
            missing -= drawn
            if missing <= 0:
                return max(0.0, (minute + WINDOW_MINUTES + 1) * 60 - at)
        return 0.0


@dataclass(frozen=True)
class Alarm:
    """Something about budgets that the audit log is told."""

    kind: str
    route: Route
    budget: Budget
    used: int
    limit: int


class Budgets:
    """The meters of all workspaces and the sums of all grants."""

    def __init__(self, clock: Clock, tell: Callable[[Alarm], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._meters: dict[tuple[str, Budget], Meter] = {}
        self._told: dict[tuple[str, Budget], int] = {}
        self._drawn: dict[str, int] = {}

    def admit(self, route: Route, budget: Budget, amount: int) -> bool:
        """Count these bytes if the budget has room for them; say whether it had."""
        meter, at = self.meter(route, budget), self._clock.boottime()
        if amount > meter.left(at):
            self._alarm(route, budget, 100)
            return False
        self.charge(route, budget, amount)
        return True

    def charge(self, route: Route, budget: Budget, amount: int) -> None:
        """Count bytes whatever the budget says: answers to saving and stopping, which are always allowed."""
        meter, at = self.meter(route, budget), self._clock.boottime()
        meter.charge(amount, at)
        if (used := meter.used(at)) * 100 >= meter.limit * ALARM_PERCENT:
            self._alarm(route, budget, ALARM_PERCENT)
        elif used * 100 < meter.limit * (ALARM_PERCENT // 2):
            self._told.pop((route.workspace, budget), None)
        self._sum(route, budget, amount)

    def may_open(self, route: Route) -> bool:
        """Whether enough kernel output is left for a new socket."""
        meter = self.meter(route, Budget.kernel_output)
        return meter.left(self._clock.boottime()) * _REOPEN_SHARE >= meter.limit > 0

    def returns_in(self, route: Route, budget: Budget, amount: int = 0) -> float:
        """Seconds until so many bytes of a budget are free again, or at least a useful part of it."""
        meter = self.meter(route, budget)
        useful = max(amount, 1, -(-meter.limit // _REOPEN_SHARE))
        return meter.returns_in(self._clock.boottime(), useful)

    def left(self, route: Route, budget: Budget) -> int:
        """Bytes left of a budget now."""
        return self.meter(route, budget).left(self._clock.boottime())

    def meter(self, route: Route, budget: Budget) -> Meter:
        """The meter of a workspace, with the limit that its route has now."""
        if (meter := self._meters.get((route.workspace, budget))) is None:
            self._drop_empty()
            meter = self._meters[route.workspace, budget] = Meter(0)
        meter.limit = route.budgets.file_reads if budget is Budget.file_reads else route.budgets.kernel_output
        return meter

    def _drop_empty(self) -> None:
        """One in which nothing is left of the last hour says what a new one says; workspaces come and go for years."""
        at = self._clock.boottime()
        for key in [key for key, meter in self._meters.items() if meter.used(at) == 0]:
            del self._meters[key]
            self._told.pop(key, None)

    def _alarm(self, route: Route, budget: Budget, percent: int) -> None:
        key = (route.workspace, budget)
        if self._told.get(key, 0) >= percent:
            return
        self._told[key] = percent
        meter = self.meter(route, budget)
        kind = "workspace.budget-exhausted" if percent >= 100 else "workspace.budget-warned"
        self._tell(Alarm(kind, route, budget, meter.used(self._clock.boottime()), meter.limit))

    def _sum(self, route: Route, budget: Budget, amount: int) -> None:
        before = self._drawn.get(route.grant, 0)
        self._drawn[route.grant] = after = before + amount
        if before // GRANT_ALARM_BYTES != after // GRANT_ALARM_BYTES:
            self._tell(Alarm("grant.drawn-much", route, budget, after, GRANT_ALARM_BYTES))
