"""Numbers as people and programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.airlock.tables.lexicon import Role
from tre.airlock.tables.model import roles_of_cell
from tre.airlock.tables.numbers import Cell, decimal_comma, is_day, is_range, read_cell, read_column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("1,234", 1234),
        ("1 234", 1234),
        ("1\u202f234", 1234),
        ("1\xa0234", 1234),
        ("3.0", 3),
        ("-2", -2),
        ("−2", -2),
        ("+1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1,234.5", 1234.5),
        ("1.23***", 1.23),
        ("7%", 7),
        ("7 %", 7),
        ("N=430", 430),
        ("12 patients", 12),
        ("<0.001", 0.001),
        ("(12)", 12),
        ("３", 3),
    ],
)
def test_one_number(text: str, value: float) -> None:
    cell = read_cell(text)
    assert (cell.kind, [number.value for number in cell.numbers]) == ("number", [value])


@pytest.mark.parametrize(
    ("text", "values", "shape"),
    [
        ("39,893 / 17,487", [39893, 17487], "#/#"),
        ("12 (3.4%)", [12, 3.4], "#(#%)"),
        ("44.2 (12.1)", [44.2, 12.1], "#(#)"),
        ("1.23 (0.9-1.7)", [1.23, 0.9, 1.7], "#(#-#)"),
        ("1.23 [0.90 to 1.70]", [1.23, 0.9, 1.7], "#[#to#]"),
        ("0.52 (-0.1, 1.2)", [0.52, -0.1, 1.2], "#(#,#)"),
        ("-0.9--0.1", [-0.9, -0.1], "#-#"),
        ("12/345 (3.5%)", [12, 345, 3.5], "#/#(#%)"),
        ("3 of 45", [3, 45], "#of#"),
        ("27 ± 4", [27, 4], "#±#"),
        ("<5 (0.2%)", [5, 0.2], "<#(#%)"),
    ],
)
def test_several_numbers(text: str, values: list[float], shape: str) -> None:
    cell = read_cell(text)
    assert (cell.kind, [number.value for number in cell.numbers], cell.shape) == ("several", values, shape)


@pytest.mark.parametrize("text", ["[REDACTED]", "*", "c", "-", "<7", "<=7", "≤7", "< 10", "suppressed", "[c]"])
def test_suppressed(text: str) -> None:
    assert read_cell(text).kind == "suppressed"


@pytest.mark.parametrize("text", ["", " ", "NaN", "NA", "nan", "None", ".", "inf"])
def test_missing(text: str) -> None:
    assert read_cell(text) == Cell("missing")


@pytest.mark.parametrize(
    "text", ["seven", "E01000001", "2020-01-03", "v1.2.3", "1e400", "9" * 400, "step 3", "x3" * 200]
)
def test_text(text: str) -> None:
    assert read_cell(text).kind == "text"


@pytest.mark.parametrize(
    ("cells", "comma"),
    [
        (["1,5", "2,25"], True),
        (["1.234,5"], True),
        (["0,123"], True),
        (["12,5%"], True),
        (["1,234"], False),
        (["1,5", "1.5"], False),
        (["1,234.5"], False),
        (["1.5"], False),
        (["a, b"], False),
    ],
)
def test_what_a_comma_parts_is_decided_by_all_cells(cells: list[str], comma: bool) -> None:
    assert decimal_comma(cells) is comma


def test_a_decimal_comma_is_read_as_one() -> None:
    read = read_column(["1,5", "1.234", "1.234,5"], comma=True)
    assert [cell.numbers[0].value for cell in read] == [1.5, 1234, 1234.5]


@pytest.mark.parametrize("text", ["2020-01-03", "03/01/2020", "3-Jan-2020", "2020-01-03 10:11:12"])
def test_days(text: str) -> None:
    assert is_day(text)


@pytest.mark.parametrize("text", ["2020", "2020-01", "1.5", "12/345"])
def test_no_days(text: str) -> None:
    assert not is_day(text)


@pytest.mark.parametrize(
    ("text", "band"), [("18-39", True), ("90+", True), ("(18, 39]", True), ("1.5-2", False), ("18", False)]
)
def test_bands(text: str, band: bool) -> None:
    assert is_range(text) is band


@pytest.mark.parametrize(
    ("text", "named", "roles"),
    [
        ("12 (3.4%)", Role.unknown, "count percent"),
        ("12 (3.4)", Role.counted, "count percent"),
        ("3.4 (12)", Role.percent, "percent count"),
        ("44.2 (12.1)", Role.unknown, "mean sd"),
        ("44 (12.1)", Role.mean, "mean sd"),
        ("1.23 (0.12)", Role.coefficient, "coef statistic"),
        ("1.23 (0.9-1.7)", Role.unknown, "coef ci-low ci-high"),
        ("6 (3-10)", Role.quantile, "quantile quantile quantile"),
        ("6 (3-10)", Role.unknown, "quantile quantile quantile"),
        ("0.9-1.7", Role.ci_low, "ci-low ci-high"),
        ("18-94", Role.minimum, "min max"),
        ("18-94", Role.unknown, "unknown unknown"),
        ("3/45", Role.unknown, "count count"),
        ("0.3/4.5", Role.mean, "mean mean"),
        ("3/45 (6.7%)", Role.unknown, "count count percent"),
        ("27 ± 4", Role.unknown, "mean sd"),
        ("7%", Role.counted, "percent"),
        ("2 (1-3), p=0.02", Role.coefficient, "coef ci-low ci-high p"),
    ],
)
def test_the_parts_of_a_cell_have_roles(text: str, named: Role, roles: str) -> None:
    assert " ".join(roles_of_cell(read_cell(text), (named,))) == roles


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    cell = read_cell(text)
    assert (cell.kind in {"number", "several"}) <= bool(cell.numbers)
    assert all(number.value == number.value for number in cell.numbers), "no number is NaN"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_is_read_back(value: float) -> None:
    assert read_cell(repr(value)).numbers[0].value == value


@given(st.integers(0, 10**12))
def test_thousands_are_read_back(value: int) -> None:
    assert read_cell(f"{value:,}").numbers[0].value == value
