"""What must be held, taken from its policy into the record; and the ends of what is held, announced.

Guarantees: what is required changes with an event that holds the new requirements whole, within a minute of the file; a
policy that cannot be read changes nothing and keeps the controller from starting. The end of each standing is announced
30, 14, 7 and 1 days before, each once, the nearest where several are due; one that was renewed without a gap is not.

Does not guarantee: that anybody reads the announcement. Access ends at the end all the same.

Threat: a requirement that is dropped because its file was damaged.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tre.controller.context import Context
from tre.domain.errors import Reason, TREError
from tre.domain.standing.models import StandingPolicy, StandingRules
from tre.domain.standing.rules import due_warning, is_renewed
from tre.store import standings
from tre.store.standings import StoredStanding
from tre.system.resources import policy_file, read_record

POLICY_FILE = Path("policies") / "standing.yaml"


def load_rules(root: Path) -> StandingRules:
    """The site's policy, else the one that comes with the launcher.

    Raises `TREError(PolicyMissing)` where there is none, `TREError(BadInput)` where it is wrong.
    """
    path = policy_file(root, POLICY_FILE)
    if path is None:
        raise TREError(Reason.PolicyMissing, f"There is no {POLICY_FILE}.", remedy=f"Write it to {root / POLICY_FILE}.")
    return read_record(StandingPolicy, path).spec


class StandingKeeper:
    """Looks at the policy and at every standing that has not ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        load_rules(context.layout.root)

    def reconcile(self, _name: str) -> datetime | None:
        """Take in what is required now, and announce what is due. Raises `TREError(PolicyMissing | BadInput)`."""
        now = self._context.clock.now()
        self._announce(now)
        self._take_in(now)
        return None

    def _take_in(self, now: datetime) -> None:
        wanted = load_rules(self._context.layout.root)
        with self._context.database.read() as connection:
            known = standings.rules(connection)
        if wanted == known:
            return
        event = self._context.event("policy.applied", "policy/standing", rules=wanted.as_plain())
        with self._context.database.change(event) as change:
            standings.keep_rules(change, wanted, now)

    def _announce(self, now: datetime) -> None:
        with self._context.database.read() as connection:
            held = standings.not_over(connection, now)
        for one in held:
            days = due_warning(one.until, now)
            told = days is None or (one.warned_days is not None and one.warned_days <= days)
            if days is not None and not told and not is_renewed(one, held):
                self._tell(one, days)

    def _tell(self, one: StoredStanding, days: int) -> None:
        event = self._context.event(
            "standing.end-announced",
            one.holder.object,
            standing=one.id,
            what=str(one.meets),
            days=days,
            until=one.until.isoformat(),
        )
        with self._context.database.change(event) as change:
            standings.set_warned(change, one.id, days)
