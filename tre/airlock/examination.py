"""One run of the checks over files: claimed type, confined look, severity from the policy.

Guarantees: every file gets a complete answer or a finding that blocks it; severities come from the policy and never
from the child that looked; the bytes that are looked at are hashed first.

Does not guarantee: that an output is safe to release. Two people decide that.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from tre import __version__
from tre.airlock.checks import VERSIONS
from tre.airlock.confine import Instruction, examine, namespace_prefix
from tre.airlock.identify import UNKNOWN, type_of
from tre.airlock.parsed import Observation
from tre.airlock.policy import bounds_of, counts_of
from tre.airlock.vault import hash_descriptor
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import Finding, Locator, Severity, finding_id
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.quantities import parse_bytes

WORKERS = 2
"""Files looked at side by side: the launcher's smallest machine has two cores."""


class Verdict(StrEnum):
    """The worst of a file's findings, in the words of `tre check`."""

    blocked = "blocked"
    exception = "exception"
    acknowledge = "acknowledge"
    clear = "clear"


_VERDICTS = {Severity.B: Verdict.blocked, Severity.E: Verdict.exception, Severity.A: Verdict.acknowledge}


@dataclass(frozen=True)
class Candidate:
    """A file to look at: its name, the bytes that it must hold, and how to open them."""

    path: str
    sha256: str
    opened: Callable[[], AbstractContextManager[int]]


@dataclass(frozen=True)
class FileReport:
    """What a run says of one file."""

    path: str
    sha256: str
    type: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst finding decides; information alone leaves a file clear."""
        return worst(finding.severity for finding in self.findings)


def worst(severities: Iterable[Severity]) -> Verdict:
    """The verdict that a set of severities gives."""
    found = set(severities)
    return next((verdict for severity, verdict in _VERDICTS.items() if severity in found), Verdict.clear)


def check_files(candidates: Sequence[Candidate], policy: AirlockPolicy) -> list[FileReport]:
    """Look at every file, two at a time. Raises `TREError(ContentChanged)` where bytes are not what they should be."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda candidate: check_file(candidate, policy), candidates))


def check_file(candidate: Candidate, policy: AirlockPolicy) -> FileReport:
    """Look at one file."""
    kind = type_of(candidate.path)
    with candidate.opened() as descriptor:
        held = hash_descriptor(descriptor)
        if held.sha256 != candidate.sha256:
            raise TREError(Reason.ContentChanged, "A file does not hold the bytes that were asked about.")
        observations = _look(descriptor, kind, held.size, policy)
    findings = tuple(_finding(item, candidate.sha256, policy) for item in observations)
    return FileReport(candidate.path, candidate.sha256, kind, findings)


def _look(descriptor: int, kind: str, size: int, policy: AirlockPolicy) -> list[Observation]:
    limits = policy.spec.limits
    if kind == UNKNOWN or kind not in policy.spec.types:
        allowed = ", ".join(policy.spec.types)
        return [Observation("F02", "Files of this type do not leave.", f"The policy allows {allowed}.")]
    if size > parse_bytes(limits.file_bytes):
        return [Observation("F05", f"The file is larger than {limits.file_bytes}.", "Ask for less.")]
    instruction = Instruction(kind, limits.seconds, parse_bytes(limits.memory), bounds_of(policy), counts_of(policy))
    try:
        answer = examine(descriptor, instruction)
    except TREError as error:
        if error.reason is not Reason.CheckerFailed:
            raise
        return [Observation("F05", f"{error.what} {error.why}", "Save it in a simpler form, or ask the operator.")]
    return [
        Observation(**item.model_dump())
        if item.check in VERSIONS
        else Observation("F05", "The check of the file gave an answer that nobody knows.")
        for item in answer.observations
    ]


def _finding(seen: Observation, sha256: str, policy: AirlockPolicy) -> Finding:
    place = Locator(row=seen.row, column=seen.column, offset=seen.offset, pointer=seen.pointer)
    number = VERSIONS[seen.check]
    return Finding(
        id=finding_id(seen.check, number, sha256, place, seen.message),
        check=seen.check,
        check_version=number,
        severity=policy.spec.severities[seen.check],
        sha256=sha256,
        locator=place,
        message=seen.message,
        suggestion=seen.suggestion,
    )


def tool_versions() -> dict[str, str]:
    """What looked at the files: recorded with every run and every release."""
    checks = " ".join(f"{check}.{number}" for check, number in sorted(VERSIONS.items()))
    walls = "namespaces and system calls" if namespace_prefix() else "system calls"
    python = re.sub(r"[^0-9A-Za-z.+-]", "", platform.python_version())
    return {"tre": __version__, "checks": checks, "python": python, "confinement": walls}
