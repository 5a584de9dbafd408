"""Asks in outboxes: what is read, and what an adversary may leave there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tre.airlock.jobs import Ask, AskList
from tre.airlock.preflight import LONGEST_ASK, MOST_ASKS, MOST_PATHS, asks_in
from tre.airlock.spool import Spool
from tre.domain.errors import TREError
from tre.runtimes.init import preflight as program

BOX, ID = "w-aaaaaaaaaaaa", "0123456789abcdef" * 2
GOOD = "tre-preflight/1\na.csv\nsub/b c.csv\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / BOX / ".preflight"
    made.mkdir(parents=True)
    return made


def test_an_ask_is_read_as_it_was_written(folder: Path) -> None:
    (folder / f"ask-{ID}").write_text(GOOD)
    (folder / f".{ID}").write_text("half written")
    (folder / "ask-short").write_text(GOOD)
    expected = Ask(outbox=BOX, id=ID, paths=("a.csv", "sub/b c.csv"))
    assert asks_in(folder.parents[1]) == (expected,)


def test_both_sides_speak_of_the_same_form() -> None:
    from tre.airlock import preflight

    assert (program.FORM, program.FOLDER, program.MOST_FILES) == (preflight.FORM, preflight.FOLDER, MOST_PATHS)


def test_no_outboxes_are_no_asks(tmp_path: Path) -> None:
    assert asks_in(tmp_path / "none") == ()
    (tmp_path / BOX).mkdir()
    (tmp_path / "stranger").mkdir()
    assert asks_in(tmp_path) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense\na.csv\n",
        b"tre-preflight/1\n",
        b"tre-preflight/1\n\na.csv\n",
        b"tre-preflight/1\n\xff.csv\n",
        b"tre-preflight/1\n" + b"x" * 5000,
        b"tre-preflight/1\n" + b"a\n" * (MOST_PATHS + 1),
        b"tre-preflight/1\n" + b"a\n" * LONGEST_ASK,
    ],
)
def test_an_ask_out_of_form_says_so(folder: Path, content: bytes) -> None:
    (folder / f"ask-{ID}").write_bytes(content)
    (ask,) = asks_in(folder.parents[1])
    assert ask.problem
    assert ask.paths == ()


def test_links_pipes_and_directories_are_not_opened(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(GOOD)
    (folder / f"ask-{'1' * 32}").symlink_to(secret)
    os.mkfifo(folder / f"ask-{'2' * 32}")
    (folder / f"ask-{'3' * 32}").mkdir()
    assert asks_in(folder.parents[1]) == ()
    other = tmp_path / "w-bbbbbbbbbbbb"
    other.mkdir()
    (other / ".preflight").symlink_to(folder)
    (tmp_path / "w-cccccccccccc").symlink_to(folder.parent)
    (folder / f"ask-{ID}").write_text(GOOD)
    assert [ask.outbox for ask in asks_in(tmp_path)] == [BOX]


def test_of_many_asks_the_newest_are_read_and_nobody_else_is_crowded_out(folder: Path, tmp_path: Path) -> None:
    for number in range(MOST_ASKS + 3):
        path = folder / f"ask-{number:032x}"
        path.write_text(GOOD)
        os.utime(path, ns=(number, number))
    other = tmp_path / "w-bbbbbbbbbbbb" / ".preflight"
    other.mkdir(parents=True)
    (other / f"ask-{ID}").write_text(GOOD)
    found = asks_in(tmp_path)
    assert [int(ask.id, 16) for ask in found if ask.outbox == BOX] == list(range(3, MOST_ASKS + 3))
    assert found[-1].outbox == "w-bbbbbbbbbbbb"


def test_the_list_goes_through_the_spool_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.make()
    assert (spool.asks(), spool.asks_mark()) == ((), 0)
    asks = (Ask(outbox=BOX, id=ID, paths=("a.csv",)),)
    spool.tell_asks(AskList(asks=asks))
    assert spool.asks() == asks
    assert spool.asks_mark() > 0
    spool.tidy()
    assert spool.asks() == asks, "no answer to a job: tidying leaves it alone"
    (tmp_path / "out" / "asks").write_text("{}x")
    with pytest.raises(TREError):
        spool.asks()
