"""Whether somebody has looked at the whole of a file before letting it leave, or said that the rest was the machine's.

Guarantees: an approving vote is refused while a leaf of the file was never on the voter's screen, while the file shows
only a part of itself, or while nothing of it can be shown, unless the voter says in so many words that the checks
covered what was not seen. Which of these it was is part of the vote, and leaves with a release.

Does not guarantee: that anybody read what was on the screen. What was seen is seen of exactly these bytes.

Threat: a table of five thousand rows of which the first hundred were looked at; a preview that leaves something out.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import Choice, Looking, Sha256
from tre.domain.model import Record


class Looked(Record):
    """What one person saw of one file. `leaves` is how many there are, 0 where nothing can be shown; `lossy` says
    that the leaves do not show everything; `covered`, that the person left the rest to the checks."""

    sha256: Sha256
    leaves: Annotated[int, Field(ge=0)]
    seen: frozenset[int] = frozenset()
    lossy: bool = False
    covered: bool = False

    @property
    def unseen(self) -> tuple[int, ...]:
        """The leaves, from 1, that were not on the screen."""
        return tuple(leaf for leaf in range(1, self.leaves + 1) if leaf not in self.seen)

    @property
    def complete(self) -> bool:
        """Whether the file shows all of itself, and all of that was on the screen."""
        return self.leaves > 0 and not self.lossy and not self.unseen


def check_looked(looked: Looked, choice: Choice) -> Looking | None:
    """How much was looked at; none where a vote that lets nothing out rests on less than the whole file.

    Raises `TREError(ConfirmationWrong)` where an approval does.
    """
    if looked.complete:
        return Looking.shown
    if looked.covered:
        return Looking.covered
    if choice is not Choice.Approved:
        return None
    if not looked.leaves:
        why = "Nothing of the file can be shown."
    elif looked.unseen:
        why = f"Pages that were not on your screen: {len(looked.unseen)} of {looked.leaves}."
    else:
        why = "The pages do not show everything of the file."
    raise TREError(
        Reason.ConfirmationWrong,
        "You have not seen all of this file.",
        why=why,
        remedy="Look at the rest, or tick that you leave it to the checks.",
    )


def can_approve_what_was_seen(looked: Looked) -> bool:
    """`check_looked` of an approval, as yes or no."""
    return looked.complete or looked.covered
