"""What titles say: one word of another measure outweighs a word of counting."""

from __future__ import annotations

import pytest

from tre.airlock.tables.lexicon import Named, Role, named, roles_in, words_of


def test_words_are_cut_at_case_digits_and_punctuation() -> None:
    assert words_of("nPatients_total (2020) HTTPCode") == ["n", "patients", "total", "2020", "http", "code"]


@pytest.mark.parametrize(
    "title",
    [
        "n",
        "N",
        "nPatients",
        "n_patients",
        "COUNT(*)",
        "freq.",
        "Freq.",
        "Obs",
        "cnt",
        "n.risk",
        "at_risk",
        "n_deaths_28d",
        "count_midpoint6",
        "Events",
        "Number of patients",
        "Count (2020)",
        "COVID deaths",
        "# patients",
        "deaths within 28 days",
        "No. of deaths",
        "hospital admissions",
        "N =430",
        "No. Observations",
        "Number at risk",
        "Study population",
        "ICU admissions",
    ],
)
def test_titles_of_counts(title: str) -> None:
    assert named(title) == Named(Role.counted)


@pytest.mark.parametrize("title", ["total", "No.", "#", "size", "Overall", "All", "support"])
def test_titles_of_what_may_be_counts(title: str) -> None:
    assert named(title) == Named(Role.counted, sure=False)


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("pct_patients", Role.percent),
        ("% of patients", Role.percent),
        ("Cum.", Role.percent),
        ("rate_midpoint6_derived", Role.rate),
        ("cases per 100,000", Role.rate),
        ("death rate", Role.rate),
        ("mean count", Role.mean),
        ("age_mean", Role.mean),
        ("Std. dev.", Role.sd),
        ("Min.", Role.minimum),
        ("max_age", Role.maximum),
        ("25%", Role.quantile),
        ("1st Qu.", Role.quantile),
        ("median", Role.quantile),
        ("exp(coef)", Role.coefficient),
        ("aOR", Role.coefficient),
        ("Estimate", Role.coefficient),
        ("[0.025", Role.ci_low),
        ("exp(coef) upper 95%", Role.ci_high),
        ("P>|t|", Role.p),
        ("Pr(>|z|)", Role.p),
        ("p.value", Role.p),
        ("Df Residuals:", Role.dof),
        ("Std. Error", Role.statistic),
        ("val_loss", Role.statistic),
        ("max_depth", Role.parameter),
        ("n_levels", Role.parameter),
        ("number of days", Role.parameter),
        ("total_cost", Role.total),
        ("patient_id", Role.identifier),
        ("age of patients", Role.label),
        ("sex", Role.label),
        ("week", Role.date),
        ("trust_code", Role.organisation),
        ("site_id", Role.organisation),
        ("site", Role.unknown),
        ("", Role.unknown),
        ("foo", Role.unknown),
    ],
)
def test_titles_of_other_things(title: str, role: Role) -> None:
    assert named(title).role is role


@pytest.mark.parametrize(
    ("title", "roles"),
    [
        ("n (%)", "count percent"),
        ("Deaths, n (%)", "count percent"),
        ("sex = M (%)", "count percent"),
        ("Age, mean (SD)", "mean sd"),
        ("age (mean (SD))", "mean sd"),
        ("HR (95% CI)", "coef ci-low ci-high"),
        ("95% CI", "ci-low ci-high"),
        ("Median (IQR)", "quantile quantile quantile"),
        ("mean (range)", "mean min max"),
        ("exposed / unexposed", "count count"),
        ("Cases (N=1,234)", "count"),
        ("Age (years)", "label"),
        ("Count (2020)", "count"),
    ],
)
def test_titles_of_several_numbers(title: str, roles: str) -> None:
    assert " ".join(roles_in(title)) == roles
