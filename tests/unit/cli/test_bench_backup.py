"""`tre bench backup` at a size that takes no time: what it does, not how fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tre.backup import seal
from tre.cli.bench import backup
from tre.cli.bench.backup import Size, bench
from tre.cli.bench.figures import Figure

SMALL = Size(events=300, writes=50, rounds=2, patience=5.0)


@pytest.fixture(autouse=True)
def _quick_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes guessing dear takes most of the time here; `test_seal` looks at the real cost."""
    monkeypatch.setattr(seal, "_COST", 2**4)


def measured(size: Size) -> dict[str, Figure]:
    return {item.what: item for item in bench(size)}


def test_backups_are_made_beside_a_writer_and_hold_all_that_it_was_told_is_kept() -> None:
    found = measured(SMALL)
    first = found["a backup of 300 events, 50 changes a second"]
    assert first.ours > 0
    assert first.peer is not None
    assert found["changes acknowledged before a backup began"].ours >= 25
    lost = found["of these missing in it"]
    assert (lost.ours, lost.met) == (0, True)


def test_what_a_backup_lacks_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    held = backup._held
    monkeypatch.setattr(backup, "_held", lambda place: set(sorted(held(place))[1:]))
    lost = measured(SMALL)["of these missing in it"]
    assert (lost.ours > 0, lost.met) == (True, False)


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    bench(SMALL)
    assert list(tmp_path.iterdir()) == []
