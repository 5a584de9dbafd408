"""Forms of numbers, postcodes, addresses and names that point at one person, with their near misses."""

from __future__ import annotations

import pytest

from tre.domain.identifiers import postcodes
from tre.domain.identifiers.forms import MAIL, TITLED_NAME
from tre.domain.identifiers.health_numbers import Kind, has_check_digit, scheme_of


@pytest.mark.parametrize(
    ("number", "scheme"),
    [
        ("9434765919", ""),  # a right check digit outside every range
        ("4505577104", "NHS"),
        ("9990000018", "NHS"),
        ("4505577105", ""),
        ("3200000201", "H&C"),
        ("0101000013", ""),
        ("450557710", ""),
        ("45055771x4", ""),
        ("४५०५५७७१०४", ""),
        ("4444444444", ""),
    ],
)
def test_numbers_of_health_services(number: str, scheme: str) -> None:
    assert scheme_of(number) == scheme


def test_a_scottish_number_begins_with_a_day() -> None:
    good = next(f"010150{tail:04}" for tail in range(10_000) if has_check_digit(f"010150{tail:04}"))
    assert scheme_of(good) == "CHI"
    no_day = next(f"011350{tail:04}" for tail in range(10_000) if has_check_digit(f"011350{tail:04}"))
    assert scheme_of(no_day) == ""


@pytest.mark.parametrize(("distinct", "passing", "is_set"), [(10, 5, True), (9, 9, False), (20, 9, False)])
def test_ten_numbers_of_which_half_pass_are_no_coincidence(distinct: int, passing: int, is_set: bool) -> None:
    assert Kind(distinct, passing).is_set is is_set


@pytest.mark.parametrize(
    ("text", "spaced", "found"),
    [
        ("SW1A 1AA", True, 1),
        ("sw1a 1aa", True, 1),
        ("SW1A1AA", False, 1),
        ("SW1A1AA", True, 0),
        ("QQ1A 1AA", True, 0),
        ("SW1A 1CA", True, 0),
        ("Sw1A 1aa", True, 0),
    ],
)
def test_postcodes(text: str, spaced: bool, found: int) -> None:
    assert len(postcodes.find(text, spaced=spaced)) == found


def test_addresses_and_names_behind_a_title() -> None:
    assert MAIL.search("to a.b+c@mail.nhs.uk, please")
    assert not MAIL.search("a @ b.uk")
    found = TITLED_NAME.search("seen by Dr A. O. Okonkwo-Berg today")
    assert found is not None
    assert found[1] == "Okonkwo-Berg"
    assert not TITLED_NAME.search("dr okonkwo")
