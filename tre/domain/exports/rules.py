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
from tre.domain.exports.catalogue import KNOWN_CHECKS
from tre.domain.exports.conduct import Need, Reply, ReviewRules
from tre.domain.exports.disclosure import (
    CountRules,
    DominanceRules,
    FigureRules,
    ImageRules,
    ModelRules,
    PreflightRules,
    RecordRules,
    RoundingRules,
    SuppressionRules,
)
from tre.domain.exports.models import PolicyRef
from tre.domain.exports.severity import Severity
from tre.domain.model import Code, Line, Record
from tre.domain.names import is_resource_name
from tre.domain.quantities import is_amount

KNOWN_TYPES = frozenset(
    "csv tsv text log markdown json code html notebook xlsx png jpeg svg pdf safetensors onnx".split()  # noqa: SIM905
)
"""The file types that have a strict parser. A policy chooses among them."""

CheckKey = Annotated[Code, Field(pattern=r"^[A-Z]\d\d(\.[a-z-]{1,30})?$")]
"""A check of the catalogue, or one of its cases: `S06`, `S06.equal`."""

Amount = Annotated[Code, AfterValidator(is_amount)]


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
    pages: Annotated[int, Field(ge=1, le=10_000)] = 100
    image_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50_000_000
    seconds: Annotated[int, Field(ge=1, le=600)] = 30
    memory: Amount = "1Gi"


INBOUND_TYPES = KNOWN_TYPES | {"wheel"}
"""The file types that may come in: those that may leave, and Python packages, which never leave."""


def _known_types(types: tuple[str, ...], known: frozenset[str]) -> None:
    unknown = sorted(set(types) - known)
    if unknown or len(set(types)) != len(types):
        msg = f"types: {', '.join(unknown) or 'one stands twice'}; known are {', '.join(sorted(known))}"
        raise ValueError(msg)


class ImportRules(Record):
    """What may come in, and how many people outside the project must say yes."""

    reviewers: Annotated[int, Field(ge=1, le=9)] = 1
    types: Annotated[tuple[Code, ...], Field(min_length=1)] = (
        "code",
        "csv",
        "json",
        "markdown",
        "notebook",
        "text",
        "tsv",
        "wheel",
    )
    files: Annotated[int, Field(ge=1, le=1000)] = 50
    file_bytes: Amount = "32Mi"
    request_bytes: Amount = "256Mi"

    @model_validator(mode="after")
    def _types_known(self) -> ImportRules:
        _known_types(self.types, INBOUND_TYPES)
        return self


class PolicySpec(Record):
    """What a policy decides."""

    title: Annotated[Line, Field(min_length=1, max_length=200)]
    review: ReviewRules = ReviewRules()
    types: Annotated[tuple[Code, ...], Field(min_length=1)]
    limits: FileLimits = FileLimits()
    counts: CountRules = CountRules()
    rounding: RoundingRules = RoundingRules()
    dominance: DominanceRules = DominanceRules()
    models: ModelRules = ModelRules()
    suppression: SuppressionRules = SuppressionRules()
    records: RecordRules = RecordRules()
    images: ImageRules = ImageRules()
    imports: ImportRules = ImportRules()
    figures: FigureRules = FigureRules()
    preflight: PreflightRules = PreflightRules()
    severities: dict[CheckKey, Severity]
    exceptions: dict[CheckKey, Need] = {}
    """What an exception from a finding needs; a check without a line here needs what `conduct.STEWARDED` says."""

    replies: Annotated[tuple[Reply, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _complete(self) -> PolicySpec:
        _exactly("severities", set(self.severities), KNOWN_CHECKS)
        _exactly("exceptions", set(self.exceptions), KNOWN_CHECKS & set(self.exceptions))
        _each_once("replies", [reply.name for reply in self.replies])
        _known_types(self.types, KNOWN_TYPES)
        return self


def _exactly(key: str, found: set[str], due: frozenset[str]) -> None:
    missing, unknown = sorted(due - found), sorted(found - due)
    if missing or unknown:
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"unknown {', '.join(unknown)}"] if unknown else []
        msg = f"{key}: {'; '.join(parts)}"
        raise ValueError(msg)


def _each_once(key: str, values: list[str]) -> None:
    if len(set(values)) != len(values):
        msg = f"{key}: one name stands twice"
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
