"""`tre check`, `tre bundle verify`, `tre export`: what they print, and how they end."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.assets.airlock import leaks
from tests.support.databases import sqlite_with_tables
from tests.support.factories import access_grant
from tests.unit.airlock.releases import Releases
from tests.unit.domain.exports.world import AUTHOR, WORDS, World
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.sliceindex.body import unbundle
from tre.airlock.sliceindex.keeping import IndexStore
from tre.cli import bundle, check, export
from tre.domain.exports import authoring
from tre.domain.exports.models import CheckedFile, CheckRun, FileGroup, RequestFile
from tre.domain.grants.states import GrantPhase
from tre.store import exports, grants
from tre.system.clock import SystemClock
from tre.system.layout import Layout

POLICY = load_policy("default", [shipped_directory()])


def run(app: Any, *words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def checked(*words: str | Path) -> tuple[int, dict[str, Any]]:
    result = run(check.app, *words, "--json")
    return result.exit_code, json.loads(result.stdout)


def test_check_prints_exactly_the_promised_shape(tmp_path: Path) -> None:
    data = b"n,mean\n3,1.5\n400,2.5\n"
    file = tmp_path / "a.csv"
    file.write_bytes(data)
    code, printed = checked(file)
    assert code == 1
    assert printed == {
        "policy": {"name": "default", "sha256": POLICY.ref.sha256},
        "files": [
            {
                "path": str(file),
                "sha256": hashlib.sha256(data).hexdigest(),
                "type": "csv",
                "verdict": "exception",
                "findings": [
                    {
                        "check": "S01",
                        "severity": "E",
                        "locator": {"row": 2, "column": 1},
                        "message": "“n” shows 3, below 10.",
                        "suggestion": "Suppress or round the count, or merge it with others, and adjust the totals.",
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("name", "data", "code", "verdict"),
    [
        ("a.csv", b"a,mean\nx,1.5\n", 0, "clear"),
        ("a.csv", b"a,mean\n=x,1.5\n", 0, "acknowledge"),
        ("a.csv", b"a,n\nx,3\ny,400\n", 1, "exception"),
        ("a.csv", b"a,b\n1\n", 1, "blocked"),
        ("a.exe", b"MZ", 1, "blocked"),
    ],
)
def test_the_exit_code_says_whether_a_file_is_stopped(
    tmp_path: Path, name: str, data: bytes, code: int, verdict: str
) -> None:
    (tmp_path / name).write_bytes(data)
    ended, printed = checked(tmp_path / name)
    assert (ended, printed["files"][0]["verdict"]) == (code, verdict)
    assert run(check.app, tmp_path / name).exit_code == code


def test_a_directory_is_walked_and_links_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a.csv").write_bytes(b"a,mean\nx,1.5\n")
    (folder / "link.csv").symlink_to("deep/a.csv")
    (folder / "turn\u202e.csv").write_bytes(b"a,mean\nx,1.5\n")
    code, printed = checked(folder)
    found = {Path(row["path"]).name: row for row in printed["files"]}
    assert code == 1
    assert found["a.csv"]["verdict"] == "clear"
    for name in ("link.csv", "turn\u202e.csv"):
        assert found[name]["verdict"] == "blocked"
        assert found[name]["findings"][0]["check"] == "F01"
        assert found[name]["sha256"] is None
    text = run(check.app, folder).stdout
    assert "\u202e" not in text


def test_another_policy_judges_otherwise(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    text = (shipped_directory() / "default.yaml").read_text()
    own.write_text(text.replace("name: default", "name: own").replace("threshold: 10 ", "threshold: 3 "))
    (tmp_path / "a.csv").write_bytes(b"a,n\nx,3\ny,400\n")
    assert checked(tmp_path / "a.csv")[0] == 1
    code, printed = checked(tmp_path / "a.csv", "--policy", own)
    assert (code, printed["policy"]["name"]) == (0, "own")


def test_wrong_use_ends_with_two_and_a_missing_policy_with_one(tmp_path: Path) -> None:
    assert run(check.app, tmp_path / "none.csv").exit_code == 2
    (tmp_path / "a.csv").write_bytes(b"a\n")
    result = run(check.app, tmp_path / "a.csv", "--policy", "none")
    assert result.exit_code == 1
    assert "PolicyMissing" in result.stderr
    assert "what to do" in result.stderr


def test_a_bundle_is_verified_and_a_changed_one_is_not(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    path = releases.bundle()
    key = tmp_path / "key.pub"
    key.write_text(releases.signer.public.line() + "\n")
    result = run(bundle.app, "verify", path, "--key", key)
    assert result.exit_code == 0
    assert "verified" in result.stdout
    printed = json.loads(run(bundle.app, "verify", path, "--key", key, "--json").stdout)
    assert printed["verified"] is True
    assert printed["request"] == releases.world.request.id
    data = path.read_bytes()
    path.write_bytes(data.replace(b"44.5", b"44.6"))
    result = run(bundle.app, "verify", path, "--key", key, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "ContentChanged" in result.stderr


def test_the_installation_s_own_key_is_the_default(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    keys = Layout(tmp_path / "root").keys
    keys.mkdir(parents=True)
    (keys / "audit-signing.pub").write_text(releases.signer.public.line() + "\n")
    path = releases.bundle()
    assert run(bundle.app, "verify", path, "--root", tmp_path / "root").exit_code == 0
    assert run(bundle.app, "verify", path, "--root", tmp_path / "other").exit_code == 1


def test_a_zip_of_anybody_is_no_bundle(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    key = tmp_path / "key.pub"
    key.write_text(releases.signer.public.line() + "\n")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr("release.json", "{}")
    result = run(bundle.app, "verify", tmp_path / "a.zip", "--key", key)
    assert result.exit_code == 1
    assert "BundleInvalid" in result.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation with one request of alice's, checked and ready to hand in."""
    made = tmp_path / "root"
    layout = Layout(made)
    layout.database.parent.mkdir(parents=True)
    (made / "tre.yaml").write_text("{}\n")
    database = sqlite_with_tables(layout.database)
    world = World(rules=POLICY)
    now = SystemClock().now()
    world.now = now
    grant = access_grant("g", notBefore="2020-01-01T00:00:00Z", expires="2099-01-01T00:00:00Z")
    group = FileGroup(name="tables", context=WORDS, controls=WORDS, relation="None.", people=2500)
    file = RequestFile(path="a.csv", sha256="0" * 64, size=3, type="csv")
    run_ = CheckRun(policy=POLICY.ref, tools={}, at=now, files=(CheckedFile(path="a.csv", sha256="0" * 64),))
    draft = authoring.Draft(id="e-abcdefghijkl", grant="g", workspace="w-aaaaaaaaaaaa", author=AUTHOR.subject)
    with database.change(exports.event_of("created", world.request, AUTHOR.subject, now)) as change:
        grants.apply(change, "g", grant.spec, "test", now)
        grants.set_evidence(change, "g", verified=True)
        grants.set_phase(change, "g", GrantPhase.Active, now)
        request = exports.create_request(change, draft, world.situation)
        request = exports.describe_group(change, request, AUTHOR, group, world.situation)
        request = exports.add_files(change, request, AUTHOR, FileGroup(name="tables", files=(file,)), world.situation)
        exports.keep_run(change, request, run_, world.situation)
    database.close()
    return made


ID = "e-abcdefghijkl"


def listed(root: Path, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(export.app, "list", "--json", "--root", root, *words).stdout)
    return found


def test_a_request_is_listed_shown_submitted_and_withdrawn(root: Path) -> None:
    assert [(row["id"], row["state"]) for row in listed(root)] == [(ID, "Pending")]
    assert "a.csv" not in run(export.app, "list", "--root", root).stdout
    shown = run(export.app, "show", ID, "--as", "local:alice", "--root", root)
    assert "a.csv" in shown.stdout
    as_json = json.loads(run(export.app, "show", ID, "--as", "local:alice", "--json", "--root", root).stdout)
    assert as_json["groups"][0]["files"][0]["path"] == "a.csv"
    assert run(export.app, "submit", ID, "--as", "local:alice", "--root", root).exit_code == 0
    assert listed(root)[0]["state"] == "Submitted"
    assert run(export.app, "withdraw", ID, "--as", "local:alice", "--root", root).exit_code == 0
    assert listed(root)[0]["state"] == "Withdrawn"


@pytest.mark.parametrize("who", ["local:bob", "local:eve", "other:alice"])
def test_nobody_else_submits(root: Path, who: str) -> None:
    result = run(export.app, "submit", ID, "--as", who, "--root", root)
    assert result.exit_code == 1
    assert "NotPermitted" in result.stderr
    assert listed(root)[0]["state"] == "Pending"


@pytest.mark.parametrize(("who", "seen"), [("local:alice", 1), ("local:bob", 1), ("local:eve", 0)])
def test_people_see_the_requests_of_their_project(root: Path, who: str, seen: int) -> None:
    assert len(listed(root, "--as", who)) == seen
    result = run(export.app, "show", ID, "--as", who, "--root", root)
    assert result.exit_code == 1 - seen


def test_wrong_words_are_told(root: Path, tmp_path: Path) -> None:
    nobody = run(export.app, "show", ID, "--as", "alice", "--root", root)
    assert (nobody.exit_code, "names nobody" in nobody.stderr) == (1, True)
    assert run(export.app, "show", ID, "--root", root).exit_code == 2
    missing = run(export.app, "show", "e-aaaaaaaaaaaa", "--as", "local:alice", "--root", root)
    assert (missing.exit_code, "ExportNotFound" in missing.stderr) == (1, True)
    assert run(export.app, "list", "--root", tmp_path / "none").exit_code == 1


SLICE = "s-aaaaaaaaaaaa"


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A root whose launcher keeps the index of one slice."""
    (body,) = unbundle(leaks.index())
    IndexStore(Layout(tmp_path / "root").slice_indexes).keep(SLICE, bytes(body))
    return tmp_path / "root"


def _csv(rows: Sequence[leaks.Row]) -> str:
    names = [name for name in rows[0] if name != "pseudonym"]
    return "\n".join([",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]) + "\n"


def test_files_are_compared_with_a_slice_that_is_named(tmp_path: Path, mounted: Path) -> None:
    """Real children: every check that knows the slice, and the formats of models, run behind the walls."""
    people = leaks.people()
    person = people[7]["pseudonym"]
    out = tmp_path / "out"
    out.mkdir()
    (out / "rows.csv").write_text(_csv(people[:12]))
    (out / "named.json").write_text(json.dumps({"excluded": [person], "by": "Dr Eleanor Winterbottom"}))
    (out / "wards.csv").write_text(
        "ward,area\nnorth,ZE3 9JW\nsouth,x\n" + leaks.SECRETS["home"]().replace(",", "") + ",y\n"
    )
    (out / "model.safetensors").write_bytes(leaks.safetensors({"reference": leaks.training_rows(30)}))
    tensor = leaks.onnx_tensor("c", [30, 6], leaks.training_rows(30)[2])
    (out / "model.onnx").write_bytes(leaks.onnx(graph=leaks.message((5, tensor))))
    (out / "means.csv").write_text("group,mean\na,1.5\nb,2.5\n")
    own = tmp_path / "own.yaml"
    text = (shipped_directory() / "default.yaml").read_text().replace("name: default", "name: own")
    own.write_text(re.sub(r"types: \[.*\]", "types: [csv, json, safetensors, onnx]", text))
    code, printed = checked(out, "--slice", SLICE, "--root", mounted, "--policy", own)
    assert code == 1
    assert _told(printed) == {
        "rows.csv": {"P02", "P04"},
        "named.json": {"P01", "P04"},
        "wards.csv": {"P04", "P05"},
        "model.safetensors": {"M02"},
        "model.onnx": {"M02"},
        "means.csv": set(),
    }
    _, unaware = checked(out / "rows.csv", out / "named.json")
    assert _told(unaware) == {"rows.csv": {"P04"}, "named.json": {"P04"}}


def _told(printed: dict[str, Any]) -> dict[str, set[str]]:
    """What these checks say of each file; tables have others of their own."""
    ours = {"F02", "F05", "P01", "P02", "P03", "P04", "P05", "M01", "M02"}
    return {Path(row["path"]).name: ours & {item["check"] for item in row["findings"]} for row in printed["files"]}


def test_a_slice_that_has_no_index_is_said(tmp_path: Path, mounted: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,mean\nx,1.5\n")
    result = run(check.app, tmp_path / "a.csv", "--slice", "s-zzzzzzzzzzzz", "--root", mounted)
    assert result.exit_code == 1
    assert "There is no index of the slice s-zzzzzzzzzzzz" in result.output
