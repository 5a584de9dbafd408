"""What the public account holds: questions, comments, outcomes, incidents, complaints and changes open for comment.

Guarantees: no record has a place for the name or address of who asked, complained or declared; texts are plain and
bounded, without control characters; a link is a DOI or an https address. What is refused keeps no text.

Does not guarantee: that nobody types a name into a text. A person reads it before it is public.

Threat: a page of ours that shows a stranger's markup, link or hidden text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tre.domain.grants.models import ResourceName
from tre.domain.model import Line, Record, UtcTime, as_line
from tre.domain.people import Role
from tre.domain.publicaccount.states import ITEM_TRANSITIONS, ItemKind, ItemState, RefusalClass

LONGEST_QUESTION = 2_000
"""Characters of what a stranger may send: a page of text."""

LONGEST_TEXT = 6_000
"""Characters of what the team or a member writes."""

MOST_CHANGES = 200
ITEM_ID = "[a-z]-[a-z2-7]{12}"


def as_paragraphs(text: Any) -> Any:
    """Any text as plain lines: no control characters, no markup meaning, no more than one empty line in a row."""
    if not isinstance(text, str):
        return text
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        clean = as_line(line, len(line))
        if clean or (lines and lines[-1]):
            lines.append(clean)
    return "\n".join(lines).strip()


Question = Annotated[str, BeforeValidator(as_paragraphs), Field(min_length=1, max_length=LONGEST_QUESTION)]
Prose = Annotated[str, BeforeValidator(as_paragraphs), Field(min_length=1, max_length=LONGEST_TEXT)]
MaybeProse = Annotated[str, BeforeValidator(as_paragraphs), Field(max_length=LONGEST_TEXT)]
Title = Annotated[Line, Field(min_length=1, max_length=200)]


class Enquiry(Record):
    """A question from the public and its answer."""

    kind: Literal[ItemKind.enquiry] = ItemKind.enquiry
    text: Annotated[str, BeforeValidator(as_paragraphs), Field(max_length=LONGEST_QUESTION)]
    reply: MaybeProse = ""


class Comment(Record):
    """What somebody says about a change that is open for comment, and what the team says to it."""

    kind: Literal[ItemKind.comment] = ItemKind.comment
    text: Annotated[str, BeforeValidator(as_paragraphs), Field(max_length=LONGEST_QUESTION)]
    reply: MaybeProse = ""


class OutcomeType(StrEnum):
    """What came of a project."""

    paper = "paper"
    tool = "tool"
    care = "care"
    nothing = "nothing"


def _link(value: str) -> str:
    if value and not (value.startswith("https://") and value.isascii() and value.isprintable() and " " not in value):
        msg = "an address that begins with https:// is due here, or none"
        raise ValueError(msg)
    return value


class Outcome(Record):
    """What came of a project, in a member's words; `doi` and `link` lead to it."""

    kind: Literal[ItemKind.outcome] = ItemKind.outcome
    type: OutcomeType
    text: MaybeProse
    doi: Annotated[str, Field(pattern=r"^(10\.\d{4,9}/[!#-;=?-~]{1,200})?$")] = ""
    link: Annotated[Line, Field(max_length=500), AfterValidator(_link)] = ""


class IncidentType(StrEnum):
    """What kind of thing went wrong."""

    disclosure = "disclosure"
    access = "access"
    integrity = "integrity"
    outage = "outage"
    other = "other"


class Incident(Record):
    """What happened, in plain words, and what was done. `declared_by` is a role, never a person.

    `type` is missing in what was declared before there were types; `project` names the one that it concerns, if one.
    """

    kind: Literal[ItemKind.incident] = ItemKind.incident
    title: Title
    text: Prose
    done: Prose
    happened_at: UtcTime
    declared_by: Role
    correction: Annotated[Line, Field(max_length=500)] = ""
    """Why this text replaces the earlier one; nothing for the first."""

    type: IncidentType | None = None
    project: ResourceName | None = None


class Complaint(Record):
    """A complaint in anonymised words, written when it is closed. The complaint itself stays where it arrived."""

    kind: Literal[ItemKind.complaint] = ItemKind.complaint
    text: MaybeProse = ""
    reply: MaybeProse = ""


class PolicyChange(Record):
    """One key of a policy file that changes: its path, what it says, what it would say, what it is for."""

    key: Annotated[Line, Field(min_length=1, max_length=300)]
    before: Annotated[Line, Field(max_length=2000)]
    after: Annotated[Line, Field(max_length=2000)]
    meaning: Annotated[Line, Field(max_length=500)] = ""


class Consultation(Record):
    """A change of a policy that anybody may comment on until a day, and what was decided."""

    kind: Literal[ItemKind.consultation] = ItemKind.consultation
    title: Title
    text: Prose
    changes: Annotated[tuple[PolicyChange, ...], Field(min_length=1, max_length=MOST_CHANGES)]
    closes_at: UtcTime
    reply: MaybeProse = ""


Body = Enquiry | Comment | Outcome | Incident | Complaint | Consultation
"""What an item says; `kind` tells which it is."""


class Item(Record):
    """One entry of the public account, with its clock.

    `about` names the grant of an outcome or the consultation of a comment; `due_at` is when the team has to have
    acted; `digest` tells a text that was sent twice from two texts.
    """

    id: Annotated[str, Field(pattern=f"^{ITEM_ID}$")]
    state: ItemState
    version: Annotated[int, Field(ge=1)] = 1
    about: Annotated[Line, Field(max_length=100)] = ""
    received_at: UtcTime
    acknowledged_at: UtcTime | None = None
    closed_at: UtcTime | None = None
    due_at: UtcTime | None = None
    refusal: RefusalClass | None = None
    digest: Annotated[str, Field(max_length=80)] = ""
    body: Body

    @property
    def kind(self) -> ItemKind:
        """What it is."""
        return self.body.kind

    def moved(self, target: ItemState, **changes: Any) -> Item:
        """The item in another state. Raises `TREError(StateForbids)`."""
        ITEM_TRANSITIONS[self.kind].check(self.state, target)
        return self.changed(state=target, **changes)

    def changed(self, **changes: Any) -> Item:
        """The same item with other values, read again."""
        return Item.model_validate({**dict(self), **changes})
