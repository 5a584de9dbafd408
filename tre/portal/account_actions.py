"""What the team does with the public account, and what members report: one way for pages, API and command line.

Guarantees: who may act is asked first, then whether the act fits the item; an act speaks of the version that its page
showed; the event goes with the change and holds no word of a text. A project's outcome from somebody who is not in it
cannot be told from one of a project that does not exist.

Does not guarantee: that published words are wise. They are a person's.

Threat: a form that was opened before somebody else acted; an outcome that its own author publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.model import as_line, parse_record
from tre.domain.people import Person, Role
from tre.domain.publicaccount import acts, permissions
from tre.domain.publicaccount.models import Body, Complaint, Consultation, Incident, Item, Outcome, as_paragraphs
from tre.domain.publicaccount.states import FROM_STRANGERS, ItemKind, RefusalClass
from tre.portal import actions
from tre.portal.account_policy import policy_changes
from tre.portal.context import Portal
from tre.store import grants
from tre.store import publicaccount as store

Fields = Mapping[str, str]
VERBS = {
    "answer": "answered",
    "publish": "published",
    "refuse": "refused",
    "correct": "corrected",
    "resolve": "resolved",
    "reopen": "reopened",
    "acknowledge": "acknowledged",
    "close": "closed",
    "decide": "decided",
}
"""Each act, and the verb of its event."""

_PAST = "Only what has happened can be told."
FIRST_YEAR, LAST_YEAR = 1990, 2200
"""Days before and after are mistyped."""


@dataclass(frozen=True)
class ItemView:
    """An item as somebody of the team sees it now."""

    item: Item
    actions: tuple[str, ...]
    grant: GrantRecord | None
    late: bool
    comments: tuple[Item, ...] = ()


def view(portal: Portal, connection: Connection, person: Person, identifier: str) -> ItemView:
    """One item. Raises `TREError(NotPermitted | ObjectNotFound)`."""
    permissions.check_team(person)
    return view_of(portal, connection, person, store.get(connection, identifier))


def view_of(portal: Portal, connection: Connection, person: Person, item: Item) -> ItemView:
    """An item with what a person may do with it."""
    now, grant = portal.clock.now(), _grant_of(connection, item)
    said = store.of_object(connection, ItemKind.comment, item.id) if item.kind is ItemKind.consultation else []
    late = item.due_at is not None and item.due_at < now
    return ItemView(item, tuple(permissions.item_actions(person, item, grant, now)), grant, late, tuple(said))


def own_words(item: Item) -> str:
    """What the team itself says in an item, and the public has to understand."""
    body = item.body
    if isinstance(body, Incident):
        return f"{body.text}\n{body.done}"
    if isinstance(body, Complaint | Consultation):
        return f"{body.text}\n{body.reply}"
    return "" if isinstance(body, Outcome) else body.reply


def _grant_of(connection: Connection, item: Item) -> GrantRecord | None:
    return grants.require(connection, item.about) if item.kind is ItemKind.outcome else None


def act(portal: Portal, person: Person, identifier: str, name: str, fields: Fields) -> Item:
    """Do one of `VERBS` with an item; `fields` are the form's.

    Raises `TREError(NotPermitted | ObjectNotFound | StateForbids | Conflict | BadInput)`.
    """
    permissions.check_team(person)
    now = portal.clock.now()
    with portal.database.read() as connection:
        before = store.get(connection, identifier)
        permissions.check_judge(person, before, _grant_of(connection, before))
    acts.check_act(before, name, now)
    _check_version(before, fields.get("version", ""))
    after = _MOVES[name](portal, person, before, fields)
    event = store.event_of(VERBS[name], after, person.subject, now)
    with portal.database.change(event) as change:
        return store.save(change, before, after, now)


def refuse_chosen(portal: Portal, person: Person, marks: Mapping[str, str], fields: Fields) -> int:
    """Refuse what strangers sent, all that are named or none; `marks` says which version of each was shown.

    Raises `TREError(NotPermitted | ObjectNotFound | StateForbids | Conflict | BadInput)`.
    """
    permissions.check_team(person)
    why, now = _refusal(fields), portal.clock.now()
    if not marks:
        raise TREError(Reason.BadInput, "Nothing is chosen.", remedy="Choose what is not published.")
    with portal.database.read() as connection:
        found = [store.get(connection, name, FROM_STRANGERS) for name in sorted(marks)]
    for item in found:
        _check_version(item, marks[item.id])
    pairs = [(item, acts.refuse(item, why, now)) for item in found]
    events = [store.event_of(VERBS["refuse"], after, person.subject, now) for _, after in pairs]
    with portal.database.change(*events) as change:
        for before, after in pairs:
            store.save(change, before, after, now)
    return len(pairs)


def _check_version(item: Item, shown: str) -> None:
    if shown != str(item.version):
        raise TREError(
            Reason.Conflict,
            "Somebody else changed this in the meantime.",
            remedy="Look at it again; what you typed is still here.",
        )


def _reply(fields: Fields) -> str:
    return str(as_paragraphs(fields.get("reply", "")))


def _refusal(fields: Fields) -> RefusalClass:
    try:
        return RefusalClass(fields.get("refusal", ""))
    except ValueError as error:
        raise TREError(Reason.BadInput, "No reason is chosen.", remedy="Choose why it is not published.") from error


def _corrected(portal: Portal, person: Person, item: Item, fields: Fields) -> Item:
    assert isinstance(item.body, Incident)
    kept = {"type": item.body.type or "", "project": item.body.project or ""}
    return acts.correct(item, _incident(portal, person, kept | dict(fields), item.body.happened_at), portal.clock.now())


_Move = Callable[[Portal, Person, Item, Fields], Item]
_MOVES: dict[str, _Move] = {
    "answer": lambda portal, _person, item, fields: acts.answer(item, _reply(fields), portal.clock.now()),
    "publish": lambda portal, _person, item, _fields: acts.publish(item, portal.clock.now()),
    "refuse": lambda portal, _person, item, fields: acts.refuse(item, _refusal(fields), portal.clock.now()),
    "correct": _corrected,
    "resolve": lambda portal, _person, item, _fields: acts.resolve(item, portal.clock.now()),
    "reopen": lambda portal, _person, item, _fields: acts.reopen(item, portal.account, portal.clock.now()),
    "acknowledge": lambda portal, _person, item, _fields: acts.acknowledge(item, portal.account, portal.clock.now()),
    "close": lambda portal, _person, item, fields: acts.close(
        item, str(as_paragraphs(fields.get("text", ""))), _reply(fields), portal.clock.now()
    ),
    "decide": lambda portal, _person, item, fields: acts.decide(item, _reply(fields), portal.clock.now()),
}


def declare_incident(portal: Portal, person: Person, fields: Fields) -> Item:
    """Tell everybody what happened. Raises `TREError(NotPermitted | BadInput)`."""
    permissions.check_team(person)
    happened = _day(fields.get("happened", ""), "when it happened")
    if happened > portal.clock.now():
        raise TREError(Reason.BadInput, "This day is still to come.", why=_PAST, remedy="Say when it happened.")
    return _keep(portal, person, "declared", _incident(portal, person, fields, happened))


def _incident(portal: Portal, person: Person, fields: Fields, happened: datetime) -> Incident:
    role = Role.operator if person.holds(Role.operator) else Role.data_manager
    said: dict[str, Any] = {name: fields.get(name, "") for name in ("text", "done")}
    said |= {name: as_line(fields.get(name, ""), 501) for name in ("title", "correction")}
    said |= {name: as_line(fields.get(name, ""), 64) or None for name in ("type", "project")}
    found = parse_record(Incident, said | {"happenedAt": happened, "declaredBy": role}, source="The form")
    if found.project is not None:
        _check_told(portal, found.project)
    return found


def _check_told(portal: Portal, project: str) -> None:
    """What the public does not know of is not named in public. Raises `TREError(BadInput)`."""
    with portal.database.read() as connection:
        if not grants.ever_active(connection, project):
            raise TREError(
                Reason.BadInput,
                f"The register has no project {project!r}.",
                why="An incident names a project that the public knows of, or none.",
                remedy="Copy the name from the address of its public page, or leave it empty.",
            )


def receive_complaint(portal: Portal, person: Person, fields: Fields) -> Item:
    """Start the clock of a complaint; its text stays where it arrived. Raises `TREError(NotPermitted | BadInput)`."""
    permissions.check_team(person)
    now, received = portal.clock.now(), _day(fields.get("received", ""), "when it came")
    if received > now:
        raise TREError(Reason.BadInput, "This day is still to come.", why=_PAST, remedy="Say when it came.")
    return _keep(portal, person, "received", Complaint(), at=received)


def open_consultation(portal: Portal, person: Person, fields: Fields) -> Item:
    """Open a change of a policy for comment. Raises `TREError(NotPermitted | BadInput)`."""
    permissions.check_team(person)
    changes = policy_changes(fields.get("before", ""), fields.get("after", ""))
    last = _day(fields.get("closes", ""), "the last day for comments")
    values = {
        "title": as_line(fields.get("title", ""), 201),
        "text": fields.get("text", ""),
        "changes": changes,
        "closesAt": last + timedelta(days=1),
    }
    return _keep(portal, person, "opened", parse_record(Consultation, values, source="The form"))


def report_outcome(portal: Portal, person: Person, name: str, fields: Fields) -> Item:
    """Say what came of a project. Raises `TREError(GrantNotFound | NotAMember | StateForbids | BadInput)`."""
    with portal.database.read() as connection:
        permissions.check_report(person, actions.visible_grant(connection, person, name))
    values: dict[str, Any] = {
        "type": fields.get("type", ""),
        "text": fields.get("text", ""),
        "doi": _plain_doi(fields.get("doi", "")),
        "link": as_line(fields.get("link", ""), 501),
    }
    body = parse_record(Outcome, values, source="The form")
    if body.type != "nothing" and not body.text:
        raise TREError(Reason.BadInput, "Words are missing.", remedy="Say in a few words what came of it.")
    return _keep(portal, person, "reported", body, about=name)


def _plain_doi(text: str) -> str:
    """A DOI as people paste it: with or without its address."""
    line = as_line(text, 300)
    for begin in ("https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "doi:"):
        if line.lower().startswith(begin):
            return line[len(begin) :].strip()
    return line


def _keep(
    portal: Portal, person: Person, verb: str, body: Body, *, about: str = "", at: datetime | None = None
) -> Item:
    now = portal.clock.now()
    item = acts.begin(store.new_item_id(body.kind), body, about, portal.account, at or now)
    with portal.database.change(store.event_of(verb, item, person.subject, now)) as change:
        return store.create(change, item)


def _day(text: str, what: str) -> datetime:
    """The beginning of a day, as a field for dates sends it. Raises `TREError(BadInput)`."""
    try:
        found = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        found = datetime.max.replace(tzinfo=UTC)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise TREError(
            Reason.BadInput,
            f"This does not say {what}.",
            why=f"A day of the calendar is due; {as_line(text, 40) or 'nothing'} is none.",
            remedy="Write it as 2026-11-30.",
        )
    return found
