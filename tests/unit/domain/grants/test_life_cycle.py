"""A grant's whole life at random: nobody is ever inside who is not entitled, and what ended stays ended."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.factories import ALICE, END, START, grant_record, suspension
from tre.domain.clock import ManualClock
from tre.domain.entitlement import is_entitled
from tre.domain.errors import TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import ENDED_PHASES, GRANT_TRANSITIONS, GrantPhase


class GrantLife(RuleBasedStateMachine):
    """The controller's moves in any order, with a clock that also jumps back."""

    @initialize()
    def begin(self) -> None:
        self.clock = ManualClock(START)
        self.grant: GrantRecord = grant_record(phase=GrantPhase.Pending, activated_at=None, evidence_verified=False)
        self.ended = False

    def move(self, target: GrantPhase, **changes: object) -> None:
        try:
            GRANT_TRANSITIONS.check(self.grant.phase, target)
        except TREError:
            return
        self.grant = self.grant.model_copy(update={"phase": target, **changes})
        self.ended = self.ended or target in ENDED_PHASES

    @rule()
    def verify(self) -> None:
        self.grant = self.grant.model_copy(update={"evidence_verified": True})

    @rule()
    @precondition(lambda self: self.grant.evidence_verified)
    def activate(self) -> None:
        self.move(GrantPhase.Active, activated_at=self.clock.now())

    @rule(hours=st.integers(1, 48))
    def suspend(self, hours: int) -> None:
        until = self.clock.now() + timedelta(hours=hours)
        added = suspension(since=self.clock.now(), until=until)
        self.grant = self.grant.model_copy(update={"suspensions": (*self.grant.suspensions, added)})
        self.move(GrantPhase.Suspended)

    @rule()
    def revoke(self) -> None:
        self.move(GrantPhase.Revoked, revoked_at=self.clock.now())

    @rule()
    def expire(self) -> None:
        if self.clock.now() >= effective_end(self.grant.spec).at:
            self.move(GrantPhase.Expired)

    @rule()
    def close(self) -> None:
        self.move(GrantPhase.Closed)

    @rule(days=st.integers(1, 200))
    def time_passes(self, days: int) -> None:
        self.clock.advance(days * 86400)

    @rule()
    def clock_is_set_back(self) -> None:
        self.clock.jump(START)

    @invariant()
    def nobody_is_inside_who_may_not_be(self) -> None:
        now = self.clock.now()
        if is_entitled(self.grant, ALICE, now):
            assert not self.ended
            assert START <= now < END
            assert self.grant.activated_at is not None
            assert not any(item.in_force(now) for item in self.grant.suspensions)


GrantLife.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGrantLife = GrantLife.TestCase
