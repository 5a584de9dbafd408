"""Who may do what to an application. Pairs: `check_…` raises an error for people, `can_…` answers yes or no.

Guarantees: the author writes, hands in and withdraws, nobody else; the named people and the committee read once it was
handed in, a draft is its author's alone; whoever is in no way concerned learns no more of an application than of one
that does not exist.

Does not guarantee: that the application's state allows the act now: that is `acts`. Votes: `tre.domain.committee`.
"""

from __future__ import annotations

from collections.abc import Callable

from tre.domain.applications.models import Application
from tre.domain.applications.states import ApplicationState
from tre.domain.errors import Reason, TREError, passes
from tre.domain.people import Person, Role

READERS = frozenset({Role.committee, Role.operator, Role.data_manager})
"""Who sees every application that was handed in."""


def is_author(person: Person, application: Application) -> bool:
    """Whether this person wrote it."""
    return person.subject.key == application.author.key


def is_named(person: Person, application: Application) -> bool:
    """Whether what was handed in names this person."""
    return application.content is not None and application.content.names(person.subject)


def _is_draft(application: Application) -> bool:
    return application.round == 0


def check_view(person: Person, application: Application) -> None:
    """The author always; the named people and the committee once it was handed in.

    Raises `TREError(ApplicationNotFound)`: nobody else can tell it from one that does not exist.
    """
    if is_author(person, application):
        return
    handed = not _is_draft(application)
    if not handed or not (person.roles & READERS or is_named(person, application)):
        raise not_found()


def not_found() -> TREError:
    """What strangers and mistyped addresses are told alike."""
    return TREError(
        Reason.ApplicationNotFound,
        "There is no such application for you.",
        why="There is none under this address, or it is somebody else's.",
        remedy="Ask its author.",
    )


def check_begin(person: Person) -> None:
    """Anybody with a role here asks for data; a person without any has no business here.

    Raises `TREError(NotPermitted)`.
    """
    if not person.roles:
        raise TREError(
            Reason.NotPermitted,
            "You cannot apply here yet.",
            why="Nobody has given you a role in this place.",
            remedy="Ask whoever runs it to make you a researcher.",
        )


def check_write(person: Person, application: Application) -> None:
    """Only the author writes, answers, hands in and withdraws.

    Raises `TREError(NotPermitted | ApplicationNotFound)`.
    """
    check_view(person, application)
    if not is_author(person, application):
        raise TREError(
            Reason.NotPermitted,
            "This application cannot be changed by you.",
            why="It belongs to somebody else.",
            remedy="Ask its author.",
        )


def _in_state(*states: ApplicationState) -> Callable[[Person, Application], None]:
    def check(person: Person, application: Application) -> None:
        check_write(person, application)
        if application.state not in states:
            raise TREError(
                Reason.StateForbids,
                "This cannot be done to it now.",
                why=f"The application is {application.state}.",
                remedy=f"It can be done while it is {' or '.join(states)}.",
            )

    return check


_S = ApplicationState
check_edit = _in_state(_S.Draft, _S.Deferred)
"""Change the draft. Raises `TREError(StateForbids | NotPermitted | ApplicationNotFound)`."""
check_submit = _in_state(_S.Draft, _S.Deferred)
"""Hand in. Raises as `check_edit`."""
check_withdraw = _in_state(_S.Draft, _S.Submitted, _S.InReview, _S.Deferred)
"""Take back. Raises as `check_edit`."""

can_view = passes(check_view)
can_begin = passes(check_begin)
can_edit = passes(check_edit)
can_submit = passes(check_submit)
can_withdraw = passes(check_withdraw)
