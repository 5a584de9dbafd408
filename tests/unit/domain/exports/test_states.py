"""The table of states: complete, and safe by its shape."""

from __future__ import annotations

import itertools

import pytest

from tre.domain.errors import TREError
from tre.domain.exports.states import (
    EXPORT_TRANSITIONS,
    PHASES,
    WAITING,
    AtDeadline,
    ExportState,
    Owner,
)

S = ExportState
FINAL = {S.Rejected, S.Withdrawn, S.Recalled}


def test_there_are_twelve_states_and_each_has_its_phase() -> None:
    assert len(ExportState) == 12
    assert set(PHASES) == set(ExportState)


def test_ends_are_ends_and_everything_else_moves_on() -> None:
    assert {state for state in ExportState if EXPORT_TRANSITIONS.is_final(state)} == FINAL


def test_every_state_that_is_no_end_waits_for_somebody_with_a_reason() -> None:
    assert set(WAITING) == set(ExportState) - FINAL - {S.Released}
    for state, waiting in WAITING.items():
        owners = {edge.owner for edge in EXPORT_TRANSITIONS.edges if edge.source is state}
        assert waiting.owner.value in owners


def test_there_is_one_way_out_of_the_gate() -> None:
    into = {target: {e.source for e in EXPORT_TRANSITIONS.edges if e.target is target} for target in ExportState}
    assert into[S.Released] == {S.Releasing}
    assert into[S.Releasing] == {S.Approved}
    assert into[S.Approved] == {S.Reviewed, S.Releasing, S.PartiallyReviewed}
    assert into[S.Reviewed] == {S.PartiallyReviewed, S.Approved}
    assert into[S.Recalled] == {S.Released}


def test_only_the_system_releases_and_only_checkers_decide() -> None:
    for edge in EXPORT_TRANSITIONS.edges:
        if edge.target in {S.Releasing, S.Released, S.Blocked}:
            assert edge.owner == Owner.system
        if edge.target in {S.Rejected, S.Returned, S.PartiallyReviewed}:
            assert edge.owner == Owner.checker
        if edge.target is S.Submitted:
            assert edge.owner == Owner.author


def test_a_failed_release_is_tried_again_or_blocked_and_never_ends() -> None:
    assert EXPORT_TRANSITIONS.targets(S.Releasing) == {S.Released, S.Approved, S.Blocked}
    assert WAITING[S.Releasing].at_deadline is AtDeadline.retry


@pytest.mark.parametrize(("source", "target"), list(itertools.product(ExportState, ExportState)))
def test_the_table_is_what_is_enforced(source: ExportState, target: ExportState) -> None:
    drawn = any(e.source is source and e.target is target for e in EXPORT_TRANSITIONS.edges)
    assert EXPORT_TRANSITIONS.can(source, target) == drawn
    if not drawn:
        with pytest.raises(TREError, match="cannot go from"):
            EXPORT_TRANSITIONS.check(source, target)


def test_each_edge_stands_once() -> None:
    pairs = [(edge.source, edge.target) for edge in EXPORT_TRANSITIONS.edges]
    assert len(pairs) == len(set(pairs))


def test_every_state_can_be_reached() -> None:
    reached, edge = {EXPORT_TRANSITIONS.initial}, {EXPORT_TRANSITIONS.initial}
    while edge:
        edge = {target for state in edge for target in EXPORT_TRANSITIONS.targets(state)} - reached
        reached |= edge
    assert reached == set(ExportState)
