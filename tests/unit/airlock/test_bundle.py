"""Release bundles: built of exactly the approved bytes, and refused by name wherever they are anything else."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.airlock.releases import CONTENTS, Releases
from tests.unit.domain.exports.world import AUTHOR, CHECKERS, finding
from tre.airlock import archive
from tre.airlock.archive import Entry, read_archive, write_archive
from tre.airlock.bundle import DOCUMENT_NAME, verify_bundle
from tre.airlock.release import ReleaseDocument, Statement, make_document, make_statement
from tre.audit.keys import generate
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import Choice
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


def verify(releases: Releases, path: Path) -> Any:
    return verify_bundle(path, (releases.signer.public,))


def refused(releases: Releases, path: Path) -> TREError:
    with pytest.raises(TREError) as error:
        verify(releases, path)
    return error.value


def entries_of(path: Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as source:
        return [(name, source.read(name)) for name in source.namelist()]


def rewritten(path: Path, entries: list[tuple[str, bytes]]) -> Path:
    """The same form of archive with other entries: what a careful forger makes."""
    with path.open("wb") as target:
        write_archive(target, entries)
    return path


def test_a_bundle_verifies_with_the_public_key_alone(releases: Releases) -> None:
    report = verify(releases, releases.bundle())
    assert {file.path for file in report.files} == set(CONTENTS)
    assert report.request == releases.world.request.id
    assert list(report.checkers) == [checker.subject for checker in CHECKERS[:2]]
    assert report.exceptions == 1
    assert report.policy_sha256 == releases.world.rules.ref.sha256


def test_any_program_unpacks_it(releases: Releases) -> None:
    path = releases.bundle()
    with zipfile.ZipFile(path) as source:
        assert source.testzip() is None
        assert {name.removeprefix("files/"): source.read(name) for name in source.namelist()[2:]} == CONTENTS
        assert json.loads(source.read(DOCUMENT_NAME))["statement"]["request"] == releases.world.request.id


def test_the_same_release_has_the_same_bytes(releases: Releases) -> None:
    document = releases.document()
    one, two = releases.bundle(document, "1.zip"), releases.bundle(document, "2.zip")
    assert one.read_bytes() == two.read_bytes()


def test_no_finding_s_text_leaves(releases: Releases) -> None:
    raw = entries_of(releases.bundle())[0][1]
    run = releases.world.request.check_run
    assert run is not None
    assert run.findings[0].id in raw.decode()
    assert run.findings[0].message not in raw.decode()


def test_the_vault_s_bytes_are_hashed_again(releases: Releases, tmp_path: Path) -> None:
    document = releases.document()
    target = releases.vault.path(document.statement.files[0].sha256)
    target.chmod(0o600)
    for changed in (CONTENTS["a.csv"].replace(b"44", b"45"), CONTENTS["a.csv"] + b"x", b""):
        target.write_bytes(changed)
        with pytest.raises(TREError) as error:
            releases.bundle(document)
        assert error.value.reason is Reason.ContentChanged
        assert not (tmp_path / "release.zip").exists()
        assert not list(tmp_path.glob(".release*")), "something half done was left"
    target.write_bytes(CONTENTS["a.csv"])
    releases.bundle(document)
    releases.vault.forget(document.statement.files[0].sha256)
    with pytest.raises(TREError, match="no longer in the vault"):
        releases.bundle(document)


# A forger without the key.


def changed_byte(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(name, data.replace(b"44.5", b"44.6")) for name, data in entries]


def additional_file(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("files/more.csv", b"a,b\n")]


def file_beside(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("README.md", b"a,b\n")]


def missing_file(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return entries[:-1]


def slip(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("files/../../.bashrc", b"echo")]


def absolute(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("/etc/cron.d/x", b"echo")]


def backslash(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("files\\..\\x", b"echo")]


def twice(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("files/a.csv", b"other")]


def twice_by_case(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*entries, ("files/A.csv", b"other")]


def renamed(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(name.replace("a.csv", "b.csv"), data) for name, data in entries]


def no_document(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return entries[1:]


def with_document(change: Callable[[Any], object]) -> Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]:
    def edit(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        value = json.loads(entries[0][1])
        change(value)
        return [(DOCUMENT_NAME, canonical_bytes(value)), *entries[1:]]

    return edit


def spelled_otherwise(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(DOCUMENT_NAME, json.dumps(json.loads(entries[0][1]), indent=1).encode()), *entries[1:]]


def huge_document(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(DOCUMENT_NAME, b" " * (64 * 2**20 + 1)), *entries[1:]]


FORGERIES: dict[str, tuple[Callable[..., Any], Reason, str]] = {
    "a changed byte": (changed_byte, Reason.ContentChanged, "does not hold the bytes"),
    "an additional file": (additional_file, Reason.BundleInvalid, "holds files/more.csv, which was not released"),
    "a file beside": (file_beside, Reason.BundleInvalid, "holds README.md, which was not released"),
    "a missing file": (missing_file, Reason.BundleInvalid, "lacks files/"),
    "a name that leads outside": (slip, Reason.BundleInvalid, "dot segment"),
    "an absolute name": (absolute, Reason.BundleInvalid, "empty part"),
    "a name with backslashes": (backslash, Reason.BundleInvalid, "backslash"),
    "a name twice": (twice, Reason.BundleInvalid, "the same name"),
    "a name twice but for case": (twice_by_case, Reason.BundleInvalid, "the same name"),
    "another name": (renamed, Reason.BundleInvalid, "holds files/b.csv, which was not released"),
    "no document": (no_document, Reason.BundleInvalid, "no release.json"),
    "another spelling": (spelled_otherwise, Reason.BundleInvalid, "canonical form"),
    "an endless document": (huge_document, Reason.BundleInvalid, "larger than any"),
    "no proof": (with_document(lambda v: v.pop("proof")), Reason.AuditBroken, "no audit proof"),
    "an unknown key": (with_document(lambda v: v.update(more=1)), Reason.BundleInvalid, "not the statement"),
    "another grant": (
        with_document(lambda v: v["statement"].update(grant="other")),
        Reason.SignatureInvalid,
        "No trusted key signed",
    ),
    "another hash": (
        with_document(lambda v: v["statement"]["files"][0].update(sha256="0" * 64)),
        Reason.SignatureInvalid,
        "No trusted key signed",
    ),
    "another event": (
        with_document(lambda v: v["proof"]["event"].update(object="export/e-aaaaaaaaaaaa")),
        Reason.AuditBroken,
        "something else",
    ),
    "another actor in the event": (
        with_document(lambda v: v["proof"]["event"]["actor"].update(id="mallory")),
        Reason.AuditBroken,
        "does not show",
    ),
    "another place in the log": (
        with_document(lambda v: v["proof"].update(position=0)),
        Reason.AuditBroken,
        "does not show",
    ),
    "another checkpoint": (
        with_document(lambda v: v["proof"].update(checkpoint=v["proof"]["checkpoint"].replace("\n2\n", "\n3\n"))),
        Reason.SignatureInvalid,
        "signed this checkpoint",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_bundle_is_refused_with_its_own_sentence(forgery: str, releases: Releases) -> None:
    path = releases.bundle()
    verify(releases, path)
    edit, reason, says = FORGERIES[forgery]
    error = refused(releases, rewritten(path, edit(entries_of(path))))
    assert (error.reason, says in str(error)) == (reason, True), str(error)


def test_another_key_is_refused(releases: Releases) -> None:
    path = releases.bundle()
    with pytest.raises(TREError) as error:
        verify_bundle(path, (generate(releases.signer.name).public,))
    assert error.value.reason is Reason.SignatureInvalid
    verify_bundle(path, (generate("other").public, releases.signer.public))


# Somebody with the key, who says what is not so.


def signed_falsely(releases: Releases, change: Callable[[dict[str, Any]], object]) -> Path:
    plain = releases.statement().as_plain()
    change(plain)
    statement = Statement.model_validate(plain)
    return releases.bundle(make_document(statement, releases.proof(statement), releases.signer))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["decisions"].__setitem__(slice(None), s["decisions"][:2]),
        lambda s: s["decisions"][0].update(choice=Choice.ChangesRequested),
        lambda s: s["decisions"][0].update(sha256="0" * 64),
        lambda s: s["decisions"][0].update(by=AUTHOR.subject.as_plain()),
        lambda s: s["decisions"][0].update(by=CHECKERS[1].subject.as_plain()),
        lambda s: s.update(quorum=3),
        lambda s: s["findings"][0]["dispositions"].pop(),
        lambda s: s["findings"][0]["dispositions"][0].update(why=" "),
        lambda s: s["findings"][0].update(severity="B"),
    ],
)
def test_a_signed_statement_that_shows_too_few_approvals_is_refused(
    change: Callable[[dict[str, Any]], object], releases: Releases
) -> None:
    error = refused(releases, signed_falsely(releases, change))
    assert error.reason is Reason.QuorumMissing
    verify(releases, signed_falsely(releases, lambda statement: None))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["criteria"]["spec"]["counts"].update(threshold=3),
        lambda s: s["criteria"]["metadata"].update(name="other"),
        lambda s: s["criteria"].clear(),
        lambda s: s["policy"].update(name="other"),
        lambda s: s["policy"].update(sha256="0" * 64),
    ],
)
def test_a_signed_statement_with_criteria_that_were_not_applied_is_refused(
    change: Callable[[dict[str, Any]], object], releases: Releases
) -> None:
    error = refused(releases, signed_falsely(releases, change))
    assert (error.reason, "other criteria" in error.what) == (Reason.BundleInvalid, True)


def test_the_statement_holds_what_was_applied_as_data(releases: Releases) -> None:
    plain = json.loads(entries_of(releases.bundle())[0][1])["statement"]
    assert plain["format"] == "tre-release/2"
    assert AirlockPolicy.model_validate(plain["criteria"]) == releases.world.rules
    assert plain["criteria"]["spec"]["counts"]["threshold"] == releases.world.rules.spec.counts.threshold
    assert {decision["looked"] for decision in plain["decisions"]} == {"stated"}
    assert plain["project"] == {"title": "Lungs of 2,500 people", "reference": "REC 26/0001"}


def test_a_finding_is_named_by_its_case(releases: Releases) -> None:
    world = releases.world
    run = world.request.check_run
    assert run is not None
    named = run.findings[0].model_copy(update={"check": "S04", "case": "sibling"})
    request = world.request.model_copy(update={"check_run": run.model_copy(update={"findings": (named,)})})
    told = make_statement(request, world.situation).findings[0]
    assert (told.check, told.case) == ("S04", "sibling")


def test_nothing_is_signed_whose_event_says_something_else(releases: Releases) -> None:
    statement = releases.statement()
    for changes in (
        {"kind": "export.submitted"},
        {"object": "export/e-aaaaaaaaaaaa"},
        {"detail": {"statement": "sha256:" + "0" * 64}},
        {"detail": {}},
    ):
        with pytest.raises(TREError) as error:
            make_document(statement, releases.proof(statement, **changes), releases.signer)
        assert error.value.reason is Reason.AuditBroken


def test_a_statement_is_made_of_nothing_that_may_not_leave(releases: Releases) -> None:
    releases.statement()
    releases.world.checked(finding(Severity.I))
    with pytest.raises(TREError) as error:
        make_statement(releases.world.request, releases.world.situation)
    assert error.value.reason is Reason.QuorumMissing


def test_a_statement_survives_being_written_down(releases: Releases) -> None:
    document = releases.document()
    assert ReleaseDocument.model_validate(json.loads(canonical_bytes(document.as_plain()))) == document


# The archive itself.


def other_zip(**options: Any) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", **options) as target:
        target.writestr(zipfile.ZipInfo("a.csv"), b"a" * 100)
    return memory.getvalue()


def made(*entries: tuple[str, bytes]) -> bytes:
    memory = io.BytesIO()
    write_archive(memory, entries or (("a.csv", b"a"), ("b.csv", b"b")))
    return memory.getvalue()


def with_comment() -> bytes:
    memory = io.BytesIO(made())
    with zipfile.ZipFile(memory, "a") as target:
        target.comment = b"hidden"
    return memory.getvalue()


def other_directory() -> bytes:
    """The central directory calls the second entry otherwise than its own header does."""
    data = made()
    at = data.rfind(b"b.csv")
    return data[:at] + b"c.csv" + data[at + 5 :]


def gap() -> bytes:
    first = Entry("a.csv", 1, zlib.crc32(b"a"), 0)
    return first.local() + b"a" + b"hidden" + first.central()


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "of another program": (other_zip, "compressed, encrypted or carries extras"),
    "empty": (lambda: b"", "not a release bundle"),
    "no archive": (lambda: b"%PDF-1.7", "not a release bundle"),
    "empty archive": (lambda: made()[-22:], "not a release bundle"),
    "with a prefix": (lambda: b"#!/bin/sh\n" + made(), "not a release bundle"),
    "with a tail": (lambda: made() + b"tail", "follow the end"),
    "with a comment": (with_comment, "another story"),
    "cut in a header": (lambda: made()[:20], "cut off"),
    "cut in the bytes": (lambda: made(("a.csv", b"a" * 100))[:60], "cut off"),
    "cut in the directory": (lambda: made()[:-30], "another story"),
    "whose directory lies": (other_directory, "another story"),
    "with a gap": (gap, "not a release bundle"),
    "with a name that is no text": (lambda: made(("a.csv", b"a")).replace(b"a.csv", b"\xff.csv"), "not UTF-8"),
    "compressed": (lambda: other_zip(compression=zipfile.ZIP_DEFLATED), "compressed"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_in_another_form_is_refused(kind: str) -> None:
    read_archive(io.BytesIO(made()))
    make, says = ARCHIVES[kind]
    with pytest.raises(TREError) as error:
        read_archive(io.BytesIO(make()))
    assert error.value.reason is Reason.BundleInvalid
    assert says in str(error.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_anywhere_goes_unseen(at: int, bit: int, releases: Releases) -> None:
    path = releases.bundle()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))
    assert refused(releases, path).reason in {
        Reason.BundleInvalid,
        Reason.ContentChanged,
        Reason.SignatureInvalid,
        Reason.AuditBroken,
    }


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_in_another_way(data: bytes) -> None:
    with pytest.raises(TREError):
        read_archive(io.BytesIO(b"PK\x03\x04" + data))


def test_an_archive_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    with pytest.raises(TREError, match="too large"):
        made()
    monkeypatch.setattr(archive, "MOST_BYTES", 10_000)
    monkeypatch.setattr(archive, "MOST_ENTRIES", 1)
    with pytest.raises(TREError, match="too large"):
        made()
    monkeypatch.setattr(archive, "MOST_ENTRIES", 2)
    whole = made()
    monkeypatch.setattr(archive, "MOST_ENTRIES", 1)
    with pytest.raises(TREError, match="more entries"):
        read_archive(io.BytesIO(whole))


def test_a_bundle_that_is_not_there_is_told(releases: Releases, tmp_path: Path) -> None:
    assert refused(releases, tmp_path / "none.zip").reason is Reason.BadInput
