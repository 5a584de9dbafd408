"""What people say a column holds, once for a project, so that no check need guess again.

Guarantees: the author of a request says it, or a checker from outside; what a checker said is not said anew by the
author's side. A label is a role of the tables' vocabulary, by the title of the column.

Does not guarantee: truth. A label is a claim: checkers see who gave it, and it is among what they review.

Threat: a column of counts that its author calls something else, so that no threshold is applied to it.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.permissions import check_edit, check_review, is_author
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import VOTING, BlindPhase
from tre.domain.model import Code, Line, Record, UtcTime
from tre.domain.people import Person, Subject

Title = Annotated[Line, Field(min_length=1, max_length=200)]
ROLES = {
    "count": "a number of people or events",
    "percent": "a percentage",
    "rate": "a rate",
    "total": "a total of amounts",
    "mean": "a mean",
    "sd": "a standard deviation or error",
    "min": "the smallest value",
    "max": "the largest value",
    "quantile": "a median or another quantile",
    "coef": "a coefficient or ratio of a model",
    "ci-low": "the lower end of an interval",
    "ci-high": "the upper end of an interval",
    "p": "a p-value",
    "dof": "degrees of freedom",
    "statistic": "a test statistic or measure of fit",
    "parameter": "a setting of the analysis, no data",
    "id": "an identifier",
    "date": "a date",
    "label": "a name of a category or variable",
    "organisation": "a hospital, practice or area",
}
"""What a column can be said to hold: the roles of the tables' reader, in words."""


def _role(text: str) -> str:
    if text not in ROLES:
        msg = f"a column holds one of: {', '.join(ROLES)}"
        raise ValueError(msg)
    return text


RoleName = Annotated[Code, AfterValidator(_role)]
MOST = 2000
"""Labels of one project."""


class ColumnLabel(Record):
    """A column's title, the role that somebody gave it, who, when, and whether as a checker."""

    title: Title
    role: RoleName
    by: Subject
    at: UtcTime
    by_checker: bool = False


def tidy(title: str) -> str:
    """A title as it is compared: composed, without white space around it."""
    return unicodedata.normalize("NFC", title).strip()


def check_label(person: Person, request: ExportRequest, situation: Situation) -> None:
    """The author labels in the author's turn, checkers outside while they review.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    if is_author(person.subject, request):
        check_edit(person, request, situation.grant)
        phases: tuple[BlindPhase, ...] = (BlindPhase.AUTHOR,)
    else:
        check_review(person, request, situation.grant)
        phases = tuple(VOTING)
    if request.phase not in phases:
        raise TREError(Reason.StateForbids, "Columns are not labelled now.", why="It is not your turn.")


can_label = passes(check_label)


def label(
    known: tuple[ColumnLabel, ...], person: Person, request: ExportRequest, said: tuple[str, str], situation: Situation
) -> ColumnLabel:
    """The label that is kept when somebody says (title, role). Raises `TREError(NotPermitted)` past a checker's own."""
    check_label(person, request, situation)
    title, role = tidy(said[0]), said[1]
    old = next((item for item in known if item.title == title), None)
    checker = not is_author(person.subject, request)
    if old is not None and old.by_checker and not checker:
        raise TREError(
            Reason.NotPermitted,
            "A checker has said what this column holds.",
            why="It stands for the project.",
            remedy="Write to the checkers in the group's words if it is wrong.",
        )
    if old is None and len(known) >= MOST:
        raise TREError(Reason.RateLimited, f"A project holds at most {MOST} labels.")
    return ColumnLabel(title=title, role=role, by=person.subject, at=situation.now, by_checker=checker)
