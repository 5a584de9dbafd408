"""What a researcher's processes may put into an outbox, and what reaches the vault of it: plain files, nothing else."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tre.airlock import beneath
from tre.airlock.beneath import open_beneath, opened_directory
from tre.airlock.intake import IntakeResult, NotPlainError, check_plain, take_in
from tre.airlock.listing import MOST_ENTRIES, list_outbox
from tre.airlock.vault import Vault
from tre.domain.exports.rules import FileLimits

SECRET = b"patient,age\n1,44\n"


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    made = tmp_path / "outbox"
    made.mkdir()
    return made


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.csv"
    file.write_bytes(SECRET)
    return file


def take(outbox: Path, vault: Vault, *names: str, limits: FileLimits | None = None) -> IntakeResult:
    return take_in(outbox, names, vault, limits or FileLimits())


def objects(vault: Vault) -> list[Path]:
    return [path for path in vault.root.rglob("*") if path.is_file()]


def test_a_plain_file_is_copied_under_its_hash(outbox: Path, vault: Vault) -> None:
    (outbox / "deep").mkdir()
    (outbox / "deep/a.csv").write_bytes(b"a,b\n1,2\n")
    (taken,) = take(outbox, vault, "deep/a.csv").files
    assert taken.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert (taken.size, taken.type) == (8, "csv")
    kept = vault.path(taken.sha256)
    assert kept.read_bytes() == b"a,b\n1,2\n"
    assert kept.stat().st_mode & 0o777 == 0o400
    (outbox / "deep/a.csv").write_bytes(b"changed")
    assert kept.read_bytes() == b"a,b\n1,2\n"


def symlink(outbox: Path, secret: Path) -> str:
    (outbox / "a.csv").symlink_to(secret)
    return "a.csv"


def symlink_inside(outbox: Path, secret: Path) -> str:
    (outbox / "real.csv").write_bytes(b"a")
    (outbox / "a.csv").symlink_to("real.csv")
    return "a.csv"


def symlinked_directory(outbox: Path, secret: Path) -> str:
    (outbox / "d").symlink_to(secret.parent)
    return "d/secret.csv"


def hard_link(outbox: Path, secret: Path) -> str:
    (outbox / "a.csv").hardlink_to(secret)
    return "a.csv"


def pipe(outbox: Path, secret: Path) -> str:
    os.mkfifo(outbox / "a.csv")
    return "a.csv"


def unix_socket(outbox: Path, secret: Path) -> str:
    here = Path.cwd()
    os.chdir(outbox)  # the path of a socket is at most 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("a.csv")
    finally:
        os.chdir(here)
    return "a.csv"


def directory(outbox: Path, secret: Path) -> str:
    (outbox / "a.csv").mkdir()
    return "a.csv"


def sparse(outbox: Path, secret: Path) -> str:
    with (outbox / "a.csv").open("wb") as file:
        file.write(b"a")
        file.truncate(2**20)
    return "a.csv"


def set_uid(outbox: Path, secret: Path) -> str:
    (outbox / "a.csv").write_bytes(b"a")
    (outbox / "a.csv").chmod(0o4644)
    return "a.csv"


def parent(outbox: Path, secret: Path) -> str:
    return "../secret.csv"


def absolute(outbox: Path, secret: Path) -> str:
    return str(secret)


def through_proc(outbox: Path, secret: Path) -> str:
    (outbox / "d").symlink_to("/proc/self/root")
    return f"d{secret}"


def absent(outbox: Path, secret: Path) -> str:
    return "nothing.csv"


def through_a_file(outbox: Path, secret: Path) -> str:
    (outbox / "a").write_bytes(b"a")
    return "a/b.csv"


TRICKS: dict[Callable[[Path, Path], str], str] = {
    symlink: "symbolic link",
    symlink_inside: "symbolic link",
    symlinked_directory: "symbolic link",
    hard_link: "hard links",
    pipe: "not a plain file",
    unix_socket: "not a plain file",
    directory: "not a plain file",
    sparse: "sparse",
    set_uid: "set-id",
    parent: "dot segment",
    absolute: "dot segment",
    through_proc: "symbolic link",
    absent: "no such file",
    through_a_file: "no such file",
}


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_a_trick_is_refused_and_nothing_is_kept(
    trick: Callable[[Path, Path], str], outbox: Path, vault: Vault, secret: Path
) -> None:
    name = trick(outbox, secret)
    result = take(outbox, vault, name)
    assert result.files == ()
    (refused,) = result.refused
    assert refused.observation.check == "F01"
    assert TRICKS[trick] in refused.observation.message
    assert objects(vault) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(outbox: Path, vault: Vault) -> None:
    os.mknod(outbox / "a.csv", 0o20644, os.makedev(1, 5))
    assert "not a plain file" in take(outbox, vault, "a.csv").refused[0].observation.message


@pytest.mark.parametrize(
    "name",
    [
        "a\u202evsc.exe",
        "a\u200b.csv",
        "a\n.csv",
        "a\0.csv",
        "\udcff.csv",
        ".hidden.csv",
        ".git/config",
        "d/.x/a.csv",
        "d//a.csv",
        "d/./a.csv",
        "/a.csv",
        "",
        " a.csv",
        "a.csv.",
        "a\\b.csv",
        "c:a.csv",
        "con.csv",
        "nul",
        "e\u0301.csv",
        "x" * 201,
        "/".join("d" * 17),
        "y" * 1001,
    ],
)
def test_a_name_that_deceives_is_refused_before_anything_is_opened(name: str, outbox: Path, vault: Vault) -> None:
    result = take(outbox, vault, name)
    assert result.files == ()
    assert result.refused[0].observation.check == "F01"
    assert "outbox" not in result.refused[0].observation.message, "it was looked for"


def test_names_that_differ_by_case_only_are_refused_together(outbox: Path, vault: Vault) -> None:
    for name in ("Report.csv", "report.csv", "other.csv"):
        (outbox / name).write_bytes(b"a")
    result = take(outbox, vault, "Report.csv", "report.csv", "other.csv")
    assert [file.path for file in result.files] == ["other.csv"]
    assert {refused.path for refused in result.refused} == {"Report.csv", "report.csv"}


def test_limits_are_the_policy_s(outbox: Path, vault: Vault) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (outbox / name).write_bytes(b"x" * 3000)
    by_file = take(outbox, vault, "a.csv", limits=FileLimits(file_bytes="2Ki"))
    assert by_file.refused[0].observation.check == "F05"
    assert objects(vault) == []
    by_total = take(outbox, vault, "a.csv", "b.csv", limits=FileLimits(request_bytes="4Ki"))
    assert [len(by_total.files), len(by_total.refused)] == [1, 1]
    by_number = take(outbox, vault, "a.csv", "b.csv", "c.csv", limits=FileLimits(files=2))
    assert [file.path for file in by_number.files] == ["a.csv", "b.csv"]


def test_one_refused_file_does_not_stop_the_others(outbox: Path, vault: Vault, secret: Path) -> None:
    (outbox / "good.csv").write_bytes(b"a,b\n")
    (outbox / "bad.csv").symlink_to(secret)
    result = take(outbox, vault, "bad.csv", "good.csv")
    assert [file.path for file in result.files] == ["good.csv"]


def test_the_kernel_s_rule_is_what_keeps_links_out(
    outbox: Path, vault: Vault, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the resolve flags taken away, exactly this file comes in."""
    (outbox / "a.csv").symlink_to(secret)
    assert take(outbox, vault, "a.csv").files == ()
    lax = beneath.open_beneath.__kwdefaults__ | {"resolve": 0}
    monkeypatch.setattr(beneath.open_beneath, "__kwdefaults__", lax)
    assert vault.path(take(outbox, vault, "a.csv").files[0].sha256).read_bytes() == SECRET


def test_the_look_at_the_file_is_what_keeps_hard_links_out(
    outbox: Path, vault: Vault, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "a.csv").hardlink_to(secret)
    assert take(outbox, vault, "a.csv").files == ()
    monkeypatch.setattr("tre.airlock.intake.check_plain", os.fstat)
    assert len(take(outbox, vault, "a.csv").files) == 1


def test_a_file_written_to_meanwhile_is_refused(outbox: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    file = outbox / "a.csv"
    file.write_bytes(b"a,b\n1,2\n")
    real = Vault.take_in

    def and_then_write(self: Vault, source: int, most: int) -> object:
        stored = real(self, source, most)
        with file.open("ab") as late:
            late.write(b"3,4\n")
        return stored

    monkeypatch.setattr(Vault, "take_in", and_then_write)
    result = take(outbox, vault, "a.csv")
    assert result.files == ()
    assert "written to" in result.refused[0].observation.message
    monkeypatch.setattr(Vault, "take_in", real)
    assert len(take(outbox, vault, "a.csv").files) == 1


def test_a_racing_thread_never_gets_the_secret_out(outbox: Path, vault: Vault, secret: Path) -> None:
    """A thread swaps the file for a link to the secret, and the folder for a link to its folder, as fast as it can."""
    folder, link = outbox / "d", outbox / "link"
    folder.mkdir()
    (folder / "secret.csv").write_bytes(b"harmless,1\n")
    link.symlink_to(secret.parent)
    good = hashlib.sha256(b"harmless,1\n").hexdigest()
    stop = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        spare = outbox / "spare"
        while not stop.is_set():
            folder.rename(spare)
            link.rename(folder)
            folder.rename(link)
            spare.rename(folder)
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"taken": 0, "refused": 0}
    try:
        while min(outcomes.values()) < 20 and sum(outcomes.values()) < 20_000:
            result = take(outbox, vault, "d/secret.csv")
            outcomes["taken" if result.files else "refused"] += 1
            assert all(file.sha256 == good for file in result.files)
    finally:
        stop.set()
        thread.join()
    assert swaps > 100
    assert min(outcomes.values()) >= 20, f"the race was not hit: {outcomes}"
    assert {path.read_bytes() for path in objects(vault)} == {b"harmless,1\n"}


def test_the_outbox_itself_is_no_link(outbox: Path, tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(outbox)
    with pytest.raises(OSError, match=r"Not a directory|symbolic") as refused, opened_directory(tmp_path / "other"):
        pass
    assert refused.value.errno in {errno.ELOOP, errno.ENOTDIR}


def test_another_mount_is_not_entered(outbox: Path) -> None:
    with opened_directory(Path("/")) as root:
        with pytest.raises(OSError, match="cross-device") as refused:
            open_beneath(root, "proc/version")
        assert refused.value.errno == errno.EXDEV
        os.close(open_beneath(root, "proc/version", resolve=beneath.RESOLVE & ~beneath._NO_XDEV))


def test_a_pipe_does_not_hold_the_reader(outbox: Path) -> None:
    os.mkfifo(outbox / "p")
    with opened_directory(outbox) as opened:
        descriptor = open_beneath(opened, "p")
    try:
        with pytest.raises(NotPlainError):
            check_plain(descriptor)
    finally:
        os.close(descriptor)


def test_the_listing_shows_what_can_be_taken_and_why_not(outbox: Path, secret: Path) -> None:
    (outbox / "a.csv").write_bytes(b"a")
    (outbox / "d").mkdir()
    (outbox / "d/b.csv").write_bytes(b"bb")
    (outbox / "link.csv").symlink_to(secret)
    (outbox / "hard.csv").hardlink_to(secret)
    (outbox / "turn\u202e.csv").write_bytes(b"")
    os.mkfifo(outbox / "pipe")
    (outbox / ".ipynb_checkpoints").mkdir()
    (outbox / ".ipynb_checkpoints/a.csv").write_bytes(b"old")
    (outbox / "away").symlink_to(secret.parent)
    listing = list_outbox(outbox)
    assert listing.complete
    found = {file.path: file.problem for file in listing.files}
    assert [path for path, problem in found.items() if not problem] == ["a.csv", "d/b.csv"]
    assert set(found) - {"a.csv", "d/b.csv"} == {
        "link.csv",
        "hard.csv",
        "turn\N{REPLACEMENT CHARACTER}.csv",
        "pipe",
        "away",
    }
    assert {file.size for file in listing.files if not file.problem} == {1, 2}


def test_the_listing_is_bounded_and_says_so(outbox: Path) -> None:
    for number in range(MOST_ENTRIES + 1):
        (outbox / f"{number}.csv").touch()
    listing = list_outbox(outbox)
    assert (len(listing.files), listing.complete) == (MOST_ENTRIES, False)


def test_the_listing_of_a_bottomless_folder_ends(outbox: Path) -> None:
    deep = outbox
    for _ in range(40):
        deep /= "d"
    deep.mkdir(parents=True)
    assert not list_outbox(outbox).complete
