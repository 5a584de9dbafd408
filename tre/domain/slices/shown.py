"""A plan as people see it: small numbers hidden, others rounded, shares worked out from what is shown.

Guarantees: every count of people, images and files that leaves here went through the dataset's rule, and sizes are
rounded to three digits, so that neither one preview nor the difference of two tells of few people. Shares are worked
out from rounded counts. Texts, JSON and pages are all made from this one form.

Does not guarantee: that many previews, each a little different, tell nothing; whoever offers them logs and limits
them. Digests tell whether two plans are the same.

Sources: 1 to 7 hidden and others rounded to 5 is the rule of NHS HES and ECDS since September 2018.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tre.domain.model import Record
from tre.domain.slices.dictionary import entries
from tre.domain.slices.distance import distance
from tre.domain.slices.plan import CellReport, Dimension, KReport, Missing, Share, SlicePlan, TablePlan
from tre.domain.slices.vocabulary import UNKNOWN

HIDDEN: Literal["*"] = "*"
"""What stands in place of a small count."""

UNDER_REPRESENTED = 0.8
"""A category with less than this part of its share in the dataset or the reference is pointed out (our choice)."""

Shown = int | Literal["*"]
_DIGITS = 3


class SmallNumbers(Record):
    """Counts from 1 up to, but not including, `suppress_below` are hidden; others are rounded to `round_to`."""

    suppress_below: Annotated[int, Field(strict=True, ge=1, le=1000)] = 8
    round_to: Annotated[int, Field(strict=True, ge=1, le=1000)] = 5

    def shown(self, count: int) -> Shown:
        """A count as people see it. A small one is hidden, also where it would be rounded to nothing."""
        if 0 < count < self.suppress_below:
            return HIDDEN
        return (count + self.round_to // 2) // self.round_to * self.round_to

    def permille(self, count: int, total: int) -> Shown | None:
        """A share as people see it, from shown counts; `None` where there is nobody."""
        part, whole = self.shown(count), self.shown(total)
        if total == 0:
            return None
        if not isinstance(part, int) or not isinstance(whole, int) or whole == 0:
            return HIDDEN
        return min(1000, round(1000 * part / whole))

    def assumed(self, count: int) -> int:
        """The number that arithmetic uses in place of a count: as shown, a hidden one as half of the bound."""
        found = self.shown(count)
        return self.suppress_below // 2 if found == HIDDEN else found

    def as_words(self) -> str:
        """The rule in one sentence."""
        hidden = f"Counts from 1 to {self.suppress_below - 1} are shown as *" if self.suppress_below > 1 else ""
        rounded = f"counts are rounded to the nearest {self.round_to}" if self.round_to > 1 else ""
        text = "; other ".join(part for part in (hidden, rounded) if part) if hidden else rounded.capitalize()
        return f"{text}." if text else "Counts are exact."


def rounded_bytes(size: int) -> int:
    """A size to three digits: exact sizes of two previews would give their difference away."""
    digits = len(str(size)) - _DIGITS
    return size if digits <= 0 else (size + 5 * 10 ** (digits - 1)) // 10**digits * 10**digits


def as_shown(plan: SlicePlan, rule: SmallNumbers) -> dict[str, Any]:
    """The plan as JSON for people; texts and pages are made from it."""
    counts, identity = plan.counts, plan.identity
    show = rule.shown
    found: dict[str, Any] = {
        "planDigest": plan.plan_digest,
        "patients": show(counts.patients),
        "studies": show(counts.studies),
        "series": show(counts.series),
        "instances": show(counts.instances),
        "files": show(counts.files),
        "bytes": rounded_bytes(counts.bytes),
        "extended": show(plan.extended),
        "rejected": {reason: show(count) for reason, count in plan.rejected.items()},
        "kReport": plan.k_report and _k_report(plan.k_report, rule),
        "representativeness": [_dimension(one, _totals(plan), rule) for one in plan.representativeness],
        "population": plan.population,
        "missing": [_missing(one, rule) for one in plan.missing],
        "optOuts": {"patients": show(plan.opt_outs.patients), "instances": show(plan.opt_outs.instances)},
        "dictionary": [entry.as_plain() for entry in entries(plan.spec.tables.clinical)],
        "indexDigest": identity.index_digest,
        "denyVersion": identity.deny_version,
        "tables": {name: _table(table, rule) for name, table in sorted(identity.tables.items())},
        "spec": plan.spec.as_plain(),
        "smallNumbers": rule.as_plain(),
    }
    if plan.sample is not None:
        found["sample"] = {"eligible": show(plan.sample.eligible), "drawn": show(plan.sample.drawn)}
    if plan.patient_list is not None:
        listed = plan.patient_list
        found["patientList"] = {"pseudonyms": show(listed.pseudonyms), "unknown": show(listed.unknown)}
    return found


def _table(table: TablePlan, rule: SmallNumbers) -> dict[str, Any]:
    """Without the digest of its rows: of few rows, whoever knows how pseudonyms look could try which they are.

    The root of the files is left out for the same reason: with it, the plan's own digest would confirm a guess.
    """
    plain = table.as_plain() | {"rows": rule.shown(table.rows)}
    return {key: value for key, value in plain.items() if key != "rowIds"}


def _k_report(report: KReport, rule: SmallNumbers) -> dict[str, Any]:
    cells = {"asked": report.asked, "coarser": report.coarser, "withStudyDates": report.with_study_dates}
    shown = {name: one and _cells(one, rule) for name, one in cells.items()}
    return {"k": report.k, "onFail": report.on_fail.value, "met": report.met, **shown}


def _cells(one: CellReport, rule: SmallNumbers) -> dict[str, Any]:
    """The number of cells counts combinations, not people, but a combination of one person is one cell: shown alike."""
    numbers = {
        "cells": one.cells,
        "smallestCell": one.smallest_cell,
        "patientsUnique": one.patients_unique,
        "patientsBelowK": one.patients_below_k,
    }
    return {"over": list(one.over)} | {name: rule.shown(count) for name, count in numbers.items()}


def _totals(plan: SlicePlan) -> tuple[int, int]:
    """People in the slice and in the dataset: of those, shares are taken, also where one person has several kinds."""
    first = plan.representativeness[0]  # each person has one sex, if only an unknown one
    return plan.counts.patients, sum(share.dataset for share in first.shares)


def _dimension(one: Dimension, totals: tuple[int, int], rule: SmallNumbers) -> dict[str, Any]:
    """Distances are worked out anew from what is shown: three digits of the exact ones would give small counts away."""
    ours, everybody, before = (
        [rule.assumed(getattr(share, name)) for share in one.shares] for name in ("slice", "dataset", "with_opt_outs")
    )
    known = [share for share in one.shares if share.reference_permille is not None]
    mine = [rule.assumed(share.slice) for share in known]
    reference = [share.reference_permille or 0 for share in known]
    return {
        "name": one.name,
        "distancePermille": distance(ours, everybody),
        "referencePermille": distance(mine, reference) if known else None,
        "optOutsPermille": None if one.opt_outs_permille is None else distance(ours, before),
        "shares": [_share(share, totals, sum(mine), rule) for share in one.shares],
    }


def _share(share: Share, totals: tuple[int, int], known: int, rule: SmallNumbers) -> dict[str, Any]:
    """`known` people have a category that the reference has: with it they are compared, since it has no unknown."""
    ours, everybody = totals
    mine, whole = rule.permille(share.slice, ours), rule.permille(share.dataset, everybody)
    of_known = rule.permille(share.slice, known)
    under = _is_under(mine, whole) or _is_under(of_known, share.reference_permille)
    return {
        "category": share.category,
        "patients": rule.shown(share.slice),
        "slicePermille": mine,
        "datasetPermille": whole,
        "referencePermille": share.reference_permille,
        "underRepresented": share.category != UNKNOWN and under,
    }


def _is_under(mine: Shown | None, other: Shown | None) -> bool:
    """Judged by what is shown: a flag must not tell what a star hides."""
    return isinstance(mine, int) and isinstance(other, int) and mine < UNDER_REPRESENTED * other


def _missing(one: Missing, rule: SmallNumbers) -> dict[str, Any]:
    return {
        "column": one.column,
        "group": one.group,
        "patients": rule.shown(one.patients),
        "missingPermille": rule.permille(one.missing, one.patients),
    }
