"""A person's own letters: their address, how they want letters, whether any did not arrive; and an operator's line.

Guarantees: everybody sees and changes their own only; an address is shown to nobody else, not even to an operator; what
ends somebody's access cannot be switched off here, whatever is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tre.domain.errors import Reason, TREError
from tre.domain.letters.models import Correspondent, LetterState, Pace
from tre.domain.people import LOCAL_ISSUER, Person
from tre.portal.context import Desk
from tre.store import correspondents, letters

PACES: dict[Pace, tuple[str, str]] = {
    Pace.at_once: ("At once", "A letter for each thing, as soon as it happens."),
    Pace.daily: ("Once a day", "One letter with everything of the day, at {hour}:00 UTC."),
    Pace.action_only: ("Only what waits for me", "A letter as soon as something cannot go on without you."),
}
"""How letters can be wanted, in words."""


@dataclass(frozen=True)
class OwnLetters:
    """How the launcher writes to somebody; `sends` is whether it writes to anybody at all."""

    correspondent: Correspondent
    in_vain: int
    sends: bool
    digest_hour: int
    by_provider: bool

    @property
    def choices(self) -> list[tuple[Pace, str, str]]:
        """Each pace in words."""
        return [(pace, text, hint.format(hour=self.digest_hour)) for pace, (text, hint) in PACES.items()]

    @property
    def can_choose(self) -> bool:
        """Whether there is anything to choose: letters are sent, and there is where to."""
        return self.sends and self.correspondent.address is not None


def own_letters(desk: Desk, person: Person) -> OwnLetters:
    """How the launcher writes to a person."""
    mail = desk.settings.mail
    with desk.database.read() as connection:
        return OwnLetters(
            correspondent=correspondents.get(connection, person.subject),
            in_vain=letters.refused_to(connection, person.subject),
            sends=mail is not None,
            digest_hour=0 if mail is None else mail.digest_hour,
            by_provider=person.subject.issuer != LOCAL_ISSUER,
        )


def choose(desk: Desk, person: Person, wanted: str) -> None:
    """Keep how a person wants letters. Raises `TREError(BadInput)`, `TREError(StateForbids)`."""
    if wanted not in set(Pace):
        raise TREError(
            Reason.BadInput,
            "Say how you want letters.",
            why="That is none of the ways that are offered.",
            remedy="Choose one of them.",
        )
    if not own_letters(desk, person).can_choose:
        raise TREError(Reason.StateForbids, "No letters are sent to you.", why="No address of yours is known here.")
    event = desk.event(person.subject, "person.letters-changed", f"person/{person.subject}", pace=wanted)
    with desk.database.change(event) as change:
        correspondents.set_pace(change, person.subject, Pace(wanted), desk.clock.now())


@dataclass(frozen=True)
class LetterHealth:
    """What an operator has to know of letters: numbers, why, and since when the oldest waits."""

    waiting: int
    failed: int
    abandoned: int
    reasons: tuple[str, ...]
    oldest: datetime | None
    seconds: float

    @property
    def well(self) -> bool:
        """Whether every letter goes out within the hour, where it is not kept for a day's one letter."""
        return not self.abandoned and self.seconds < _LATE_SECONDS


_LATE_SECONDS = 3600.0


def letter_health(desk: Desk) -> LetterHealth | None:
    """The state of the outbox; `None` where no letters are sent and none are left."""
    now = desk.clock.now()
    with desk.database.read() as connection:
        found, reasons = letters.numbers(connection, now), letters.reasons(connection)
    states = found.states
    unsent = states[LetterState.Waiting] + states[LetterState.Failed] + states[LetterState.Abandoned]
    if desk.settings.mail is None and not unsent:
        return None
    return LetterHealth(
        waiting=states[LetterState.Waiting],
        failed=states[LetterState.Failed],
        abandoned=states[LetterState.Abandoned],
        reasons=tuple(reasons),
        oldest=found.oldest,
        seconds=0.0 if found.oldest is None else (now - found.oldest).total_seconds(),
    )
