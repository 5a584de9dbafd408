"""The doctor as a whole: before anything is there, as an ordinary user, and whatever breaks or hangs in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.cli.doctor.conftest import CHECKS, Patient
from tre.cli.doctor.command import chosen
from tre.cli.doctor.fields import FIELDS
from tre.cli.doctor.finding import Check, Field, Need, Place, State, good
from tre.cli.doctor.run import examine
from tre.cli.main import app
from tre.domain.errors import Reason, TREError


def typed(root: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["doctor", "--root", str(root), *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def marks(root: Path) -> dict[str, str]:
    """Everything below a root but the marks that SQLite's readers leave: names, modes, and what files hold."""
    return {
        str(path.relative_to(root)): f"{path.lstat().st_mode:o}"
        + (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in sorted(root.rglob("*"))
        if not path.name.startswith("tre.sqlite-")
    }


def test_it_looks_at_everything_changes_nothing_and_shows_no_secret(patient: Patient) -> None:
    before = marks(patient.root)
    found = json.loads(typed(patient.root, "--json", "--only", "storage", "--only", "keys", "--only", "record"))
    assert {one["field"] for one in found} == {"storage", "keys", "record"}
    assert marks(patient.root) == before
    shown = json.dumps(found)
    for path in patient.layout.keys.rglob("*"):
        if path.is_file() and path.suffix not in {".pub", ".crt"}:
            assert path.read_bytes().hex() not in shown
            assert path.read_bytes().decode("latin-1").strip() not in shown


def test_every_check_says_what_rests_on_it_and_what_to_type(patient: Patient) -> None:
    names = [check.what for field in FIELDS.values() for check in field.checks]
    assert len(names) == len(set(names)) > 50
    found = examine(patient.place(), FIELDS, seconds=45)
    assert [one.what for one in found] == names
    for one in found:
        assert one.means.endswith("."), one.what
        assert one.detail, one.what
        assert bool(one.remedy) == (one.state is not State.good), one
        assert not one.detail.startswith("could not be looked at"), one


def test_before_anything_is_there_it_says_what_is_missing(tmp_path: Path) -> None:
    said = typed(tmp_path / "nowhere", "--only", "storage", "--only", "keys")
    assert "there is no launcher in" in said
    assert "tre init" in said
    assert not (tmp_path / "nowhere").exists()


def test_a_root_that_was_begun_has_no_record(patient: Patient) -> None:
    patient.layout.database.unlink()
    found = patient.said("backup")
    assert (found.state, found.detail.startswith("not looked at: there is no record")) == ("weak", True)


def test_a_field_that_there_is_not_is_named(patient: Patient) -> None:
    assert list(chosen(FIELDS, ())) == list(FIELDS)
    with pytest.raises(TREError) as caught:
        chosen(FIELDS, ("disks",))
    assert caught.value.reason is Reason.BadInput
    assert "storage" in caught.value.why


def _broken(_place: Place) -> object:
    raise RuntimeError("a fault [bold]of[/] ours")


def _forbidden(_place: Place) -> object:
    raise PermissionError(13, "Permission denied", "/srv/secret")


def _refused(_place: Place) -> object:
    raise TREError(Reason.NotPermitted, "Others may read it.", remedy="Close it.")


def test_what_breaks_is_a_finding_and_the_others_go_on(nobody_here: Place) -> None:
    looks = {"breaks": _broken, "forbidden": _forbidden, "refused": _refused, "well": lambda _place: good("fine")}
    field = Field("Tries", tuple(Check(name, "It matters.", look) for name, look in looks.items()))  # type: ignore[arg-type]
    found = {one.what: one for one in examine(nobody_here, {"tries": field}, seconds=30)}
    assert found["breaks"].state == "bad"
    assert found["breaks"].detail == "could not be looked at: RuntimeError: a fault [bold]of[/] ours"
    assert found["forbidden"].state == "weak", "never silently good"
    assert "/srv/secret may not be read by this user" in found["forbidden"].detail
    assert (found["refused"].state, found["refused"].remedy) == ("bad", "Close it."), "a finding, not a want of rights"
    assert found["well"].state == "good"


def test_what_hangs_is_a_finding_and_keeps_nobody(nobody_here: Place) -> None:
    release = threading.Event()

    def hangs(_place: Place) -> object:
        release.wait(60)
        return good("late")

    checks = (Check("hangs", "It matters.", hangs), Check("well", "It matters.", lambda _place: good("fine")))  # type: ignore[arg-type]
    begun = time.monotonic()
    found = examine(nobody_here, {"tries": Field("Tries", checks)}, seconds=0.3)
    release.set()
    assert time.monotonic() - begun < 20
    assert [one.state for one in found] == ["bad", "good"]
    assert "within" in found[0].detail


def test_an_ordinary_user_is_told_what_is_closed_to_them(patient: Patient) -> None:
    """As somebody else on the machine: nothing is good that could not be seen."""
    if os.geteuid() != 0:
        pytest.skip("another user is needed")
    program = (
        "import json, os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "from pathlib import Path; from datetime import UTC, datetime\n"
        "from tre.cli.doctor.fields import FIELDS; from tre.cli.doctor.finding import Place\n"
        "from tre.cli.doctor.run import examine; from tre.system.layout import Layout\n"
        "from tre.system.settings import Settings\n"
        "place = Place(Layout(Path(sys.argv[1])), Settings(), datetime.now(UTC))\n"
        "wanted = {name: FIELDS[name] for name in ('storage', 'keys', 'record', 'recovery', 'leftovers')}\n"
        "print(json.dumps([one._asdict() for one in examine(place, wanted, 45)]))"
    )
    for path in (patient.root.parent, *list(patient.root.parent.parents)[:2]):
        path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(patient.root)], capture_output=True, text=True, check=False, timeout=55
    )
    assert done.returncode == 0, done.stderr
    found = {one["what"]: one for one in json.loads(done.stdout)}
    for what in (
        "record", "backup", "restore drill", "log and its witness", "store and slices", "key of the log",
        "modes of keys", "owners of keys", "half written files", "endings", "homes", "runs",
    ):  # fmt: skip
        assert found[what]["state"] == "weak", found[what]
        assert found[what]["remedy"]


def test_it_ends_with_1_where_anything_is_bad(patient: Patient) -> None:
    typed(patient.root, "--only", "keys")
    (patient.layout.keys / "dataset-salt.key").chmod(0o644)
    assert "dataset-salt.key is open to others (644)" in " ".join(typed(patient.root, "--only", "keys", code=1).split())


def test_markup_in_a_finding_is_shown_as_it_is(patient: Patient) -> None:
    (patient.layout.keys / "[red]x[red].key").touch(0o666)
    (patient.layout.keys / "[red]x[red].key").chmod(0o666)
    assert "[red]x[red].key" in typed(patient.root, "--only", "keys", code=1)


def test_needs_are_told_apart(nobody_here: Place, patient: Patient) -> None:
    assert nobody_here.lacks(Need.nothing) == ""
    assert "no launcher" in nobody_here.lacks(Need.root)
    assert patient.place().lacks(Need.record) == ""
    assert replace(nobody_here, layout=patient.layout).lacks(Need.record) == ""
    assert set(CHECKS["backup"]._fields) == {"what", "means", "look", "needs"}
