"""What a person may do with an export request now.

Guarantees: nothing is decided here: the domain's own acts are tried on a copy, so that what pages and API offer is
what the server would do, and nobody has a second opinion.
"""

from __future__ import annotations

from collections.abc import Callable

from tre.domain.desk import permissions as desk_permissions
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports import (
    authoring,
    claims,
    comments,
    emergency,
    labels,
    links,
    permissions,
    releasing,
    reviewing,
)
from tre.domain.exports.models import Choice, Vote
from tre.domain.grants.models import GrantRecord
from tre.domain.people import Person
from tre.portal.context import Portal
from tre.portal.export_actions import Found, check_editable, check_recheck
from tre.portal.review_actions import Ballot, check_has_reviewed, vote_of


def allowed(person: Person, found: Found) -> list[str]:
    """What a person may do with a request now: the domain's own acts, tried on a copy."""
    request, facts, now = found.request, found.situation.grant, found.situation
    tries: dict[str, Callable[[], object]] = {
        "edit": lambda: check_editable(found, person),
        "recheck": lambda: check_recheck(found, person),
        "submit": lambda: authoring.submit(request, person, now),
        "withdraw": lambda: authoring.withdraw(request, person, now),
        "download": lambda: permissions.check_download(person, request, facts),
        "vote": lambda: reviewing.record_vote(request, person, _some_vote(found), now),
        "submit-review": lambda: reviewing.submit_review(request, person, now),
        "approve": lambda: _approve(person, found),
        "return": lambda: reviewing.return_to_author(request, person, "-", now),
        "reject": lambda: reviewing.reject(request, person, "-", now),
        "recall": lambda: releasing.recall(request, person, "-", now),
        "comment": lambda: comments.check_comment(person, request, now),
        "label": lambda: labels.check_label(person, request, now),
        "confirm-kept": lambda: reviewing.confirm_kept(request, person, now),
        "claim": lambda: claims.claim(request, person, now),
        "give-back": lambda: claims.give_back(request, person, now),
        "assign": lambda: claims.check_assign(person, request, now),
        "link": lambda: links.make_link(request, person, "-", (), now),
        "emergency": lambda: emergency.ask(request, person, "-", now),
    }
    return [name for name, attempt in tries.items() if passes(attempt)()]


def _approve(person: Person, found: Found) -> None:
    check_has_reviewed(found.request, person, found.situation)
    reviewing.approve(found.request, person, found.request.code, found.situation)


def _some_vote(found: Found) -> Vote:
    """A vote that is in order whenever any is. Raises `TREError` where there is nothing to vote on."""
    run, outputs = found.request.check_run, found.request.outputs
    if run is None or not outputs:
        raise TREError(Reason.StateForbids, "There is nothing to vote on.")
    seen = Ballot(outputs[0].path, outputs[0].sha256, run.id, Choice.ChangesRequested, "-", {})
    return vote_of(seen, found)


def can_begin(person: Person, grant: GrantRecord, portal: Portal) -> bool:
    """Whether a person may begin a request out of a grant now."""
    return desk_permissions.can_open(person, grant) and bool(is_entitled(grant, person.subject, portal.clock.now()))
