"""An airlock policy: the rules by which outputs are judged, as a versioned document.

Guarantees: a policy that parses names a severity for every check it is asked to run and none it does not know, lets
no request through with fewer than two checkers, and has a digest of its canonical content that is recorded with
each decision.

Does not guarantee: good judgement. Thresholds are a site's own; the shipped defaults name their source.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tre.domain.canonical import digest
from tre.domain.exports.models import PolicyRef, Severity
from tre.domain.model import Code, Line, Record
from tre.domain.names import is_resource_name
from tre.domain.quantities import is_amount

KNOWN_CHECKS = frozenset({"F01", "F02", "F03", "F05", "F08", "F10", "S01"})
"""The checks that exist. A policy must give each a severity."""

KNOWN_TYPES = frozenset({"csv", "tsv", "text", "log", "markdown", "json", "png"})
"""The file types that have a strict parser. A policy chooses among them."""

CheckId = Annotated[Code, Field(pattern=r"^[A-Z]\d\d$")]


Amount = Annotated[Code, AfterValidator(is_amount)]


class ReviewRules(Record):
    """How many people must say yes, and how long things may wait."""

    minimum_reviewers: Annotated[int, Field(ge=2, le=9)] = 2
    service_level_hours: Annotated[int, Field(ge=1, le=24 * 60)] = 48
    """Two days: what public committee airlocks mostly keep."""

    draft_days: Annotated[int, Field(ge=1, le=365)] = 30
    context_words: Annotated[int, Field(ge=1, le=500)] = 5
    """Fewest words of a group's context and of its controls; a quarter of all returns lack context."""


class FileLimits(Record):
    """Bounds of what is looked at: soft where a site says so, never absent.

    16 MiB a file and 5,000 rows a table: the published limits of the OpenSAFELY airlock.
    """

    files: Annotated[int, Field(ge=1, le=10_000)] = 200
    file_bytes: Amount = "16Mi"
    request_bytes: Amount = "256Mi"
    rows: Annotated[int, Field(ge=1, le=10_000_000)] = 5000
    columns: Annotated[int, Field(ge=1, le=100_000)] = 500
    cell_characters: Annotated[int, Field(ge=1, le=1_000_000)] = 4000
    json_depth: Annotated[int, Field(ge=1, le=200)] = 32
    json_values: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000
    image_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50_000_000
    seconds: Annotated[int, Field(ge=1, le=600)] = 30
    memory: Amount = "512Mi"


class CountRules(Record):
    """Small counts: the fewest people a shown number may stand for. 10: the default of ACRO and the ONS family."""

    threshold: Annotated[int, Field(ge=1, le=1000)] = 10
    zeros: Literal["disclosive", "allowed"] = "disclosive"


class PolicySpec(Record):
    """What a policy decides."""

    title: Annotated[Line, Field(min_length=1, max_length=200)]
    review: ReviewRules = ReviewRules()
    types: Annotated[tuple[Code, ...], Field(min_length=1)]
    limits: FileLimits = FileLimits()
    counts: CountRules = CountRules()
    severities: dict[CheckId, Severity]

    @model_validator(mode="after")
    def _complete(self) -> PolicySpec:
        _exactly("severities", set(self.severities), KNOWN_CHECKS)
        unknown = sorted(set(self.types) - KNOWN_TYPES)
        if unknown or len(set(self.types)) != len(self.types):
            msg = f"types: {', '.join(unknown) or 'one stands twice'}; known are {', '.join(sorted(KNOWN_TYPES))}"
            raise ValueError(msg)
        return self


def _exactly(key: str, found: set[str], due: frozenset[str]) -> None:
    missing, unknown = sorted(due - found), sorted(found - due)
    if missing or unknown:
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"unknown {', '.join(unknown)}"] if unknown else []
        msg = f"{key}: {'; '.join(parts)}"
        raise ValueError(msg)


def _policy_name(text: str) -> str:
    if not is_resource_name(text):
        msg = "lower-case letters, digits and hyphens are due"
        raise ValueError(msg)
    return text


class PolicyMetadata(Record):
    """The policy's name, which is also its file's."""

    name: Annotated[Line, AfterValidator(_policy_name)]


class AirlockPolicy(Record):
    """The document as it is written in a file."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["AirlockPolicy"]
    metadata: PolicyMetadata
    spec: PolicySpec

    @cached_property
    def ref(self) -> PolicyRef:
        """The policy's name and digest. Comments and the order of keys do not change it; any value does."""
        return PolicyRef(name=self.metadata.name, sha256=digest(self.as_plain()).removeprefix("sha256:"))
