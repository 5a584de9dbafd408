"""Who may read the papers of an application: those who apply, and the members who decide on it.

Guarantees: a draft's papers are its author's alone; what was handed in is read by its author, the people it names, and
members whose seat is in force and whom it does not concern. Nobody else: an operator and a data manager keep the
place running and have no business in a protocol.

Does not guarantee: what becomes of a paper once it was read.

Threat: a member who reads the plans of a competitor; a former member; somebody who knows a digest and guesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tre.domain.applications.models import Application, Attachment
from tre.domain.applications.papers import drafted, handed_in
from tre.domain.applications.permissions import check_view, is_author, is_named
from tre.domain.committee.eligibility import check_concerned, check_sits
from tre.domain.committee.tally import Ballot
from tre.domain.errors import Reason, TREError, passes
from tre.domain.people import Person


def check_read_papers(person: Person, application: Application, ballot: Ballot, now: datetime) -> None:
    """Whether a person may read the papers of an application now.

    Raises `TREError(ApplicationNotFound)` for strangers, `TREError(NotPermitted | SeatEnded | ConflictOfInterest)`.
    """
    check_view(person, application)
    if is_author(person, application) or is_named(person, application):
        return
    check_concerned(check_sits(person, ballot.seats, now), application, ballot.recusals)


def visible_papers(person: Person, application: Application) -> list[Attachment]:
    """The papers that a person who may read them sees: the author those of the draft too, others what was handed in."""
    own = drafted(application) if is_author(person, application) else []
    return list({(one.name, one.digest): one for one in (*own, *handed_in(application))}.values())


def require_paper(papers: Sequence[Attachment], digest: str) -> Attachment:
    """The paper of this digest. Raises `TREError(ObjectNotFound)`."""
    found = next((one for one in papers if one.digest == digest), None)
    if found is None:
        raise TREError(
            Reason.ObjectNotFound,
            "There is no such document here.",
            why="It was taken out, or belongs to something else.",
            remedy="Go back to the application.",
        )
    return found


can_read_papers = passes(check_read_papers)
