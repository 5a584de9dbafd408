"""What people set in motion on the way in: each act with its permission, its rule, and its event.

Guarantees: the domain alone decides who may do what, and when; pages, API and command line call the same functions
here. A request that somebody may not see cannot be told from one that does not exist. Who has no access now sends
nothing in. Events carry counts and digests, never names of files or words.

Does not guarantee: that files have been copied, checked or placed when a function returns: other programs do that,
asked by rows.

Threat: a stranger who probes for requests; a yes to other files than were on the screen; a colleague who lets in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tre.airlock.policy import directories, load_policy
from tre.domain.desk import permissions as desk_permissions
from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.situation import Situation, grant_facts
from tre.domain.grants.models import GrantRecord
from tre.domain.imports import acts, permissions
from tre.domain.imports.models import ImportRequest, ImportVote
from tre.domain.imports.states import ImportState
from tre.domain.people import Person, Subject
from tre.portal import actions, words
from tre.portal.context import Portal
from tre.store import grants, imports, jobs
from tre.store.database import Change
from tre.store.imports import CHECKER, FILL, INSPECT, RECEIVE, STOREKEEPER

PATIENCE_SECONDS = 300
"""How long the checker may take before the request says that it did not answer."""

_NONE = TREError(
    Reason.ImportNotFound,
    "There is no such import request for you.",
    why="It does not exist, or belongs to a project that you are not in.",
    remedy="Go back to the list of requests.",
)
_VERBS = {ImportState.Approved: "approved", ImportState.Rejected: "rejected"}

Act = Callable[[ImportRequest, Situation], ImportRequest]
Then = Callable[[Change, ImportRequest], object]


@dataclass(frozen=True)
class Found:
    """A request as it is recorded, with the facts of this moment."""

    request: ImportRequest
    situation: Situation
    grant: GrantRecord


def situation_of(portal: Portal, grant: GrantRecord, author: Subject) -> Situation:
    """The facts that the rules need of this moment, by the policy in force. Raises `TREError(PolicyMissing)`."""
    now = portal.clock.now()
    return Situation(
        grant=grant_facts(grant, author, now),
        policy=load_policy(grant.spec.export.policy, directories(portal.layout.root)),
        now=now,
    )


def find(portal: Portal, connection: Connection, person: Person, name: str) -> Found:
    """A request that a person may see. Raises `TREError(ImportNotFound)` for another's as for none."""
    request = imports.get(connection, name)
    if request is None:
        raise _NONE
    grant = grants.require(connection, request.grant)
    situation = situation_of(portal, grant, request.author)
    if not permissions.can_view(person, request, situation.grant):
        raise _NONE
    return Found(request, situation, grant)


def found_now(portal: Portal, person: Person, name: str) -> Found:
    """`find`, in a reading of its own."""
    with portal.database.read() as connection:
        return find(portal, connection, person, name)


@dataclass(frozen=True)
class _Edit:
    """An act of the domain; its verb, the new state's where there is none; and what else the same change does."""

    verb: str
    act: Act
    then: Then | None = None


def _change(portal: Portal, person: Person, found: Found, edit: _Edit, **detail: Any) -> ImportRequest:
    """Do an act in one transaction with its event, from the version that was read."""
    after = edit.act(found.request, found.situation)
    verb = edit.verb or _VERBS.get(after.state, "voted")
    event = imports.event_of(verb, after, person.subject, found.situation.now, **detail)
    with portal.database.change(event) as change:
        if edit.then is not None:
            edit.then(change, after)
        return imports.save(change, found.request, after)


# What the author does.


def begin(portal: Portal, person: Person, grant_name: str, **detail: Any) -> str:
    """Begin a request; return its id. Raises `TREError`."""
    with portal.database.read() as connection:
        grant = actions.visible_grant(connection, person, grant_name)
        drafts = imports.drafts_of(connection, grant.name, person.subject)
    desk_permissions.check_open(person, grant)
    situation = situation_of(portal, grant, person.subject)
    check_entitled(situation)
    draft = acts.ImportDraft(id=imports.new_import_id(), grant=grant.name, author=person.subject)
    made = acts.begin(draft, situation, drafts)
    with portal.database.change(imports.event_of("created", made, person.subject, situation.now, **detail)) as change:
        return imports.create(change, made).id


def check_entitled(situation: Situation) -> None:
    """Raise `TREError` with the grant's reason where the author has no access now."""
    words.check_entitled(situation.grant.author, "Nothing can be brought into this project now.")


def check_editable(found: Found, person: Person) -> None:
    """The author may put files into the request now, and has access. Raises `TREError`."""
    acts.add_files(found.request, person, (), found.situation)
    check_entitled(found.situation)


def check_upload(portal: Portal, person: Person, name: str) -> None:
    """Files may be sent into a request now. Raises `TREError`."""
    with portal.database.read() as connection:
        found = find(portal, connection, person, name)
        check_editable(found, person)
        check_idle(connection, found.request)


def check_idle(connection: Connection, request: ImportRequest) -> None:
    """Raise `TREError(StateForbids)` while the checker works on the request."""
    subject = f"import/{request.id}"
    if any(jobs.is_open(jobs.latest(connection, CHECKER, kind, subject)) for kind in (RECEIVE, INSPECT)):
        raise TREError(
            Reason.StateForbids,
            "Files of this request are being copied or checked.",
            why="One thing at a time: the checks look at the request as a whole.",
            remedy="Wait until that is done; it takes seconds.",
        )


def ask_receive(portal: Portal, person: Person, name: str, upload: tuple[str, tuple[str, ...]], **detail: Any) -> None:
    """Have what was sent copied and checked: the upload's name, and its paths. Raises `TREError`."""
    found = found_now(portal, person, name)
    check_editable(found, person)
    place, paths = upload
    job = jobs.JobRequest(
        program=CHECKER,
        kind=RECEIVE,
        subject=f"import/{name}",
        payload={
            "upload": place,
            "paths": list(paths),
            "policy": found.situation.policy.ref.as_plain(),
            "about": {"person": person.as_plain()},
        },
        patience_seconds=PATIENCE_SECONDS,
    )
    now = found.situation.now
    event = imports.event_of("files-asked", found.request, person.subject, now, asked=len(paths), **detail)
    with portal.database.change(event) as change:
        check_idle(change.connection, found.request)
        jobs.ask(change, job, now)


def remove_file(portal: Portal, person: Person, name: str, path: str) -> ImportRequest:
    """Take a file out of a request. Raises `TREError`."""
    found = found_now(portal, person, name)
    edit = _Edit("file-removed", lambda request, s: acts.remove_file(request, person, path, s))
    return _change(portal, person, found, edit)


def submit(portal: Portal, person: Person, name: str, purpose: str, **detail: Any) -> ImportRequest:
    """Hand a request to the checkers, with its purpose. Raises `TREError`."""
    found = found_now(portal, person, name)
    edit = _Edit(
        "submitted",
        lambda request, s: acts.submit(request, person, purpose, s),
        lambda change, after: check_idle(change.connection, after),
    )
    return _change(portal, person, found, edit, **detail)


def withdraw(portal: Portal, person: Person, name: str, **detail: Any) -> ImportRequest:
    """Take a request back for good. Raises `TREError`."""
    found = found_now(portal, person, name)
    edit = _Edit("withdrawn", lambda request, s: acts.withdraw(request, person, s))
    return _change(portal, person, found, edit, **detail)


# What a checker does.


def decide(portal: Portal, person: Person, name: str, manifest: str, answer: tuple[bool, str]) -> ImportRequest:
    """A checker's yes or no, with words, to the files that were on the screen. Raises `TREError`."""
    found = found_now(portal, person, name)
    approves, comment = answer
    now = found.situation.now
    try:
        vote = ImportVote(by=person.subject, approves=approves, comment=comment, manifest=manifest, at=now)
    except ValueError as error:
        raise TREError(Reason.BadInput, "This decision is not understood.", remedy="Load the page again.") from error
    return _change(portal, person, found, _Edit("", lambda request, s: acts.decide(request, person, vote, s)))


def take_away(portal: Portal, person: Person, name: str, message: str) -> ImportRequest:
    """Take placed files away again, with words. The inboxes are seen to even while no controller leads. Raises
    `TREError`."""
    found = found_now(portal, person, name)

    def fill(change: Change, after: ImportRequest) -> None:
        asked = jobs.JobRequest(
            program=STOREKEEPER, kind=FILL, subject=f"import/{name}", payload={"grant": after.grant}
        )
        jobs.replace(change, asked, found.situation.now)

    edit = _Edit("removed", lambda request, s: acts.remove(request, person, message, s), fill)
    return _change(portal, person, found, edit)


# What may be done.


def allowed(person: Person, found: Found) -> tuple[str, ...]:
    """What a person may do with a request now: the domain's own acts, tried on a copy."""
    request, now = found.request, found.situation
    first = request.files[0].path if request.files else ""
    enough = "word " * now.policy.spec.review.context_words
    no = ImportVote(by=person.subject, approves=False, comment="-", manifest=request.manifest, at=now.now)
    tries: dict[str, Callable[[], object]] = {
        "upload": lambda: check_editable(found, person),
        "remove-file": lambda: acts.remove_file(request, person, first, now),
        "submit": lambda: acts.submit(request, person, enough, now),
        "withdraw": lambda: acts.withdraw(request, person, now),
        "decide": lambda: acts.decide(request, person, no, now),
        "take-away": lambda: acts.remove(request, person, "-", now),
    }
    return tuple(name for name, attempt in tries.items() if passes(attempt)())
