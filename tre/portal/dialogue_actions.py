"""What people say beside votes: comments, labels of columns, a steward's word, and a release past the quorum.

Guarantees: the domain decides who may and when; pages and API call the same functions here. Events carry counts,
never words: a comment, a label's title and a reason stay in the record of the request.

Threat: words about small groups that leave by the audit log or a notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from tre.domain.errors import Reason, TREError
from tre.domain.exports import exceptions, permissions
from tre.domain.exports.labels import ColumnLabel, RoleName, label
from tre.domain.exports.models import Comment, Consent, ExportRequest, Readers
from tre.domain.exports.situation import Situation
from tre.domain.grants.models import GrantRecord
from tre.domain.model import Record, parse_record
from tre.domain.names import short_hash
from tre.domain.people import Person, Role
from tre.portal.context import Desk
from tre.portal.export_actions import Found, ask_check, change_by, check_attempts, found_now, situation_of
from tre.store import export_desk, exports, grants, jobs
from tre.store.database import Change, new_id


@dataclass(frozen=True)
class Said:
    """A comment as a page or a program sends it: about which group, which file of it, for whom, and the words."""

    group: str
    path: str | None
    readers: Readers
    text: str


def comment(desk: Desk, person: Person, export: str, said: Said) -> ExportRequest:
    """Keep a comment. Raises `TREError`."""
    found = found_now(desk, person, export)
    values = {
        "id": short_hash("comment", new_id()),
        "by": person.subject,
        "turn": max(1, found.request.turn),
        "group": said.group,
        "path": said.path or None,
        "readers": said.readers,
        "text": said.text.strip() or " ",
        "at": found.situation.now,
    }
    words = parse_record(Comment, values, source="the comment")
    return change_by(
        desk, person, found, "commented", lambda c, request, s: exports.comment(c, request, person, words, s)
    )


def publish(desk: Desk, person: Person, export: str, name: str) -> ExportRequest:
    """Let the author read a comment of one's own. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(
        desk, person, found, "comment-opened", lambda c, request, s: exports.publish(c, request, person, name, s)
    )


class _Named(Record):
    role: RoleName


def set_label(desk: Desk, person: Person, export: str, title: str, role: str) -> ColumnLabel:
    """Say what a column holds, for the project, and have this request's files checked with it. Raises `TREError`."""
    found = found_now(desk, person, export)
    named = parse_record(_Named, {"role": role}, source="the label")
    check_attempts(desk, found)
    event = exports.event_of("labelled", found.request, person.subject, found.situation.now)
    with desk.database.change(event) as change:
        known = export_desk.labels_of(change.connection, found.request.grant)
        kept = label(known, person, found.request, (title, named.role), found.situation)
        export_desk.keep_label(change, found.request.grant, kept)
        busy = any(
            jobs.is_open(jobs.latest(change.connection, "checker", kind, f"export/{export}"))
            for kind in ("intake", "check")
        )
        if found.request.shown and not busy:
            ask_check(change, found.request, found.situation)
    return kept


# The steward.


def steward_found(desk: Desk, person: Person, export: str) -> Found:
    """A request of which a finding waits for this data manager. Raises `TREError(ExportNotFound)` for any other."""
    with desk.database.read() as connection:
        request = exports.get(connection, export)
        if request is not None:
            grant = grants.require(connection, request.grant)
            situation = situation_of(desk, grant, request)
            if exceptions.can_steward(person, request, situation):
                return Found(request, situation, grant)
    raise TREError(
        Reason.ExportNotFound, "No exception of such a request waits for you.", remedy="Go back to the list."
    )


def waiting_for_steward(desk: Desk, person: Person) -> list[tuple[Found, GrantRecord]]:
    """Requests with findings that wait for this data manager, the most urgent first.

    Raises `TREError(NotPermitted)`.
    """
    if not person.holds(Role.data_manager):
        raise TREError(Reason.NotPermitted, "This page is not for you.", why="It needs the role data manager.")
    found = []
    with desk.database.read() as connection:
        for request in exports.in_review(connection):
            grant = grants.require(connection, request.grant)
            situation = situation_of(desk, grant, request)
            if exceptions.can_steward(person, request, situation):
                found.append((Found(request, situation, grant), grant))
    return sorted(found, key=lambda pair: pair[0].request.deadline or pair[0].situation.now)


def consent(desk: Desk, person: Person, export: str, finding: str, word: tuple[bool, str]) -> ExportRequest:
    """Keep a data manager's word (agrees, why) on a finding. Raises `TREError`."""
    found = steward_found(desk, person, export)
    agrees, why = word
    values = {"finding": finding, "by": person.subject, "agrees": agrees, "why": why.strip() or " "}
    said = parse_record(Consent, values | {"at": found.situation.now}, source="the word")
    return change_by(
        desk, person, found, "steward-spoke", lambda c, request, s: exports.consent(c, request, person, said, s)
    )


# A release past the quorum.


def ask_emergency(desk: Desk, person: Person, export: str, reason: str) -> ExportRequest:
    """Ask for a release past the quorum. Raises `TREError`."""
    found = found_now(desk, person, export)

    def act(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
        permissions.check_review(person, request, situation.grant)
        return exports.ask_emergency(change, request, person, reason.strip(), situation)

    return change_by(desk, person, found, "emergency-asked", act)


def emergency_found(desk: Desk, person: Person, export: str) -> Found:
    """A request for which an operator may second a release. Raises `TREError(ExportNotFound)` for any other."""
    with desk.database.read() as connection:
        request = exports.get(connection, export)
        if request is not None and request.emergency is not None and person.holds(Role.operator):
            grant = grants.require(connection, request.grant)
            situation = situation_of(desk, grant, request)
            if permissions.is_independent(person.subject, request, situation.grant):
                return Found(request, situation, grant)
    raise TREError(Reason.ExportNotFound, "No such release waits for you.", remedy="Go back to the list.")


def second_emergency(desk: Desk, person: Person, export: str, typed: str) -> ExportRequest:
    """Second a release past the quorum, by typing. Raises `TREError`."""
    found = emergency_found(desk, person, export)
    return change_by(
        desk,
        person,
        found,
        "emergency-seconded",
        lambda c, request, s: exports.second_emergency(c, request, person, typed, s),
    )
