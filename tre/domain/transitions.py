"""State machines as data.

Guarantees: a state changes only along an edge of its table; each edge names who owns it; tables can be drawn, so
the diagrams in the documentation are generated from what is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from tre.domain.errors import Reason, TREError

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class Edge(Generic[S]):
    """One permitted change of state: from, to, who brings it about, and on what occasion."""

    source: S
    target: S
    owner: str
    when: str


@dataclass(frozen=True)
class TransitionTable(Generic[S]):
    """All permitted changes of one kind of object."""

    kind: str
    initial: S
    edges: tuple[Edge[S], ...]

    def targets(self, source: S) -> frozenset[S]:
        """Where a state may go; empty for a final state."""
        return frozenset(edge.target for edge in self.edges if edge.source is source)

    def can(self, source: S, target: S) -> bool:
        """Whether the table has this edge."""
        return target in self.targets(source)

    def check(self, source: S, target: S) -> None:
        """Raise `TREError(StateForbids)` unless the table has this edge."""
        if not self.can(source, target):
            allowed = ", ".join(sorted(self.targets(source))) or "nothing: this is a final state"
            raise TREError(
                Reason.StateForbids,
                f"{self.kind.capitalize()}: it cannot go from {source} to {target}.",
                why=f"From {source} it can go to {allowed}.",
            )

    def is_final(self, state: S) -> bool:
        """Whether nothing leads out of a state."""
        return not self.targets(state)

    def mermaid(self) -> str:
        """The table as a Mermaid state diagram."""
        rows = [f"    [*] --> {self.initial}"]
        rows += [f"    {edge.source} --> {edge.target}: {edge.owner}, {edge.when}" for edge in self.edges]
        states = dict.fromkeys(state for edge in self.edges for state in (edge.source, edge.target))
        rows += [f"    {state} --> [*]" for state in states if self.is_final(state)]
        return "\n".join(["stateDiagram-v2", *rows])
