"""`tre bench gate` and `tre bench ingest`, at sizes that say nothing but that they work."""

from __future__ import annotations

from tre.cli.bench import gate, ingest


def test_the_gate_is_measured_and_its_verdicts_counted() -> None:
    figures = gate.bench(patients=3, rounds=1)
    assert all(one.ours > 0 for one in figures[:2])
    assert [one.met for one in figures[2:5]] == [True, True, True]
    assert sum(one.ours for one in figures[5:8]) > 100


def test_ingest_is_measured_beside_its_peer() -> None:
    rate, every, memory, growth = ingest.bench(patients=4, rounds=1)
    assert 0 < rate.ours < every.ours
    assert rate.peer is not None
    assert memory.ours > 10
    assert growth.ours > 0
