"""Hostile uploads and hostile packages: nothing outside an upload is read or removed, and every trick ends in time."""

from __future__ import annotations

import hashlib
import resource
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.assets.airlock.wheels import HOSTILE_WHEELS, NAME, TERABYTE_TRICKS, package
from tests.security.test_airlock_intake import TRICKS, objects
from tre.airlock.examination import Candidate, FileReport, Verdict
from tre.airlock.handover import KEPT_FOR
from tre.airlock.inspection import inspect_files
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.uploads import Uploads
from tre.airlock.vault import Vault
from tre.domain.errors import Reason, TREError
from tre.domain.exports.rules import FileLimits
from tre.system.clock import SystemClock

SECRET = b"patient,age\n1,44\n"
UPLOAD = "fedcba9876543210" * 2


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    (tmp_path / "uploads" / UPLOAD).mkdir(parents=True)
    return Uploads(tmp_path / "uploads")


@pytest.fixture
def upload(uploads: Uploads) -> Path:
    return uploads.root / UPLOAD


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "private").mkdir()
    file = tmp_path / "private" / "secret.csv"
    file.write_bytes(SECRET)
    return file


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_a_trick_in_an_upload_is_refused_removed_and_leads_nowhere(
    trick: object, uploads: Uploads, upload: Path, vault: Vault, secret: Path
) -> None:
    assert callable(trick)
    name = trick(upload, secret)
    result = uploads.receive(UPLOAD, (name,), vault, FileLimits())
    assert result.files == ()
    (refused,) = result.refused
    assert refused.observation.check == "F01"
    assert "outbox" not in refused.observation.message + refused.observation.suggestion
    assert objects(vault) == []
    uploads.remove(UPLOAD)
    assert not upload.exists()
    assert secret.read_bytes() == SECRET


def test_an_upload_that_is_a_link_is_neither_read_nor_followed_when_it_is_removed(
    uploads: Uploads, upload: Path, vault: Vault, secret: Path
) -> None:
    upload.rmdir()
    upload.symlink_to(secret.parent)
    with pytest.raises(TREError) as refused:
        uploads.receive(UPLOAD, ("secret.csv",), vault, FileLimits())
    assert refused.value.reason is Reason.ServiceUnavailable
    assert objects(vault) == []
    uploads.remove(UPLOAD)
    assert not upload.is_symlink()
    assert secret.read_bytes() == SECRET


def test_sweeping_follows_no_link(uploads: Uploads, upload: Path, secret: Path) -> None:
    (upload / "away").symlink_to(secret.parent)
    (uploads.root / "link").symlink_to(secret.parent)
    assert uploads.sweep(SystemClock().now() + 2 * KEPT_FOR) == 2
    assert list(uploads.root.iterdir()) == []
    assert secret.read_bytes() == SECRET


@pytest.mark.parametrize("name", ["", "..", "../vault", "A" * 32, "0" * 31, "0" * 33, f"{'0' * 31}/", "/etc"])
def test_another_name_is_no_upload(name: str, uploads: Uploads, vault: Vault, upload: Path) -> None:
    for act in (lambda: uploads.receive(name, ("a",), vault, FileLimits()), lambda: uploads.remove(name)):
        with pytest.raises(TREError, match="no upload"):
            act()
    assert upload.is_dir()


def test_a_portal_that_swaps_while_it_is_received_gets_nothing_else_in(
    uploads: Uploads, upload: Path, vault: Vault, secret: Path
) -> None:
    """A thread swaps the file for a link to the secret, and the folder for a link to its folder, as fast as it can."""
    folder, link = upload / "d", upload / "link"
    folder.mkdir()
    (folder / "secret.csv").write_bytes(b"harmless,1\n")
    link.symlink_to(secret.parent)
    stop = threading.Event()

    def swap() -> None:
        spare = upload / "spare"
        while not stop.is_set():
            for one, other in ((folder, spare), (link, folder), (folder, link), (spare, folder)):
                one.rename(other)

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"taken": 0, "refused": 0}
    try:
        while min(outcomes.values()) < 20 and sum(outcomes.values()) < 20_000:
            result = uploads.receive(UPLOAD, ("d/secret.csv",), vault, FileLimits())
            outcomes["taken" if result.files else "refused"] += 1
    finally:
        stop.set()
        thread.join()
    assert min(outcomes.values()) >= 20, f"the race was not hit: {outcomes}"
    assert {path.read_bytes() for path in objects(vault)} == {b"harmless,1\n"}


def test_removing_while_folders_become_links_removes_nothing_else(uploads: Uploads, upload: Path, secret: Path) -> None:
    stop = threading.Event()

    def swap() -> None:
        folder, number = upload / "d", 0
        while not stop.is_set():
            number += 1
            try:
                (upload / "d" / "e").mkdir(parents=True, exist_ok=True)
                folder.rename(upload / f"old-{number % 8}")  # few names, or the removing never comes to an end
                folder.symlink_to(secret.parent)
                folder.unlink()
            except OSError:
                continue

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"removed": 0, "refused": 0}
    try:
        while min(outcomes.values()) < 200 and sum(outcomes.values()) < 200_000:
            try:
                uploads.remove(UPLOAD)
            except OSError:
                outcomes["refused"] += 1
            else:
                outcomes["removed"] += 1
    finally:
        stop.set()
        thread.join()
    assert min(outcomes.values()) >= 200, f"the race was not hit: {outcomes}"
    assert secret.read_bytes() == SECRET


def inspect(vault: Vault, tmp_path: Path, data: bytes) -> FileReport:
    source = tmp_path / "source"
    source.write_bytes(data)
    with source.open("rb") as file:
        stored = vault.take_in(file.fileno(), 2**26)
    candidate = Candidate(NAME, stored.sha256, partial(vault.opened, stored.sha256))
    return inspect_files([candidate], load_policy("default", [shipped_directory()]))[0]


@pytest.mark.parametrize("trick", TERABYTE_TRICKS)
def test_a_package_that_unfolds_without_end_is_refused_in_time_and_in_bounded_memory(
    trick: str, vault: Vault, tmp_path: Path
) -> None:
    data = HOSTILE_WHEELS[trick].make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    report = inspect(vault, tmp_path, data)
    assert time.monotonic() - begun < 15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024, "the parent unfolded something"
    assert report.verdict is Verdict.blocked
    assert [finding.check for finding in report.findings] == ["F04"]
    assert report.extract == b""


def test_an_honest_package_passes_the_real_walls(vault: Vault, tmp_path: Path) -> None:
    data = package()
    report = inspect(vault, tmp_path, data)
    assert (report.type, report.findings) == ("wheel", ())
    assert report.sha256 == hashlib.sha256(data).hexdigest()
    assert report.extract
