"""Files folded into text: told with what they are, and what only looks like it is not."""

from __future__ import annotations

import base64
import hashlib
import pickle
import textwrap

import pytest

from tests.assets.airlock.files import archive, png
from tests.assets.airlock.notebooks import code, notebook
from tests.unit.airlock.looking import parsed, said_of
from tre.airlock.checks.metadata import observe
from tre.airlock.parsed import Observation, Surroundings

PICTURE = png(size=(40, 40))
BIG = PICTURE + bytes(range(256)) * 4


def told(name: str, data: bytes) -> list[Observation]:
    return [item for item in observe(parsed(name, data), Surroundings()) if item.check == "F07"]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.txt", base64.b64encode(BIG).decode(), "a PNG image"),
        ("a.txt", BIG.hex(), "a PNG image"),
        ("a.log", "\n".join(textwrap.wrap(base64.b64encode(BIG).decode(), 76)) + "\n", "a PNG image"),
        ("a.py", f"x = '{base64.urlsafe_b64encode(archive() * 9).decode()}'", "a zip archive"),
        ("a.csv", f"a,b\n1,{base64.b64encode(pickle.dumps(list(range(999)))).decode()}\n", "a Python pickle"),
        ("a.json", f'{{"a": "{base64.b64encode(BIG).decode()}"}}', "a PNG image"),
        ("a.ipynb", notebook(code("x = '" + base64.b64encode(BIG).decode() + "'")).decode(), "a PNG image"),
    ],
)
def test_a_folded_file_is_told(name: str, text: str, what: str) -> None:
    (found, *_) = told(name, text.encode())
    assert "folded into text" in found.message
    assert what in found.message


def test_a_folded_file_is_told_on_its_line() -> None:
    (found,) = told("a.txt", f"Results\nof the fit\n{base64.b64encode(BIG).decode()}\n".encode())
    assert found.place.row == 3


@pytest.mark.parametrize(
    "text",
    [
        "ACGT" * 500,
        "-" * 2000,
        "=" * 2000,
        "0" * 2000,
        "\n".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(7)),
        "x_" * 400,
        " ".join(base64.b64encode(bytes([number] * 30)).decode() for number in range(99)),
    ],
)
def test_what_only_looks_like_it_is_not_told(text: str) -> None:
    assert told("a.txt", text.encode()) == []


def test_a_notebook_by_another_name_is_refused() -> None:
    (refusal,) = said_of("a.json", notebook(code()))
    assert (refusal.check, refusal.message) == ("F02", "The file is a notebook.")
