"""Outputs that may not leave as they are: each holds one disclosure, planted where such are found in practice."""

from __future__ import annotations

import io
import json

import clean
import layouts
import matplotlib.pyplot as plt
import numpy as np
import openpyxl
import pandas as pd
import statsmodels.formula.api as smf
from clean import Make, choice, csv, drawn
from people import DIAGNOSES, health_service_number
from sample import Sample


def small(random: np.random.Generator) -> int:
    """A count that nobody may show."""
    return int(random.integers(1, 8))


def planted(about: str, writer: str, name: str, data: bytes | str, *checks: str) -> Sample:
    """A request of one file in which one of these checks must find something."""
    return Sample(about, writer, {name: data.encode() if isinstance(data, str) else data}, checks)


def small_cell(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """One small cell of a cross-tabulation."""
    table = layouts.rounded(pd.crosstab(d["region"], d["sex"]))
    table.iloc[int(random.integers(0, len(table))), int(random.integers(0, 2))] = small(random)
    return planted("small cell", "pandas", "region_by_sex.csv", csv(table.reset_index()), "S01")


def small_group(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A mean of a handful of people."""
    frame = d.groupby("region")["age"].agg(["mean", "std", "count"]).round(1)
    frame.iloc[int(random.integers(0, len(frame))), 2] = small(random)
    return planted("mean of few", "pandas", "age_by_region.csv", csv(frame.reset_index()), "S01")


def small_printed(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """The same in printed text."""
    counts = layouts.rounded(d["ethnicity"].value_counts())
    counts.iloc[-1] = small(random)
    frame = pd.DataFrame({"ethnicity": counts.index, "n": counts.to_numpy()})
    writer = choice(random, "pandas", "R-like", "Stata-like", "markdown")
    text = {
        "pandas": lambda: frame.to_string(index=False) + "\n",
        "R-like": lambda: layouts.r_frame(frame),
        "Stata-like": lambda: layouts.stata_tabulate("ethnicity", counts),
        "markdown": lambda: layouts.markdown(frame, "Ethnicity"),
    }[writer]()
    return planted(
        "small count, printed", writer, "ethnicity.txt" if writer != "markdown" else "ethnicity.md", text, "S01"
    )


def small_in_a_cell(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A small count beside its per cent in one cell."""
    frame = pd.read_csv(io.BytesIO(next(iter(clean.baseline(random, d).files.values()))))
    frame.iloc[1, 1] = f"{small(random)} ({random.uniform(0.1, 0.9):.1f}%)"
    return planted("small count beside its per cent", "pandas", "baseline.csv", csv(frame), "S01")


def small_in_json(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A small count in JSON."""
    content = {"cohort": {"n_patients": len(d), "deaths": small(random)}, "auc": 0.81}
    return planted("small count, JSON", "json", "cohort.json", json.dumps(content, indent=1), "S01")


def small_in_a_model(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Numbers of events beside hazard ratios, one of them small."""
    rows = [
        {
            "exposure": name,
            "events": int(layouts.rounded(pd.Series([d[name].sum()])).iloc[0]),
            "hr": round(float(random.uniform(0.7, 1.9)), 2),
            "ci_lower": 0.61,
            "ci_upper": 2.02,
            "p": round(float(random.uniform(0, 1)), 3),
        }
        for name in DIAGNOSES
    ]  # fmt: skip
    rows[int(random.integers(0, len(rows)))]["events"] = small(random)
    return planted("few events beside ratios", "pandas", "hazards.csv", csv(pd.DataFrame(rows)), "S01")


def one_suppressed(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """One cell suppressed, its row and column total shown."""
    table = pd.crosstab(d["smoker"], d["region"]).clip(lower=12).astype(object)
    row, column = (int(random.integers(0, size)) for size in table.shape)
    table.iloc[row, column] = small(random)
    table.loc["Total"] = table.sum(axis=0)
    table["Total"] = table.sum(axis=1)
    table.iloc[row, column] = choice(random, "*", "[REDACTED]", "<10")
    return planted("suppressed, yet computable", "pandas", "smoker_by_region.csv", csv(table.reset_index()), "S03")


def two_cohorts(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """The same table for everybody and without a handful."""
    few = int(random.integers(2, 7))
    everybody = d["region"].value_counts().sort_index()
    without = everybody.copy()
    without.iloc[0] -= few
    files = {
        name: csv(pd.DataFrame({"region": counts.index, "n": counts.to_numpy()}))
        for name, counts in (("all.csv", everybody), ("all_but_few.csv", without))
    }
    return Sample("differing by few", "pandas", files, ("S04",), "all_but_few.csv")


def saturated(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A model of hardly more people than terms."""
    part = d.sample(11, random_state=int(random.integers(0, 2**31)))
    fit = smf.ols("bmi ~ age + oxygen + crp + lymphocytes + stay", part).fit()
    return planted("hardly any degrees of freedom", "statsmodels", "model.txt", str(fit.summary()), "S07")


def by_hospital(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """One row a hospital."""
    codes = [f"R{letter}{digit}" for letter in "ADJRW" for digit in (1, 7)]
    frame = pd.DataFrame(
        {
            choice(random, "trust_code", "hospital", "ODS code"): codes,
            "deaths": random.integers(20, 200, len(codes)) // 5 * 5,
        }
    )
    return planted("rows of hospitals", "pandas", "trusts.csv", csv(frame), "S10")


def by_small_area(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """One row a small area."""
    frame = pd.DataFrame(
        {
            "lsoa11cd": [f"E010{number:05d}" for number in random.integers(1000, 32000, 12)],
            "rate": random.uniform(2, 9, 12).round(2),
        }
    )
    return planted("rows of small areas", "pandas", "areas.csv", csv(frame), "S10")


def head_of(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """The first rows of the data, printed or written."""
    part = d.drop(columns="pseudonym").head(int(random.integers(5, 30)))
    if random.random() < 0.5:
        return planted("first rows, printed", "pandas", "check.txt", part.to_string() + "\n", "P02", "P06")
    return planted("first rows", "pandas", "check.csv", csv(part), "P02", "P06")


def extract(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Three measures of many people, renamed and rounded."""
    part = d[["age", "crp", "bmi", "lymphocytes"]].sample(60, random_state=int(random.integers(0, 2**31)))
    part.columns = ["x1", "x2", "x3", "x4"]
    return planted("extract under other names", "pandas", "features.csv", csv(part), "P02", "P06")


def pseudonyms(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A pseudonym in a log, a file name or a table."""
    name = str(d["pseudonym"].iloc[int(random.integers(0, len(d)))])
    if random.random() < 0.5:
        return planted(
            "pseudonym in a log",
            "python",
            "run.log",
            f"loaded 1200 studies\nskipped {name.lower()}: no lateral view\ndone\n",
            "P01",
        )
    frame = pd.DataFrame({"id": d["pseudonym"].head(20), "score": random.uniform(0, 1, 20).round(3)})
    return planted("pseudonyms in a table", "pandas", "scores.csv", csv(frame), "P01")


def health_service_numbers(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A column of health-service numbers."""
    frame = pd.DataFrame(
        {"patient": [health_service_number(random) for _ in range(15)], "score": random.uniform(0, 1, 15).round(3)}
    )
    return planted("health-service numbers", "pandas", "list.csv", csv(frame), "P04")


def contacts(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Addresses and birthdays."""
    text = "Contact jane.doe@example.org at LS2 9JT, born 14/02/1951.\nNHS number: 999 123 4560\n"
    return planted("personal identifiers in text", "python", "notes.txt", text, "P04")


def hidden_sheet(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A workbook whose second sheet is hidden."""
    book = openpyxl.Workbook()
    book.active.append(["region", "n"])
    book.active.append(["London", 120])
    other = book.create_sheet("raw")
    for row in d.head(30).drop(columns="admitted").itertuples(index=False):
        other.append(list(row))
    if random.random() < 0.5:
        other.sheet_state = choice(random, "hidden", "veryHidden")
    else:
        other.title = "notes"
        for number in range(1, 31):
            other.row_dimensions[number].hidden = True
    memory = io.BytesIO()
    book.save(memory)
    return planted("hidden rows of a workbook", "openpyxl", "table.xlsx", memory.getvalue(), "F02", "F07")


def notebook_outputs(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A notebook with what it printed."""
    sample = clean.notebook(random, d)
    content = json.loads(sample.files["analysis.ipynb"])
    printed = d.drop(columns="pseudonym").head(5).to_string().splitlines(keepends=True)
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": printed}]
    return planted("notebook with outputs", "jupyter", "analysis.ipynb", json.dumps(content, indent=1), "F09")


def scatter(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """One mark a person."""
    figure, axes = plt.subplots()
    axes.plot(d["age"].head(600), d["bmi"].head(600), "o")
    return planted("one mark a person", "matplotlib", "scatter.svg", drawn(figure, "svg"), "S09")


def radiograph(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A picture like a chest film, by itself or inside a figure."""
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.exp(-((x / 0.8) ** 4 + (y / 0.95) ** 6))
    lungs = sum(np.exp(-((((x - s * 0.38) / 0.24) ** 2 + ((y + 0.1) / 0.55) ** 2) ** 2)) for s in (-1, 1))
    ribs = 0.08 * np.sin(22 * y + 4 * x**2) * lungs
    noise = random.normal(0, 0.02, x.shape)
    picture = np.clip(0.75 * body - 0.5 * lungs * random.uniform(0.8, 1.1) + ribs + noise, 0, 1)
    if random.random() < 0.5:
        figure = plt.figure(figsize=(5.12, 5.12), dpi=100)
        figure.figimage(picture, cmap="gray")
        return planted("picture like a radiograph", "matplotlib", "example.png", drawn(figure, "png"), "P03")
    figure, axes = plt.subplots()
    axes.imshow(picture, cmap="gray")
    axes.set_title("Example with saliency")
    return planted("figure with a radiograph", "matplotlib", "saliency.png", drawn(figure, "png"), "P03")


def secret(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A password in a script."""
    text = "import sqlalchemy\n\nengine = sqlalchemy.create_engine('postgresql://reader:Tr0ub4dor3@db.internal/tre')\n"
    return planted("password in a script", "python", "load.py", text, "P05")


def no_variation(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """A group of whom everybody was affected."""
    frame = d.groupby("region")["died"].agg(["mean", "count"]).round(3)
    frame["percent_died"] = (100 * frame["mean"]).round(1)
    frame.iloc[int(random.integers(0, len(frame))), 2] = choice(random, "0.0", "100.0")
    frame["count"] = layouts.rounded(frame["count"])
    return planted(
        "nobody or everybody", "pandas", "mortality.csv", csv(frame.drop(columns="mean").reset_index()), "S05"
    )


def extremes(random: np.random.Generator, d: pd.DataFrame) -> Sample:
    """Smallest and largest values."""
    if random.random() < 0.5:
        return planted(
            "smallest and largest, Stata",
            "Stata-like",
            "summary.log",
            layouts.stata_summarize(d, ["age", "bmi", "crp"]),
            "S06",
        )
    return planted(
        "smallest and largest",
        "pandas",
        "describe.csv",
        csv(d[["age", "bmi", "crp"]].describe().round(1), index=True),
        "S06",
    )


PLANTED: tuple[Make, ...] = (
    small_cell, small_group, small_printed, small_in_a_cell, small_in_json, small_in_a_model, one_suppressed,
    two_cohorts, saturated, by_hospital, by_small_area, head_of, extract, pseudonyms, health_service_numbers, contacts,
    hidden_sheet, notebook_outputs, scatter, radiograph, secret, no_variation, extremes,
)  # fmt: skip
