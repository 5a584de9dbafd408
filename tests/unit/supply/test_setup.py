"""A workspace environment is replaced beside the one that running workspaces have mounted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import setup


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the environment lies; furnished with one module that says which one it is."""
    count = iter(range(10))

    def furnish(folder: Path) -> None:
        folder.mkdir()
        (folder / "which.py").write_text(str(next(count)))

    monkeypatch.setattr(setup, "CHECKOUT", tmp_path)
    monkeypatch.setattr(setup, "WORKSPACE", tmp_path / ".venv-workspace")
    monkeypatch.setattr(setup, "furnish_workspace", furnish)
    return setup.WORKSPACE


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say what the environment is to be built from."""
    return lambda text: monkeypatch.setattr(setup, "fingerprint", lambda *_: text)


@pytest.fixture
def mounted(environment: Path, tmp_path: Path, pins: Callable[[str], None]) -> Iterator[subprocess.Popen[str]]:
    """Somebody who has the first environment mounted, as a sandbox has, and reads from it when asked."""
    pins("first")
    assert setup.build_workspace_once()
    view = tmp_path / "view"
    view.mkdir()
    script = f"mount --bind {environment} {view} && echo ready && while read _; do cat {view}/which.py; echo; done"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_nothing_is_done_twice(environment: Path, pins: Callable[[str], None]) -> None:
    pins("first")
    assert [setup.build_workspace_once() for _ in range(2)] == [True, False]
    assert (environment / "which.py").read_text() == "0"
    assert not os.access(environment, os.W_OK) or os.geteuid() == 0
    assert not environment.stat().st_mode & 0o222


def test_a_run_that_was_cut_off_changes_nothing_and_is_repeated(
    environment: Path, pins: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pins("first")
    setup.build_workspace_once()
    pins("second")

    def cut(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr(setup, "close_for_writing", cut)
        with pytest.raises(KeyboardInterrupt):
            setup.build_workspace_once()
    assert (environment / "which.py").read_text() == "0"
    assert setup.build_workspace_once()
    assert (environment / "which.py").read_text() == "2"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and looks at what others have mounted")
def test_who_began_with_the_old_one_keeps_it_to_the_end(
    environment: Path, mounted: subprocess.Popen[str], pins: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    pins("second")
    assert setup.build_workspace_once()
    assert (environment / "which.py").read_text() == "1"
    (old,) = environment.parent.glob(f"{environment.name}.old-*")
    assert f"{old.name} stays" in capsys.readouterr().out
    assert mounted.stdin is not None
    assert mounted.stdout is not None
    print("", file=mounted.stdin, flush=True)
    assert mounted.stdout.readline() == "0\n"
    mounted.kill()
    mounted.wait()
    assert not setup.build_workspace_once()
    assert not old.exists()


def test_who_cannot_look_at_every_process_removes_none(
    environment: Path, pins: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for which in ("first", "second"):
        pins(which)
        setup.build_workspace_once()
    pins("third")
    monkeypatch.setattr(setup, "mounted_somewhere", lambda: None)
    setup.build_workspace_once()
    assert len(list(environment.parent.glob(f"{environment.name}.old-*"))) == 1
