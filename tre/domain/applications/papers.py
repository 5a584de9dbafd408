"""Papers: the documents that come with an application, by name and by the digest of their bytes.

Guarantees: a name is shown and never used as a path; size, number and kinds are bounded by the committee's policy;
the digest stands in the content, so that another document is another matter and votes on the earlier one are void.
What an application needs is said here, so that nothing is removed that somebody may still ask for.

Does not guarantee: that a paper is what its name says. Nothing here reads one.

Threat: a name that leads somewhere; a disk filled with papers; a document exchanged after the vote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from tre.domain.applications.acts import edit
from tre.domain.applications.models import MOST_PAPER_BYTES, Application, ApplicationId, Attachment
from tre.domain.applications.states import ApplicationState
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import Digest
from tre.domain.model import Line, Record, UtcTime, as_line
from tre.domain.people import Person
from tre.domain.quantities import is_amount, parse_bytes

LONGEST_NAME = 200
ENDED = frozenset({ApplicationState.Declined, ApplicationState.Withdrawn})
"""States in which papers are kept for the policy's days and then removed."""

_SEPARATORS = re.compile(r"[/\\]")
_KIND = r"^[a-z0-9]{1,10}$"


class PaperTerms(Record):
    """What a site says of papers. `kinds` are endings of names; `keep_days` count from when it was declined or taken
    back."""

    file_bytes: Annotated[str, AfterValidator(is_amount)] = "20Mi"
    files: Annotated[int, Field(ge=1, le=50)] = 20
    kinds: Annotated[tuple[Annotated[str, Field(pattern=_KIND)], ...], Field(min_length=1, max_length=50)] = (
        "pdf",
        "docx",
        "xlsx",
        "png",
        "jpg",
        "txt",
        "csv",
        "md",
    )
    keep_days: Annotated[int, Field(ge=0, le=3660)] = 90

    @model_validator(mode="after")
    def _bounded(self) -> PaperTerms:
        if not 1 <= self.most_bytes <= MOST_PAPER_BYTES:
            msg = f"fileBytes: from 1 to {MOST_PAPER_BYTES} bytes"
            raise ValueError(msg)
        return self

    @property
    def most_bytes(self) -> int:
        """Bytes of one paper."""
        return parse_bytes(self.file_bytes)

    def says(self) -> str:
        """The bounds in a sentence."""
        return (
            f"At most {self.files} files of {self.file_bytes}B each; "
            f"names end in {', '.join(f'.{kind}' for kind in self.kinds)}."
        )


class PaperState(StrEnum):
    """Where the bytes of a paper are: on their way, kept, never arrived, removed."""

    arriving = "arriving"
    kept = "kept"
    lost = "lost"
    removed = "removed"


class Paper(Record):
    """The bytes of one paper of an application, as the record knows them; `upload` is how they last came."""

    application: ApplicationId
    digest: Digest
    size: Annotated[int, Field(ge=1, le=MOST_PAPER_BYTES)]
    state: PaperState
    upload: Line
    at: UtcTime


def name_of(given: str) -> str:
    """What a paper is called: the last part of what a browser calls the file, as one line.

    Raises `TREError(FileRefused)` where nothing is left.
    """
    name = as_line(_SEPARATORS.split(given)[-1], LONGEST_NAME + 1)
    if not name or name.strip(".") == "":
        raise _refused("The file has no name.", "Give it one, and send it again.")
    if len(name) > LONGEST_NAME:
        raise _refused(f"The file's name has more than {LONGEST_NAME} characters.", "Shorten it, and send it again.")
    return name


def check_name(name: str, terms: PaperTerms) -> None:
    """Raise `TREError(FileRefused)` for a kind that the policy does not name."""
    stem, dot, kind = name.rpartition(".")
    if not stem or not dot or kind.lower() not in terms.kinds:
        raise _refused(f"A file of this kind cannot be attached: {name!r}.", terms.says())


def check_size(size: int, terms: PaperTerms) -> None:
    """Raise `TREError(FileRefused)` for an empty paper, and for one that is larger than the policy says."""
    if size < 1:
        raise _refused("The file is empty.", "Choose the right one, and send it again.")
    if size > terms.most_bytes:
        raise _refused("The file is larger than a document may be.", terms.says())


def _refused(what: str, remedy: str) -> TREError:
    return TREError(Reason.FileRefused, what, why="Documents are kept within bounds.", remedy=remedy)


def drafted(application: Application) -> list[Attachment]:
    """The papers that a draft names; whatever else was typed there is left out."""
    typed = application.draft.get("attachments")
    found = []
    for one in typed if isinstance(typed, list) else []:
        try:
            found.append(Attachment.model_validate(one))
        except ValidationError:
            continue
    return found


def handed_in(application: Application) -> list[Attachment]:
    """The papers of what was last handed in."""
    return [] if application.content is None else list(application.content.attachments)


def attach(
    application: Application, person: Person, paper: Attachment, terms: PaperTerms, now: datetime
) -> Application:
    """Name a paper in the draft; one of the same name makes room for it.

    Raises `TREError(FileRefused)`, and as `check_edit`.
    """
    check_name(paper.name, terms)
    check_size(paper.bytes, terms)
    others = [one for one in drafted(application) if one.name != paper.name]
    if len(others) >= terms.files:
        raise _refused(f"There are {len(others)} documents already.", f"{terms.says()} Take one out first.")
    return edit(application, person, {"attachments": _plain([*others, paper])}, now)


def detach(application: Application, person: Person, name: str, now: datetime) -> Application:
    """Take a paper out of the draft. Raises `TREError(ObjectNotFound)`, and as `check_edit`."""
    others = [one for one in drafted(application) if one.name != name]
    changed = edit(application, person, {"attachments": _plain(others) or None}, now)
    if len(others) == len(drafted(application)):
        raise TREError(
            Reason.ObjectNotFound,
            "There is no such document in the draft.",
            why="It was taken out already, or never was there.",
            remedy="Load the page again.",
        )
    return changed


def _plain(papers: Iterable[Attachment]) -> list[dict[str, Any]]:
    return [one.as_plain() for one in papers]


def kept_until(application: Application, terms: PaperTerms) -> datetime | None:
    """When the papers of an application are removed; `None` while it goes on, and for one that was approved."""
    if application.state not in ENDED:
        return None
    return application.changed_at + timedelta(days=terms.keep_days)


def needed(application: Application, terms: PaperTerms, now: datetime) -> frozenset[str]:
    """The digests of the papers that an application needs now."""
    until = kept_until(application, terms)
    if until is not None and now >= until:
        return frozenset()
    return frozenset(one.digest for one in (*drafted(application), *handed_in(application)))


def check_arrived(application: Application, papers: Iterable[Paper]) -> None:
    """Whether every paper of the draft that was sent here has arrived, so that the committee can read what it votes on.

    Raises `TREError(ApplicationIncomplete)`. A paper that was only named, and not sent here, is none of these.
    """
    states = {one.digest: one.state for one in papers}
    found = [one.name for one in drafted(application) if states.get(one.digest, PaperState.kept) is not PaperState.kept]
    if found:
        raise TREError(
            Reason.ApplicationIncomplete,
            f"These documents have not arrived: {', '.join(found[:5])}.",
            why="The committee sees whole applications only.",
            remedy="Wait a moment, then hand it in; or send them again.",
        )
