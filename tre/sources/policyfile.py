"""The policy of sources as it stands in the root, and the templates that it names.

Guarantees: a launcher without the file has no source elsewhere; a file that is wrong is told and gives nothing, so
that what its sources vouched for ends when their last word is too old. A template counts only with the signature of an
approving body over it, checked each time that it is used.

Threat: a policy that names a file which nobody signed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.domain.sources.grants import check_template
from tre.domain.sources.policy import NO_SOURCES, RemsSource, SourcePolicy
from tre.sources.grantfile import read_grants
from tre.sources.signed import COMMITTEE, SOURCE, check_evidence
from tre.system.resources import read_record

POLICY_FILE = Path("policies") / "sources.yaml"

Mark = tuple[int, int, int]


class PolicyFile:
    """Read again when it is another file than it was. May be asked by several threads."""

    def __init__(self, root: Path) -> None:
        self._path = root / POLICY_FILE
        self._known: tuple[Mark | None, SourcePolicy] = (None, NO_SOURCES)

    def read(self) -> SourcePolicy:
        """The policy as it is now. Raises `TREError(BadInput)` where it is wrong, `TREError(PolicyMissing)` where it
        cannot be read."""
        mark = mark_of(self._path)
        known, policy = self._known
        if mark is None or mark != known:
            policy = NO_SOURCES if mark is None else read_record(SourcePolicy, self._path)
            self._known = (mark, policy)
        return policy


def mark_of(path: Path) -> Mark | None:
    """By what a file is known to be another than it was; `None` for none. Raises `TREError(PolicyMissing)`."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TREError(Reason.PolicyMissing, f"{path} cannot be read.", why=f"{error.strerror}.") from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def templates_of(
    root: Path, source: RemsSource, signers: Callable[[], dict[str, Ed25519PublicKey]]
) -> dict[str, AccessGrant]:
    """What each resource of a source opens, by the resource.

    Raises `TREError(EvidenceUnverified)` for a template that no approving body signed, `TREError(Conflict)` for two of
    one resource, `TREError(BadInput)` for a file that cannot be read.
    """
    keys = signers()
    found: dict[str, AccessGrant] = {}
    for path in source.templates:
        for template in _parsed(root / path, mark_of(root / path)):
            resource = _checked(template, source, keys)
            if resource in found:
                raise TREError(
                    Reason.Conflict,
                    f"The source {source.name!r} has two templates of the resource {resource!r}.",
                    remedy="Take one of them out of the policy.",
                )
            found[resource] = template
    return found


@functools.lru_cache(maxsize=1000)
def _parsed(path: Path, _mark: Mark | None) -> tuple[AccessGrant, ...]:
    """The templates of a file, read again when it is another than it was."""
    return tuple(read_grants(path))


def _checked(template: AccessGrant, source: RemsSource, keys: dict[str, Ed25519PublicKey]) -> str:
    resource = check_template(template, source.name)
    check_evidence(template, keys)
    evidence = template.spec.approval.evidence
    if evidence is None or evidence.source not in {SOURCE, COMMITTEE}:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The template {template.metadata.name!r} is not signed by an approving body.",
            remedy="Have it signed with `tre grant sign`.",
        )
    return resource
