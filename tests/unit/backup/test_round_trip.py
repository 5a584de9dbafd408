"""What goes into a backup comes out of it, and nothing else does."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.backup.conftest import BY, NOON, PASSPHRASE, Site
from tre.backup.make import make_backup
from tre.backup.restore import Terms, verify_backup
from tre.backup.seal import read_passphrase
from tre.backup.sets import Place
from tre.domain.errors import Reason, TREError

NOTHING_SEEN = Terms((), 0, BY, NOON)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def refusal(site: Site, passphrase: bytes = PASSPHRASE, terms: Terms = NOTHING_SEEN) -> TREError:
    with pytest.raises(TREError) as caught:
        verify_backup(site.place, site.place.read(), passphrase, terms)
    return caught.value


def test_record_vault_policies_and_keys_come_back(site: Site, tmp_path: Path) -> None:
    database = site.database()
    site.happen(database, 3)
    site.signed()
    site.happen(database)
    database.close()
    sha256 = site.stored(b"an output")
    policy = site.layout.root / "policies" / "committee.yaml"
    policy.parent.mkdir()
    policy.write_text("quorum: 2\n")
    (site.layout.releases / "link").symlink_to("/etc/passwd")
    (site.layout.keys / "oidc-client-secret").symlink_to("/etc/passwd")
    made = site.backup()
    assert (made.manifest.record.events, made.manifest.missing) == (4, ())
    assert made.manifest.left_out == ("keys/oidc-client-secret", "vault/releases/link")
    found = site.restored(tmp_path / "new")
    assert (found.vault / sha256[:2] / sha256[2:]).read_bytes() == b"an output"
    assert (found.vault / sha256[:2]).stat().st_mode == (site.layout.vault / sha256[:2]).stat().st_mode
    assert (found.root / "policies" / "committee.yaml").read_text() == "quorum: 2\n"
    for path in site.layout.keys.rglob("*"):
        other = found.root / path.relative_to(site.layout.root)
        if path.is_file() and not path.is_symlink():
            assert (other.read_bytes(), other.stat().st_mode) == (path.read_bytes(), path.stat().st_mode)
    before, after = dump(site.layout.database), dump(found.database)
    assert {line for line in before if "audit_" in line} <= set(after)
    assert [line for line in after if "record.restored" in line]


def test_no_key_lies_open_in_a_backup(site: Site) -> None:
    site.backup()
    written = b"".join(path.read_bytes() for path in site.place.directory.rglob("*") if path.is_file())
    keys = [path for path in site.layout.keys.rglob("*") if path.is_file()]
    assert len(keys) > 10
    assert [path.name for path in keys if path.read_bytes().strip() in written] == []
    settings = (site.layout.root / "tre.yaml").read_bytes()
    assert settings in written  # the search finds what is there


def test_a_second_backup_adds_what_is_new(site: Site) -> None:
    site.stored(b"first")
    first = site.backup()
    site.stored(b"second")
    second = site.backup()
    assert (first.added, second.added) == (3, 1)  # settings, object, record; then the object alone
    assert len(second.manifest.files) == len(first.manifest.files) + 1


@pytest.mark.parametrize("how", ["entry", "not even JSON"])
def test_a_changed_list_misleads_no_later_backup(site: Site, tmp_path: Path, how: str) -> None:
    """Whoever writes into the place tells the next backup that a policy is unchanged, and holds other bytes."""
    policy = site.layout.root / "policies" / "committee.yaml"
    policy.parent.mkdir()
    policy.write_text("quorum: 2\n")
    other = site.stored(b"quorum: 0\n")
    path = site.place.directory / "sets" / f"{site.backup().manifest.name}.json"
    value = json.loads(path.read_bytes())
    entry = next(one for one in value["manifest"]["files"] if one["path"] == "policies/committee.yaml")
    entry["sha256"] = other
    path.write_text(json.dumps(value) if how == "entry" else "{")
    site.backup()
    assert (site.restored(tmp_path / "new").root / "policies" / "committee.yaml").read_text() == "quorum: 2\n"


def test_a_damaged_object_is_mended_by_a_backup_that_reads_the_file_again(site: Site, tmp_path: Path) -> None:
    sha256 = site.stored(b"an output")
    site.backup()
    path = site.place.objects.path(sha256)
    path.chmod(0o600)
    path.write_bytes(b"An output")
    vaulted = site.layout.vault / sha256[:2] / sha256[2:]
    vaulted.chmod(0o400)  # another change time: it is read again
    os.utime(vaulted)
    site.backup()
    assert path.read_bytes() == b"an output"
    site.restored(tmp_path / "new")


def test_older_backups_go_with_what_only_they_held(site: Site, tmp_path: Path) -> None:
    kept, gone = site.stored(b"kept"), site.stored(b"gone")
    first = site.backup().manifest.name
    (site.layout.vault / gone[:2] / gone[2:]).unlink()
    made = make_backup(site.source(), site.place, PASSPHRASE, most=1)
    assert made.gone == (first,)
    assert (site.place.objects.holds(kept, 4), site.place.objects.holds(gone, 4)) == (True, False)
    site.restored(tmp_path / "new")


def test_another_passphrase_opens_nothing(site: Site) -> None:
    site.backup()
    assert refusal(site, b"another passphrase!!").reason is Reason.SignatureInvalid


@pytest.mark.parametrize("change", ["record", "files", "folders", "base"])
def test_a_changed_list_is_found(site: Site, change: str) -> None:
    site.stored()
    name = site.backup().manifest.name
    path = site.place.directory / "sets" / f"{name}.json"
    value = json.loads(path.read_bytes())
    if change == "record":
        value["manifest"]["record"]["denyVersions"] = {"nccid": 1}
    elif change == "base":
        value["manifest"]["base"] = "elsewhere.example.org"
    else:
        value["manifest"][change].pop()
    path.write_text(json.dumps(value))
    assert refusal(site).reason is Reason.SignatureInvalid


@pytest.mark.parametrize("evil", ["../outside", "/etc/cron.d/x", "a/../../b", ""])
def test_a_list_names_nothing_outside_of_the_root(site: Site, evil: str) -> None:
    name = site.backup().manifest.name
    path = site.place.directory / "sets" / f"{name}.json"
    value = json.loads(path.read_bytes())
    value["manifest"]["files"][0]["path"] = evil
    path.write_text(json.dumps(value))
    with pytest.raises(TREError) as caught:
        site.place.read()
    assert caught.value.reason is Reason.BadInput


@pytest.mark.parametrize("how", ["changed", "shortened", "gone"])
def test_changed_bytes_are_found(site: Site, how: str) -> None:
    sha256 = site.stored(b"an output")
    site.backup()
    verify_backup(site.place, site.place.read(), PASSPHRASE, NOTHING_SEEN)
    path = site.place.objects.path(sha256)
    path.chmod(0o600)
    path.unlink() if how == "gone" else path.write_bytes(b"An output" if how == "changed" else b"an")
    assert refusal(site).reason is Reason.ContentChanged


def test_a_record_whose_log_was_rewritten_is_found(site: Site) -> None:
    database = site.database()
    site.happen(database, 3)
    site.signed()
    database.close()
    with closing(sqlite3.connect(site.layout.database)) as connection:
        connection.execute("DROP TRIGGER audit_events_refuse_update")
        connection.execute("UPDATE audit_events SET object = 'thing/2' WHERE number = 2")
        connection.commit()
    site.backup()
    assert refusal(site).reason is Reason.AuditBroken


def test_a_backup_older_than_what_was_seen_needs_the_number_of_lost_events(site: Site, tmp_path: Path) -> None:
    database = site.database()
    site.happen(database, 3)
    seen_before = site.signed()
    site.backup()
    site.happen(database, 2)
    seen = site.signed()
    database.close()
    verify_backup(site.place, site.place.read(), PASSPHRASE, Terms((seen_before,), 0, BY, NOON))
    for wrong in (0, 1, 3):
        error = refusal(site, terms=Terms((seen_before, seen), wrong, BY, NOON))
        assert (error.reason, "2 signed events" in error.what) == (Reason.AuditBroken, True)
    found = site.restored(tmp_path / "new", seen, loss=2)
    assert '"lost": 2' in "".join(dump(found.database)).replace('""', '"')


def test_a_loss_that_nobody_knows_of_is_not_accepted(site: Site) -> None:
    site.backup()
    assert refusal(site, terms=Terms((), 5, BY, NOON)).reason is Reason.AuditBroken


def test_a_checkpoint_of_somebody_else_counts_for_nothing(site: Site) -> None:
    database = site.database()
    site.happen(database)
    seen = site.signed()
    database.close()
    site.backup()
    error = refusal(site, terms=Terms((seen.replace("tre.localhost", "tre.example"),), 0, BY, NOON))
    assert error.reason is Reason.SignatureInvalid


@pytest.mark.parametrize("there", ["file", "link", "full"])
def test_nothing_is_written_over(site: Site, tmp_path: Path, there: str) -> None:
    site.backup()
    root = tmp_path / "new"
    if there == "file":
        root.write_text("mine")
    elif there == "link":
        (tmp_path / "empty").mkdir()
        root.symlink_to(tmp_path / "empty")
    else:
        root.mkdir()
        (root / "mine").write_text("mine")
    with pytest.raises(TREError) as caught:
        site.restored(root)
    assert caught.value.reason is Reason.Conflict
    assert list(tmp_path.glob(".new.*")) == []


def test_an_empty_root_is_taken(site: Site, tmp_path: Path) -> None:
    site.backup()
    (tmp_path / "new").mkdir()
    assert site.restored(tmp_path / "new").database.is_file()


def test_a_place_of_something_else_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(TREError) as caught:
        make_backup(site.source(), Place(tmp_path / "photos"), PASSPHRASE)
    assert caught.value.reason is Reason.Conflict
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_place_below_the_root_is_refused(site: Site) -> None:
    with pytest.raises(TREError) as caught:
        make_backup(site.source(), Place(site.layout.root / "backups"), PASSPHRASE)
    assert caught.value.reason is Reason.Conflict


@pytest.mark.parametrize(("uid", "refused"), [(0, False), (54321, False), (54322, True)])
def test_who_cannot_read_everything_makes_no_backup(
    site: Site, monkeypatch: pytest.MonkeyPatch, uid: int, refused: bool
) -> None:
    """Some keys would be missed without a word: a directory that may not be entered looks like an empty one."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(site.layout.root, 54321, -1)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    if not refused:
        site.backup()
        return
    with pytest.raises(TREError) as caught:
        site.backup()
    assert caught.value.reason is Reason.NotPermitted


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (b"correct horse battery\n", 0o600, None),
        (b"correct horse battery\n", 0o640, Reason.NotPermitted),
        (b"too short\n", 0o600, Reason.BadInput),
        (b"correct horse battery\nstaple\n", 0o600, Reason.BadInput),
        (b"", 0o600, Reason.BadInput),
    ],
)
def test_a_passphrase_is_one_long_line_of_a_private_file(
    tmp_path: Path, text: bytes, mode: int, reason: Reason | None
) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(text)
    path.chmod(mode)
    if reason is None:
        assert read_passphrase(path) == b"correct horse battery"
        return
    with pytest.raises(TREError) as caught:
        read_passphrase(path)
    assert caught.value.reason is reason
