"""`tre audit feed`: lines for a system that collects logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_audit import Installed, here
from tre.audit.keys import load_private

assert here is not None  # the fixture


def lines(here: Installed, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in here.run("feed", *words).splitlines()]


def test_signed_events_come_in_the_logs_order_and_waiting_ones_do_not(here: Installed) -> None:
    events = here.grow(3, 2)
    here.append(2)
    found = lines(here)
    assert [item["position"] for item in found] == list(range(5))
    assert [item["id"] for item in found] == [event.id for event in events]
    assert found[0].keys() == {"position", "id", "at", "actor", "kind", "object", "detail"}


def test_a_cursor_hands_each_event_out_once(here: Installed, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    here.grow(3)
    assert len(lines(here, "--cursor", str(cursor))) == 3
    assert lines(here, "--cursor", str(cursor)) == []
    here.grow(2)
    assert [item["position"] for item in lines(here, "--cursor", str(cursor))] == [3, 4]


def test_only_what_happened_since(here: Installed) -> None:
    here.grow(3)
    assert [item["position"] for item in lines(here, "--since", "2026-11-01T10:00:00Z")] == [0, 1, 2]
    here.grow(2)
    assert [item["position"] for item in lines(here, "--since", "2026-11-01T10:00:01Z")] == [3, 4]
    assert lines(here, "--since", "2027-01-01T00:00:00Z") == []


@pytest.mark.parametrize("since", ["yesterday", "2026-11-01", "1", ""])
def test_a_time_without_its_zone_is_refused(here: Installed, since: str) -> None:
    assert "BadInput" in here.run("feed", "--since", since, exit_code=1)


@pytest.mark.parametrize("text", ["", "x", "[]", "{", '{"position": "x"}', '{"format": "other", "position": 1}'])
def test_a_damaged_cursor_leaves_nothing_out_silently(here: Installed, tmp_path: Path, text: str) -> None:
    cursor = tmp_path / "cursor"
    cursor.write_text(text)
    here.grow(1)
    assert "BadInput" in here.run("feed", "--cursor", str(cursor), exit_code=1)
    assert cursor.read_text() == text


def test_a_log_written_anew_or_cut_back_is_not_gone_on_with(here: Installed, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    here.grow(3)
    lines(here, "--cursor", str(cursor))
    here.tamper(
        "UPDATE audit_events SET actor_id = 'nobody' WHERE number = 3",
        "DELETE FROM audit_leaves",
        "DELETE FROM audit_checkpoints",
        "INSERT INTO audit_waiting SELECT number FROM audit_events",
    )
    assert "AuditBroken" in here.run("feed", "--cursor", str(cursor), exit_code=1)
    here.signer = load_private(here.layout.keys / "audit-signing.key")
    here.sequencer().catch_up()
    here.run("verify")  # it fits itself
    assert "AuditBroken" in here.run("feed", "--cursor", str(cursor), exit_code=1)
    assert len(lines(here)) == 3


def test_a_whole_page_and_more(here: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    here.grow(1500)
    assert [item["position"] for item in lines(here)] == list(range(1500))


def test_text_of_every_kind_stays_on_its_line(here: Installed) -> None:
    with here.database.change(here.event(detail={"a": "x\ny\u2028\u0085\x1b[31m"})):
        pass
    here.sequencer().catch_up()
    printed = here.run("feed")
    assert printed.isascii()
    assert len(printed.splitlines()) == 1
