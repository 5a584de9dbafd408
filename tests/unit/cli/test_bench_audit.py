"""`tre bench audit` on a small log: each figure is there, and a log that does not verify gives none."""

from __future__ import annotations

import pytest

from tre.cli.bench import audit
from tre.cli.bench.audit import bench
from tre.domain.errors import Reason, TREError


def test_every_figure_is_there_and_targets_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "EVENTS_A_SECOND", 1e9)
    monkeypatch.setattr(audit, "GROWTH", 1e9)
    monkeypatch.setattr(audit, "PROOF_MS", 1e9)
    found = {one.what: one for one in bench((100, 1000), singles=5)}
    assert all(one.ours > 0 for one in found.values())
    batches = found["committed, in the tree and signed, in batches"]
    assert batches.met is False
    assert batches.peer is not None
    assert found["proof of one event"].met is True
    assert found["verify 1,000 beside 100, on a processor"].met is True
    assert len(found) == 8


def test_a_log_that_does_not_verify_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit._Log, "grow", lambda log, events: setattr(log, "size", log.size + len(events)))
    with pytest.raises(TREError) as caught:
        bench((100,), singles=1)
    assert caught.value.reason is Reason.AuditBroken
