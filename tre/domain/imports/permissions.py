"""Who may do what to an import request. Pairs: `check_…` raises an error for people, `can_…` answers yes or no.

Guarantees: the author and the project never decide about what comes in for them; no role but the checker's does.
"""

from __future__ import annotations

from tre.domain.duties import Duty
from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.situation import GrantFacts
from tre.domain.imports.models import ImportRequest
from tre.domain.people import Person, Role, Subject


def _refuse(what: str, why: str) -> TREError:
    return TREError(Reason.NotPermitted, what, why=why)


def is_independent(person: Subject, request: ImportRequest, grant: GrantFacts) -> bool:
    """Whether a person stands outside: a human, not the author, not in the project."""
    return grant.keeps_apart(Duty.screen_import, person, request.author)


def check_view(person: Person, request: ImportRequest, grant: GrantFacts) -> None:
    """Members of the project and checkers see a request. Raises `TREError(NotPermitted)`."""
    inside = person.subject.key == request.author.key or grant.is_member(person.subject)
    if not inside and not person.holds(Role.checker):
        raise _refuse("This import request cannot be shown.", "You are neither in its project nor a checker.")


def check_edit(person: Person, request: ImportRequest, grant: GrantFacts) -> None:
    """The author edits, submits and withdraws, as long as the author is in the project.

    Raises `TREError(NotPermitted)`.
    """
    if person.subject.key != request.author.key:
        raise _refuse("This import request cannot be changed.", "It belongs to somebody else.")
    if not grant.is_member(person.subject):
        raise _refuse("This import request cannot be changed.", "You are no longer in its project.")


def check_decide(person: Person, request: ImportRequest, grant: GrantFacts) -> None:
    """Checkers who stand outside approve, refuse and remove. Raises `TREError(NotPermitted)`."""
    if not person.holds(Role.checker):
        raise _refuse("This import request is not yours to decide.", "You do not hold the role checker.")
    if not is_independent(person.subject, request, grant):
        raise _refuse(
            "This import request is not yours to decide.", "Its author and the members of its project never decide it."
        )


can_view = passes(check_view)
can_edit = passes(check_edit)
can_decide = passes(check_decide)
