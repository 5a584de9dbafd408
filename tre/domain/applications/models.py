"""An application: what is asked, by whom, why, for how long; and where it stands.

Guarantees: content that parses is whole: named people with exactly one lead or more, a lay summary of at most 250
words, at least one slice, each with a justification for every kind of image it takes, a term with an end, the law that
allows it, who pays, what comes out of it and when. What is typed before that is a draft: any subset of the same keys,
bounded, and nothing else. Content has a canonical form, so that a vote can name exactly what it is about.

Does not guarantee: that anything said is true. The committee judges that; ethics approvals are named by reference.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from tre.domain.applications.states import ApplicationState
from tre.domain.applications.summary import plain_text, within_length
from tre.domain.canonical import digest
from tre.domain.errors import Reason
from tre.domain.grants.models import Digest, MemberRole, Organisation, ResourceName
from tre.domain.grants.register import Orcid
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.slices.spec import SliceSpec

MOST_PEOPLE, MOST_SLICES, MOST_ITEMS = 500, 50, 50
MOST_PAPER_BYTES = 50_000_000
"""Of one document that comes with an application, whatever a policy says."""

Prose = Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(plain_text)]
"""Text of several lines, without markup and control characters."""

LaySummary = Annotated[Prose, AfterValidator(within_length)]
ShortLine = Annotated[Line, Field(min_length=1, max_length=300)]
ApplicationId = Annotated[str, Field(pattern=r"^a-[a-z2-7]{12}$")]


class ResearchKind(StrEnum):
    """What kind of research it is, in the words of the Data Use Ontology."""

    disease = "disease"
    health = "health"
    methods = "methods"
    populations = "populations"


class RequestCategory(StrEnum):
    """The category of the request, in the words of the HDR UK data use register."""

    public_health = "public-health-research"
    care = "efficacy-and-mechanism-evaluation"
    planning = "health-services-and-delivery"
    other = "other"


class NamedPerson(Record):
    """One person who would work with the data: never "the team".

    `register_id` is their number as an accredited researcher, where they are one.
    """

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    job_title: Annotated[Line, Field(min_length=1, max_length=200)]
    organisation: Annotated[Line, Field(min_length=1, max_length=300)]
    subject: Subject
    role: MemberRole = MemberRole.researcher
    register_id: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    orcid: Orcid | None = None


class AskedSlice(Record):
    """One slice: what is asked of one release, and why each kind of image in it is needed.

    `justifications` has one entry for each kind of image (`kinds_of`), `minimisation` says why less would not do.
    """

    name: ResourceName
    spec: SliceSpec
    justifications: Annotated[dict[Line, Prose], Field(max_length=100)]
    minimisation: Prose

    @model_validator(mode="after")
    def _justified(self) -> AskedSlice:
        due = kinds_of(self.spec)
        if missing := [kind for kind in due if kind not in self.justifications]:
            msg = f"slice {self.name}: a justification is due for {', '.join(missing)}"
            raise ValueError(msg)
        if strange := sorted(set(self.justifications) - set(due)):
            msg = f"slice {self.name}: it takes no {', '.join(strange)}; kinds are {', '.join(due)}"
            raise ValueError(msg)
        if self.spec.patients is not None and self.spec.patients.list is not None and self.spec.patients.list.file:
            msg = f"slice {self.name}: a list of patients is named by its digest here; a data manager makes it"
            raise ValueError(msg)
        return self


ANY_IMAGE, RECORDS = "any image", "clinical records"
"""Kinds of content where a specification names no modality, and where it takes no image."""


def kinds_of(spec: SliceSpec) -> tuple[str, ...]:
    """The kinds of image that a specification takes, each of which needs a justification."""
    if not spec.images:
        return (RECORDS,)
    found = {kind for entry in spec.images for kind in (entry.modality or (ANY_IMAGE,))}
    return tuple(sorted(found))


class LawfulBasis(Record):
    """The law under which the data would be used. When it ends, access ends.

    `article6` and `article9` are those of the UK GDPR; `confidentiality` the basis under the common law duty.
    """

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    ends: UtcTime
    article6: ShortLine
    article9: ShortLine
    confidentiality: ShortLine


class Ethics(Record):
    """An ethics approval by its reference, or why none is due."""

    reference: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    not_needed_because: Prose | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Ethics:
        if (self.reference is None) == (self.not_needed_because is None):
            msg = "either the reference of an ethics approval is due, or why none is needed"
            raise ValueError(msg)
        return self


class ExpectedOutput(Record):
    """What is to come out, and by when."""

    what: ShortLine
    due: date


class Attachment(Record):
    """A document that came with the application, by its content."""

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    digest: Digest
    bytes: Annotated[int, Field(ge=1, le=MOST_PAPER_BYTES)]


class ApplicationContent(Record):
    """Everything that is asked: what the committee votes on, whole."""

    title: ShortLine
    lay_summary: LaySummary
    public_benefit: Prose
    purpose: Prose
    technical_summary: Prose
    organisation: Organisation
    people: Annotated[tuple[NamedPerson, ...], Field(min_length=1, max_length=MOST_PEOPLE)]
    slices: Annotated[tuple[AskedSlice, ...], Field(min_length=1, max_length=MOST_SLICES)]
    starts: UtcTime
    ends: UtcTime
    legal_basis: LawfulBasis
    funders: Annotated[tuple[ShortLine, ...], Field(min_length=1, max_length=MOST_ITEMS)]
    outputs: Annotated[tuple[ExpectedOutput, ...], Field(min_length=1, max_length=MOST_ITEMS)]
    ethics: Ethics
    research: ResearchKind
    category: RequestCategory = RequestCategory.other
    linkage: Prose | None = None
    confidential_data: Prose | None = None
    sub_licences: Prose | None = None
    other_committees: Annotated[tuple[ShortLine, ...], Field(max_length=MOST_ITEMS)] = ()
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MOST_ITEMS)] = ()
    profile: ResourceName = "small"

    @model_validator(mode="after")
    def _consistent(self) -> ApplicationContent:
        if self.ends <= self.starts:
            msg = "ends must lie after starts"
            raise ValueError(msg)
        if self.legal_basis.ends <= self.starts:
            msg = "legalBasis.ends must lie after starts"
            raise ValueError(msg)
        if not any(person.role is MemberRole.lead for person in self.people):
            msg = "people: one of them leads"
            raise ValueError(msg)
        _refuse_twice("people", [str(person.subject.key) for person in self.people])
        _refuse_twice("slices", [item.name for item in self.slices])
        return self

    def digest(self) -> str:
        """The digest over everything that is asked."""
        return digest(self.as_plain())

    def names(self, subject: Subject) -> bool:
        """Whether this person is among the named people."""
        return any(person.subject.key == subject.key for person in self.people)


def _refuse_twice(key: str, values: list[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        msg = f"{key} names {', '.join(twice)} twice"
        raise ValueError(msg)


class PlannedSlice(Record):
    """What one slice would give: the digest of its plan. The plan itself is in the record under it."""

    name: ResourceName
    plan_digest: Digest


class Question(Record):
    """What the applicant was asked, or told, when the application came back; and what they answered."""

    text: Annotated[str, Field(min_length=1, max_length=5000)]
    at: UtcTime
    answer: Annotated[str, Field(max_length=5000)] = ""


class Lane(StrEnum):
    """Which way an application takes: a new decision of the whole committee, or the short one of a small change."""

    full = "full"
    fast = "fast"


class Closing(Record):
    """The chair closed the vote on this matter: it is counted without those who have not voted."""

    by: Subject
    session: Annotated[Line, Field(min_length=1, max_length=200)]
    at: UtcTime
    matter: Digest


class Application(Record):
    """An application as the launcher keeps it.

    `draft` is what the applicant writes at; `content` what was last handed in, and `round` how often. `plans` are those
    of this round's slices. `varies` names the running grant that this would change, `base` the digest of the content
    that was in force when it was handed in, `lane_why` everything that makes it a matter for the whole committee, or
    what is changed. `late` says that the deadline passed and was told. `decision` is the digest of the record of the
    last decision.
    """

    id: ApplicationId
    version: int = 0
    state: ApplicationState = ApplicationState.Draft
    author: Subject
    author_name: Annotated[Line, Field(max_length=200)] = ""
    draft: dict[str, Any] = {}
    content: ApplicationContent | None = None
    round: Annotated[int, Field(ge=0)] = 0
    plans: tuple[PlannedSlice, ...] = ()
    varies: ResourceName | None = None
    base: Digest | None = None
    lane: Lane = Lane.full
    lane_why: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    closing: Closing | None = None
    questions: tuple[Question, ...] = ()
    reason: Reason = Reason.AwaitingApplicant
    message: Annotated[str, Field(max_length=5000)] = ""
    created_at: UtcTime
    changed_at: UtcTime
    submitted_at: UtcTime | None = None
    review_since: UtcTime | None = None
    deadline: UtcTime | None = None
    late: bool = False
    decided_at: UtcTime | None = None
    decision: Digest | None = None
    grant: ResourceName | None = None

    def changed(self, **values: Any) -> Application:
        """A copy with these values, read as strictly as any other."""
        return Application.model_validate({**dict(self), **values})

    @property
    def title(self) -> str:
        """What it is called in lists: as handed in, else as typed."""
        typed = self.draft.get("title")
        if self.content is not None and self.state not in {ApplicationState.Draft, ApplicationState.Deferred}:
            return self.content.title
        return typed.strip()[:300] if isinstance(typed, str) and typed.strip() else "Untitled application"

    @property
    def matter(self) -> str | None:
        """What votes are about: this application, this round, exactly this content and these plans.

        `None` while there is nothing to vote on.
        """
        if self.content is None or not self.plans:
            return None
        plans = {item.name: item.plan_digest for item in self.plans}
        return digest(
            {"application": self.id, "round": self.round, "content": self.content.digest(), "plans": plans}
            | ({"varies": self.varies, "base": self.base, "lane": self.lane.value} if self.varies else {})
        )
