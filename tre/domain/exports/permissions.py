"""Who may do what to an export request. Pairs: `check_…` raises an error for people, `can_…` answers yes or no.

Guarantees: acts are bound to persons, not to roles alone. The author never reviews, nor does anybody of the project;
a checker's role is the only way to a vote; no other role, the operator's included, is a way around any of it; a
program is nobody here.

Does not guarantee: that the request's state allows the act now: that is `policies`.
"""

from __future__ import annotations

from tre.domain.duties import Duty
from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.situation import GrantFacts
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role, Subject


def _refuse(what: str, why: str, remedy: str = "") -> TREError:
    return TREError(Reason.NotPermitted, what, why=why, remedy=remedy)


def is_author(person: Subject, request: ExportRequest) -> bool:
    """Whether this person made the request."""
    return person.key == request.author.key


def is_independent(person: Subject, request: ExportRequest, grant: GrantFacts) -> bool:
    """Whether a person stands outside: a human, not the author, not in the project."""
    return grant.keeps_apart(Duty.check_export, person, request.author)


def check_view(person: Person, request: ExportRequest, grant: GrantFacts) -> None:
    """Members of the project and checkers see a request and its files; nobody else does.

    Raises `TREError(NotPermitted)`.
    """
    inside = is_author(person.subject, request) or grant.is_member(person.subject)
    if not inside and not person.holds(Role.checker):
        raise _refuse("This export request cannot be shown.", "You are neither in its project nor a checker.")


def check_edit(person: Person, request: ExportRequest, grant: GrantFacts) -> None:
    """The author edits, submits and withdraws, as long as the author is in the project.

    Raises `TREError(NotPermitted)`.
    """
    if not is_author(person.subject, request):
        raise _refuse("This export request cannot be changed.", "It belongs to somebody else.")
    if not grant.is_member(person.subject):
        raise _refuse("This export request cannot be changed.", "You are no longer in its project.")


def check_review(person: Person, request: ExportRequest, grant: GrantFacts) -> None:
    """Checkers who stand outside vote, return, reject and approve.

    Raises `TREError(NotPermitted)`.
    """
    if not person.holds(Role.checker):
        raise _refuse("This export request is not yours to review.", "You do not hold the role checker.")
    if not is_independent(person.subject, request, grant):
        raise _refuse(
            "This export request is not yours to review.",
            "Its author and the members of its project never review it.",
            "Another checker must do it.",
        )


def check_download(person: Person, request: ExportRequest, grant: GrantFacts) -> None:
    """Members of the project take the released bundle, as long as it is not called back.

    Raises `TREError(NotPermitted)`, or `TREError(StateForbids)` where nothing is released.
    """
    if request.state is not ExportState.Released:
        raise TREError(Reason.StateForbids, "There is nothing to download.", why=f"It is {request.state}.")
    if not grant.is_member(person.subject):
        raise _refuse("This release cannot be downloaded.", "You are not in its project.")


def check_recall(person: Person, request: ExportRequest, grant: GrantFacts) -> None:  # noqa: ARG001 - one shape for all
    """Any checker or operator calls a release back: it only ever takes away.

    Raises `TREError(NotPermitted)`.
    """
    if not person.holds(Role.checker) and not person.holds(Role.operator):
        raise _refuse("This release cannot be recalled.", "Only checkers and operators recall.")


can_view = passes(check_view)
can_edit = passes(check_edit)
can_review = passes(check_review)
can_download = passes(check_download)
can_recall = passes(check_recall)
