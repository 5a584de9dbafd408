"""Which records describe whom once some of them stay out or wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tre.domain.gate import GateReason
from tre.slices.clinical import ClinicalRecord, deciding
from tre.slices.records import Settled, Taken, settle
from tre.slices.taking import Waiting
from tre.slices.walk import Found, Kind, Refusal

WAITS = (GateReason("free-text", "Hospital", "waits", refuses=False),)


def one(kind: str, day: str, became: str = "taken", person: str = "P", **values: object) -> tuple[Found, Taken]:
    found = Found(("training", "data", person, f"{kind}_{day}.json"), Kind.clinical)
    if became == "taken":
        return found, ClinicalRecord(person, kind, day, "training", dict(values))
    if became == "refused":
        return found, Refusal(found.path, "clinical-record", "not JSON")
    return found, Waiting(found.path, "clinical", person, b"x", 1, WAITS)


def described(*taken: tuple[Found, Taken]) -> tuple[set[str], set[str]]:
    settled = settle(taken)
    return {record.pseudonym for record in settled.records}, set(settled.undecided)


@pytest.mark.parametrize("became", ["refused", "waits"])
def test_nobody_is_described_by_a_record_that_a_missing_one_would_overrule(became: str) -> None:
    old, new = one("data", "2020-05-01"), one("data", "2020-06-01")
    assert described(old, one("data", "2020-06-01", became)) == (set(), {"P"})
    assert described(one("status", "2020-07-01"), one("data", "2020-06-01", became)) == (set(), {"P"})
    assert described(one("data", "2020-06-01", became)) == (set(), {"P"})
    assert described(new, one("data", "2020-05-01", became)) == ({"P"}, set())
    assert described(new, one("status", "2020-07-01", became)) == ({"P"}, set())
    assert described(old, one("data", "2020-06-01", became, person="Q")) == ({"P"}, {"Q"})


def test_two_records_of_one_day_that_differ_stay_out_both_and_the_same_twice_counts_once() -> None:
    first, same, other = (one("data", "2020-05-01", Age=age) for age in (1, 1, 2))
    assert [record.values for record in settle([first, same]).records] == [{"Age": 1}]
    settled = settle([first, other, one("data", "2020-04-01")])
    assert [refusal.rule for refusal in settled.refusals] == ["duplicate-record"] * 2
    assert (settled.records, settled.undecided) == ([], {"P"})
    later = settle([first, other, one("data", "2020-06-01")])
    assert ([record.day for record in later.records], later.undecided) == (["2020-06-01"], frozenset())


@given(
    some.lists(
        some.tuples(
            some.sampled_from(("data", "status")),
            some.sampled_from(("2020-05-01", "2020-06-01", "2020-07-01")),
            some.sampled_from(("taken", "refused", "waits")),
            some.sampled_from("PQ"),
            some.integers(0, 1),
        ),
        max_size=8,
    )
)
def test_whoever_is_described_is_described_by_the_best_record_there_was(
    drawn: list[tuple[str, str, str, str, int]],
) -> None:
    taken = [one(kind, day, became, person, Age=age) for kind, day, became, person, age in drawn]
    settled: Settled = settle(taken)
    for person in {record.pseudonym for record in settled.records}:
        best = max((kind == "data", day) for kind, day, _, whose, _ in drawn if whose == person)
        used = deciding([record for record in settled.records if record.pseudonym == person])
        assert (used.kind == "data", used.day) == best
    gone = len(settled.refusals) + len(settled.waiting)
    assert gone >= sum(became != "taken" for _, _, became, _, _ in drawn)


def test_whoever_has_records_in_both_partitions_is_in_neither() -> None:
    apart = ClinicalRecord("P", "data", "2020-04-01", "validation", {})
    found = Found(("validation", "data", "P", "data_2020-04-01.json"), Kind.clinical)
    settled = settle([one("data", "2020-05-01"), (found, apart), one("data", "2020-05-01", person="Q")])
    assert {refusal.path: refusal.rule for refusal in settled.refusals} == {
        "training/data/P/data_2020-05-01.json": "two-partitions",
        "validation/data/P/data_2020-04-01.json": "two-partitions",
    }
    assert ({record.pseudonym for record in settled.records}, settled.undecided) == ({"Q"}, {"P"})
