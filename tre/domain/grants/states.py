"""The phases of a grant.

Guarantees: what has ended stays ended. `Expired` and `Revoked` lead to `Closed` only, so neither a clock set back
nor an edited file reopens a grant; a renewal changes a grant that still runs, or is a new grant.
"""

from __future__ import annotations

from enum import StrEnum

from tre.domain.transitions import Edge, TransitionTable


class GrantPhase(StrEnum):
    """Where a grant is in its life."""

    Pending = "Pending"
    Active = "Active"
    Suspended = "Suspended"
    Expired = "Expired"
    Revoked = "Revoked"
    Closed = "Closed"


_P = GrantPhase

GRANT_TRANSITIONS = TransitionTable(
    kind="grant",
    initial=_P.Pending,
    edges=(
        Edge(
            _P.Pending,
            _P.Active,
            "controller",
            "evidence verified, plan covered, slices built, start reached",
        ),
        Edge(_P.Active, _P.Suspended, "controller", "a suspension of the whole grant is in force"),
        Edge(_P.Suspended, _P.Active, "controller", "no suspension of the whole grant is in force"),
        Edge(_P.Pending, _P.Expired, "controller", "the earliest end is reached"),
        Edge(_P.Active, _P.Expired, "controller", "the earliest end is reached"),
        Edge(_P.Suspended, _P.Expired, "controller", "the earliest end is reached"),
        Edge(_P.Pending, _P.Revoked, "operator or committee", "withdraws the approval"),
        Edge(_P.Active, _P.Revoked, "operator or committee", "withdraws the approval"),
        Edge(_P.Suspended, _P.Revoked, "operator or committee", "withdraws the approval"),
        Edge(
            _P.Expired,
            _P.Closed,
            "controller",
            "workspaces, slices and homes are gone, certificate written",
        ),
        Edge(
            _P.Revoked,
            _P.Closed,
            "controller",
            "workspaces, slices and homes are gone, certificate written",
        ),
    ),
)

ENDED_PHASES = frozenset({_P.Expired, _P.Revoked, _P.Closed})
"""Phases in which nobody has access and nobody ever will again."""
