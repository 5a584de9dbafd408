"""One run of the checks over files: claimed type, confined look, comparison with one another, severity from the policy.

Guarantees: every file gets a complete answer or a finding that blocks it; severities come from the policy and never
from the child that looked; the bytes that are looked at are hashed first; a comparison that fails blocks every file
that it was about.

Does not guarantee: that an output is safe to release. Two people decide that.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from tre import __version__
from tre.airlock.across import COMPARISONS
from tre.airlock.confine import ChildObservation, Instruction, MemberWords, compare, examine, namespace_prefix
from tre.airlock.formats.endings import named
from tre.airlock.identify import UNKNOWN, type_of
from tre.airlock.parsed import Observation, Place
from tre.airlock.policy import bounds_of, rules_of
from tre.airlock.vault import hash_descriptor
from tre.domain.errors import Reason, TREError
from tre.domain.exports.catalogue import CATALOGUE, ENTRIES, KNOWN_CHECKS, key_of
from tre.domain.exports.models import FileKind, Finding, Locator, finding_id
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity
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
    """A file to look at: its name, the bytes that it must hold, how to open them, and its part in the request."""

    path: str
    sha256: str
    opened: Callable[[], AbstractContextManager[int]]
    kind: FileKind = FileKind.output
    group: str = ""


@dataclass(frozen=True)
class Earlier:
    """A file that was released before: from this grant (`earlier`), or from another one on the same slice (`sibling`).

    `label` says in words from which release.
    """

    path: str
    sha256: str
    extract: bytes
    origin: str
    label: str


@dataclass(frozen=True)
class Knowledge:
    """What a run knows beside the files: earlier releases, what people said of columns, and the slice."""

    earlier: tuple[Earlier, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    people: int = 0
    index: bytes = b""
    inward: bool = False
    """The files come in: they are asked about what they carry, and about nothing else."""


NOTHING_KNOWN = Knowledge()


@dataclass(frozen=True)
class FileReport:
    """What a run says of one file, and what it keeps of it for people and for later comparison."""

    path: str
    sha256: str
    type: str
    findings: tuple[Finding, ...]
    extract: bytes = b""

    @property
    def verdict(self) -> Verdict:
        """The worst finding decides; information alone leaves a file clear."""
        return worst(finding.severity for finding in self.findings)


def worst(severities: Iterable[Severity]) -> Verdict:
    """The verdict that a set of severities gives."""
    found = set(severities)
    return next((verdict for severity, verdict in _VERDICTS.items() if severity in found), Verdict.clear)


def check_files(
    candidates: Sequence[Candidate], policy: AirlockPolicy, knowledge: Knowledge = NOTHING_KNOWN
) -> list[FileReport]:
    """Look at every file, two at a time, then at all of them together.

    Raises `TREError(ContentChanged)` where bytes are not what they should be.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        reports = list(pool.map(lambda candidate: check_file(candidate, policy, knowledge), candidates))
    return _compared(candidates, reports, policy, knowledge)


def check_file(candidate: Candidate, policy: AirlockPolicy, knowledge: Knowledge = NOTHING_KNOWN) -> FileReport:
    """Look at one file by itself."""
    kind = type_of(candidate.path)
    with candidate.opened() as descriptor:
        held = hash_descriptor(descriptor)
        if held.sha256 != candidate.sha256:
            raise TREError(Reason.ContentChanged, "A file does not hold the bytes that were asked about.")
        if kind == UNKNOWN or kind not in policy.spec.types:
            observations, extract = _refuse(descriptor, candidate.path, held.size, policy, knowledge), b""
        else:
            observations, extract = _look(descriptor, candidate.path, held.size, policy, knowledge)
    findings = tuple(_finding(item, candidate.sha256, policy) for item in observations)
    return FileReport(candidate.path, candidate.sha256, kind, findings, extract)


def _look(
    descriptor: int, name: str, size: int, policy: AirlockPolicy, knowledge: Knowledge
) -> tuple[list[Observation], bytes]:
    limits, kind = policy.spec.limits, type_of(name)
    if size > parse_bytes(limits.file_bytes):
        less = "Bring in less." if knowledge.inward else "Ask for less."
        return [Observation("F05", f"The file is larger than {limits.file_bytes}.", less)], b""
    try:
        answer, extract = examine(descriptor, _instruction(kind, policy, knowledge, name), knowledge.index)
    except TREError as error:
        return [_failed(error, "Save it in a simpler form, or ask the operator.")], b""
    return [_observation(item) for item in answer.observations], extract


def _refuse(descriptor: int, path: str, size: int, policy: AirlockPolicy, knowledge: Knowledge) -> list[Observation]:
    """A type that does not pass, with what its name says of it, and what a confined child says of its bytes."""
    allowed = ", ".join(policy.spec.types)
    message = "Files of this type do not come in." if knowledge.inward else "Files of this type do not leave."
    refusal = Observation("F02", message, f"The policy allows {allowed}.")
    seen: list[Observation] = []
    if size <= parse_bytes(policy.spec.limits.file_bytes):
        try:
            answer, _ = examine(descriptor, _instruction(UNKNOWN, policy, NOTHING_KNOWN))
            seen = [_observation(item) for item in answer.observations]
        except TREError as error:
            seen = [_failed(error, "Save it in a simpler form, or ask the operator.")]
    if type_of(path) != UNKNOWN:
        seen = [item for item in seen if item.check != "F02"]  # what it is, its name says already
    said = named(path)
    if said is not None and (said.check, said.suggestion) not in {(item.check, item.suggestion) for item in seen}:
        seen.insert(0, said)
    if knowledge.inward:  # what to do instead is said of files that leave
        seen = [replace(item, suggestion="") for item in seen]
    return [refusal, *seen]


def _instruction(kind: str, policy: AirlockPolicy, knowledge: Knowledge, name: str = "") -> Instruction:
    limits = policy.spec.limits
    return Instruction(
        kind,
        limits.seconds,
        parse_bytes(limits.memory),
        bounds_of(policy),
        rules_of(policy),
        knowledge.labels,
        knowledge.people,
        name,
        knowledge.inward,
    )


def _failed(error: TREError, remedy: str) -> Observation:
    """A check that failed, as a finding. Raises the error again where it is about something else."""
    if error.reason is not Reason.CheckerFailed:
        raise error
    return Observation("F05", f"{error.what} {error.why}", remedy)


def _observation(said: ChildObservation) -> Observation:
    if key_of(said.check, said.case) not in KNOWN_CHECKS:
        return Observation("F05", "The check of the file gave an answer that nobody knows.")
    place = Place(**said.place.model_dump())
    return Observation(said.check, said.message, said.suggestion, place, said.case)


def _compared(
    candidates: Sequence[Candidate], reports: list[FileReport], policy: AirlockPolicy, knowledge: Knowledge
) -> list[FileReport]:
    """The reports with what the comparisons add. Files without an extract are blocked already and not compared."""
    compared = [place for place, report in enumerate(reports) if report.extract]
    if not compared or not COMPARISONS:
        return reports
    members = [
        MemberWords(c.path, c.sha256, kind=c.kind.value, group=c.group) for c in (candidates[p] for p in compared)
    ]
    members += [MemberWords(e.path, e.sha256, e.origin, e.label) for e in knowledge.earlier]
    extracts = [reports[place].extract for place in compared] + [item.extract for item in knowledge.earlier]
    added: dict[int, list[Observation]] = {place: [] for place in compared}
    try:
        answer = compare(extracts, members, _instruction("", policy, knowledge))
    except TREError as error:
        for found in added.values():
            found.append(_failed(error, "Ask for fewer files at a time, or tell the operator."))
    else:
        for item in answer.observations:
            added[compared[min(item.member, len(compared) - 1)]].append(_observation(item))
    for place, found in added.items():
        report = reports[place]
        more = tuple(_finding(item, report.sha256, policy) for item in found)
        reports[place] = replace(report, findings=report.findings + more)
    return reports


def _finding(seen: Observation, sha256: str, policy: AirlockPolicy) -> Finding:
    place = Locator(**asdict(seen.place))
    number = CATALOGUE[seen.check].version
    return Finding(
        id=finding_id(key_of(seen.check, seen.case), number, sha256, place, seen.message),
        check=seen.check,
        case=seen.case,
        check_version=number,
        severity=policy.spec.severities[key_of(seen.check, seen.case)],
        sha256=sha256,
        locator=place,
        message=seen.message,
        suggestion=seen.suggestion,
    )


def tool_versions() -> dict[str, str]:
    """What looked at the files: recorded with every run and every release."""
    checks = " ".join(f"{entry.id}.{entry.version}" for entry in ENTRIES)
    walls = "namespaces and system calls" if namespace_prefix() else "system calls"
    python = re.sub(r"[^0-9A-Za-z.+-]", "", platform.python_version())
    return {"tre": __version__, "checks": checks, "python": python, "confinement": walls}
