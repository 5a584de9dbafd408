"""One run of the checks over files that come in: the same confined look as at files that leave, by other rules.

Guarantees: types and limits are those of the policy's rules for what comes in, severities the policy's own; of what
is found only carriers count (`checks.CARRIERS`), and only the checks that speak of them run; every file gets a
complete answer or a finding that blocks it.

Does not guarantee: that a program does what its purpose says. A person who stands outside reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tre.airlock.checks import CARRIERS
from tre.airlock.examination import WORKERS, Candidate, FileReport, Knowledge, check_file
from tre.domain.exports.rules import AirlockPolicy, FileLimits

_INWARD = Knowledge(inward=True)


def inbound_limits(policy: AirlockPolicy) -> FileLimits:
    """The policy's limits with what it says of files that come in."""
    rules = policy.spec.imports
    changes = {"files": rules.files, "file_bytes": rules.file_bytes, "request_bytes": rules.request_bytes}
    return policy.spec.limits.model_copy(update=changes)


def inspect_files(candidates: Sequence[Candidate], policy: AirlockPolicy) -> list[FileReport]:
    """Look at every file by itself, two at a time; files that come in are not compared with one another.

    Raises `TREError(ContentChanged)` where bytes are not what they should be.
    """
    changes = {"types": policy.spec.imports.types, "limits": inbound_limits(policy)}
    inward = policy.model_copy(update={"spec": policy.spec.model_copy(update=changes)})
    with ThreadPoolExecutor(WORKERS) as pool:
        reports = list(pool.map(lambda candidate: check_file(candidate, inward, _INWARD), candidates))
    return [replace(r, findings=tuple(f for f in r.findings if f.check in CARRIERS)) for r in reports]
