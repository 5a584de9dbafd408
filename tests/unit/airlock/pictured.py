"""What the tests of pictures share: the corpus by type of file, and what the checks say of a file."""

from __future__ import annotations

from collections.abc import Callable

from tests.assets.airlock.files import Hostile
from tests.assets.airlock.pictures import HONEST, HOSTILE, TELLING
from tre.airlock.checks import run_all
from tre.airlock.identify import parse, type_of
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, Surroundings

A_SLICE = Surroundings(people=500)
DATED = "the time of its making."


def hostile(kind: str) -> dict[str, Hostile]:
    """Files of a type that are refused."""
    return {name: item for name, item in HOSTILE.items() if type_of(name) == kind}


def telling(kind: str) -> dict[str, Hostile]:
    """Files of a type of which something is said."""
    return {name: item for name, item in TELLING.items() if type_of(name) == kind}


def honest(kind: str) -> dict[str, Callable[[], bytes]]:
    """Files of a type of which nothing is said."""
    return {name: make for name, make in HONEST.items() if type_of(name) == kind}


def look(kind: str, data: bytes, around: Surroundings = A_SLICE) -> list[Observation]:
    """What the checks of its type say of a file."""
    return run_all(parse(kind, data, Bounds()), around)


def refusal(name: str, item: Hostile) -> str:
    """Why a file is refused; empty where it is not, or for another reason than its own."""
    try:
        parse(type_of(name), item.make(), Bounds())
    except FileRefusedError as refused:
        said = refused.observation
        return said.message if said.check == item.check and item.says in said.message else f"other: {said}"
    return "not refused"


def is_told(name: str, item: Hostile) -> bool:
    """Whether the file's own finding is among those that are made."""
    found = look(type_of(name), item.make(), Surroundings())
    return any(said.check == item.check and item.says in said.message for said in found)


def judged(kind: str, data: bytes) -> str:
    """`clean`, or the check that refused; any other error is the test's failure."""
    try:
        look(kind, data)
    except FileRefusedError as refused:
        return refused.observation.check
    return "clean"


def changed(data: bytes, at: int, junk: bytes) -> bytes:
    """The same bytes with others in place of some."""
    place = at % len(data)
    return data[:place] + junk + data[place + len(junk) :]
