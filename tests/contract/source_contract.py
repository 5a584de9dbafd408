"""What every source of grants owes, as one suite: a subclass gives the site that it is tried on.

An approval opens; its withdrawal ends; silence opens nothing and ends what runs in time; what cannot be read changes
nothing; content that nobody vouches for opens nothing; doing it all again changes nothing.
"""

from __future__ import annotations

from typing import Protocol

from tre.domain.errors import TREError


class SourceSite(Protocol):
    """Where a source is tried: what its people do there, and what the record says of it."""

    def approve(self, *users: str) -> None:
        """Have these people approved, and nobody else."""
        ...

    def withdraw(self) -> None:
        """Take the approval back, as people do there."""
        ...

    def spoil(self) -> None:
        """Have the source say something that cannot be read in the place of its approval."""
        ...

    def forge(self, user: str) -> None:
        """Have somebody without the right to approve say that this person is approved."""
        ...

    def silence(self) -> None:
        """Let nobody reach the source any more."""
        ...

    def speak(self) -> None:
        """Let it be reached again."""
        ...

    def hold(self, trouble: TREError | None) -> None:
        """Put the log or the clock in doubt, or out of it."""
        ...

    def restart(self) -> None:
        """Start the program anew: it knows the record and the source."""
        ...

    def settle(self) -> None:
        """Let everything come to rest."""
        ...

    def pass_staleness(self) -> None:
        """Let as much time pass as the source's word holds, and a little more."""
        ...

    def allows(self, user: str) -> bool:
        """Whether the record lets this person in."""
        ...

    def kinds(self) -> list[str]:
        """Kinds of all events so far."""
        ...
