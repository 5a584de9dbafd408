"""`tre audit`, as it is typed: what it prints and how it exits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.databases import Sqlite
from tests.unit.audit.conftest import Log
from tre.audit.checkpoint import parse
from tre.audit.keys import PUBLIC_KEY_FILE, make_keys
from tre.audit.lock import FileLock, lock_path
from tre.audit.places import FilePlace
from tre.audit.records import last_checkpoint
from tre.audit.witness import FileWitness, witness_path
from tre.cli.audit import app
from tre.system.layout import Layout


class Installed(Log):
    """A log where an installation keeps it."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.layout.database.parent.mkdir(parents=True)
        self.layout.keys.mkdir()
        super().__init__(Sqlite(), self.layout.database)
        (root / "tre.yaml").write_text("base: tre.localhost\n")
        self.signer = make_keys(self.layout.keys, "tre.localhost/audit")
        self.keys = (self.signer.public,)

    def run(self, *words: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--root", str(self.layout.root)])
        assert done.exit_code == exit_code, done.output
        return done.output

    def checkpoint(self, path: Path) -> Path:
        with self.database.read() as connection:
            row = last_checkpoint(connection)
        assert row is not None
        path.write_text(row.note)
        return path


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installed]:
    made = Installed(tmp_path / "root")
    yield made
    made.database.close()
    shutil.rmtree(made.layout.run, ignore_errors=True)


def outside(*words: str, exit_code: int = 0) -> str:
    """Somebody without an installation runs the command."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == exit_code, done.output
    return done.output


def test_verify_says_that_everything_fits(here: Installed) -> None:
    assert "Events: 0. Checkpoints: none." in here.run("verify")
    here.grow(8, 3)
    here.append(2)
    text = here.run("verify")
    assert "Events: 11. Checkpoints: 2 checkpoints, the last of 2026-11-01 10:00:02Z. Waiting: 2." in text
    assert "Everything fits" in text
    report = json.loads(here.run("verify", "--json"))
    assert (report["ok"], report["size"], report["waiting"], report["faults"]) == (True, 11, 2, [])


def test_verify_exits_1_and_says_what_does_not_fit(here: Installed) -> None:
    here.grow(8, 3)
    here.tamper("UPDATE audit_events SET kind = 'grant.applied' WHERE number = 4")
    text = here.run("verify", exit_code=1)
    assert "changed event" in text
    report = json.loads(here.run("verify", "--json", exit_code=1))
    assert report["faults"][0]["position"] == 3
    assert report["faults"][0]["looksLike"] == "changed event"


def test_verify_uses_the_local_witness(here: Installed) -> None:
    here.grow(3)
    path = witness_path(here.layout.root)
    path.parent.mkdir()
    here.append(2)
    here.sequencer(witness=FileWitness(path)).step()
    here.run("verify")
    here.tamper("DELETE FROM audit_leaves WHERE position > 2", "DELETE FROM audit_checkpoints WHERE size > 3")
    assert "truncated log" in here.run("verify", exit_code=1)
    path.unlink()
    here.run("verify")


def test_verify_expects_nothing_to_wait_long_while_a_controller_runs(here: Installed) -> None:
    here.grow(1)
    here.append(1)  # of a time long past
    lock = lock_path(here.layout.run)
    lock.parent.mkdir(parents=True)
    here.run("verify")
    with FileLock(lock).hold():
        assert "overdue event" in here.run("verify", exit_code=1)
    here.run("verify")


def test_verify_compares_with_a_checkpoint_kept_elsewhere(here: Installed, tmp_path: Path) -> None:
    here.grow(3)
    seen = here.checkpoint(tmp_path / "seen")
    here.grow(2)
    here.run("verify", "--seen", str(seen))
    here.tamper(
        "DELETE FROM audit_leaves",
        "DELETE FROM audit_checkpoints",
        "DELETE FROM audit_events WHERE number > 2",
        "INSERT INTO audit_waiting SELECT number FROM audit_events",
    )
    here.sequencer().catch_up()
    here.run("verify")
    assert "truncated log" in here.run("verify", "--seen", str(seen), exit_code=1)
    assert "BadInput" in here.run("verify", "--seen", str(tmp_path / "none"), exit_code=1)
    seen.write_text(seen.read_text().replace("\n3\n", "\n4\n"))
    assert "SignatureInvalid" in here.run("verify", "--seen", str(seen), exit_code=1)


def test_an_exported_log_is_verified_by_somebody_outside(here: Installed, tmp_path: Path) -> None:
    here.grow(8, 3)
    file = tmp_path / "log.jsonl"
    assert f"11 events written to {file}" in here.run("export", str(file))
    key = tmp_path / "published.pub"
    key.write_bytes((here.layout.keys / PUBLIC_KEY_FILE).read_bytes())
    assert "Everything fits" in outside("verify", str(file), "--key", str(key))
    assert "AlreadyExists" in here.run("export", str(file), exit_code=1)
    assert "BadInput" in here.run("export", str(tmp_path / "none" / "x"), exit_code=1)
    assert json.loads(here.run("export", str(tmp_path / "b"), "--json"))["events"] == 11
    file.write_bytes(file.read_bytes().replace(b"w-3", b"w-4"))
    assert "rewritten log" in outside("verify", str(file), "--key", str(key), exit_code=1)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "no json", '{"format": "other"}', "[" * 100_000])
def test_a_file_that_is_neither_log_nor_proof_is_refused(here: Installed, tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    assert "not an exported audit log" in here.run("verify", str(file), exit_code=1)


def test_a_missing_file_or_key_is_named(here: Installed, tmp_path: Path) -> None:
    assert "cannot be read" in here.run("verify", str(tmp_path / "none"), exit_code=1)
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert "cannot be read" in here.run("verify", str(tmp_path / "bytes"), exit_code=1)
    assert "SetupIncomplete" in outside("verify", "--key", str(tmp_path / "none"), exit_code=1)


def test_a_proof_is_made_here_and_verified_elsewhere(here: Installed, tmp_path: Path) -> None:
    event = here.grow(8, 3)[4]
    key = str(here.layout.keys / PUBLIC_KEY_FILE)
    file = tmp_path / "proof.json"
    for what, count in ((event.id, 1), (event.object, 1), ("workspace/w-1", 2)):
        file.write_text(here.run("prove", what))
        assert f"{count} proven" in outside("verify", str(file), "--key", key)
        assert json.loads(outside("verify", str(file), "--key", key, "--json"))["proofs"] == count
    file.write_text(file.read_text().replace("workspace/w-1", "workspace/w-2"))
    assert "AuditBroken" in outside("verify", str(file), "--key", key, exit_code=1)


def test_growth_is_proven_since_a_checkpoint(here: Installed, tmp_path: Path) -> None:
    here.grow(3)
    seen = here.checkpoint(tmp_path / "seen")
    here.grow(5)
    file = tmp_path / "growth.json"
    file.write_text(here.run("prove", "--since", str(seen)))
    assert "1 proven in the log of 8 events" in outside(
        "verify", str(file), "--key", str(here.layout.keys / PUBLIC_KEY_FILE)
    )


def test_what_cannot_be_proven_is_said(here: Installed) -> None:
    event = here.append(1)[0]
    assert "waits for its place" in here.run("prove", event.id, exit_code=1)
    assert "no event" in here.run("prove", "0" * 32, exit_code=1)
    assert "no event about" in here.run("prove", "grant/none", exit_code=1)
    here.run("prove", exit_code=2)
    here.run("prove", "a", "--since", "b", exit_code=2)


def test_tail_shows_the_newest_last(here: Installed) -> None:
    here.grow(4)
    here.append(1)
    numbers = [line.split()[:2] for line in here.run("tail", "-n", "2").splitlines() if line[1:2].isdigit()]
    assert numbers == [["4", "3"], ["5", "waits"]]
    found = json.loads(here.run("tail", "--json", "--object", "workspace/w-1"))
    assert [item["position"] for item in found] == [1]
    assert json.loads(here.run("tail", "--json", "--kind", "grant.revoked")) == []
    here.run("tail", "-n", "0", exit_code=2)


def test_tail_shows_text_that_cannot_steer_the_terminal(here: Installed) -> None:
    from tre.store.events import append_many

    append_many(here.database, [here.event(detail={"text": "[red]\x9b31m\u202e\x07"})])
    text = here.run("tail")
    assert "[red]" in text
    assert not set(text) & {"\x9b", "\u202e", "\x07"}


def test_tail_follows_what_happens(here: Installed) -> None:
    program = "from tre.cli.audit import app; app()"
    command = [sys.executable, "-c", program, "tail", "-f", "--json", "--kind", "grant.revoked"]
    here.append(3)
    environment = os.environ | {"TRE_ROOT": str(here.layout.root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        from tre.store.events import append_many

        seen: list[Any] = []
        wanted = here.event(kind="grant.revoked")
        append_many(here.database, [here.event(), wanted])
        seen.append(json.loads(process.stdout.readline()))
        later = here.event(kind="grant.revoked")
        append_many(here.database, [later])
        seen.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) != 0
    assert [item["event"]["id"] for item in seen] == [wanted.id, later.id]


# Another key, and places elsewhere


def test_the_key_is_changed_and_everybody_with_the_first_one_follows(here: Installed, tmp_path: Path) -> None:
    first = tmp_path / "first.pub"
    first.write_bytes((here.layout.keys / PUBLIC_KEY_FILE).read_bytes())
    here.grow(3)
    assert "From now on this key signs the log" in here.run("rotate-key")
    found = json.loads(here.run("rotate-key", "--json"))
    assert found["lost"] is False
    assert (here.layout.keys / PUBLIC_KEY_FILE).read_text().splitlines()[0] == found["key"]
    assert "Everything fits" in here.run("verify")
    assert "Everything fits" in here.run("verify", "--key", str(first))
    file = tmp_path / "log.jsonl"
    here.run("export", str(file))
    assert "Everything fits" in outside("verify", str(file), "--key", str(first))


def test_the_key_is_not_changed_under_a_running_controller(here: Installed) -> None:
    here.grow(3)
    before = (here.layout.keys / PUBLIC_KEY_FILE).read_text()
    lock = lock_path(here.layout.run)
    lock.parent.mkdir(parents=True)
    with FileLock(lock).hold():
        assert "Conflict" in here.run("rotate-key", exit_code=1)
    assert (here.layout.keys / PUBLIC_KEY_FILE).read_text() == before
    here.run("rotate-key")


def test_a_lost_key_is_told_as_a_break(here: Installed, tmp_path: Path) -> None:
    first = tmp_path / "first.pub"
    first.write_bytes((here.layout.keys / PUBLIC_KEY_FILE).read_bytes())
    here.grow(3)
    assert "StateForbids" in here.run("rotate-key", "--lost", exit_code=1)
    (here.layout.keys / "audit-signing.key").unlink()
    assert "SetupIncomplete" in here.run("rotate-key", exit_code=1)
    assert "Nothing but your word" in here.run("rotate-key", "--lost")
    text = here.run("verify")
    assert "A break at 3" in text
    assert "Everything fits" in text
    faults = json.loads(here.run("verify", "--key", str(first), "--json", exit_code=1))["faults"]
    assert [fault["looksLike"] for fault in faults] == ["foreign signature"] * len(faults)
    assert "was lost" in faults[0]["message"]


def test_on_a_cluster_the_key_is_a_secret(here: Installed) -> None:
    settings = "base: tre.localhost\nruntime: kubernetes\ndatabaseUrl: postgresql:///nowhere\n"
    (here.layout.root / "tre.yaml").write_text(settings)
    assert "a Secret" in here.run("rotate-key", exit_code=1)


def test_every_checkpoint_of_a_file_elsewhere_is_held_against_the_log(here: Installed, tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere" / "kept.jsonl"
    kept.parent.mkdir()
    (here.layout.root / "tre.yaml").write_text(f"witnesses: [{{name: volume, file: {kept}}}]\n")
    for count in (3, 2):
        here.grow(count)
        with here.database.read() as connection:
            row = last_checkpoint(connection)
        assert row is not None
        FilePlace(kept, here.keys).keep(parse(row.note))
    here.run("verify")
    here.run("verify", "--seen", str(kept))
    here.tamper(
        "DELETE FROM audit_leaves WHERE position > 2",
        "DELETE FROM audit_checkpoints WHERE size > 3",
        "DELETE FROM audit_events WHERE number > 3",
    )
    assert "truncated log" in here.run("verify", exit_code=1)
    (here.layout.root / "tre.yaml").write_text("base: tre.localhost\n")
    here.run("verify")
    assert "truncated log" in here.run("verify", "--seen", str(kept), exit_code=1)
