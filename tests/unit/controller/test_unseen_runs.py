"""A controller that cannot be told what runs: nothing is ended for want of a trace, and what ends access goes on."""

from __future__ import annotations

import threading

import pytest

from tests.support.factories import ALICE
from tests.unit.controller.conftest import World
from tre.controller.reconciler import KEEPING_UP_SECONDS, Reconciler
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.states import Wanted
from tre.store import grants

UNKNOWN = TREError(Reason.ServiceUnavailable, "It is not known yet what runs on the cluster.")


def restarted(world: World) -> str:
    """A controller that leads anew, beside a running workspace, and cannot reach what knows of it; the name."""
    world.apply()
    name = world.run()
    world.runtime.unseen = UNKNOWN
    world.reconciler._feed.close()
    world.reconciler = Reconciler(world.context, threading.Event())
    return name


def test_a_run_that_was_not_seen_is_not_gone(world: World) -> None:
    name = restarted(world)
    world.advance(2)
    world.advance(90)
    assert world.workspace(name).phase == "Running"
    assert world.runtime.ended == []
    world.runtime.unseen = None
    world.advance(2)
    assert world.workspace(name).phase == "Running"
    assert world.workspace(name).instance == 1


def test_a_run_that_was_looked_for_and_is_gone_is_ended(world: World) -> None:
    """The other side: the same controller, seeing that there is none."""
    name = restarted(world)
    world.runtime.unseen = None
    world.runtime.runs.clear()
    world.advance(2)
    assert world.workspace(name).reason is Reason.RuntimeFailed


def test_a_revocation_reaches_the_gateways_before_the_runs_are_seen_and_ends_them_then(world: World) -> None:
    name = restarted(world)
    with world.database.change(world.event("grant.revoked", "grant/nccid-00123")) as change:
        grants.revoke(change, "nccid-00123", "breach", world.clock.now())
    world.published.clear()
    world.advance(2)
    told = [message["record"]["phase"] for message in world.published if message["type"] == "grant"]
    assert told[-1] == "Revoked"
    assert world.runtime.ended == []
    world.runtime.unseen = None
    world.advance(2)
    assert world.runtime.ended == [(f"{name}-1", Reason.GrantRevoked)]
    assert world.workspace(name).phase == "Stopped"


def test_nothing_is_begun_and_nothing_vouched_for_while_runs_are_unseen(world: World) -> None:
    name = restarted(world)
    world.want(Wanted.Restart, ALICE)
    world.advance(KEEPING_UP_SECONDS + 1)
    assert world.workspace(name).instance == 1
    assert not world.reconciler.keeps_up()
    world.runtime.unseen = None
    world.advance(2)
    assert world.reconciler.keeps_up()
    assert world.workspace(name).instance == 2


def test_what_is_wrong_with_the_runtime_itself_is_not_taken_for_that(world: World) -> None:
    restarted(world)
    world.runtime.unseen = TREError(Reason.BadInput, "A row that nobody understands.")
    with pytest.raises(TREError, match="nobody understands"):
        world.reconciler.step()
