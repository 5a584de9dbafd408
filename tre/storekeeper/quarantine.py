"""Files that wait for a person: put on record, decided about.

Guarantees: whatever is kept apart is on record; a decision is an event that says who, what, why, and how many, and
names the digest over all files that it speaks of.

Does not guarantee: that a released file is in a release: the next addition that brings it takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tre.domain.people import Subject
from tre.domain.quarantine import LONGEST_PATH, Decision, QuarantinedFile, QuarantineState, decision_event, kept
from tre.slices.taking import Waiting
from tre.slices.walk import one_line
from tre.store import quarantine as store
from tre.store.database import new_id
from tre.store.quarantine import QuarantineSearch
from tre.storekeeper.office import Office


def keep(office: Office, dataset: str, waiting: Iterable[Waiting]) -> int:
    """Put files that wait on record; return how many wait now that did not."""
    now = office.clock.now()
    files = [
        QuarantinedFile(
            dataset=dataset,
            sha256=one.sha256.hex(),
            pseudonym=one.pseudonym,
            path=one_line(one.path)[:LONGEST_PATH],
            kind=one.kind,
            bytes=one.size,
            reasons=kept(one.reasons),
            found_at=now,
        )
        for one in waiting
    ]
    with office.database.read() as connection:
        known = {one.sha256: one for one in store.files_of(connection, QuarantineSearch(dataset))}
    fresh = [one for one in files if one.sha256 not in known or not one.keys <= known[one.sha256].keys]
    if not fresh:
        return 0
    rules = {rule: sum(one.reasons[0].rule == rule for one in fresh) for rule in {f.reasons[0].rule for f in fresh}}
    event = office.event("dataset.quarantined", f"dataset/{dataset}", files=len(fresh), rules=rules)
    with office.database.change(event) as change:
        return store.keep(change, fresh)


def decide(
    office: Office, dataset: str, digests: Sequence[str], state: QuarantineState, reason: str, by: Subject | None = None
) -> list[QuarantinedFile]:
    """Release or reject files. Raises `TREError(ObjectNotFound)`, `TREError(StateForbids)`, `TREError(BadInput)`."""
    decision = Decision(state, by or office.actor, office.clock.now(), reason)
    named = sorted(set(digests))
    with office.database.change(decision_event(dataset, named, decision, new_id())) as change:
        return store.decide_all(change, dataset, named, decision)
