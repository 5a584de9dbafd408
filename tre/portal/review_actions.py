"""What output checkers set in motion: each act with its permission, its rule, and its event.

Guarantees: the domain decides who may and when, so the author and the members of the project never do; a decision
names what was on the screen (bytes, run of the checks, the whole list of files) and is refused where that is no longer
so; whoever confirms a release has reviewed it. Events carry counts and digests, never votes or words.

Does not guarantee: that anybody looked. It guarantees that nothing else than what was shown is decided on, and that an
approval says how much was looked at, by the desk's word or by the voter's own.

Threat: a click that decides on other bytes than those that were looked at; a checker who learns another's vote.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.exports import permissions
from tre.domain.exports.models import Choice, ExportRequest, Looking, Mark, Vote
from tre.domain.exports.situation import Situation
from tre.domain.people import Person, Role
from tre.portal.context import Desk
from tre.portal.export_actions import Found, change_by, found_now
from tre.store import exports
from tre.store.database import Change


@dataclass(frozen=True)
class Ballot:
    """A vote as a page or a program sends it: what was seen, and what is said about it."""

    path: str
    sha256: str
    run: str
    choice: Choice
    comment: str
    answers: dict[str, str]
    """What is said about each finding, by its id; an acknowledgement is an empty text."""

    marks: dict[str, Mark] = field(default_factory=dict)
    """What the checker makes of findings that are answered, by their ids."""

    looked: Looking | None = None


def seen_mark(request: ExportRequest) -> str:
    """Stands for everything a page showed of a request: its files with their kinds, and the run of the checks.

    A form carries it; where it differs, something else was looked at.
    """
    files = sorted([file.path, file.sha256, file.kind.value] for file in request.shown)
    return digest([request.turn, request.check_run.id if request.check_run else "", files]).removeprefix("sha256:")


def _check_seen(request: ExportRequest, seen: str) -> None:
    if seen != seen_mark(request):
        raise TREError(
            Reason.ContentChanged,
            "The files, or what the checks found in them, are no longer what you saw.",
            remedy="Look at the request again, then decide.",
        )


def vote(desk: Desk, person: Person, export: str, ballot: Ballot) -> ExportRequest:
    """Keep a checker's vote on one file. Raises `TREError`."""
    found = found_now(desk, person, export)
    cast = vote_of(ballot, found)
    return change_by(
        desk, person, found, "voted", lambda c, request, s: exports.record_vote(c, request, person, cast, s)
    )


def vote_of(ballot: Ballot, found: Found) -> Vote:
    """A ballot as the domain's vote. Raises `TREError(BadInput)` for what cannot be one."""
    answers = [
        {"finding": finding, "why": why, "mark": ballot.marks.get(finding)} for finding, why in ballot.answers.items()
    ]
    values = {
        "path": ballot.path,
        "sha256": ballot.sha256,
        "run": ballot.run,
        "choice": ballot.choice,
        "comment": ballot.comment,
        "dispositions": answers,
        "looked": ballot.looked,
        "at": found.situation.now,
    }
    try:
        return Vote.model_validate(values)
    except ValueError as error:
        raise TREError(Reason.BadInput, "This vote is not understood.", remedy="Load the page again.") from error


def submit_review(desk: Desk, person: Person, export: str, seen: str) -> ExportRequest:
    """Hand in a review of what was seen. Raises `TREError`."""
    found = found_now(desk, person, export)

    def act(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
        permissions.check_review(person, request, situation.grant)
        _check_seen(request, seen)
        return exports.submit_review(change, request, person, situation)

    return change_by(desk, person, found, "reviewed", act)


def check_sees_figures(person: Person) -> None:
    """Checkers and operators see how right each check was. Raises `TREError(NotPermitted)`."""
    if not person.roles & {Role.checker, Role.operator}:
        raise TREError(Reason.NotPermitted, "This page is not for you.", why="It needs the role checker or operator.")


def confirm_kept(desk: Desk, person: Person, export: str) -> ExportRequest:
    """Confirm, in one act, every vote that was kept from an earlier turn. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(desk, person, found, "voted", lambda c, request, s: exports.confirm_kept(c, request, person, s))


def approve(desk: Desk, person: Person, export: str, seen: str, typed: str) -> ExportRequest:
    """Confirm the release of what was seen, by typing. Raises `TREError`."""
    found = found_now(desk, person, export)

    def act(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
        check_has_reviewed(request, person, situation)
        _check_seen(request, seen)
        return exports.approve(change, request, person, typed, situation)

    return change_by(desk, person, found, "approved", act)


def check_has_reviewed(request: ExportRequest, person: Person, situation: Situation) -> None:
    """Whoever confirms has reviewed: only they see the others' votes. Raises `TREError(NotPermitted)`."""
    permissions.check_review(person, request, situation.grant)
    review = request.review_of(person.subject)
    if review is None or review.submitted_at is None or review.void:
        raise TREError(
            Reason.NotPermitted,
            "You cannot confirm this release.",
            why="You have not submitted a review of it.",
            remedy="Review every file first.",
        )


def return_to_author(desk: Desk, person: Person, export: str, message: str) -> ExportRequest:
    """Give a request back with words; within the delay, this stops the release. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(
        desk, person, found, "returned", lambda c, request, s: exports.return_to_author(c, request, person, message, s)
    )


def reject(desk: Desk, person: Person, export: str, message: str) -> ExportRequest:
    """Refuse a request for good, with words. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(
        desk, person, found, "rejected", lambda c, request, s: exports.reject(c, request, person, message, s)
    )


def recall(desk: Desk, person: Person, export: str, message: str) -> ExportRequest:
    """Call a release back, with words. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(
        desk, person, found, "recalled", lambda c, request, s: exports.recall(c, request, person, message, s)
    )
