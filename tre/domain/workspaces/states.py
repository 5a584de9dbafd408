"""The phases of a workspace.

Guarantees: from whatever may run, `Stopped` is reached only through `Stopping`, that is, only after death was
observed, or after a person answered for it where nobody was left to ask. `Queued` says that the workspace is wanted
and permitted and waits for room; it runs nothing. `Refused` says that somebody wanted the workspace and could not have
it, and why; it runs nothing, and asking again is answered anew.
"""

from __future__ import annotations

from enum import StrEnum

from tre.domain.transitions import Edge, TransitionTable


class WorkspacePhase(StrEnum):
    """Where a workspace is in its life."""

    Stopped = "Stopped"
    Queued = "Queued"
    Starting = "Starting"
    Running = "Running"
    Stopping = "Stopping"
    Refused = "Refused"


class Wanted(StrEnum):
    """What people ask of a workspace; the controller acts on it.

    `Restart`: this run is to end and another to begin, for a person who asked for both with one click.
    """

    Running = "Running"
    Stopped = "Stopped"
    Restart = "Restart"


_P = WorkspacePhase

WORKSPACE_TRANSITIONS = TransitionTable(
    kind="workspace",
    initial=_P.Stopped,
    edges=(
        Edge(_P.Stopped, _P.Starting, "controller", "wanted, entitled, slices ready"),
        Edge(_P.Stopped, _P.Queued, "controller", "wanted and entitled, but there is no room yet"),
        Edge(_P.Stopped, _P.Refused, "controller", "wanted, but not entitled or not possible"),
        Edge(_P.Refused, _P.Starting, "controller", "the reason of the refusal is gone"),
        Edge(_P.Refused, _P.Queued, "controller", "the reason of the refusal is gone, but there is no room yet"),
        Edge(_P.Queued, _P.Starting, "controller", "there is room, and nobody is ahead"),
        Edge(_P.Queued, _P.Refused, "controller", "no longer entitled or not possible"),
        Edge(_P.Queued, _P.Stopped, "controller", "no longer wanted; nothing had begun"),
        Edge(_P.Starting, _P.Running, "controller", "isolation proven and server ready"),
        Edge(_P.Starting, _P.Stopping, "controller", "failed, not wanted, or no longer entitled"),
        Edge(_P.Running, _P.Stopping, "controller", "not wanted, no longer entitled, or seen to end"),
        Edge(_P.Stopping, _P.Stopped, "controller", "death observed, or answered for where nobody is left to ask"),
    ),
)

ALIVE_PHASES = frozenset({_P.Starting, _P.Running, _P.Stopping})
"""Phases in which something of the workspace may be alive."""


class StartStep(StrEnum):
    """What a person sees of a start, in this order."""

    GrantChecked = "GrantChecked"
    SlicesMounted = "SlicesMounted"
    IsolationProven = "IsolationProven"
    ServerReady = "ServerReady"
