"""The score of each statement, and what capabilities come to.

Guarantees: 2 needs a check that ran here and held, with none that did not, and no gap; 1 needs at least a page that is
here, or a check that held; a check that did not hold makes it 0, whatever a page says. A document never gives 2.
A capability is met where every mandatory statement has 1 or more; where some of them are the organisation's to show, it
is not called met.

Does not guarantee: that an assessor agrees. Scores are SATRE's: 0 not met, 1 sufficient, 2 satisfied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from tre.cli.satre.place import Found, Outcome, Place, run
from tre.cli.satre.statements import Capability, Importance, Kind, Specification, Statement
from tre.cli.satre.table import CHECKS
from tre.domain.model import Line, Record

SCORES = {0: "not met", 1: "sufficient", 2: "satisfied"}
"""What SATRE calls them."""

NOT_SCORED = {Kind.organisation: "organisation", Kind.not_applicable: "not applicable"}


class Looked(Record):
    """One check of a statement, and what came of it."""

    name: Line
    outcome: Outcome
    words: str


class Scored(Record):
    """A statement with its score; `None` where it is not scored."""

    statement: Statement
    score: Annotated[int, Field(ge=0, le=2)] | None
    reason: str
    checks: tuple[Looked, ...] = ()

    @property
    def shown(self) -> str:
        """The score with its word."""
        return NOT_SCORED[self.statement.kind] if self.score is None else f"{self.score} {SCORES[self.score]}"

    @property
    def blocks(self) -> bool:
        """Whether it alone keeps the software from complying: mandatory, the software's own, and not met."""
        one = self.statement
        return one.importance.is_mandatory and one.kind is Kind.software and self.score == 0


class Verdict(StrEnum):
    """What a capability comes to."""

    met = "met"
    not_met = "not met"
    organisation = "rests on the organisation"
    nothing_due = "nothing mandatory"
    not_applicable = "not applicable"


class Tally(Record):
    """How many of a capability's statements of one importance have at least 1, of how many that are scored."""

    met: int
    scored: int

    def __str__(self) -> str:
        return f"{self.met} of {self.scored}" if self.scored else "–"


class ScoredCapability(Record):
    """A capability, its statements, and what they come to."""

    id: Line
    title: Line
    pillar: Line
    verdict: Verdict
    mandatory: Tally
    recommended: Tally
    optional: Tally
    organisation: int
    statements: tuple[Scored, ...]


class Score(Record):
    """The whole."""

    specification: Line
    version: Line
    capabilities: tuple[ScoredCapability, ...]

    @property
    def statements(self) -> list[Scored]:
        """Every statement, in order."""
        return [one for capability in self.capabilities for one in capability.statements]

    @property
    def blocking(self) -> list[Scored]:
        """The mandatory statements that the software itself does not meet."""
        return [one for one in self.statements if one.blocks]

    def tally(self, *importance: Importance) -> Tally:
        """Over all capabilities."""
        return _tally(self.statements, *importance)


def score(specification: Specification, place: Place) -> Score:
    """Look at everything once, and score every statement."""
    names = {name for one in specification.statements for name in one.checks}
    found = {name: run(CHECKS[name], place) for name in sorted(names)}
    return Score(
        specification=specification.specification,
        version=specification.version,
        capabilities=tuple(
            scored_capability(pillar.title, capability, [scored(one, found, place) for one in capability.statements])
            for pillar in specification.pillars
            for capability in pillar.capabilities
        ),
    )


def scored(statement: Statement, found: Mapping[str, Found], place: Place) -> Scored:
    """One statement's score, with its reason."""
    if not statement.is_scored:
        return Scored(statement=statement, score=None, reason=statement.why)
    checks = tuple(Looked(name=name, outcome=found[name][0], words=found[name][1]) for name in statement.checks)
    absent = [document for document in statement.documents if not place.has(document)]
    documented = bool(statement.documents) and not absent
    points = _points([check.outcome for check in checks], documented=documented, gap=bool(statement.gap))
    return Scored(statement=statement, score=points, reason=_reason(statement, checks, absent), checks=checks)


def _points(outcomes: list[Outcome], *, documented: bool, gap: bool) -> int:
    if Outcome.broken in outcomes:
        return 0
    if outcomes and set(outcomes) == {Outcome.held}:
        return 1 if gap else 2
    return 1 if documented or Outcome.held in outcomes else 0


def _reason(statement: Statement, checks: Iterable[Looked], absent: list[str]) -> str:
    """What was found; what is written down where checks found nothing to look at; what is lacking."""
    by = {outcome: [check.words for check in checks if check.outcome is outcome] for outcome in Outcome}
    parts = by[Outcome.broken] or [*by[Outcome.held], *by[Outcome.nothing]]
    parts += [f"{document} is not here." for document in absent]
    proven = by[Outcome.held] and not by[Outcome.nothing]
    if not (by[Outcome.broken] or proven or absent) and statement.documents:
        parts.append(f"Written down in {', '.join(statement.documents)}.")
    return " ".join([*parts, *([statement.gap] if statement.gap else [])])


def scored_capability(pillar: str, capability: Capability, statements: list[Scored]) -> ScoredCapability:
    """What the statements of a capability come to."""
    return ScoredCapability(
        id=capability.id,
        title=capability.title,
        pillar=pillar,
        verdict=_verdict(statements),
        mandatory=_tally(statements, Importance.mandatory, Importance.mandatory_but),
        recommended=_tally(statements, Importance.recommended),
        optional=_tally(statements, Importance.optional),
        organisation=sum(one.statement.kind is Kind.organisation for one in statements),
        statements=tuple(statements),
    )


def _verdict(statements: list[Scored]) -> Verdict:
    if all(one.statement.kind is Kind.not_applicable for one in statements):
        return Verdict.not_applicable
    due = [one for one in statements if one.statement.importance.is_mandatory]
    if not due:
        return Verdict.nothing_due
    if any(one.score == 0 for one in due):
        return Verdict.not_met
    if any(one.statement.kind is Kind.organisation for one in due):
        return Verdict.organisation
    return Verdict.met


def _tally(statements: Iterable[Scored], *importance: Importance) -> Tally:
    found = [one.score for one in statements if one.statement.importance in importance and one.score is not None]
    return Tally(met=sum(points > 0 for points in found), scored=len(found))


def as_json(found: Score) -> dict[str, Any]:
    """The whole for programs; with its totals, and what blocks."""
    plain = found.as_plain()
    for capability in plain["capabilities"]:
        capability["statements"] = [
            {**one["statement"], "score": one.get("score"), "reason": one["reason"], "looked": one["checks"]}
            for one in capability["statements"]
        ]
    plain["totals"] = {
        "mandatory": found.tally(Importance.mandatory, Importance.mandatory_but).as_plain(),
        "recommended": found.tally(Importance.recommended).as_plain(),
        "optional": found.tally(Importance.optional).as_plain(),
    }
    plain["blocking"] = [one.statement.id for one in found.blocking]
    return plain
