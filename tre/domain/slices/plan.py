"""What a specification would give: counts, rejections with their reasons, and the digest that a committee signs.

Guarantees: a plan's digest covers the specification, the release's index, tier, headers, layout, every table's
columns, derivations and rows, every file's content and path, and the version of the deny set; change any of them and
the digest changes. A stored plan whose digest does not fit its content cannot be read back. Every number is an
integer (shares in thousandths), so that a plan has one canonical form.

Does not guarantee: that a k-report of these columns says how easily a person is found: pixels and dates identify too.
`with_study_dates` shows what the dates alone do.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.slices.derivations import Derivation
from tre.domain.slices.spec import DirectoryLayout, Headers, OnFail, SliceSpec

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Permille = Annotated[int, Field(ge=0, le=1000)]

DEFAULT_K = 5
"""The k of the report where the specification names none: the threshold of the data facts' k-report."""


class Counts(Record):
    """How much it is. `files` counts images and sidecars, `bytes` both."""

    patients: Count = 0
    studies: Count = 0
    series: Count = 0
    instances: Count = 0
    files: Count = 0
    bytes: Count = 0


class TablePlan(Record):
    """One table: its columns in order, what is derived and how, how many rows, and the digest of their identifiers."""

    columns: tuple[Line, ...]
    derivations: dict[str, Derivation] = {}
    rows: Count
    row_ids: Digest


class PlanIdentity(Record):
    """Everything that the digest of a plan covers."""

    spec: SliceSpec
    index_digest: Digest
    tier: Line
    headers: Headers
    layout: DirectoryLayout
    tables: dict[str, TablePlan]
    files_root: Digest
    deny_version: Count

    def digest(self) -> str:
        """The plan digest: SHA-256 over the canonical form."""
        return digest(self.as_plain())


class CellReport(Record):
    """How many patients share each combination of these columns."""

    over: tuple[Line, ...]
    cells: Count
    smallest_cell: Count
    patients_unique: Count
    patients_below_k: Count


class KReport(Record):
    """k-anonymity of what the table shows, of one coarser choice, and of the same with study dates."""

    k: Annotated[int, Field(ge=2)]
    on_fail: OnFail
    asked: CellReport
    coarser: CellReport | None = None
    with_study_dates: CellReport | None = None

    @property
    def met(self) -> bool:
        """Whether every patient shares the asked columns with at least k - 1 others."""
        return self.asked.patients_below_k == 0

    @property
    def refuses(self) -> bool:
        """Whether the specification wants nothing built because of it."""
        return not self.met and self.on_fail is OnFail.refuse


class Share(Record):
    """How many patients of one category are in the slice and in the dataset, and their share of the reference.

    `with_opt_outs` counts those who would be in the slice had nobody opted out.
    """

    category: Line
    slice: Count
    dataset: Count
    with_opt_outs: Count
    reference_permille: Permille | None = None


class Dimension(Record):
    """One way to divide people, and how far the slice is from the dataset, a reference, and itself without opt-outs.

    A distance is the Jensen-Shannon distance (square root of the divergence, logarithm to base 2) times 1000: 0 for
    equal shares, 1000 for no category in common. `None` where there is nothing to compare with. Patients of several
    kinds of images count in each of them.
    """

    name: Line
    distance_permille: Permille
    reference_permille: Permille | None = None
    opt_outs_permille: Permille | None = None
    shares: tuple[Share, ...]


class Missing(Record):
    """For how many patients of a group a column is empty; groups are by COVID status, since missing values tell it."""

    column: Line
    group: Line
    missing: Count
    patients: Count


class OptOuts(Record):
    """What opt-outs take out of this slice."""

    patients: Count = 0
    instances: Count = 0


class Drawn(Record):
    """A sample: from how many patients it was drawn, and how many it has, people who opted out in both."""

    eligible: Count
    drawn: Count


class Listed(Record):
    """A list of patients: how many pseudonyms it has, and how many of them the release does not know."""

    pseudonyms: Count
    unknown: Count


class SlicePlan(Record):
    """What a specification would give, without having built anything.

    `rejected` counts images by the reason for which they stay out, each image once; `extended` counts images that
    came in only because their unit is never split. `population` names the reference that shares are compared with.
    Every number is exact: it is for programs; people see `tre.domain.slices.shown`.
    """

    plan_digest: Digest
    identity: PlanIdentity
    counts: Counts
    extended: Count = 0
    rejected: dict[str, Count] = {}
    k_report: KReport | None = None
    representativeness: tuple[Dimension, ...] = ()
    population: Line | None = None
    missing: tuple[Missing, ...] = ()
    opt_outs: OptOuts = OptOuts()
    sample: Drawn | None = None
    patient_list: Listed | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_an_earlier_version(cls, value: Any) -> Any:
        """Plans of before kept shares in place of counts: their signature holds, what they say of people is dropped."""
        shown = value.get("representativeness") if isinstance(value, dict) else None
        if isinstance(shown, list) and any("slicePermille" in share for one in shown for share in one["shares"]):
            return {key: item for key, item in value.items() if key != "representativeness"}
        return value

    @model_validator(mode="after")
    def _digest_fits(self) -> SlicePlan:
        if self.plan_digest != self.identity.digest():
            msg = "planDigest does not fit the content of the plan"
            raise ValueError(msg)
        return self

    @property
    def spec(self) -> SliceSpec:
        """What was asked."""
        return self.identity.spec


def check_buildable(plan: SlicePlan) -> None:
    """Raise `TREError(EmptySlice)` or `TREError(PrivacyNotMet)` for a plan that must not be built."""
    if plan.counts.instances == 0:
        raise TREError(
            Reason.EmptySlice,
            "The plan holds no image.",
            why="Nothing matches the specification, or it names no images at all.",
            remedy="Look at the plan's rejections: `tre slice plan SPEC`.",
        )
    if plan.k_report is not None and plan.k_report.refuses:
        report = plan.k_report
        raise TREError(
            Reason.PrivacyNotMet,
            f"Not every patient shares these attributes with at least {report.k - 1} others.",  # how many is not said
            why=f"The specification demands k = {report.k} over {', '.join(report.asked.over)}.",
            remedy="Ask for coarser columns or fewer of them, or let the committee decide on another k.",
        )
