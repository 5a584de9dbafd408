"""Who reads what a check found: everybody who may see the request, its author in outline, or its checkers alone.

Guarantees: a check that the catalogue does not know is for checkers alone (fail closed). An outline says which rule a
file met, once, in the catalogue's words: no place, no message, no count, so that it cannot be asked about the data.

Threat: an author who learns from findings which identifiers or records the mounted data holds.
"""

from __future__ import annotations

from tre.domain.canonical import digest
from tre.domain.exports.catalogue import CATALOGUE, Audience
from tre.domain.exports.models import CheckRun, Finding
from tre.domain.names import short_hash


def audience_of(finding: Finding) -> Audience:
    """Who reads a finding."""
    entry = CATALOGUE.get(finding.check)
    return Audience.checkers if entry is None else entry.audience_of(finding.case)


def is_told(finding: Finding) -> bool:
    """Whether the author's side learns that it was found."""
    return audience_of(finding) is not Audience.checkers


def outline(finding: Finding) -> Finding:
    """A finding as its author may read it where only the rule is told; the same for every finding of it in a file."""
    entry = CATALOGUE[finding.check]
    return Finding(
        id=short_hash("outline", finding.check, finding.severity.value, finding.sha256),
        check=finding.check,
        check_version=finding.check_version,
        severity=finding.severity,
        sha256=finding.sha256,
        message=entry.statement,
        suggestion="Take out what comes from single people. What was found, and where, is shown to the checkers only.",
    )


def told(run: CheckRun) -> CheckRun:
    """A run as the author's side may see it."""
    shown: dict[str, Finding] = {}
    for finding in run.findings:
        audience = audience_of(finding)
        if audience is not Audience.checkers:
            kept = finding if audience is Audience.everyone else outline(finding)
            shown[kept.id] = kept
    return CheckRun(policy=run.policy, tools=run.tools, at=run.at, files=run.files, findings=tuple(shown.values()))


def name_of(run: CheckRun | None, shown: CheckRun | None, name: str) -> str:
    """What a vote's run is called on the author's side: the shown run's own name, never the true one, which would
    prove a guess about findings that are not told."""
    if run is None or shown is None or name != run.id:
        return digest(["another run"])
    return shown.id
