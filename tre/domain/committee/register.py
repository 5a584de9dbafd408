"""What the public register will tell of a project, from what was asked for and decided.

Guarantees: for any content that was handed in there is an account that the register can hold: names without commas and
each once, texts cut where its columns end. Nothing is told here that the application did not say, but for what holds
for every project.

Does not guarantee: members' words. What they wrote for colleagues stands in the decision's record and is not told; what
they wrote for the public is told from the decision (`tre.domain.committee.published`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tre.domain.applications.models import ApplicationContent, RequestCategory
from tre.domain.grants.register import (
    Accredited,
    ExpectedOutput,
    Frequency,
    OptOutAnswer,
    OptOutsHonoured,
    RegisterDetails,
    Sensitivity,
)
from tre.domain.model import as_line

OPT_OUTS = "People who opted out are taken out before anything is built. No project can switch that off."
PRIVACY = (
    "Names and numbers are replaced by codes. People work in a sealed workspace without any network; results leave only"
    " after two people from outside the project have looked at them."
)
CATEGORIES = {
    RequestCategory.public_health: "Public Health Research",
    RequestCategory.care: "Efficacy & Mechanism Evaluation",
    RequestCategory.planning: "Health Services & Delivery",
    RequestCategory.other: "Others",
}
"""In the words of the register's template."""

_MOST_NAMES, _NAME, _SAID, _TOLD, _OUTPUTS = 100, 200, 500, 5_000, 50


def register_of(content: ApplicationContent, criteria: Sequence[str] = ()) -> RegisterDetails:
    """The register's columns; `criteria` are what the committee found in order, in words."""
    law = content.legal_basis
    return RegisterDetails(
        applicants=_names(one.name for one in content.people),
        applicant_ids=tuple(dict.fromkeys(one.orcid for one in content.people if one.orcid))[:_MOST_NAMES],
        funders=_names(content.funders),
        accredited=Accredited.yes if all(one.register_id for one in content.people) else None,
        sublicence=_said(content.sub_licences),
        category=CATEGORIES[content.category],
        technical_summary=_told(content.technical_summary),
        other_committees=_names(content.other_committees),
        sensitivity=Sensitivity.depersonalised,
        article6=law.article6,
        article9=law.article9,
        confidentiality=law.confidentiality,
        opt_outs=OptOutsHonoured(applied=OptOutAnswer.yes, explanation=OPT_OUTS),
        frequency=Frequency.once,
        linkage=_told(content.linkage),
        confidential_data=_told(content.confidential_data),
        privacy=PRIVACY,
        outputs=tuple(ExpectedOutput(what=one.what, due=one.due) for one in content.outputs[:_OUTPUTS]),
        criteria=tuple(criteria)[:_OUTPUTS],
    )


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    """Names as a list of them can hold: the register splits lists at commas."""
    found = dict.fromkeys(as_line(text.replace(",", " "), _NAME) for text in texts)
    return tuple(name for name in found if name)[:_MOST_NAMES]


def _said(text: str | None) -> str | None:
    return None if text is None else as_line(text, _SAID) or None


def _told(text: str | None) -> str | None:
    return text if text is None or len(text) <= _TOLD else f"{text[: _TOLD - 1]}…"
