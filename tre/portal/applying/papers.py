"""Papers at the desk: taken in while they come, handed out to those who may read them.

Guarantees: whether a person may attach is found out before the body is read, and again, with the session, when all of
it is there; a file goes to the disk under a name of ours, is counted and hashed as it comes, and is named in the draft
in the same transaction that has it kept; nothing of a refused upload stays. A paper is handed out only by the domain's
word, only where this very application brought it, and only after its bytes were found to be those of its digest; each
handing out stands in the log before its first byte leaves. The portal looks into no paper.

Threat: a digest that somebody guessed or copied into a draft; bytes exchanged on the disk; a page in a paper.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import structlog
from fastapi import Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from tre.domain.applications import papers as rules
from tre.domain.applications import permissions
from tre.domain.applications.models import Application, Attachment
from tre.domain.applications.papers import Paper, PaperState, PaperTerms
from tre.domain.committee.papers import can_read_papers, check_read_papers, require_paper, visible_papers
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person
from tre.portal.applying import actions
from tre.portal.context import Desk, Portal
from tre.portal.handing_out import OtherBytesError, open_exact
from tre.portal.sessions import Visitor, check_still_in, check_token, desk_of
from tre.portal.upload_bodies import LONGEST_FIELD, UploadForm, pour
from tre.portal.uploads import Arriving
from tre.sources.committee_policy import load_committee
from tre.store import applications, committee
from tre.store import papers as store

log = structlog.get_logger()
_STATES = {
    PaperState.arriving: "It is being taken in.",
    PaperState.kept: "",
    PaperState.lost: "It did not arrive. Send it again.",
    PaperState.removed: "It was removed when its time was over.",
    None: "It is only named here: its bytes were not sent to this service.",
}
"""What is said of a paper beside its name."""


def terms_of(portal: Portal) -> PaperTerms:
    """What the site says of papers. Raises `TREError(PolicyMissing | BadInput)`."""
    return load_committee(portal.layout.root).spec.papers


@dataclass(frozen=True)
class PaperLine:
    """A paper as a page shows it; `address` is empty where its reader cannot have it now."""

    paper: Attachment
    state: PaperState | None
    address: str

    @property
    def words(self) -> str:
        """What is said of it."""
        return _STATES[self.state]


def lines_of(
    portal: Portal, connection: Connection, person: Person, application: Application, *, draft: bool
) -> tuple[PaperLine, ...]:
    """The papers of the draft, or of what was handed in, for somebody who sees the application."""
    named = rules.drafted(application) if draft else rules.handed_in(application)
    if not named:
        return ()
    known = {one.digest: one.state for one in store.of_application(connection, application.id)}
    ballot = committee.ballot(connection, application.id)
    may = can_read_papers(person, application, ballot, portal.clock.now())
    return tuple(
        PaperLine(one, known.get(one.digest), address_of(application.id, one.digest) if may else "") for one in named
    )


def address_of(application: str, digest: str) -> str:
    """Where a paper is handed out."""
    return f"/applications/{application}/papers/{digest.removeprefix('sha256:')}"


# On the way in.


@dataclass
class Receiver:
    """The one file of an upload: bounded, counted and hashed while it goes to the disk."""

    arriving: Arriving
    terms: PaperTerms
    name: str = ""
    size: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def begin(self, path: str) -> bool:
        """Begin the file. Raises `TREError(FileRefused)` for a kind that cannot come, and for a second file."""
        if self.name:
            raise TREError(Reason.FileRefused, "More than one file was sent.", remedy="Send one document at a time.")
        self.name = rules.name_of(path)
        rules.check_name(self.name, self.terms)
        return self.arriving.begin(store.PATH)

    def write(self, data: bytes) -> None:
        """The next bytes. Raises `TREError(FileRefused)` as soon as they are too many."""
        self.size += len(data)
        if self.size > self.terms.most_bytes:
            rules.check_size(self.size, self.terms)
        self._hash.update(data)
        self.arriving.write(data)

    def finish(self) -> None:
        """It is whole, and on the disk."""
        self.arriving.finish()

    def attachment(self) -> Attachment:
        """What came, by its content. Raises `TREError(FileRefused)` where nothing did."""
        if not self.name:
            raise TREError(Reason.FileRefused, "No file is chosen.", remedy="Choose one.")
        rules.check_size(self.size, self.terms)
        return Attachment(name=self.name, digest=f"sha256:{self._hash.hexdigest()}", bytes=self.size)


@asynccontextmanager
async def receiving(desk: Desk, place: str) -> AsyncIterator[Receiver]:
    """Room for one paper; nothing of it stays unless all that is done with it goes well. Raises `TREError`."""
    terms = await run_in_threadpool(terms_of, desk)
    with desk.uploads.slot(place):
        arriving = await run_in_threadpool(desk.uploads.begin, terms.most_bytes)
        try:
            yield Receiver(arriving, terms)
        except BaseException:
            await run_in_threadpool(arriving.discard)
            raise


async def take_form(request: Request, who: Visitor, name: str) -> Attachment:
    """Take the paper of a form into the draft. Raises `TREError`."""
    desk = desk_of(request)
    await run_in_threadpool(_check_attach, desk, who.person, name)
    async with receiving(desk, name) as receiver:
        fields = await fields_of(request, who, receiver)
        version = fields.get("version", "")
        shown = (name, int(version[:9]) if version.isascii() and version.isdecimal() else -1)
        return await run_in_threadpool(_attach, desk, who, shown, receiver)


async def fields_of(request: Request, who: Visitor, receiver: Receiver, longest: int = LONGEST_FIELD) -> dict[str, str]:
    """The fields of a form whose file goes to the receiver. Raises `TREError`."""
    kind = request.headers.get("content-type", "")
    form = UploadForm(kind, lambda given: check_token(request, who, given), receiver, longest)
    await pour(request, form.feed)
    form.finish()
    return form.fields()


async def take_body(request: Request, who: Visitor, shown: tuple[str, int], path: str) -> Attachment:
    """Take a body as one paper into the draft of this version. Raises `TREError`."""
    desk = desk_of(request)
    await run_in_threadpool(_check_attach, desk, who.person, shown[0])
    async with receiving(desk, shown[0]) as receiver:
        await run_in_threadpool(receiver.begin, path)
        await pour(request, receiver.write)
        await run_in_threadpool(receiver.finish)
        return await run_in_threadpool(_attach, desk, who, shown, receiver)


def _check_attach(desk: Desk, person: Person, name: str) -> None:
    with desk.database.read() as connection:
        permissions.check_edit(person, actions.find(connection, person, name))


def _attach(desk: Desk, who: Visitor, shown: tuple[str, int], receiver: Receiver) -> Attachment:
    paper = receiver.attachment()
    receiver.arriving.seal()
    check_still_in(desk, who)
    attach(desk, who.person, shown, paper, receiver.arriving.name)
    return paper


def attach(portal: Portal, person: Person, shown: tuple[str, int], paper: Attachment, upload: str) -> Application:
    """Name a paper in the draft and have its bytes kept, in one transaction.

    Raises `TREError(FileRefused | Conflict)`, and as `check_edit`.
    """
    now = portal.clock.now()
    brought = Paper(
        application=shown[0],
        digest=paper.digest,
        size=paper.bytes,
        state=PaperState.arriving,
        upload=upload,
        at=now,
    )
    about = actions.Told("paper-attached", {"paper": paper.digest, "bytes": paper.bytes})
    return actions.change(
        portal,
        person,
        shown,
        about,
        lambda found: rules.attach(found, person, paper, terms_of(portal), now),
        lambda change: store.arrive(change, brought, now),
    )


def detach(portal: Portal, person: Person, name: str, version: int, paper: str) -> Application:
    """Take a paper out of the draft. Raises `TREError(ObjectNotFound | Conflict)`, and as `check_edit`."""
    now = portal.clock.now()
    about = actions.Told("paper-removed")
    return actions.change(portal, person, (name, version), about, lambda found: rules.detach(found, person, paper, now))


# On the way out.


def hand_out(portal: Portal, person: Person, name: str, digest: str) -> tuple[Attachment, BinaryIO]:
    """A paper of an application and its bytes, after the record says who reads it.

    Raises as `check_read_papers` and `handed_out`; `TREError(ObjectNotFound)` where there is none.
    """
    with portal.database.read() as connection:
        application = applications.require(connection, name)
        check_read_papers(person, application, committee.ballot(connection, name), portal.clock.now())
        paper = require_paper(visible_papers(person, application), digest)
    return handed_out(portal, person, application, paper)


def handed_out(
    portal: Portal, person: Person, application: Application, paper: Attachment
) -> tuple[Attachment, BinaryIO]:
    """A paper that somebody may read and its bytes, after that stands in the log.

    Raises `TREError(ObjectNotFound)` where the application did not bring its bytes, `TREError(ServiceUnavailable)`
    while it is on its way, `TREError(ContentChanged)` where its bytes are not those of its digest.
    """
    with portal.database.read() as connection:
        row = store.get(connection, application.id, paper.digest)
    paper = _as_kept(paper, _check_here(row), terms_of(portal))
    opened = _opened(portal, paper)
    event = applications.event_of("paper-read", application, person.subject, portal.clock.now(), paper=paper.digest)
    try:
        with portal.database.change(event):
            pass
    except BaseException:
        opened.close()
        raise
    return paper, opened


def _as_kept(paper: Attachment, row: Paper, terms: PaperTerms) -> Attachment:
    """The paper as it came: its size is the record's; a name that could not have been sent here is not passed on."""
    try:
        name = rules.name_of(paper.name)
        rules.check_name(name, terms)
    except TREError:
        name = f"paper-{paper.digest.removeprefix('sha256:')[:12]}"
    return Attachment(name=name, digest=paper.digest, bytes=row.size)


def _check_here(row: Paper | None) -> Paper:
    state = None if row is None else row.state
    if state is PaperState.arriving:
        raise TREError(Reason.ServiceUnavailable, "This document is being taken in.", remedy="Look again in a minute.")
    if row is None or state is not PaperState.kept:
        raise TREError(
            Reason.ObjectNotFound, "This document is not here.", why=_STATES[state], remedy="Ask its author."
        )
    return row


def _opened(portal: Portal, paper: Attachment) -> BinaryIO:
    sha256 = paper.digest.removeprefix("sha256:")
    try:
        return open_exact(portal.layout.papers / sha256, sha256, paper.bytes)
    except FileNotFoundError as error:
        log.error("paper-missing", paper=sha256)
        raise _changed("The stored document is gone.") from error
    except OSError as error:
        log.error("paper-unreadable", paper=sha256, error=error.strerror)
        raise TREError(
            Reason.ServiceUnavailable, "The document cannot be read now.", remedy="Tell an operator if it stays so."
        ) from error
    except OtherBytesError as error:
        log.error("paper-changed", paper=sha256)
        raise _changed("The stored document is not the one that was handed in.") from error


def _changed(what: str) -> TREError:
    return TREError(
        Reason.ContentChanged,
        what,
        why="Its bytes differ from those on record.",
        remedy="Nothing is handed out. Tell an operator; its author can send it again.",
    )
