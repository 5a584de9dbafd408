"""P05: secrets, and places that are nobody's business."""

from __future__ import annotations

import time

import pytest

from tests.assets.airlock import leaks
from tre.airlock.checks import secrets
from tre.airlock.parsed import Observation, Surroundings


def look(words: str) -> list[Observation]:
    return secrets.observe(leaks.text(words), Surroundings())


@pytest.mark.parametrize("name", leaks.SECRETS)
def test_secrets_and_places_are_found(name: str) -> None:
    assert [item.check for item in look(leaks.SECRETS[name]())] == ["P05"]


@pytest.mark.parametrize("name", leaks.NO_SECRETS)
def test_what_looks_like_one_is_none(name: str) -> None:
    assert look(leaks.NO_SECRETS[name]()) == []


def test_a_secret_is_not_repeated() -> None:
    (found,) = look('password = "hunter22x"')
    assert "hunter22x" not in found.message


def test_many_of_a_kind_are_one_finding() -> None:
    (found,) = look(leaks.SECRETS["home"]() * 30)
    assert found.message.endswith("30 times in all.")


def test_cells_are_pointed_at() -> None:
    (found,) = secrets.observe(leaks.table(["a", "b"], [["1", "x"], ["2", leaks.SECRETS["home"]()]]), Surroundings())
    assert (found.place.row, found.place.column) == (3, 2)


@pytest.mark.parametrize(
    "made",
    [
        lambda: "password=" * 200_000,
        lambda: "password = " + "x" * 2_000_000,
        lambda: "eyJ" * 600_000,
        lambda: "a://b:" * 300_000,
        lambda: "a-" * 800_000,
        lambda: "1." * 800_000,
        lambda: "\\\\a" * 500_000,
        lambda: "/home/" * 300_000,
        lambda: "-----BEGIN A " * 150_000,
        lambda: "a" * 2_000_000,
    ],
)
def test_hostile_texts_take_time_in_proportion(made) -> None:  # type: ignore[no-untyped-def]
    begun = time.process_time()
    look(made())
    assert time.process_time() - begun < 5
