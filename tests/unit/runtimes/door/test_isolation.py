"""What counts as proof: the sealed probe with its control, and the door's own attempts with the controller's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.doors import closed, opened, told
from tre.runtimes.door.instruction import Instruction, parse
from tre.runtimes.door.isolation import Isolation, own_control, try_network

SEALED = ("socket inet stream", "tcp api", "create /usr")


@pytest.fixture
def instruction(tmp_path: Path) -> Instruction:
    (tmp_path / "own").mkdir()
    return parse(told(tmp_path))


def test_both_probes_make_a_proof(instruction: Instruction) -> None:
    isolation = Isolation(instruction)
    assert not isolation.proven
    said = isolation.take_sealed(closed(*SEALED), opened("socket inet stream", "create /usr"))
    assert said["proven"] is True
    assert set(said["provenItems"]) == set(SEALED)
    assert not isolation.proven
    assert not isolation.failed
    assert isolation.take_network(closed("tcp api")).said["proven"] is True
    assert isolation.proven


@pytest.mark.parametrize("item", SEALED)
def test_what_is_open_inside_is_no_proof(instruction: Instruction, item: str) -> None:
    isolation = Isolation(instruction)
    isolation.take_network(closed("tcp api"))
    answers = [*closed(*(one for one in SEALED if one != item)), *opened(item)]
    assert isolation.take_sealed(answers, opened("socket inet stream", "create /usr"))["failed"] == [item]
    assert isolation.failed
    assert not isolation.proven


def test_what_the_door_cannot_do_either_proves_nothing(instruction: Instruction) -> None:
    isolation = Isolation(instruction)
    control = [*opened("create /usr"), *closed("socket inet stream")]
    said = isolation.take_sealed(closed(*SEALED), control)
    assert said["proven"] is False
    assert said["unproven"] == ["socket inet stream"]


def test_a_cluster_address_that_nobody_reached_is_named_and_held_against_nobody(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    isolation = Isolation(parse(told(tmp_path, answered=[])))
    said = isolation.take_sealed(closed(*SEALED), opened("socket inet stream", "create /usr"))
    assert said["proven"] is True
    assert said["uncontrolled"] == ["tcp api"]


def test_a_network_where_nothing_answered_the_controller_is_no_proof(tmp_path: Path) -> None:
    isolation = Isolation(parse(told(tmp_path, answered=[])))
    assert isolation.take_network(closed("tcp api")).said["proven"] is False
    assert isolation.failed


def test_a_network_that_is_open_is_no_proof_however_often_it_is_closed_later(instruction: Instruction) -> None:
    isolation = Isolation(instruction)
    isolation.take_sealed(closed(*SEALED), opened("socket inet stream", "create /usr"))
    first = isolation.take_network(opened("tcp api"))
    assert first.is_news
    assert first.said["failed"] == ["tcp api"]
    assert not isolation.take_network(closed("tcp api")).is_news
    assert isolation.failed
    assert not isolation.proven


def test_a_proof_that_is_lost_is_lost_for_good_and_said_once(instruction: Instruction) -> None:
    isolation = Isolation(instruction)
    isolation.take_sealed(closed(*SEALED), opened("socket inet stream", "create /usr"))
    assert isolation.take_network(closed("tcp api")).is_news
    assert not isolation.take_network(closed("tcp api")).is_news
    lost = isolation.take_network(opened("tcp api"))
    assert lost.is_news
    assert lost.said["proven"] is False
    assert isolation.lost == ("tcp api",)
    assert not isolation.take_network(closed("tcp api")).is_news
    assert not isolation.proven


def test_a_probe_that_did_not_come_to_its_end_is_no_proof(instruction: Instruction) -> None:
    isolation = Isolation(instruction)
    isolation.take_network(closed("tcp api"))
    assert isolation.refuse_sealed("it was killed")["error"] == "it was killed"
    assert isolation.failed


def test_a_second_report_proves_nothing(instruction: Instruction) -> None:
    isolation = Isolation(instruction)
    isolation.take_network(closed("tcp api"))
    isolation.refuse_sealed("the door was started a second time")
    isolation.take_sealed(closed(*SEALED), opened("socket inet stream", "create /usr"))
    assert not isolation.proven


def test_the_doors_own_control_tries_what_this_pod_has(instruction: Instruction) -> None:
    """Files in a directory of its own; nothing of the cluster's addresses, which are the controller's to try."""
    answers = {str(one["item"]): one["outcome"] for one in own_control(instruction)}
    assert answers == {"socket inet stream": "open", "create /usr": "open"}
    assert not list(Path(instruction.own).iterdir())


def test_the_doors_attempt_at_the_network_is_a_real_one(instruction: Instruction) -> None:
    assert [one["outcome"] for one in try_network(instruction)] == ["closed"]
