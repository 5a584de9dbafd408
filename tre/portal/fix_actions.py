"""Fix it for me: what is offered for the files of a request, and asking for it.

Guarantees: what is offered follows from the findings that the present run of the checks has on a file, as the domain's
data says; the numbers are the policy's; whoever may not change the request is offered nothing. The portal opens no
file: the checker makes the new ones, confined, and the domain puts them in place of the old one.

Threat: a fix asked for a file that changed since it was looked at: the form carries the SHA-256 that was shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tre.airlock.jobs import AskedFile
from tre.domain.errors import Reason, TREError
from tre.domain.exports.fixes import Fix, check_suggested, columns_of, fixes_for, numbers_for
from tre.domain.exports.models import FileKind
from tre.domain.exports.policies import findings_on
from tre.domain.exports.replacing import AFTERWARDS, check_replaceable
from tre.domain.people import Person
from tre.portal.context import Desk
from tre.portal.export_actions import TRANSFORM, Found, ask_checker, check_editable, check_idle, found_now
from tre.store import exports


@dataclass(frozen=True)
class Wish:
    """Which fix of which file, as it was looked at, and what the file is to be afterwards."""

    path: str
    sha256: str
    fix: str
    afterwards: FileKind = FileKind.withdrawn
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """A fix for a file, with the numbers that it would be told."""

    fix: Fix
    numbers: dict[str, int]

    @property
    def words(self) -> str:
        """What it does, with its numbers."""
        said = [f"{self.fix.numbers[name].title} {value}" for name, value in self.numbers.items()]
        return f"{self.fix.statement} ({', '.join(said)})" if said else self.fix.statement


def offers(found: Found, person: Person) -> dict[str, tuple[Offer, ...]]:
    """What a person is offered for each file, by its path; nothing to who may not change the request now."""
    try:
        check_editable(found, person)
    except TREError:
        return {}
    policy = found.situation.policy
    every = {
        file.path: tuple(
            Offer(fix, numbers_for(fix, policy)) for fix in fixes_for(file.path, findings_on(found.request, file))
        )
        for file in found.request.shown
        if found.request.check_run is not None and found.request.check_run.covers(file)
    }
    return {path: offered for path, offered in every.items() if offered}


def ask(desk: Desk, person: Person, export: str, wish: Wish) -> None:
    """Have new files made of one file, in its place. Raises `TREError`."""
    found = found_now(desk, person, export)
    request, situation = found.request, found.situation
    check_editable(found, person)
    file = check_replaceable(request, person, wish.path, wish.sha256, situation)
    findings = findings_on(request, file)
    fix = check_suggested(wish.fix, file.path, findings)
    if wish.afterwards not in AFTERWARDS:
        raise TREError(Reason.BadInput, "The old file is either taken back or shown to the checkers only.")
    payload = {
        "file": AskedFile(path=file.path, sha256=file.sha256, kind=file.kind).as_plain(),
        "fix": fix.id,
        "parameters": numbers_for(fix, situation.policy, wish.numbers),
        "columns": columns_of(findings),
        "policy": situation.policy.ref.as_plain(),
        "about": {"person": person.as_plain(), "afterwards": wish.afterwards.value},
    }
    event = exports.event_of("fix-asked", request, person.subject, situation.now, transformation=fix.id)
    with desk.database.change(event) as change:
        check_idle(change.connection, request)
        ask_checker(change, TRANSFORM, request, payload, situation)
