"""P04: identifiers of people, as sets and in context."""

from __future__ import annotations

import random
import time

import pytest

from tests.assets.airlock import leaks
from tre.airlock.checks import identifiers
from tre.airlock.parsed import Observation, ParsedFile, Surroundings
from tre.domain.identifiers import postcodes
from tre.domain.identifiers.health_numbers import Kind, has_check_digit, scheme_of


def look(file: ParsedFile, name: str = "") -> list[Observation]:
    return identifiers.observe(file, Surroundings(name=name))


@pytest.mark.parametrize("name", leaks.PERSONAL)
def test_identifiers_of_people_are_found(name: str) -> None:
    assert {item.check for item in look(leaks.PERSONAL[name]())} == {"P04"}


@pytest.mark.parametrize("name", leaks.NOT_PERSONAL)
def test_what_looks_like_one_is_none(name: str) -> None:
    assert look(leaks.NOT_PERSONAL[name]()) == []


def test_an_identifier_is_not_repeated_in_the_finding() -> None:
    number = leaks.health_numbers(1)[0]
    (found,) = look(leaks.text(f"NHS no: {number}"))
    assert number not in found.message
    assert f"{number[0]}••••••••{number[-1]}" in found.message


def test_one_finding_for_a_column_says_how_many() -> None:
    (found,) = look(leaks.table(["x", "y"], [["a", number] for number in leaks.health_numbers(15)]))
    assert "15 of 15 different" in found.message
    assert (found.place.row, found.place.column) == (2, 2)


def test_a_json_value_is_pointed_at() -> None:
    (found,) = look(leaks.value({"contact": {"mail": "jane.doe@hospital.nhs.uk"}}))
    assert found.place.pointer == "/contact/mail"


def test_a_file_s_name_is_read_too() -> None:
    assert len(look(leaks.table(["a"], [["1"]]), name="for Dr Winterbottom.csv")) == 1


def test_check_digits() -> None:
    assert has_check_digit("9434765919")
    assert not has_check_digit("9434765918")


@pytest.mark.parametrize(
    ("stem", "scheme"),
    [(450_000_000, "NHS"), (999_000_000, "NHS"), (10_180_100, "CHI"), (320_000_100, "H&C"), (251_200_000, "CHI"),
     (810_000_000, ""), (391_390_000, "H&C"), (313_000_000, "")],
)  # fmt: skip
def test_schemes_by_range(stem: int, scheme: str) -> None:
    assert scheme_of(leaks.health_number(stem)) == scheme


def test_a_scottish_number_begins_with_a_day() -> None:
    assert scheme_of(leaks.health_number(9_990_000)) == ""
    assert scheme_of(leaks.health_number(11_340_000)) == ""


def test_chance_makes_no_set() -> None:
    """Of random numbers, sets are found about as often as the arithmetic says: hardly ever."""
    chance = random.Random(4)
    sets = 0
    for _ in range(400):
        numbers = {str(chance.randrange(10**9, 10**10)) for _ in range(20)}
        sets += Kind(len(numbers), sum(bool(scheme_of(number)) for number in numbers)).is_set
    assert sets == 0


@pytest.mark.parametrize("text", ["ZE3 9JW", "w1a 0ax", "KW17\u00a02AA", "(EC1A 1BB)", "M1 1AE,"])
def test_postcodes(text: str) -> None:
    assert len(postcodes.find(text, spaced=True)) == 1


@pytest.mark.parametrize("text", ["ZZ1 1AA", "M1 1AC", "M1 1", "aM1 1AE", "M1 1AEb", "Km1 1ae", "M1-1AE", "E1 6AN0"])
def test_no_postcodes(text: str) -> None:
    assert postcodes.find(text, spaced=True) == []


@pytest.mark.parametrize(
    "made",
    [
        lambda: "9" * 2_000_000,
        lambda: "a@" * 500_000,
        lambda: "a." * 500_000 + "@b",
        lambda: "Dr A " * 300_000,
        lambda: "07" * 500_000,
        lambda: "1.1" * 400_000,
        lambda: "SW1A " * 300_000,
        lambda: "@" + "a-" * 500_000,
    ],
)
def test_hostile_texts_take_time_in_proportion(made) -> None:  # type: ignore[no-untyped-def]
    begun = time.process_time()
    look(leaks.text(made()))
    assert time.process_time() - begun < 5
