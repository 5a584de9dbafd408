"""A folder that was changed on its way installs nothing; one that was not installs without any network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import install_offline
import offline
import pytest
import shell
from install_offline import RefusedError

from tests.unit.supply.conftest import CHECKOUT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of the same shape, with a program of one file."""
    made = tmp_path / "carried"
    (made / "program" / "tools").mkdir(parents=True)
    (made / "program" / "tools" / "setup.py").write_text("raise SystemExit(3)\n")
    (made / "wheels").mkdir()
    (made / "wheels" / "one.whl").write_bytes(b"wheel")
    offline.describe(made, "c0ffee")
    offline.sum_up(made)
    return made


def turn(path: Path) -> None:
    """One byte of a file becomes another."""
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def exchange_both(folder: Path) -> None:
    """What somebody does who knows of the sums."""
    turn(folder / "wheels" / "one.whl")
    (folder / "SHA256SUMS").unlink()
    offline.sum_up(folder)


def link_outside(folder: Path) -> None:
    """The same bytes, from a place that can change them later."""
    wheel = folder / "wheels" / "one.whl"
    wheel.rename(folder.parent / "elsewhere.whl")
    wheel.symlink_to(folder.parent / "elsewhere.whl")


ATTACKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda folder: turn(folder / "wheels" / "one.whl"), "one.whl was changed"),
    "missing": (lambda folder: (folder / "wheels" / "one.whl").unlink(), "one.whl is missing"),
    "more": (lambda folder: (folder / "wheels" / "two.whl").write_bytes(b""), "two.whl does not belong here"),
    "a link": (link_outside, "one.whl was changed"),
    "no sums": (lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
    "sums too": (exchange_both, "not the one you were told"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_installed_from_a_folder_that_was_changed(folder: Path, tmp_path: Path, attack: str) -> None:
    told = install_offline.check_folder(folder, "")
    do, says = ATTACKS[attack]
    do(folder)
    with pytest.raises(RefusedError, match=says):
        install_offline.install(folder, tmp_path / "to", told)
    assert not (tmp_path / "to").exists()


def test_a_digest_of_a_few_letters_is_none(folder: Path) -> None:
    told = install_offline.check_folder(folder, "")
    assert install_offline.check_folder(folder, f"{told[:16].upper()}…") == told
    with pytest.raises(RefusedError, match="16 characters"):
        install_offline.check_folder(folder, told[:15])


@pytest.mark.parametrize(
    ("differs", "says"),
    [
        ({"python": "cpython-399"}, r"made for cpython-399.*python3\.99 install\.py"),
        ({"machine": "pdp11"}, "made for pdp11"),
        ({"library": ["glibc", "99.1"]}, "made on glibc 99.1"),
        ({"library": ["musl", "1.2"]}, "made on musl"),
    ],
)
def test_it_says_before_it_begins_that_it_was_made_for_another_machine(
    folder: Path, differs: dict[str, object], says: str
) -> None:
    install_offline.check_machine(folder)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | differs))
    with pytest.raises(RefusedError, match=says):
        install_offline.check_machine(folder)


@pytest.mark.parametrize("mark", [None, "another\n"])
def test_it_writes_over_nothing_else(folder: Path, tmp_path: Path, mark: str | None) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "somebody's").write_text("words")
    if mark:
        (to / install_offline.MARK).write_text(mark)
    before = sorted(to.iterdir())
    with pytest.raises(RefusedError, match="place of its own"):
        install_offline.install(folder, to, "")
    assert sorted(to.iterdir()) == before


def test_a_run_that_was_cut_off_is_typed_again(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    for _ in range(2):
        with pytest.raises(RefusedError, match="could not be built"):
            install_offline.install(folder, to, "")
        shutil.rmtree(to / "tools")
    assert (to / install_offline.MARK).read_text().strip() == install_offline.check_folder(folder, "")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a file for each part."""
    made = tmp_path / "repository"
    for part in (*offline.PARTS, offline.INSTALLER):
        path = made / part
        path = path / "file" if not path.suffix and part != "LICENSE" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(part)
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "all of it"]):
        subprocess.run(["git", *words], cwd=made, check=True)
    for module in (offline, shell):
        monkeypatch.setattr(module, "CHECKOUT", made)
    return made


def test_it_takes_what_was_committed_and_nothing_beside(repository: Path, tmp_path: Path) -> None:
    (repository / "tre" / "left-over").write_text("not committed")
    with pytest.raises(shell.SetupError, match="not committed"):
        offline.copy_program(tmp_path / "early")
    (repository / "tre" / "left-over").unlink()
    (repository / "somewhere-else").write_text("not of it")
    offline.copy_program(tmp_path / "program")
    found = {path.name for path in (tmp_path / "program").iterdir()}
    assert found == {part.partition("/")[0] for part in offline.PARTS}


def test_it_is_made_under_a_name_that_nothing_has_and_whole(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_to: Path) -> None:
        raise shell.SetupError("no such wheel")

    monkeypatch.setattr(offline, "fetch_wheels", refused)
    (tmp_path / "there").mkdir()
    for name, says in (("there", "is there already"), ("new", "no such wheel")):
        with pytest.raises(shell.SetupError, match=says):
            offline.make(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"repository", "there"}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_whole_way_without_a_network(tmp_path: Path) -> None:
    """The demonstration runs from what was carried over, in a network namespace that holds the loopback alone."""
    if os.geteuid() != 0:
        pytest.skip("not root: it needs a network namespace of its own, and the services' users")
    carried, to = tmp_path / "carried", tmp_path / "to"
    tmp_path.chmod(0o755)
    for place in (tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o711)  # workspaces run under other users
    digest = offline.make(carried)
    alone = ["unshare", "--net", "env", "-i", f"PATH={os.defpath}:/usr/sbin:/sbin", "ONCE=1", f"HOME={tmp_path}"]
    python = Path(sys.executable).resolve()
    subprocess.run([*alone, python, carried / "install.py", "--expect", digest, "--to", to], check=True)
    script = f"ip link set lo up && cd {to} && exec .venv/bin/tre demo"
    done = subprocess.run([*alone, "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (CHECKOUT / "tre").is_dir()
