"""Tables that text prints: header, rows and the lines that they stand in."""

from __future__ import annotations

import time

import pytest

from tests.assets.airlock.tables import CROSSTAB, LIFELINES, R_GLM, STATA, STATSMODELS
from tre.airlock.parsed import FileRefusedError, Table
from tre.airlock.tables.printed import tables_of
from tre.airlock.tables.roles import PAIR_TITLES


def tables(text: str) -> list[Table]:
    return tables_of(text.splitlines())


def only(text: str) -> Table:
    (table,) = tables(text)
    return table


def shape(table: Table) -> tuple[list[str], list[list[str]]]:
    return list(table.header), [list(row) for row in table.rows]


def test_pandas_with_the_names_of_index_and_columns() -> None:
    table = only(CROSSTAB.format("  3", " 43"))
    assert shape(table) == (
        ["severe", "F", "M", "All"],
        [["0", "120", "130", "250"], ["1", "3", "40", "43"], ["All", "123", "170", "293"]],
    )
    assert [table.at(row).row for row in range(3)] == [3, 4, 5]
    assert table.at(None).row == 2


def test_pandas_labels_that_are_printed_once_are_filled_in() -> None:
    text = (
        "                n  mean\nregion     sex\nLondon     F  340  54.1\n           M  330  53.0\n"
        "North East F  120  50.0\n           M  110  51.0\n"
    )
    table = only(text)
    assert list(table.header) == ["region", "sex", "n", "mean"]
    assert [row[:2] for row in table.rows] == [
        ["London", "F"],
        ["London", "M"],
        ["North East", "F"],
        ["North East", "M"],
    ]


def test_pandas_titles_in_two_lines_are_joined() -> None:
    text = (
        "      age              bmi\n    count  mean  std count  mean  std\nsex\n"
        "F     208  54.1  9.1   208  26.7  5.5\nM     222  54.9  9.2   222  26.7  4.9\n"
    )
    assert list(only(text).header)[1:] == ["age count", "age mean", "age std", "bmi count", "bmi mean", "bmi std"]


def test_pandas_in_pieces_and_cut_short() -> None:
    text = (
        "   a   b  \\\n0  1  20   \n1  2  30   \n..  ...  ..   \n9  8  40   \n\n     c\n0  5.1\n1  6.1\n9  7.1\n\n"
        "[10 rows x 3 columns]\n"
    )
    first, second = tables(text)
    assert [row[0] for row in first.rows] == ["0", "1", "..", "9"]
    assert shape(second)[0] == ["", "c"]


def test_stata_parts_labels_by_a_bar_and_totals_by_a_ruler() -> None:
    tabulated, analysis, pairs, model = tables(STATA.format(small=4, n=1800, residual=1798, total=1799))
    assert shape(tabulated) == (
        ["sex", "died 0", "died 1", "died Total"],
        [["F", "720", "4", "910"], ["M", "700", "190", "890"], ["Total", "1420", "380", "1800"]],
    )
    assert [tabulated.at(row).row for row in range(3)] == [6, 7, 9]
    assert shape(analysis)[0] == ["Source", "SS", "df", "MS"]
    assert tuple(pairs.header) == PAIR_TITLES
    assert ("Number of obs", "1800") in [tuple(row) for row in pairs.rows]
    assert list(model.header) == ["bmi", "Coefficient", "Std. err.", "t", "P>|t|", "[95% conf.", "interval]"]


def test_statsmodels_gives_pairs_and_coefficients() -> None:
    pairs, model = tables(STATSMODELS.format(n=430, residual=426))
    assert {"Df Residuals": "426", "No. Observations": "430"}.items() <= dict(pairs.rows).items()
    assert shape(model) == (
        ["", "coef", "std err", "t", "P>|t|", "[0.025", "0.975]"],
        [
            ["Intercept", "33.3856", "3.723", "8.968", "0.000", "24.801", "41.970"],
            ["age", "-0.0089", "0.051", "-0.174", "0.866", "-0.127", "0.109"],
        ],
    )


def test_r_gives_coefficients_without_their_stars() -> None:
    model = tables(R_GLM.format(1797))[0]
    assert list(model.header) == ["", "Estimate", "Std. Error", "z value", "Pr(>|z|)"]
    assert list(model.rows[0]) == ["(Intercept)", "-3.989979", "1.139951", "-3.500", "0.000465"]


def test_lifelines_gives_pairs_and_coefficients() -> None:
    pairs, model = tables(LIFELINES.format(114))
    assert dict(pairs.rows) == {"number of observations": "432", "number of events observed": "114"}
    assert list(model.header)[:4] == ["covariate", "coef", "exp(coef)", "se(coef)"]


def test_r_summary_of_a_data_frame() -> None:
    text = (
        "      age             bmi\n Min.   :18.00   Min.   :15.2\n Median :52.00   Median :26.9\n"
        " Max.   :94.00   Max.   :41.1\n"
    )
    assert shape(only(text)) == (
        ["statistic", "age", "bmi"],
        [["Min.", "18.00", "15.2"], ["Median", "52.00", "26.9"], ["Max.", "94.00", "41.1"]],
    )


def test_markdown_loses_its_rule_and_keeps_its_lines() -> None:
    table = only("Title\n\n| a | n |\n|---|--:|\n| x | 4 |\n| y | 5 |\n")
    assert shape(table) == (["a", "n"], [["x", "4"], ["y", "5"]])
    assert (table.title, table.at(None).row, table.at(0).row, table.at(1).row) == ("Title", 3, 5, 6)


def test_a_log_that_names_its_numbers() -> None:
    table = only("10:01 INFO  epoch 1  loss 0.61  auc 0.5\n10:02 INFO  epoch 2  loss 0.51  auc 0.6\n")
    assert [title for title in table.header if title] == ["epoch", "loss", "auc"]


def test_pairs_at_the_ends_of_lines() -> None:
    table = only("patients: 1,800\nexcluded = 3\nnote: nothing\ntime: 12:30\nthe age was: 5\n  share: 12.5%\n")
    assert [tuple(row) for row in table.rows] == [("patients", "1,800"), ("excluded", "3"), ("share", "12.5%")]
    assert [table.at(row).row for row in range(3)] == [1, 2, 6]


@pytest.mark.parametrize(
    "text",
    [
        "We included 430 patients between 2019 and 2021, of whom 210 were women.\nIn 2020, 120 of 430 were admitted.\n",
        "1. Load the data\n2. Fit 3 models\n3. Report\n",
        "one, two\nthree, four\nfive, six\n",
        "a | b\nc | d\n",
        "see section 3\nsee section 4\nsee section 5\n",
    ],
)
def test_prose_is_no_table(text: str) -> None:
    assert tables(text) == []


def test_each_line_is_in_one_table_at_most() -> None:
    text = "\n".join([STATA.format(small=4, n=1800, residual=1798, total=1799), STATSMODELS.format(n=43, residual=39)])
    places = [
        table.at(row).row
        for table in tables(text)
        if tuple(table.header) != PAIR_TITLES
        for row in range(len(table.rows))
    ]
    assert len(places) == len(set(places))


def test_what_is_too_wide_to_look_at_is_refused() -> None:
    line = "|".join("1" * 1 for _ in range(600))
    with pytest.raises(FileRefusedError, match="columns"):
        tables(f"{line}\n" * 3)
    assert tables(f"{line}\n" * 2) == []


@pytest.mark.parametrize(
    "line",
    [
        "-" * 4999,
        "- " * 2400,
        "a:1  " * 900,
        "a b c " * 800 + ":",
        "1 " * 2400,
        "1   " * 1200,
        "Min.   :1  " * 400,
        "n = " * 1200,
        "1.1." * 1200,
        "1 (" * 1600,
        "| " * 240,
        "=" * 3000 + "x",
        "a " * 2400 + "= 1",
    ],
)
def test_hostile_lines_take_time_in_proportion(line: str) -> None:
    """Four times as many characters may take sixteen times as long in a quadratic reader; here, far less."""
    begun = time.process_time()
    tables((line + "\n") * 100)
    assert time.process_time() - begun < 2.5
