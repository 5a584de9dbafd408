"""ACRO's settings against a policy: which of them let more through. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tre.airlock.parsed import Rules

_LARGEST = 10**15


def laxer(settings: Any, rules: Rules) -> list[str]:
    """Every setting that is laxer than the policy, in words; a setting that is missing or no number counts as such."""
    return list(_laxer(settings if isinstance(settings, dict) else {}, rules))


def _laxer(settings: dict[str, Any], rules: Rules) -> Iterator[str]:
    for name, due in (
        ("safe_threshold", rules.threshold),
        ("safe_dof_threshold", rules.residual_degrees),
        ("safe_nk_n", rules.dominance_contributors),
        ("safe_pratio_p", rules.ratio_percent / 100),
        ("survival_safe_threshold", rules.threshold),
    ):
        if name == "survival_safe_threshold" and name not in settings:
            continue  # older versions have none
        value = number_of(settings.get(name))
        if value is None or value < due:
            yield f"{name} {_shown(value)}, due {due:g} or more"
    share = number_of(settings.get("safe_nk_k"))
    if share is None or share > rules.dominance_percent / 100:
        yield f"safe_nk_k {_shown(share)}, due {rules.dominance_percent / 100:g} or less"
    if rules.zeros_disclosive and settings.get("zeros_are_disclosive") is not True:
        yield "zeros_are_disclosive is off"


def number_of(value: object) -> float | None:
    """The number that a JSON value is, if it is one of ordinary size."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        return None
    return float(value)


def _shown(value: float | None) -> str:
    return "is missing" if value is None else f"{value:g}"
