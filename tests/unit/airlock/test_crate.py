"""Releases as RO-Crates and bags, and the list of those that were called back."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.airlock.releases import CONTENTS, Releases
from tests.unit.airlock.test_bundle import entries_of, refused, rewritten, verify
from tre.airlock.bundle import DOCUMENT_NAME, write_bag
from tre.airlock.crate import METADATA_NAME
from tre.airlock.recalls import EVENT_KIND, RecallList, check_not_recalled
from tre.cli import bundle as commands
from tre.domain.errors import Reason, TREError

NOW = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


def recalls(releases: Releases, **changes: object) -> RecallList:
    """A list that names this release."""
    proof = releases.proof(releases.statement(), **({"kind": EVENT_KIND, "detail": {}} | changes))
    return RecallList(at=NOW, recalls=(proof,))


def test_the_crate_names_every_file_and_who_checked_it(releases: Releases) -> None:
    graph = json.loads(dict(entries_of(releases.bundle()))[METADATA_NAME])["@graph"]
    by_id = {item["@id"]: item for item in graph}
    assert by_id[METADATA_NAME]["about"] == {"@id": "./"}
    parts = [by_id[part["@id"]] for part in by_id["./"]["hasPart"] if part["@id"] != DOCUMENT_NAME]
    assert {item["sha256"] for item in parts} == {hashlib.sha256(data).hexdigest() for data in CONTENTS.values()}
    project = by_id["#project"]
    assert (project["name"], project["identifier"]) == ("Lungs of 2,500 people", ["g", "REC 26/0001"])
    check = by_id["#disclosure"]
    assert (len(check["agent"]), check["actionStatus"]) == (2, "http://schema.org/CompletedActionStatus")


def test_every_reference_in_the_crate_leads_somewhere(releases: Releases) -> None:
    graph = json.loads(dict(entries_of(releases.bundle()))[METADATA_NAME])["@graph"]
    known = {item["@id"] for item in graph}

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["@id"]} if set(value) == {"@id"} else set()
            return own.union(*(references(inner) for inner in value.values()))
        return set().union(*(references(inner) for inner in value)) if isinstance(value, list) else set()

    outside = {item for item in references(graph) - known if not item.startswith("https://w3id.org/")}
    assert outside == set()


@pytest.mark.parametrize("forge", [lambda text: text.replace(b"by 2 people", b"by 9 people"), lambda _: None])
def test_a_crate_that_says_something_else_is_refused(releases: Releases, forge: object) -> None:
    path = releases.bundle()
    entries = [(name, forge(data) if name == METADATA_NAME else data) for name, data in entries_of(path)]  # type: ignore[operator]
    error = refused(releases, rewritten(path, [(name, data) for name, data in entries if data is not None]))
    assert error.reason is Reason.BundleInvalid
    assert METADATA_NAME in error.what


def test_a_bag_holds_the_same_and_its_checksums(releases: Releases, tmp_path: Path) -> None:
    target = tmp_path / "bag.zip"
    write_bag(releases.bundle(), (releases.signer.public,), target)
    with zipfile.ZipFile(target) as source:
        content = {name: source.read(name) for name in source.namelist()}
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        for line in content[manifest].decode().splitlines():
            digest, name = line.split("  ", 1)
            assert hashlib.sha512(content[name]).hexdigest() == digest
    payload = {name.removeprefix("data/") for name in content if name.startswith("data/")}
    assert payload == {name for name, _ in entries_of(releases.bundle())}


def test_a_bundle_that_does_not_verify_gives_no_bag(releases: Releases, tmp_path: Path) -> None:
    path = releases.bundle()
    rewritten(path, [(name, data + b"x") for name, data in entries_of(path)])
    with pytest.raises(TREError):
        write_bag(path, (releases.signer.public,), tmp_path / "bag.zip")
    assert not (tmp_path / "bag.zip").exists()


def test_a_recalled_release_is_refused_by_name(releases: Releases) -> None:
    keys = (releases.signer.public,)
    request = verify(releases, releases.bundle()).request
    with pytest.raises(TREError) as error:
        check_not_recalled(request, recalls(releases), keys)
    assert error.value.reason is Reason.ReleaseRecalled
    check_not_recalled("e-otherotherot", recalls(releases), keys)


def test_a_list_that_proves_nothing_is_not_used(releases: Releases) -> None:
    keys = (releases.signer.public,)
    with pytest.raises(TREError) as error:
        check_not_recalled("e-otherotherot", recalls(releases, kind="export.downloaded"), keys)
    assert error.value.reason is Reason.AuditBroken
    (releases.root / "stranger").mkdir()
    stranger = Releases(releases.root / "stranger")
    with pytest.raises(TREError):
        check_not_recalled("e-otherotherot", recalls(stranger), keys)


def test_the_commands(releases: Releases, tmp_path: Path) -> None:
    key = tmp_path / "key.pub"
    key.write_text(releases.signer.public.line() + "\n")
    listed = tmp_path / "recalls.json"
    path = releases.bundle()

    def run(*words: str | Path) -> tuple[int, str]:
        result = CliRunner().invoke(commands.app, [str(word) for word in words])
        return result.exit_code, result.output

    listed.write_text(json.dumps(RecallList(at=NOW).as_plain()))
    code, printed = run("verify", path, "--key", key, "--recalls", listed)
    assert code == 0
    assert "recalled    no, as of 2026-11-03" in printed
    listed.write_text(json.dumps(recalls(releases).as_plain()))
    code, printed = run("verify", path, "--key", key, "--recalls", listed)
    assert (code, "was called back" in printed) == (1, True)
    listed.write_text("[]")
    assert run("verify", path, "--key", key, "--recalls", listed)[0] == 1
    assert run("bag", path, tmp_path / "bag.zip", "--key", key)[0] == 0
    assert run("bag", path, tmp_path / "bag.zip", "--key", key)[0] == 1
