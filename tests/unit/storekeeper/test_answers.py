"""Answers in the inbox: whole, readable by one user, few."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.storekeeper.conftest import START, House
from tre.domain.errors import Reason, TREError
from tre.domain.exports.preflight import PreflightAnswer, ToldFile
from tre.storekeeper.answers import KEPT, DeliverRequest, deliver

BOX = "w-aaaaaaaaaaaa"


def request(number: int = 1, workspace: str = BOX) -> DeliverRequest:
    answer = PreflightAnswer(id=f"{number:032x}", at=START, files=(ToldFile(path="a.csv"),), remaining=3)
    return DeliverRequest(workspace=workspace, name=f"answer-{number:032x}", answer=answer)


@pytest.fixture
def inbox(house: House) -> Path:
    made = house.layout.inboxes / BOX
    made.mkdir(parents=True)
    made.chmod(0o2750)
    return made


def test_an_answer_is_written_whole_and_again_the_same(house: House, inbox: Path) -> None:
    for _ in range(2):
        deliver(house.office, request())
    (path,) = (inbox / ".preflight").iterdir()
    assert json.loads(path.read_text())["remaining"] == 3
    assert path.stat().st_mode & 0o7777 == 0o640
    assert path.parent.stat().st_mode & 0o2777 == 0o2750
    assert path.stat().st_gid == inbox.stat().st_gid, "its workspace's user reads it by the inbox's group"


def test_only_the_newest_stay(house: House, inbox: Path) -> None:
    for number in range(KEPT + 3):
        deliver(house.office, request(number))
        os.utime(inbox / ".preflight" / f"answer-{number:032x}.json", ns=(number, number))
    deliver(house.office, request(99))
    left = sorted(path.name for path in (inbox / ".preflight").iterdir())
    assert len(left) == KEPT
    assert f"answer-{99:032x}.json" in left
    assert f"answer-{0:032x}.json" not in left


def test_no_inbox_is_made_and_no_link_followed(house: House, inbox: Path, tmp_path: Path) -> None:
    with pytest.raises(TREError) as refused:
        deliver(house.office, request(workspace="w-bbbbbbbbbbbb"))
    assert refused.value.reason is Reason.ObjectNotFound
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (inbox.parent / "w-cccccccccccc").symlink_to(elsewhere)
    with pytest.raises(TREError):
        deliver(house.office, request(workspace="w-cccccccccccc"))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["../answer", "answer-1", "ask", ""])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        DeliverRequest(workspace=BOX, name=name, answer=request().answer)
