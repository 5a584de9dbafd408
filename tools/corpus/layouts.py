"""Tables as programs print them: what R and Stata write, made from numbers that Python computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def r_frame(frame: pd.DataFrame) -> str:
    """A data frame as R prints it: row numbers, right-aligned columns."""
    cells = [["", *map(str, frame.columns)]]
    cells += [[str(number), *map(str, row)] for number, row in enumerate(frame.itertuples(index=False), start=1)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    lines = [
        " ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]
    return "\n".join(lines) + "\n"


def r_glm(formula: str, terms: Sequence[tuple[str, float, float, float]], nobs: int, residual: int) -> str:
    """`summary(glm(...))`: terms are (name, estimate, standard error, p)."""
    head = f"\nCall:\nglm(formula = {formula}, family = binomial, data = d)\n\nCoefficients:\n"
    width = max(len(name) for name, *_ in terms)
    lines = [f"{'':{width}} Estimate Std. Error z value Pr(>|z|)"]
    lines += [f"{name:{width}} {b:8.5f} {se:10.5f} {b / se:7.3f} {_r_p(p):>8}" for name, b, se, p in terms]
    tail = (
        "---\nSignif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1\n\n"
        f"    Null deviance: {nobs * 1.21:.2f}  on {nobs - 1}  degrees of freedom\n"
        f"Residual deviance: {nobs * 1.02:.2f}  on {residual}  degrees of freedom\n"
        f"AIC: {nobs * 1.03:.2f}\n\nNumber of Fisher Scoring iterations: 4\n"
    )
    return head + "\n".join(lines) + "\n" + tail


def _r_p(p: float) -> str:
    return "<2e-16" if p < 2e-16 else f"{p:.3g}"


def stata_tabulate(variable: str, counts: pd.Series) -> str:
    """`tabulate variable`."""
    total = int(counts.sum())
    lines = [
        f". tabulate {variable}",
        "",
        f"{variable:>11} |      Freq.     Percent        Cum.",
        "-" * 12 + "+" + "-" * 35,
    ]
    reached = 0.0
    for name, count in counts.items():
        share = 100 * count / total
        reached += share
        lines.append(f"{name!s:>11} | {count:>10,} {share:>11.2f} {reached:>11.2f}")
    lines += ["-" * 12 + "+" + "-" * 35, f"{'Total':>11} | {total:>10,} {100:>11.2f}"]
    return "\n".join(lines) + "\n"


def stata_regress(outcome: str, terms: Sequence[tuple[str, float, float, float]], nobs: int, residual: int) -> str:
    """`regress`: terms are (name, coefficient, standard error, p)."""
    model = len(terms) - 1
    lines = [
        f". regress {outcome} " + " ".join(name for name, *_ in terms[:-1]),
        "",
        f"      Source |       SS           df       MS      Number of obs   = {nobs:>9,}",
        f"-------------+----------------------------------   F({model}, {residual})   = {12.3:>9.2f}",
        f"       Model |  {4210.77:.5f}  {model:>10}  {1403.59:.5f}   Prob > F        = {0.0:>9.4f}",
        f"    Residual |  {81236.12:.4f}  {residual:>10}  {81236.12 / max(residual, 1):.5f}   "
        f"R-squared       = {0.0493:>9.4f}",
        "",
        "-" * 78,
        f"{outcome:>12} | Coefficient  Std. err.      t    P>|t|     [95% conf. interval]",
        "-" * 13 + "+" + "-" * 64,
    ]
    for name, b, se, p in terms:
        low, high = b - 1.96 * se, b + 1.96 * se
        lines.append(f"{name:>12} | {b:>10.6f} {se:>10.6f} {b / se:>7.2f} {p:>7.3f} {low:>11.6f} {high:>11.6f}")
    return "\n".join([*lines, "-" * 78]) + "\n"


def stata_summarize(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    """`summarize`, with its smallest and largest values."""
    lines = [
        f". summarize {' '.join(columns)}",
        "",
        "    Variable |        Obs        Mean    Std. dev.       Min        Max",
        "-" * 13 + "+" + "-" * 57,
    ]
    for column in columns:
        values = frame[column]
        lines.append(
            f"{column:>12} | {len(values):>10,} {values.mean():>11.4f} {values.std():>11.5f} "
            f"{values.min():>10g} {values.max():>10g}"
        )
    return "\n".join(lines) + "\n"


def markdown(frame: pd.DataFrame, title: str) -> str:
    """A heading, a sentence and a table of pipes."""
    lines = [f"## {title}", "", "Counts below ten were removed and the others rounded to five.", ""]
    lines += ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + "---|" * len(frame.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def rounded(counts: pd.DataFrame | pd.Series, base: int = 5) -> pd.DataFrame | pd.Series:
    """Every count to the nearest multiple."""
    return (np.floor(counts / base + 0.5) * base).astype(int)
