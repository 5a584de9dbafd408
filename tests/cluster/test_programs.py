"""Building and keeping the cluster's programs, with a stand-in for Go: what is built when, and what is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster.harness import programs
from tests.cluster.harness.basics import CannotRunError, HarnessError
from tests.cluster.harness.programs import ALL_SETS, CNI, KUBERNETES, MODULES, RUNC, ModuleSet, Programs

RELEASE = "go version go1.26.8 linux/amd64"

# Writes what it is told to build, and its name into a list; gives up at the program that `fail` names.
STAND_IN = """#!/bin/sh
set -eu
[ "$1" = version ] && { cat "${0%/*}/release"; exit; }
for word; do package=$word; done
while [ "$1" != -o ]; do shift; done
echo "half of it" >"$2"
[ ! -e "${0%/*}/fail" ] || ! grep -qxF "$package" "${0%/*}/fail" || { echo "cannot build $package" >&2; exit 1; }
echo "$package" >>"${0%/*}/built"
echo "$package with $CGO_ENABLED and $GOFLAGS" >"$2"
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in, which is the only Go in the path."""
    folder = tmp_path / "go"
    folder.mkdir()
    (folder / "go").write_text(STAND_IN)
    (folder / "go").chmod(0o755)
    (folder / "release").write_text(RELEASE + "\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def built(go: Path) -> list[str]:
    """What was built, in its order."""
    path = go / "built"
    return path.read_text().splitlines() if path.exists() else []


def test_programs_are_built_once(go: Path, tmp_path: Path) -> None:
    found = Programs.found(tmp_path / "cache")
    found.build([CNI, RUNC])
    assert built(go) == [*CNI.programs, *RUNC.programs]
    assert found.missing([CNI, RUNC]) == []
    assert found.build([CNI, RUNC]) == 0.0
    assert built(go) == [*CNI.programs, *RUNC.programs]
    assert "with 1 and -mod=readonly" in (found.folder(RUNC) / "runc").read_text()
    assert "with 0 and" in (found.folder(CNI) / "ptp").read_text()


def test_a_build_that_was_cut_off_goes_on_where_it_was(go: Path, tmp_path: Path) -> None:
    found = Programs.found(tmp_path / "cache")
    (go / "fail").write_text(CNI.programs[1])
    with pytest.raises(HarnessError, match=f"cannot build {CNI.programs[1]}"):
        found.build([CNI])
    assert sorted(path.name for path in found.folder(CNI).iterdir()) == ["loopback.partial", "ptp"]
    assert found.missing([CNI]) == ["loopback", "host-local"]

    (go / "fail").unlink()
    found.build([CNI])
    assert built(go) == list(CNI.programs)
    assert sorted(path.name for path in found.folder(CNI).iterdir()) == ["host-local", "loopback", "ptp"]


def test_the_key_follows_everything_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = programs.key_of(RUNC, RELEASE)
    assert key == programs.key_of(RUNC, RELEASE)
    changed = [
        programs.key_of(RUNC, RELEASE.replace("1.26.8", "1.26.9")),
        programs.key_of(ModuleSet("runc", RUNC.programs, cgo=True, tags="seccomp"), RELEASE),
        programs.key_of(ModuleSet("runc", RUNC.programs, cgo=False, tags=RUNC.tags), RELEASE),
    ]
    monkeypatch.setattr(programs, "MODULES", tmp_path)
    (tmp_path / "runc").mkdir()
    for name in ("go.mod", "go.sum"):
        (tmp_path / "runc" / name).write_bytes((MODULES / "runc" / name).read_bytes())
    assert programs.key_of(RUNC, RELEASE) == key
    with (tmp_path / "runc" / "go.sum").open("a") as sums:
        sums.write("\n")
    changed.append(programs.key_of(RUNC, RELEASE))
    assert len({key, *changed}) == 5


def test_an_old_go_and_no_go_are_told_in_one_line(go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (go / "release").write_text("go version go1.19.8 linux/amd64\n")
    with pytest.raises(CannotRunError, match=r"install Go 1\.26 or newer") as old:
        programs.find_go()
    assert "\n" not in str(old.value)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(CannotRunError, match=r"Go is missing.*1\.26 or newer"):
        programs.find_go()


@pytest.mark.parametrize("modules", ALL_SETS, ids=lambda modules: modules.name)
def test_module_files_hold_names_versions_and_sums_only(modules: ModuleSet) -> None:
    for line in (modules.folder / "go.sum").read_text().splitlines():
        assert re.fullmatch(r"[\w./~!+-]+ v[\w.+-]+(/go\.mod)? h1:[\w+/]{43}=", line), line
    definition = (modules.folder / "go.mod").read_text()
    assert "://" not in definition
    tools = re.findall(r"^(?:tool )?\t?((?:k8s|go|sigs|github|helm)\S+/\S+)$", definition, re.MULTILINE)
    assert set(modules.programs) <= set(tools)


def test_the_api_server_will_say_its_version() -> None:
    version = programs.kubernetes_version()
    flags = programs.build_flags(KUBERNETES)[-1]
    assert f"gitVersion={version}" in flags
    assert f"gitMinor={version.split('.')[1]}" in flags
