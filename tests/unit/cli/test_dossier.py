"""`tre audit dossier` and `tre grant certificate`: everything about one grant, and what an inspector finds changed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from tests.support.factories import ALICE, access_grant
from tests.unit.cli.test_audit import Installed, outside
from tests.unit.domain.exports.world import CHECKERS, World
from tre.audit import dossier
from tre.audit.keys import PUBLIC_KEY_FILE
from tre.cli import dossier as module
from tre.cli.main import app
from tre.domain.grants.states import GrantPhase
from tre.sources.signed import SOURCE
from tre.store import exports, grants, workspaces
from tre.store.changes import ChangeFeed
from tre.store.export_rows import request_row
from tre.store.tables.airlock import export_requests

NAME = "nccid-00123"
Files = dict[str, bytes]


class Site(Installed):
    """An installation whose controller does nothing but give events their place."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.file = root.parent / "dossier.zip"
        grant = access_grant(NAME)
        with self.database.change(self.about("grant.applied")) as change:
            grants.apply(change, NAME, grant.spec, SOURCE, self.clock.now())
            self.workspace = workspaces.ensure(change, NAME, ALICE, self.clock.now())
        with self.database.change(self.event(object=f"workspace/{self.workspace}")):
            pass
        self.sequencer().step()

    def about(self, kind: str, **detail: Any) -> Any:
        return self.event(kind=kind, object=f"grant/{NAME}", detail=detail)

    def tre(self, *words: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--root", str(self.layout.root)])
        assert done.exit_code == exit_code, done.output
        return done.output

    def close(self) -> None:
        """The grant's end, as the controller writes it down."""
        receipt = {"removed": {"files": 7}}
        with self.database.change(self.about("slice.removed", slice="cxr", receipt=receipt)) as change:
            grants.revoke(change, NAME, "audit", self.clock.now())
        self.clock.advance(3600)
        home = {"home": {"files": 3}, "finishedAt": self.clock.now().isoformat()}
        with self.database.change(self.about("grant.closed", certificate={self.workspace: home})) as change:
            grants.set_phase(change, NAME, GrantPhase.Closed, self.clock.now())
        self.sequencer().step()

    def inspected(self, file: Path, exit_code: int = 0) -> str:
        return outside("verify", str(file), "--key", str(self.layout.keys / PUBLIC_KEY_FILE), exit_code=exit_code)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(tmp_path / "root")
    monkeypatch.setattr(ChangeFeed, "wait", lambda *_: made.sequencer().step())
    yield made
    made.database.close()
    shutil.rmtree(made.layout.run, ignore_errors=True)


def unpacked(file: Path) -> Files:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(file: Path, files: Files) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def test_a_dossier_holds_everything_about_a_grant_and_verifies_anywhere(site: Site) -> None:
    made = json.loads(site.tre("audit", "dossier", NAME, str(site.file), "--json"))
    assert made["grant"] == NAME
    files = unpacked(site.file)
    assert set(made["files"]) | {"statement.json", "statement-proof.json"} == set(files)
    assert json.loads(files["grant.json"])["spec"]["approval"]["reference"] == "NCCID-00123-v1.0"
    kinds = [json.loads(line)["event"]["kind"] for line in files["events.jsonl"].splitlines()]
    assert kinds == ["grant.applied", "workspace.started"]
    assert json.loads(files["workspaces.json"])[0]["name"] == site.workspace
    assert f"verified {len(made['files'])} files and 2 events about {NAME}" in site.inspected(site.file)
    key = str(site.layout.keys / PUBLIC_KEY_FILE)
    plain = json.loads(outside("verify", str(site.file), "--key", key, "--json"))
    assert (plain["ok"], plain["grant"], plain["events"]) == (True, NAME, 2)


def test_requests_to_leave_are_told_by_digest_without_words_or_votes_that_are_blind(site: Site) -> None:
    world = World().with_files().checked().submit()
    carol, dave = CHECKERS[:2]
    world.vote(carol, world.ballot(comment="a secret row")).hand_in(carol).vote(dave, world.ballot())
    request = world.request.model_copy(update={"grant": NAME})
    with site.database.change(exports.event_of("created", request, request.author, site.clock.now())) as change:
        bare = request.model_copy(update={"groups": (), "reviews": (), "check_run": None, "ledger": ()})
        change.connection.execute(insert(export_requests).values(request_row(bare)))
        exports.save(change, bare, request)
    site.tre("audit", "dossier", NAME, str(site.file))
    files = unpacked(site.file)
    (found,) = json.loads(files["exports.json"])
    assert [one["sha256"] for one in found["files"]] == [file.sha256 for file in request.files]
    assert [one["checker"] for one in found["reviews"]] == [str(carol.subject)]
    assert found["reviews"][0]["votes"][0]["choice"] == "Approved"
    assert "a secret row" not in files["exports.json"].decode()
    assert '"export.created"' in files["events.jsonl"].decode()


def test_the_certificate_is_in_it_once_the_grant_is_closed(site: Site, tmp_path: Path) -> None:
    assert "StateForbids" in site.tre("grant", "certificate", NAME, exit_code=1)
    site.close()
    page = tmp_path / "certificate.html"
    found = json.loads(site.tre("grant", "certificate", NAME, "--json", "--html", str(page)))
    assert (found["inTime"], found["slices"][0]["files"], found["homes"][0]["files"]) == (True, 7, 3)
    assert "Certificate of destruction" in page.read_text()
    assert "in time" in site.tre("grant", "certificate", NAME)
    site.tre("audit", "dossier", NAME, str(site.file))
    files = unpacked(site.file)
    assert json.loads(files["certificate.json"]) == found
    assert files["certificate.html"] == page.read_bytes()
    site.inspected(site.file)


def test_markup_in_a_title_is_text_on_the_certificate(site: Site, tmp_path: Path) -> None:
    spec = access_grant(NAME).spec
    project = spec.project.model_copy(update={"title": "<script>alert(1)</script>"})
    with site.database.change(site.about("grant.applied")) as change:
        grants.apply(change, NAME, spec.model_copy(update={"project": project}), SOURCE, site.clock.now())
    site.close()
    page = tmp_path / "certificate.html"
    site.tre("grant", "certificate", NAME, "--html", str(page))
    assert "<script>" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


def _edited(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    return lambda files: files | {name: edit(files[name])}


def _restated(files: Files) -> Files:
    """Somebody who changes a file and the statement with it."""
    changed = files | {"workspaces.json": b"[]\n"}
    statement = json.loads(files["statement.json"])
    statement["files"]["workspaces.json"] = "sha256:" + "00" * 32
    return changed | {"statement.json": json.dumps(statement).encode()}


TAMPERINGS: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a file changed": (_edited("grant.json", lambda data: data.replace(b"NCCID", b"OTHER")), "was changed"),
    "a file left out": (lambda files: {k: v for k, v in files.items() if k != "exports.json"}, "was left out"),
    "a file added": (lambda files: files | {"more.json": b"{}"}, "was added"),
    "an event left out": (_edited("events.jsonl", lambda data: data.splitlines(True)[0]), "was changed"),
    "file and statement changed": (_restated, "does not vouch"),
    "the proof of another event": (
        lambda files: files | {"statement-proof.json": files["events.jsonl"].splitlines()[0]},
        "does not vouch",
    ),
    "the proof's path changed": (
        _edited("statement-proof.json", lambda data: data.replace(b'"position": 2', b'"position": 1')),
        "does not show",
    ),
    "no proof": (lambda files: {k: v for k, v in files.items() if k != "statement-proof.json"}, "is no dossier"),
    "a statement that is none": (lambda files: files | {"statement.json": b"[1]"}, "is no dossier"),
    "another form": (_edited("statement.json", lambda data: data.replace(b"dossier/1", b"dossier/9")), "no dossier"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_whatever_was_changed_is_found(site: Site, tmp_path: Path, what: str) -> None:
    site.tre("audit", "dossier", NAME, str(site.file))
    change, said = TAMPERINGS[what]
    found = site.inspected(packed(tmp_path / "changed.zip", change(unpacked(site.file))), exit_code=1)
    assert said in " ".join(found.split()), found


def test_two_files_of_one_name_are_refused(site: Site, tmp_path: Path) -> None:
    site.tre("audit", "dossier", NAME, str(site.file))
    twice = packed(tmp_path / "twice.zip", unpacked(site.file))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("grant.json", b"{}")
    assert "two files of one name" in " ".join(site.inspected(twice, exit_code=1).split())


def test_a_file_that_would_fill_the_memory_is_not_read(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = tmp_path / "huge.zip"
    with zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("statement.json", b"{}")
        archive.writestr("huge", bytes(2000))
    monkeypatch.setattr(dossier, "MOST_BYTES", 2001)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was read"))
    assert "is no dossier" in " ".join(site.inspected(huge, exit_code=1).split())


def test_another_key_verifies_nothing(site: Site, tmp_path: Path) -> None:
    site.tre("audit", "dossier", NAME, str(site.file))
    other = Installed(tmp_path / "other")
    key = str(other.layout.keys / PUBLIC_KEY_FILE)
    assert "SignatureInvalid" in outside("verify", str(site.file), "--key", key, exit_code=1)
    other.database.close()


def test_without_a_controller_nothing_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChangeFeed, "wait", lambda *_: None)
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    assert "ServiceUnavailable" in site.tre("audit", "dossier", NAME, str(site.file), exit_code=1)
    assert not site.file.exists()


def test_an_unknown_grant_and_a_file_that_is_there_are_refused(site: Site) -> None:
    assert "GrantNotFound" in site.tre("audit", "dossier", "nobody", str(site.file), exit_code=1)
    site.file.write_bytes(b"mine")
    assert "AlreadyExists" in site.tre("audit", "dossier", NAME, str(site.file), exit_code=1)
    assert site.file.read_bytes() == b"mine"


@pytest.mark.parametrize("cut", ["in the middle", "packed bytes", "the list of files"])
def test_a_damaged_file_is_no_dossier_and_no_accident(site: Site, tmp_path: Path, cut: str) -> None:
    site.tre("audit", "dossier", NAME, str(site.file))
    data = bytearray(site.file.read_bytes())
    with zipfile.ZipFile(site.file) as archive:
        first, listed = archive.infolist()[0], archive.start_dir
    match cut:
        case "in the middle":
            data = data[: len(data) // 2]
        case "packed bytes":
            begins = first.header_offset + 30 + len(first.filename)
            data[begins : begins + 8] = b"\xff" * 8
        case _:
            data[listed : listed + 4] = b"none"
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    said = site.inspected(damaged, exit_code=1)
    assert "BadInput" in said
