"""The pages of the form: which part of an application is asked where, and in which words.

Guarantees: every key of an application stands in exactly one step (a test compares), so that whatever is wrong with
one can be put right somewhere.
"""

from __future__ import annotations

from tre.portal.applying.fields import Field, Kind, Rows, Step

K = Kind
PROSE = 20_000

PROJECT = Step(
    "project",
    "The project",
    (
        Field("title", "Title", hint="As it stands in the public register."),
        Field(
            "laySummary",
            "Summary in plain words",
            K.text,
            "For everybody, at most 250 words. It is published. What are you asking, why, and what could come of it?",
            PROSE,
        ),
        Field(
            "publicBenefit",
            "Who benefits, and how",
            K.text,
            "Patients and the public read this. Say also what would be lost without the data.",
            PROSE,
        ),
        Field("purpose", "What the data are for", K.text, "The aims, and what is done for them.", PROSE),
        Field("technicalSummary", "How it is done", K.text, "Methods and software, for scientists.", PROSE),
        Field(
            "research",
            "Kind of research",
            K.choice,
            choices=(
                ("disease", "A disease"),
                ("health", "Health, medicine or biomedicine in general"),
                ("methods", "Methods and software"),
                ("populations", "Populations, where people come from"),
            ),
        ),
        Field(
            "category",
            "Category of the request",
            K.choice,
            choices=(
                ("public-health-research", "Public health research"),
                ("efficacy-and-mechanism-evaluation", "Whether something works, and how"),
                ("health-services-and-delivery", "How services are planned and given"),
                ("other", "Something else"),
            ),
        ),
    ),
)
PEOPLE = Step(
    "people",
    "The people",
    (
        Field("organisation.name", "Organisation", hint="Who carries the project."),
        Field("organisation.id", "Its identifier", hint="For example its ROR or company number."),
        Field("organisation.sector", "Its sector", hint="For example academic, NHS, industry, charity."),
        Field("organisation.commercial", "Is it a company, or does it act for one?", K.yes_no),
        Field("organisation.notForProfit", "Is it not for profit?", K.yes_no),
        Field("organisation.country", "Country", hint="Two capital letters, for example GB.", most=2),
        Rows(
            "people",
            "Everybody who would work with the data",
            (
                Field("name", "Name"),
                Field("jobTitle", "Job"),
                Field("organisation", "Organisation"),
                Field("subject.id", "Account", hint="The name by which they sign in here."),
                Field("subject.issuer", "Who vouches for the account", hint="“local” for accounts of this service."),
                Field(
                    "role",
                    "Role",
                    K.choice,
                    choices=(("researcher", "Works with the data"), ("lead", "Leads the project")),
                ),
                Field("registerId", "Number as an accredited researcher", hint="If they have one."),
                Field("orcid", "ORCID", hint="If they have one, for example 0000-0002-1825-0097."),
            ),
            "Add a person",
            "Each person by name, never “the team”. One of them leads.",
            "Person",
        ),
    ),
)
DATA = Step("data", "The data", (Rows("slices", "The data that are asked for", (), "Add", one="Part"),))
LAW = Step(
    "law",
    "Time, law and money",
    (
        Field("starts", "Access from", K.first),
        Field("ends", "Access until", K.last, "That day is counted."),
        Field("legalBasis.name", "Legal basis", hint="The law or notice under which the data would be used."),
        Field("legalBasis.ends", "It ends on", K.last, "When it ends, access ends."),
        Field("legalBasis.article6", "UK GDPR, Article 6", hint="For example 6(1)(e), a task in the public interest."),
        Field("legalBasis.article9", "UK GDPR, Article 9", hint="For example 9(2)(j), research."),
        Field(
            "legalBasis.confidentiality", "Duty of confidentiality", hint="How it is met: consent, or which support."
        ),
        Field("ethics.reference", "Ethics approval", hint="Its reference; else say below why none is needed."),
        Field("ethics.notNeededBecause", "Why no ethics approval is needed", K.text, most=PROSE),
        Field("funders", "Who pays", K.lines, "One on each line.", 6000),
        Field("otherCommittees", "Other committees that approved", K.lines, "One on each line.", 6000),
    ),
)
OUTPUTS = Step(
    "outputs",
    "What comes of it",
    (
        Rows(
            "outputs",
            "What is to come out, and when",
            (Field("what", "What"), Field("due", "By", K.day)),
            "Add one",
            "Papers, models, reports. What leaves this service is checked first.",
            "Output",
        ),
        Field("linkage", "Linkage with other data", K.text, "With which, and how. Leave it empty for none.", PROSE),
        Field("confidentialData", "Confidential data that are used", K.text, "Leave it empty for none.", PROSE),
        Field("subLicences", "Sub-licences", K.text, "Leave it empty for none.", PROSE),
        Field("profile", "Size of the workspaces", hint="As your operator names it; “small” where you say nothing."),
    ),
)
PAPERS = Step(
    "papers",
    "Documents",
    (Rows("attachments", "Documents that belong to it", (), "Attach a document", one="Document"),),
)
STEPS = (PROJECT, PEOPLE, DATA, LAW, OUTPUTS, PAPERS)
UNTYPED = (DATA, PAPERS)
"""Steps that have forms of their own."""


def step_named(name: str) -> Step | None:
    """The step with this name."""
    return next((step for step in STEPS if step.name == name), None)


def after(step: Step) -> Step | None:
    """The step that follows."""
    place = STEPS.index(step)
    return STEPS[place + 1] if place + 1 < len(STEPS) else None
