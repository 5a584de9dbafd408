"""The record, its log and its witness, backups, leftovers: each as it should be, then wrong."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.databases import Postgres, Sqlite, name_of
from tests.support.postgres import PREFIX
from tests.unit.cli.doctor.conftest import Patient
from tre.audit.courier import state_path
from tre.audit.keys import PRIVATE_KEY_FILE, load_private
from tre.audit.lease import Lease
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.witness import FileWitness, witness_path
from tre.backup.drill import DRILLED
from tre.backup.make import BACKED_UP
from tre.system.clock import SystemClock
from tre.system.files import write_json
from tre.system.settings import Settings
from tre.system.sockets import listen
from tre.system.witness_settings import WitnessSettings

DAY = timedelta(days=1)
HOUR_AGO = time.time() - 7200


def run_sql(patient: Patient, *statements: str) -> None:
    """As somebody does it who can write the file."""
    with closing(sqlite3.connect(patient.layout.database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def sign(patient: Patient, count: int = 3) -> None:
    for _ in range(count):
        patient.happen()
    database = patient.database()
    owner = (patient.layout.keys / PRIVATE_KEY_FILE).stat().st_uid
    signer = load_private(patient.layout.keys / PRIVATE_KEY_FILE, owner)
    Sequencer(database, signer, SystemClock(), Terms(witness=FileWitness(witness_path(patient.root)))).catch_up()
    database.close()


def listening(patient: Patient, service: str) -> object:
    path = patient.layout.socket(service)
    path.parent.mkdir(parents=True, exist_ok=True)
    return listen(path)


# the record


def test_a_record_of_another_version_is_bad(patient: Patient) -> None:
    assert patient.state("record") == "good"
    run_sql(patient, "UPDATE alembic_version SET version_num = '9999'")
    assert patient.state("record") == "bad"
    run_sql(patient, "DELETE FROM alembic_version")
    assert "revision none" in patient.said("record").detail
    patient.layout.database.write_bytes(b"something else" * 100)
    assert patient.state("record") == "bad"


def test_a_record_that_others_must_wait_for_is_weak(patient: Patient) -> None:
    with closing(sqlite3.connect(patient.layout.database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    assert patient.state("record") == "weak"


def test_a_restored_record_waits(patient: Patient) -> None:
    assert patient.state("restored record") == "good"
    run_sql(patient, "INSERT INTO settings VALUES ('restored', '{\"backup\": \"000001\"}')")
    found = patient.said("restored record")
    assert (found.state, "tre reopen" in found.remedy) == ("weak", True)


def test_a_controller_that_runs_while_none_leads_is_weak(patient: Patient) -> None:
    assert patient.state("leading controller") == "good"
    with listening(patient, "controller"):  # type: ignore[attr-defined]
        assert patient.state("leading controller") == "weak"
        database = patient.database()
        assert Lease(database, SystemClock()).keep()
        database.close()
        assert patient.state("leading controller") == "good"


def test_what_only_a_server_has_is_not_used_on_a_file(patient: Patient) -> None:
    for what in ("roles of the server", "replicas", "server's clock"):
        assert patient.said(what).detail.startswith("not used")


@pytest.fixture
def on_server(patient: Patient, postgres: Postgres) -> str:
    """The same installation with its record on the tests' server, whose roles have the rights that migrations give."""
    return name_of(postgres.own())


def test_roles_that_may_more_or_less_are_named(patient: Patient, postgres: Postgres, on_server: str) -> None:
    url = {"database_url": postgres.server.setting(on_server)}
    assert patient.state("roles of the server", **url) == "good"
    for what in ("replicas", "server's clock", "restored record", "log and its witness", "leading controller"):
        assert patient.state(what, **url) == "good", patient.said(what, **url)
    postgres.server.run(f"GRANT DELETE ON audit_events TO {PREFIX}portal", on_server)
    postgres.server.run(f"GRANT UPDATE (message) ON sources TO {PREFIX}public", on_server)
    postgres.server.run(f"REVOKE SELECT ON grants FROM {PREFIX}operator", on_server)
    found = patient.said("roles of the server", **url)
    assert found.state == "bad"
    for words in (
        "portal has DELETE on audit_events",
        "public has UPDATE (message) on sources",
        "operator lacks SELECT",
    ):
        assert words in found.detail


def test_a_server_that_loses_what_it_reported_is_bad(patient: Patient, postgres: Postgres, on_server: str) -> None:
    found = patient.said("record", database_url=postgres.server.setting(on_server))
    assert (found.state, "fsync is off" in found.detail) == ("bad", True), "as the tests' own is started"


def test_a_server_that_is_not_there_is_bad(patient: Patient, tmp_path: Path) -> None:
    found = patient.said("record", database_url=f"postgresql:///tre?host={tmp_path}")
    assert (found.state, "cannot be reached" in found.detail) == ("bad", True)


# the log


def test_a_log_that_goes_on_is_good_and_one_that_was_cut_is_bad(patient: Patient) -> None:
    assert patient.state("log and its witness") == "good"
    sign(patient)
    older = patient.layout.database.read_bytes()
    sign(patient)
    assert patient.state("log and its witness") == "good"
    for path in patient.layout.database.parent.glob("*-*"):
        path.unlink()
    patient.layout.database.write_bytes(older)
    found = patient.said("log and its witness")
    assert (found.state, "it was cut, or is an older copy" in found.detail) == ("bad", True)
    assert "docs/auditing.md" in found.remedy


def test_a_log_that_was_written_anew_is_bad(patient: Patient) -> None:
    sign(patient)
    Sqlite().tamper(patient.database(), "UPDATE audit_leaves SET leaf_hash = zeroblob(32) WHERE position = 1")
    found = patient.said("log and its witness")
    assert (found.state, "it was rewritten" in found.detail) == ("bad", True)


def test_a_witness_that_is_gone_or_signed_by_nobody_is_told(patient: Patient) -> None:
    sign(patient)
    path = witness_path(patient.root)
    path.write_text(path.read_text().replace("\n3\n", "\n2\n"))
    assert patient.state("log and its witness") == "bad"
    path.unlink()
    assert patient.state("log and its witness") == "weak"


def test_hashes_that_are_gone_are_a_finding(patient: Patient) -> None:
    sign(patient)
    Sqlite().tamper(patient.database(), "DELETE FROM audit_leaves WHERE position = 1")
    assert patient.state("log and its witness") == "bad"


def test_events_that_nobody_signs_are_told(patient: Patient) -> None:
    assert patient.state("events to be signed") == "good"
    patient.happen()
    assert patient.state("events to be signed") == "good"
    patient.happen(at=datetime.now(UTC) - DAY)
    run_sql(patient, "DELETE FROM audit_waiting WHERE number < (SELECT max(number) FROM audit_waiting)")
    assert patient.state("events to be signed") == "weak", "nothing runs that could"
    with listening(patient, "controller"):  # type: ignore[attr-defined]
        assert patient.state("events to be signed") == "bad"


def test_each_place_that_lacks_a_checkpoint_is_told_of(patient: Patient) -> None:
    elsewhere = Path("/dev/shm")  # another file system than the root's
    assert "tre.yaml" in patient.said("witnesses of the log").remedy
    volume = WitnessSettings(name="volume", file=elsewhere / "kept.jsonl")
    near = WitnessSettings(name="near", file=Path("kept.jsonl"))
    assert "volume has nothing yet" in patient.said("witnesses of the log", witnesses=(volume,)).detail
    kept = {name: {"size": 3, "keptAt": "2026-11-01T10:00:00Z"} for name in ("volume", "near")}
    write_json(state_path(patient.root), {"places": kept})
    assert patient.state("witnesses of the log", witnesses=(volume,)) == "good"
    assert "near lies on the same disk" in patient.said("witnesses of the log", witnesses=(volume, near)).detail
    kept["volume"] |= {"dueAt": "2026-11-01T11:00:00Z", "failures": 2, "trouble": "It is away."}
    write_json(state_path(patient.root), {"places": kept})
    found = patient.said("witnesses of the log", witnesses=(volume,))
    assert (found.state, "It is away." in found.detail) == ("weak", True)


# backups


@pytest.mark.parametrize(("what", "kind", "days"), [("backup", BACKED_UP, 7), ("restore drill", DRILLED, 180)])
def test_what_was_never_made_or_long_ago_is_weak(patient: Patient, what: str, kind: str, days: int) -> None:
    assert "ever made" in patient.said(what).detail
    patient.happen(kind, datetime.now(UTC) - (days + 1) * DAY)
    found = patient.said(what)
    assert (found.state, f"{days + 1} days ago" in found.detail) == ("weak", True)
    longer = {"warn_after_days": 30, "drill_after_days": 300}
    assert patient.state(what, backup=Settings().backup.model_copy(update=longer)) == "good"
    patient.happen(kind)
    patient.happen()
    assert patient.state(what) == "good"


# leftovers

_ROW = (
    'INSERT INTO workspaces (name, "grant", issuer, subject, wanted, phase, reason, message, instance, uid, progress, '
    "changed_at) VALUES ('w-aaaa', 'g', 'local', 'a', 'Running', '{phase}', 'Entitled', '', 3, {uid}, '{{}}', "
    "'2026-11-01T00:00:00.000000Z')"
)


_GRANT = (
    "INSERT INTO grants (name, generation, source, spec, phase, conditions, evidence_verified, revoked_reason, "
    "applied_at) VALUES ('g', 1, 'signed-file', '{}', 'Active', '[]', 1, '', '2026-11-01T00:00:00.000000Z')"
)


def test_a_run_that_the_record_does_not_know_is_told(patient: Patient) -> None:
    run = patient.layout.run / "workspaces" / "w-aaaa-3"
    run.mkdir(parents=True)
    found = patient.said("runs")
    assert (found.state, "w-aaaa-3 is left" in found.detail) == ("weak", True)
    run_sql(patient, _ROW.format(phase="Running", uid="NULL"))
    assert patient.state("runs") == "good"


def test_processes_of_a_user_that_no_workspace_has_are_bad(patient: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root starts programs as others")
    uid = 30_000_000 + os.getpid()
    uids = Settings().workspace_uids.model_copy(update={"first": uid, "last": uid})
    assert patient.state("processes", workspace_uids=uids) == "good"
    with subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=[]) as stray:
        try:
            found = patient.said("processes", workspace_uids=uids)
            assert (found.state, found.detail) == ("bad", f"process {stray.pid} of user {uid}")
            run_sql(patient, _ROW.format(phase="Running", uid=uid))
            assert patient.state("processes", workspace_uids=uids) == "good"
            run_sql(patient, "UPDATE workspaces SET phase = 'Stopped'")
            assert patient.state("processes", workspace_uids=uids) == "bad"
        finally:
            stray.kill()


def test_mounts_and_control_groups_that_nobody_lives_in_are_told(patient: Patient, tmp_path: Path) -> None:
    assert patient.state("mounts") == "good"
    assert patient.state("control groups") == "good"
    (tmp_path / "self").mkdir()
    point = patient.layout.run / "workspaces" / "w-aaaa-3" / "stage" / "home"
    (tmp_path / "self" / "mountinfo").write_text(f"1 0 0:1 / {point} rw - tmpfs tmpfs rw\n")
    (tmp_path / "fs" / "cgroup" / "pids" / "tre" / patient.layout.run.name / "w-aaaa-3").mkdir(parents=True)
    patient.kernel |= {"processes": tmp_path, "system": tmp_path}
    assert patient.state("mounts") == "bad"
    assert patient.state("control groups") == "weak"
    run_sql(patient, _ROW.format(phase="Running", uid="NULL"))
    assert patient.state("mounts") == "good"
    assert patient.state("control groups") == "good"


def test_homes_of_nobody_and_files_that_are_attached_for_nobody_are_told(patient: Patient, tmp_path: Path) -> None:
    (patient.layout.homes / "w-aaaa").mkdir()
    assert patient.state("homes") == "weak"
    run_sql(patient, _ROW.format(phase="Stopped", uid="NULL"))
    assert patient.state("homes") == "good"
    backing = tmp_path / "block" / "loop7" / "loop" / "backing_file"
    backing.parent.mkdir(parents=True)
    backing.write_text(f"{patient.layout.homes}/w-aaaa/home.img\n")
    patient.kernel["system"] = tmp_path
    found = patient.said("homes")
    assert (found.state, "loop7 holds" in found.detail) == ("weak", True)
    run_sql(patient, "UPDATE workspaces SET phase = 'Running'")
    assert patient.state("homes") == "good"


def test_work_that_failed_or_waits_is_told(patient: Patient) -> None:
    assert patient.state("work under way") == "good"
    job = (
        "INSERT INTO jobs (id, program, kind, subject, payload, state, attempts, created_at, deadline) VALUES "
        "('1', 'checker', 'x', 'y', '{}', 'open', 0, '2026-11-01T00:00:00.000000Z', '2026-11-01T00:00:00.000000Z')"
    )
    run_sql(patient, job)
    assert "a job waits since 2026-11-01" in patient.said("work under way").detail
    run_sql(patient, "UPDATE jobs SET state = 'failed'")
    assert "1 jobs failed" in patient.said("work under way").detail
    run_sql(patient, "DELETE FROM jobs", _ROW.format(phase="Stopping", uid="NULL"), _GRANT)
    assert patient.state("work under way") == "bad", "it had to end long ago"


@pytest.mark.parametrize(
    "name", ["keys/.new.key.12", "data/slices/.building", "vault/uploads/.half", "db/.before.half"]
)
def test_what_was_cut_off_is_told_when_it_is_old(patient: Patient, name: str) -> None:
    path = patient.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert patient.state("half written files") == "good", "somebody may just write it"
    os.utime(path, (HOUR_AGO, HOUR_AGO))
    found = patient.said("half written files")
    assert (found.state, found.detail) == ("weak", name)


def test_what_stays_is_not_taken_for_what_was_cut_off(patient: Patient) -> None:
    """Directories in which things are made and destroyed are always there; what lies in them for long is told."""
    for name in (".staging", ".trash"):
        for above in (patient.layout.slices, patient.layout.datasets / "nccid", patient.layout.homes.parent):
            (above / name).mkdir(parents=True)
            (above / ".lock").touch()
            for path in (above / name, above / ".lock"):
                os.utime(path, (HOUR_AGO, HOUR_AGO))
    assert patient.state("half written files") == "good"
    built = patient.layout.datasets / "nccid" / ".staging" / "r2"
    built.mkdir()
    os.utime(built, (HOUR_AGO, HOUR_AGO))
    assert patient.said("half written files").detail == "data/datasets/nccid/.staging/r2"


def test_a_restore_that_was_cut_off_is_told(patient: Patient) -> None:
    beside = patient.root.with_name(f".{patient.root.name}.restoring-0a0b")
    beside.mkdir()
    os.utime(beside, (HOUR_AGO, HOUR_AGO))
    assert str(beside) in patient.said("half written files").detail


def test_endings_that_wait_are_told(patient: Patient) -> None:
    path = patient.layout.endings / "one.jsonl"
    path.write_text("{}\n")
    assert patient.state("endings") == "good"
    os.utime(path, (HOUR_AGO, HOUR_AGO))
    assert patient.state("endings") == "weak"
