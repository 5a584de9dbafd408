"""Outputs that may leave: what careful researchers hand in, in the forms in which their tools write it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import layouts
import lifelines
import matplotlib as mpl
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from people import DIAGNOSES
from sample import Sample

mpl.use("Agg")
import matplotlib.pyplot as plt

Make = Callable[[np.random.Generator, pd.DataFrame], Sample]


def csv(frame: pd.DataFrame, *, index: bool = False) -> bytes:
    """A frame as pandas writes it."""
    return frame.to_csv(index=index).encode()


def one(about: str, writer: str, name: str, data: bytes | str) -> Sample:
    """A request of one file."""
    return Sample(about, writer, {name: data.encode() if isinstance(data, str) else data})


def choice(random: np.random.Generator, *options: str) -> str:
    """One of the words."""
    return str(random.choice(options))


def rounded_counts(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Counts by two characteristics, rounded, with totals of the rounded."""
    row, column = choice(random, "region", "ethnicity", "smoker"), choice(random, "sex", "died")
    table = layouts.rounded(pd.crosstab(d[row], d[column])).where(lambda c: c >= 10, other=10)
    table["Total"] = table.sum(axis=1)
    return one("rounded cross-tabulation", "pandas", f"{row}_by_{column}.csv", csv(table.reset_index()))


def long_counts(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """The same, one row a group, with per cent of the rounded."""
    row = choice(random, "region", "smoker", "sex")
    counts = layouts.rounded(d[row].value_counts())
    frame = pd.DataFrame({row: counts.index, choice(random, "n", "count", "n_patients"): counts.to_numpy()})
    frame["percent"] = (100 * counts.to_numpy() / counts.sum()).round(1)
    return one("rounded counts with per cent", "pandas", f"counts_{row}.csv", csv(frame))


def suppressed_counts(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Small counts and enough others suppressed, rounded, without totals."""
    table = layouts.rounded(pd.crosstab(d["ethnicity"], d[choice(random, *DIAGNOSES)]))
    shown = table.astype(object).where(table >= 10, other="[REDACTED]")
    return one("suppressed cross-tabulation", "pandas", "ethnicity_diagnosis.csv", csv(shown.reset_index()))


def group_means(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Means and standard deviations with their numbers."""
    row, value = choice(random, "region", "sex", "smoker"), choice(random, "age", "bmi", "crp")
    frame = d.groupby(row)[value].agg(["mean", "std", "count"]).round(2)
    frame["count"] = layouts.rounded(frame["count"])
    return one("group means", "pandas", f"{value}_by_{row}.csv", csv(frame.reset_index()))


def ols_text(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """`summary()` of a linear model."""
    outcome = choice(random, "bmi", "stay", "oxygen")
    fit = smf.ols(f"{outcome} ~ age + sex + smoker", d).fit()
    return one("linear model, printed", "statsmodels", f"model_{outcome}.txt", str(fit.summary()))


def logit_csv(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Odds ratios with intervals, as a table."""
    exposure = choice(random, *DIAGNOSES)
    fit = smf.logit(f"died ~ age + sex + {exposure}", d).fit(disp=0)
    low, high = fit.conf_int()[0], fit.conf_int()[1]
    frame = pd.DataFrame(
        {
            "term": fit.params.index,
            choice(random, "OR", "odds_ratio"): np.exp(fit.params).round(3).to_numpy(),
            "lower_ci": np.exp(low).round(3).to_numpy(),
            "upper_ci": np.exp(high).round(3).to_numpy(),
            choice(random, "p", "p_value"): fit.pvalues.round(4).to_numpy(),
        }
    )
    return one("odds ratios", "statsmodels", f"odds_{exposure}.csv", csv(frame))


def glm_r(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """The same model as R prints it."""
    exposure = choice(random, *DIAGNOSES)
    fit = smf.logit(f"died ~ age + {exposure}", d).fit(disp=0)
    terms = list(zip(fit.params.index, fit.params, fit.bse, fit.pvalues, strict=True))
    return one(
        "logistic model, R", "R-like", "glm.txt", layouts.r_glm(f"died ~ age + {exposure}", terms, len(d), len(d) - 3)
    )


def stata_log(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A log with one tabulation and one regression."""
    row = choice(random, "region", "smoker")
    fit = smf.ols("bmi ~ age + oxygen", d).fit()
    names = [*fit.params.index[1:], "_cons"]
    order = [*fit.params.index[1:], fit.params.index[0]]
    terms = [(name, fit.params[key], fit.bse[key], fit.pvalues[key]) for name, key in zip(names, order, strict=True)]
    text = layouts.stata_tabulate(row, layouts.rounded(d[row].value_counts()))
    return one(
        "log, Stata",
        "Stata-like",
        "analysis.log",
        text + "\n" + layouts.stata_regress("bmi", terms, len(d), int(fit.df_resid)),
    )


def cox(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Hazard ratios from lifelines."""
    columns = ["days", "died", "age", "bmi", choice(random, *DIAGNOSES)]
    fit = lifelines.CoxPHFitter().fit(d[columns], "days", "died")
    if random.random() < 0.5:
        return one("hazard ratios", "lifelines", "cox.csv", csv(fit.summary.round(4).reset_index()))
    printed = io.StringIO()
    printed.write(fit.summary.round(3).to_string())
    return one("hazard ratios, printed", "lifelines", "cox.txt", printed.getvalue() + "\n")


def survival(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A survival curve by week with rounded numbers at risk, its table beside the figure."""
    fit = lifelines.KaplanMeierFitter().fit(d["days"], d["died"])
    weeks = [7, 14, 21, 28]
    at_risk = [int((d["days"] >= week).sum()) for week in weeks]
    frame = pd.DataFrame(
        {
            "day": weeks,
            "survival": [round(float(fit.predict(week)), 3) for week in weeks],
            "at_risk": layouts.rounded(pd.Series(at_risk)).clip(lower=10),
        }
    )
    figure, axes = plt.subplots()
    axes.plot(frame["day"], frame["survival"], marker="o")
    axes.set(xlabel="day", ylabel="survival", title="Survival")
    name = choice(random, "png", "svg")
    return Sample(
        "survival with its table",
        "lifelines, matplotlib",
        {f"survival.{name}": drawn(figure, name), "survival.csv": csv(frame)},
    )


def drawn(figure: plt.Figure, kind: str) -> bytes:
    """A figure as matplotlib writes it."""
    memory = io.BytesIO()
    figure.savefig(memory, format=kind, metadata={"Date": None} if kind == "svg" else None)
    plt.close(figure)
    return memory.getvalue()


def bars(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Bars of rounded counts, with their table."""
    row = choice(random, "region", "ethnicity")
    counts = layouts.rounded(d[row].value_counts()).clip(lower=10)
    figure, axes = plt.subplots()
    axes.bar(range(len(counts)), counts.to_numpy())
    axes.set_xticks(range(len(counts)), counts.index, rotation=45)
    name = choice(random, "png", "svg")
    frame = pd.DataFrame({row: counts.index, "count": counts.to_numpy()})
    return Sample("bars with their table", "matplotlib", {f"bars.{name}": drawn(figure, name), "bars.csv": csv(frame)})


def metrics(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """How well a model predicts, as JSON or as a table."""
    values = {
        name: round(float(random.uniform(0.6, 0.95)), 3) for name in ("auc", "accuracy", "sensitivity", "specificity")
    }
    if random.random() < 0.5:
        content = {
            "model": "gradient boosting",
            "folds": 5,
            "metrics": values,
            "parameters": {"max_depth": 3, "n_estimators": 200},
        }
        return one("metrics", "json", "metrics.json", json.dumps(content, indent=2) + "\n")
    frame = pd.DataFrame(
        [{"fold": fold, **{k: round(v + random.normal(0, 0.01), 4) for k, v in values.items()}} for fold in range(1, 6)]
    )
    return one("metrics by fold", "pandas", "folds.csv", csv(frame))


def training_log(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """What a training loop prints."""
    lines = [
        f"epoch {epoch:>3}  loss {0.7 * 0.93**epoch + random.normal(0, 0.01):.4f}  "
        f"val_auc {0.6 + 0.01 * epoch:.3f}  lr 1e-{3 if epoch < 8 else 4}"
        for epoch in range(1, 16)
    ]
    return one("training log", "python", "training.log", "\n".join(lines) + "\n")


def report(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A page of Markdown with a table."""
    counts = layouts.rounded(d["smoker"].value_counts())
    frame = pd.DataFrame({"smoker": counts.index, "patients": counts.to_numpy()})
    return one("report", "markdown", "report.md", layouts.markdown(frame, "Smoking"))


def printed_frame(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A grouped frame as `print` shows it."""
    row = choice(random, "region", "smoker")
    frame = d.groupby(row)[["age", "bmi", "crp"]].mean().round(2)
    return one("printed means", "pandas", "means.txt", frame.to_string() + "\n")


def rates(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Rates from rounded counts."""
    grouped = layouts.rounded(d.groupby("region")["died"].agg(["sum", "count"])).clip(lower=10)
    frame = pd.DataFrame(
        {"region": grouped.index, "deaths": grouped["sum"].to_numpy(), "population": grouped["count"].to_numpy()}
    )
    frame["rate_per_1000"] = (1000 * frame["deaths"] / frame["population"]).round(1)
    return one("rates", "pandas", "rates.csv", csv(frame))


def code(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A script."""
    if random.random() < 0.5:
        text = "import pandas as pd\n\nd = pd.read_parquet('/data/cxr/t.parquet')\nprint(d.groupby('sex').age.mean())\n"
        return one("script, Python", "python", "analysis.py", text)
    return one(
        "script, R",
        "R",
        "analysis.R",
        "library(survival)\nfit <- coxph(Surv(days, died) ~ age + sex, data = d)\nsummary(fit)\n",
    )


def notebook(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A notebook without outputs."""
    cells = [
        {"cell_type": "markdown", "id": "a1", "metadata": {}, "source": ["# Analysis\n", "What was done."]},
        {
            "cell_type": "code",
            "id": "a2",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": ["import pandas as pd"],
        },
    ]
    kernel = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    content = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return one("notebook without outputs", "jupyter", "analysis.ipynb", json.dumps(content, indent=1) + "\n")


def described(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Mean, deviation and the middle of a distribution, without its ends."""
    frame = d[["age", "bmi", "crp"]].describe().loc[["count", "mean", "std", "25%", "50%", "75%"]].round(1)
    return one("description without ends", "pandas", "describe.csv", csv(frame, index=True))


def correlation(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Correlations of five measures."""
    frame = d[["age", "bmi", "crp", "oxygen", "stay"]].corr().round(3)
    return one("correlations", "pandas", "correlations.csv", csv(frame, index=True))


def trend(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Admissions by month, rounded."""
    counts = layouts.rounded(d.groupby(d["admitted"].dt.to_period("M")).size()).clip(lower=10)
    frame = pd.DataFrame({"month": counts.index.astype(str), "admissions": counts.to_numpy()})
    return one("admissions by month", "pandas", "months.csv", csv(frame))


def anova(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A table of variance."""
    fit = smf.ols("bmi ~ C(region) + C(smoker)", d).fit()
    return one("analysis of variance", "statsmodels", "anova.csv", csv(sm.stats.anova_lm(fit).round(4), index=True))


def baseline(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Characteristics of two arms, count and per cent in one cell, all rounded."""
    rows = []
    for diagnosis in DIAGNOSES[:4]:
        cells = {}
        for arm, part in d.groupby("sex"):
            count, total = (int(layouts.rounded(pd.Series([n])).iloc[0]) for n in (part[diagnosis].sum(), len(part)))
            cells[f"{arm} n (%)"] = f"{max(count, 10)} ({100 * max(count, 10) / total:.1f}%)"
        rows.append({"characteristic": diagnosis, **cells})
    return one("characteristics at baseline", "pandas", "baseline.csv", csv(pd.DataFrame(rows)))


def importance(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Features in the order of their weight in a model."""
    names = ["age", "bmi", "crp", "oxygen", "stay", *DIAGNOSES]
    weights = np.sort(random.dirichlet(np.ones(len(names))))[::-1].round(4)
    frame = pd.DataFrame(
        {"rank": range(1, len(names) + 1), "feature": random.permutation(names), "importance": weights}
    )
    return one("importance of features", "pandas", "importance.csv", csv(frame))


def search(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """What a search for parameters tried."""
    frame = pd.DataFrame(
        {
            "max_depth": random.integers(2, 9, 12),
            "n_layers": random.integers(1, 5, 12),
            "batch_size": random.choice([8, 16, 32, 64], 12),
            "learning_rate": random.choice([0.1, 0.01, 0.001], 12),
            "val_auc": random.uniform(0.7, 0.9, 12).round(4),
            "n_epochs": random.integers(3, 40, 12),
        }
    )
    return one("search for parameters", "pandas", "search.csv", csv(frame))


def chi_squared(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Tests of association, with their few degrees of freedom."""
    rows = []
    for name in DIAGNOSES:
        table = sm.stats.Table(pd.crosstab(d["smoker"], d[name])).test_nominal_association()
        rows.append(
            {"variable": name, "chi2": round(table.statistic, 3), "df": int(table.df), "p": round(table.pvalue, 4)}
        )
    return one("tests of association", "statsmodels", "tests.csv", csv(pd.DataFrame(rows)))


def weekdays(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Admissions by day of the week, the days as numbers."""
    counts = layouts.rounded(d["admitted"].dt.dayofweek.add(1).value_counts().sort_index())
    frame = pd.DataFrame({"weekday": counts.index, "admissions": counts.to_numpy()})
    return one("admissions by day of the week", "pandas", "weekdays.csv", csv(frame))


def bands(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Mean values by band of age and by tenth of a score."""
    if random.random() < 0.5:
        groups = pd.cut(
            d["age"], [17, 39, 49, 59, 69, 79, 99], labels=["18-39", "40-49", "50-59", "60-69", "70-79", "80+"]
        )
        frame = d.groupby(groups, observed=True)[["crp", "stay"]].mean().round(2)
        return one("means by band of age", "pandas", "bands.csv", csv(frame.reset_index()))
    deciles = pd.qcut(d["crp"], 10, labels=False) + 1
    frame = d.groupby(deciles)[["stay", "oxygen"]].mean().round(2)
    frame.index.name = "decile"
    return one("means by tenth", "pandas", "deciles.csv", csv(frame.reset_index()))


def confusion(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Right and wrong predictions, rounded."""
    table = pd.DataFrame(
        [[905, 120], [85, 340]], index=["actual 0", "actual 1"], columns=["predicted 0", "predicted 1"]
    )
    table = layouts.rounded(table + random.integers(-40, 40, (2, 2)))
    return one("confusion matrix", "scikit-learn", "confusion.csv", csv(table, index=True))


def by_month_wide(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Rates, one column a year."""
    frame = pd.DataFrame(random.uniform(2, 30, (8, 3)).round(1), columns=["2019", "2020", "2021"])
    frame.insert(0, "region", sorted(d["region"].unique()))
    return one("rates, one column a year", "pandas", "yearly.csv", csv(frame))


CLEAN: tuple[Make, ...] = (
    rounded_counts, long_counts, suppressed_counts, group_means, ols_text, logit_csv, glm_r, stata_log, cox, survival,
    bars, metrics, training_log, report, printed_frame, rates, code, notebook, described, correlation, trend, anova,
    baseline, importance, search, chi_squared, weekdays, bands, confusion, by_month_wide,
)  # fmt: skip
