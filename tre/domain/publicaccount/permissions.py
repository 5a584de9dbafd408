"""Who may do what in the public account. Pairs: `check_…` raises an error for people, `can_…` answers yes or no.

Guarantees: the team is operators and data managers; an outcome is entered by a member of its project and published by
somebody of the team who is not in it.

Does not guarantee: that an answer is right. Its words are public, and stay.
"""

from __future__ import annotations

from datetime import datetime

from tre.domain.desk.permissions import is_member
from tre.domain.errors import Reason, TREError, passes
from tre.domain.grants.models import GrantRecord
from tre.domain.people import Person, Role
from tre.domain.publicaccount.acts import ACTS, can_act
from tre.domain.publicaccount.models import Item

TEAM = frozenset({Role.operator, Role.data_manager})
"""Who answers the public: both run the service, none is a researcher by that."""


def check_team(person: Person) -> None:
    """Operators and data managers keep the public account. Raises `TREError(NotPermitted)`."""
    if not person.roles & TEAM:
        raise TREError(
            Reason.NotPermitted, "This page is not for you.", why="It needs the role operator or data-manager."
        )


def check_report(person: Person, grant: GrantRecord) -> None:
    """Members say what came of their project, as long as it ever began.

    Raises `TREError(NotAMember)` or `TREError(StateForbids)`.
    """
    if not is_member(person, grant):
        raise TREError(
            Reason.NotAMember,
            "You cannot report for this project.",
            why="The approval does not name you.",
            remedy="Ask the lead of the project.",
        )
    if grant.activated_at is None:
        raise TREError(Reason.StateForbids, "There is nothing to report yet.", why="The project has not begun.")


def check_judge(person: Person, item: Item, grant: GrantRecord | None) -> None:
    """The team judges an item; of a project's outcome somebody who is not in it. Raises `TREError(NotPermitted)`."""
    check_team(person)
    if grant is not None and is_member(person, grant):
        raise TREError(
            Reason.NotPermitted,
            "You cannot publish this.",
            why=f"You are a member of the project {item.about}.",
            remedy="Another operator or data manager must do it.",
        )


can_keep = passes(check_team)
can_report = passes(check_report)
can_judge = passes(check_judge)


def item_actions(person: Person, item: Item, grant: GrantRecord | None, now: datetime) -> list[str]:
    """What a person may do with an item now: what pages offer and answers of the API carry as `allowedActions`."""
    if not can_judge(person, item, grant):
        return []
    return [act for act in ACTS[item.kind] if can_act(item, act, now)]
