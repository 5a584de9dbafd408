"""Separation of duties, in one place: for each act, in which part of the matter nobody may be who does it.

Guarantees: every permission that keeps people apart asks `conflict` or `check_apart` with this table and has no copy of
its own. Roles are no way around it: the operator's, the committee's and a data manager's count as little as any. A
program is nobody where an act demands a person. People are compared exactly, as subjects. The page
`docs/reference/duties.md` is written from the table.

Does not guarantee: that two accounts are two people. The identity provider, or whoever makes accounts, sees to that.

Threat: one person who asks and answers; an operator who gives themselves back what was taken from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tre.domain.errors import Reason, TREError
from tre.domain.events import SYSTEM_ISSUER
from tre.domain.people import Subject


class Part(StrEnum):
    """What a person can be in a matter that somebody else decides."""

    author = "author"
    member = "member"
    applicant = "applicant"
    holder = "holder"
    checker = "checker"


class Duty(StrEnum):
    """An act that somebody apart must do."""

    check_export = "check-export"
    consent_to_export = "consent-to-export"
    second_release = "second-release"
    screen_import = "screen-import"
    lift_suspension = "lift-suspension"
    vote = "vote"
    rule_on_condition = "rule-on-condition"
    record_standing = "record-standing"


@dataclass(frozen=True)
class Apart:
    """One row of the table: what the act is, in which parts its doer never is, and what is said to who tries."""

    act: str
    never: frozenset[Part]
    refused: str
    remedy: str


PARTS: dict[Part, str] = {
    Part.author: "who asked for it",
    Part.member: "a member of the project",
    Part.applicant: "an applicant of the project",
    Part.holder: "who holds it",
    Part.checker: "a checker of the same request",
}
"""What each part is called in a sentence."""

DUTIES: dict[Duty, Apart] = {
    Duty.check_export: Apart(
        "Reviewing files that are to leave",
        frozenset({Part.author, Part.member}),
        "This export request is not yours to review.",
        "Another checker must do it.",
    ),
    Duty.consent_to_export: Apart(
        "Consenting, as a data manager, to an exception for files that are to leave",
        frozenset({Part.author, Part.member, Part.checker}),
        "This exception is not yours to decide.",
        "Another data manager must do it.",
    ),
    Duty.second_release: Apart(
        "Seconding, as an operator, a release past the quorum",
        frozenset({Part.author, Part.member, Part.checker}),
        "You cannot second this release.",
        "Another operator must do it.",
    ),
    Duty.screen_import: Apart(
        "Deciding about files that are to come in",
        frozenset({Part.author, Part.member}),
        "This import request is not yours to decide.",
        "Another checker must do it.",
    ),
    Duty.lift_suspension: Apart(
        "Lifting a suspension",
        frozenset({Part.member}),
        "You cannot lift this suspension.",
        "Another operator must do it.",
    ),
    Duty.vote: Apart(
        "Voting on an application or a change of a project",
        frozenset({Part.applicant, Part.member}),
        "This application is not yours to vote on.",
        "The other members of the committee decide.",
    ),
    Duty.rule_on_condition: Apart(
        "Ruling on a condition of an approval",
        frozenset({Part.applicant, Part.member}),
        "This condition is not yours to rule on.",
        "Other members of the committee decide.",
    ),
    Duty.record_standing: Apart(
        "Recording or ending training, accreditation or an agreement",
        frozenset({Part.holder}),
        "You cannot record this about yourself.",
        "Another operator must do it.",
    ),
}
"""Who may never be whom."""


def conflict(duty: Duty, person: Subject, parts: Mapping[Part, Iterable[Subject]]) -> Part | None:
    """The part that keeps a person from a duty, the table's order of parts; `None` where nothing does.

    Parts that the table does not forbid for the duty are not looked at; those that it forbids and nobody named are
    empty.
    """
    never = DUTIES[duty].never
    held = (part for part in Part if part in never and person.key in {one.key for one in parts.get(part, ())})
    return next(held, None)


def is_apart(duty: Duty, person: Subject, parts: Mapping[Part, Iterable[Subject]]) -> bool:
    """Whether a human stands apart from everybody whom the duty must be kept from."""
    return person.issuer != SYSTEM_ISSUER and conflict(duty, person, parts) is None


def check_apart(duty: Duty, person: Subject, parts: Mapping[Part, Iterable[Subject]]) -> None:
    """A human who does a duty stands apart. Raises `TREError(NotPermitted)`, which says from what."""
    if is_apart(duty, person, parts):
        return
    row, found = DUTIES[duty], conflict(duty, person, parts)
    why = "A program is nobody here." if found is None else f"Never by {PARTS[found]}, and you are."
    raise TREError(Reason.NotPermitted, row.refused, why=why, remedy=row.remedy)
