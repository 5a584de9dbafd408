"""Opt-outs: who may no longer be in any slice, by pseudonym.

Guarantees: the deny set of a dataset only grows; it has a number that rises whenever it changes, and plans name that
number; why somebody opted out is not recorded, only that and when (national data opt-out policy: the reason and the
status stay with the custodian).

Does not guarantee: that a copy in a home, a figure or a trained model is gone. Carrying a withdrawal through live
slices is the storekeeper's work; this module is the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.model import Line, Record, UtcTime

PSEUDONYM_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"
"""What may be a pseudonym: it names directories, so no slashes, no leading dots, at most 64 characters."""

Pseudonym = Annotated[Line, Field(pattern=PSEUDONYM_PATTERN)]


class WithdrawalLevel(StrEnum):
    """How far an opt-out goes; each includes the ones before it, and each bars the person from new plans."""

    no_new = "no_new"
    no_use = "no_use"
    erase = "erase"


MEANINGS: dict[WithdrawalLevel, str] = {
    WithdrawalLevel.no_new: (
        "In no plan that is made from now on and in no later delivery. Slices that stand keep the person until they "
        "are next changed for whatever reason."
    ),
    WithdrawalLevel.no_use: (
        "Also removed at once from every slice that stands, from its tables and manifests. The files stay in the store "
        "under lock, in no use; analyses that were already made cannot be undone."
    ),
    WithdrawalLevel.erase: (
        "Also erased once the hold is over: files in every tier and in quarantine, clinical records, places in kept "
        "plans and lists. Backups are not rewritten; what they bring back is barred by the deny set. Trained models "
        "and published figures remain."
    ),
}
"""What each level does, in the words that a custodian reads."""


class Withdrawal(Record):
    """One person's opt-out as the custodian sent it."""

    pseudonym: Pseudonym
    level: WithdrawalLevel
    source: Annotated[Line, Field(min_length=1, max_length=200)]
    received_at: UtcTime


class DenySet(Record):
    """Everyone who is barred from new plans of a dataset, and the number of this state of the set."""

    version: Annotated[int, Field(ge=0)] = 0
    pseudonyms: frozenset[str] = frozenset()

    def extended(self, withdrawals: Iterable[Withdrawal]) -> DenySet:
        """The set with these people added; the same set, same number, when nobody is new."""
        everyone = self.pseudonyms | {withdrawal.pseudonym for withdrawal in withdrawals}
        if everyone == self.pseudonyms:
            return self
        return DenySet(version=self.version + 1, pseudonyms=everyone)
