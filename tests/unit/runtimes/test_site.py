"""What the workspace environment's Python adds of the home when it starts, and when it adds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tre.runtimes.bubblewrap import sandbox
from tre.runtimes.init import __file__ as init

SITE = Path(init).parent / "site"
ENVIRONMENT = Path(__file__).parents[3] / ".venv-workspace"
ASK = "import site, sys; print([path for path in sys.path if '.local' in path], site.ENABLE_USER_SITE)"


def started(tmp_path: Path, *arguments: str, environment: str | None = None, code: str = ASK) -> list[str]:
    """What a Python prints whose environment is said to be the workspace's."""
    home, copy = tmp_path / "home", tmp_path / "site"
    packages = home / ".local/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "sys_tool.py").write_text("x = 1\n")
    copy.mkdir(exist_ok=True)
    text = (SITE / "sitecustomize.py").read_text()
    assert sandbox.ENVIRONMENT in text
    (copy / "sitecustomize.py").write_text(text.replace(sandbox.ENVIRONMENT, environment or sys.prefix))
    done = subprocess.run(
        [sys.executable, *arguments, "-c", code],
        env={"HOME": str(home), "PYTHONPATH": str(copy), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_home_s_packages_come_last(tmp_path: Path) -> None:
    found = started(tmp_path, code="import sys, sys_tool; print(sys.path[-1])")
    assert found == [str(Path(started(tmp_path)[0].strip("[]'")))]
    assert started(tmp_path)[1] == "True", "installers choose the home"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(("-I",), None), (("-s",), None), ((), "/opt/another")],
    ids=["isolated", "without the user's packages", "another environment"],
)
def test_other_programs_do_without_them(arguments: tuple[str, ...], environment: str | None, tmp_path: Path) -> None:
    assert started(tmp_path, *arguments, environment=environment)[0] == "[]"


def test_the_server_does_without_them_and_without_a_node(tmp_path: Path) -> None:
    package = tmp_path / "site/jupyterlab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    seen = "import os, sys; print([p for p in sys.path if '.local' in p], os.environ['PATH'])\n"
    (package / "labapp.py").write_text(seen)
    (package / "__main__.py").write_text("import jupyterlab.labapp\n" + seen)
    started(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "jupyterlab", "--no-browser"],
        env={"HOME": str(tmp_path / "home"), "PYTHONPATH": str(tmp_path / "site"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"[] {sys.prefix}/bin\n[] {os.environ['PATH']}\n", "its kernels have all commands"
    assert sandbox.lab_command()[1:3] == ["-m", "jupyterlab"]


@pytest.mark.skipif(not ENVIRONMENT.exists(), reason="no environment of workspaces is there: make setup")
def test_the_real_server_asks_no_node(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    text = (SITE / "sitecustomize.py").read_text().replace(sandbox.ENVIRONMENT, str(ENVIRONMENT))
    (tmp_path / "site/sitecustomize.py").write_text(text)
    (tmp_path / "node").write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    (tmp_path / "node").chmod(0o755)
    told = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    asks = [str(ENVIRONMENT / "bin/python"), "-m", "jupyterlab", "--version"]
    subprocess.run(asks, env=told | {"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, check=True)
    assert not (tmp_path / "asked").exists()
    subprocess.run(asks, env=told, capture_output=True, check=True)
    assert (tmp_path / "asked").exists(), "another JupyterLab asks none: load_server of sitecustomize.py is not needed"


def test_everything_in_a_workspace_is_led_there() -> None:
    told = sandbox.lab_environment("g", "2026-11-02T10:00:00Z")
    assert told["PYTHONPATH"] == f"{sandbox.INIT}/{SITE.name}"
    assert told["PATH"].split(":")[-1] == f"{sandbox.HOME}/.local/bin", "no command of the home replaces another"
