"""`tre grant apply` and hostile files: refused with file, line, key and what was expected, and nothing half done."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Here
from tre.cli.common import Installation
from tre.domain.canonical import digest
from tre.domain.grants.models import AccessGrant
from tre.sources.grantfile import read_grants
from tre.store import grant_sources, grants
from tre.store.database import Database

ASSETS = Path(__file__).parents[2] / "assets"
GRANTS = ASSETS / "grants"

REFUSED = {
    "bare-no-as-truth-value": "BadInput:9: spec.project.organisation.commercial: true or false is due here",
    "bare-true-as-code": "BadInput:27: spec.slices[0].spec.images[0].modality: a word or a number is due here",
    "bare-true-as-text": "BadInput:12: spec.approval.reference: a word or a number is due here",
    "bare-yes-as-code": "BadInput:27: spec.slices[0].spec.images[0].modality: not known here: YES",
    "bare-yes-as-condition": "BadInput:19: spec.conditions[0]: a text of the form ^DUO",
    "condition-unknown": "BadInput:19: spec.conditions[0]: DUO:0000099 is no condition that is known here",
    "condition-without-its-fact": "BadInput:19: spec.conditions[1]: DUO:0000021: ethics approval is due",
    "empty-slice": "EmptySlice:23: spec.slices[0].spec: The plan holds no image.",
    "end-as-number": "BadInput:18: spec.expires: a time is due here, for example 2027-10-31T23:59:59Z",
    "end-before-start": "BadInput:18: spec.expires: expires must lie after notBefore",
    "end-in-the-past": "BadInput:18: spec.expires: a time to come is due; 2020-10-31 23:59:59Z has passed",
    "end-without-zone": "BadInput:18: spec.expires: a time needs its zone",
    "evidence-of-nobody": "BadInput:14: spec.approval.evidence.digest: a text of the form ^sha256",
    "legal-end-in-the-past": "BadInput:19: spec.legalBasis.ends: a time to come is due",
    "list": "BadInput:1: the document: a mapping is due here",
    "long-summary": "BadInput:7: spec.project.laySummary: at most 250 words, these are 260",
    "many-mistakes": "BadInput:28: spec.x0: no such key",
    "member-twice": "BadInput:15: spec.members: members names ('local', 'alice') twice",
    "name-with-dots": "BadInput:3: metadata.name: '../../etc/passwd' cannot be a name. It becomes part of",
    "name-with-newline": "BadInput:3: metadata.name: control characters and line breaks are not allowed",
    "no-end": "BadInput:4: spec.expires: this key is required",
    "no-kind": "BadInput:1: kind: this key is required",
    "no-members": "BadInput:15: spec.members: at least 1 entries or characters are due",
    "no-reviewers": "BadInput:19: spec.export.reviewers: a number from 1 on is due",
    "no-slices": "BadInput:19: spec.slices: at least 1 entries or characters are due",
    "quoted-no-as-truth-value": "BadInput:9: spec.project.organisation.commercial: true or false is due here",
    "quoted-number": "BadInput:19: spec.export.reviewers: a whole number is due here, without quotes",
    "release-with-dots": "BadInput:22: spec.slices[0].release: 'r1/../r2' cannot name a release",
    "same-name-twice": "Conflict:31: metadata.name: a second grant of the name 'lungs'; the first stands at",
    "scalar": "BadInput:1: the document: a mapping is due here",
    "second-is-bad": "BadInput:32: spec.expires: this key is required",
    "slice-name-with-dots": "BadInput:20: spec.slices[0].name: '..' cannot be a name",
    "slice-name-with-newline": "BadInput:20: spec.slices[0].name: control characters",
    "subject-with-newline": "BadInput:16: spec.members[0].subject.id: control characters",
    "third-is-no-mapping": "BadInput:57: the document: a mapping is due here",
    "two-datasets-in-one-slice": "BadInput:4: spec: slice cxr names another dataset or release in its spec",
    "unknown-dataset": "DatasetNotFound:21: spec.slices[0].dataset: there is no dataset 'dmeo'; there is demo",
    "unknown-issuer": "MemberNotFound:16: spec.members[0].subject.issuer: nobody signs in here by 'https://login",
    "unknown-key": "BadInput:18: spec.expieres: no such key; did you mean 'expires'?",
    "unknown-key-deep": "BadInput:16: spec.members[0].subject.email: no such key",
    "unknown-member": "MemberNotFound:17: spec.members[1].subject.id: there is no local account 'mallory'",
    "unknown-policy": "PolicyMissing:19: spec.export.policy: There is no airlock policy 'none-such'",
    "unknown-profile": "PolicyMissing:19: spec.workspace.profile: there is no profile 'huge' in tre.yaml",
    "unknown-release": "ReleaseNotFound:22: spec.slices[0].release: the dataset 'demo' has no release 'r7'; it has r1",
    "wrong-budget": "BadInput:19: spec.workspace.budgets.fileReads: 'lots' is not a budget",
    "wrong-digest": "BadInput:14: spec.approval.planDigest: a text of the form ^sha256",
    "wrong-kind": "BadInput:2: kind: one of these is due here: 'AccessGrant'",
    "wrong-role": "BadInput:16: spec.members[0].role: one of these is due here: 'lead' or 'researcher'",
    "wrong-type-list": "BadInput:15: spec.members: a list is due here",
    "wrong-type-mapping": "BadInput:9: spec.project.organisation: a mapping is due here",
    "wrong-type-number": "BadInput:6: spec.project.title: a text is due here",
    "wrong-version": "BadInput:1: apiVersion: one of these is due here: 'tre.research/v1alpha1'",
}
"""Asset → reason, line, key and what was expected there."""

WHOLE_FILES = {"empty": "holds no AccessGrant", "only-comments": "holds no AccessGrant"}
AGAINST_THE_RECORD = {"other-organisation"}


def path_of(name: str) -> str:
    return str(GRANTS / f"{name}.yaml")


def test_every_asset_is_judged() -> None:
    judged = {*REFUSED, *WHOLE_FILES, *AGAINST_THE_RECORD, "good"}
    assert {path.stem for path in GRANTS.glob("*.yaml")} == judged


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_grant_is_refused_by_file_line_and_key(shared: Here, name: str) -> None:
    reason, _, rest = REFUSED[name].partition(":")
    found = shared.refused("grant", "apply", path_of(name))
    assert f"{reason}: {path_of(name)}:{rest}" in found.err, found


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_file_without_a_grant_is_refused(shared: Here, name: str) -> None:
    found = shared.refused("grant", "apply", path_of(name))
    assert f"{path_of(name)} {WHOLE_FILES[name]}" in found.err, found


@pytest.mark.parametrize("name", sorted(path.stem for path in (ASSETS / "yaml").glob("*.yaml")))
def test_hostile_yaml_is_refused_by_name(shared: Here, name: str) -> None:
    path = ASSETS / "yaml" / f"{name}.yaml"
    found = shared.refused("grant", "apply", str(path))
    assert str(path) in found.err, found


def test_a_long_file_a_directory_and_no_file_are_refused(shared: Here, tmp_path: Path) -> None:
    long = tmp_path / "long.yaml"
    long.write_bytes(b'a: "' + b"x" * 10_000_000 + b'"\n')
    assert "larger than 1 MiB" in shared.refused("grant", "apply", str(long)).err
    assert "Is a directory" in shared.refused("grant", "apply", str(tmp_path)).err
    assert "No such file" in shared.refused("grant", "apply", str(tmp_path / "none.yaml")).err
    assert "larger than 1 MiB" in shared.refused("grant", "apply", "/dev/zero").err


def test_a_file_full_of_mistakes_is_refused_soon_and_shortly(shared: Here, tmp_path: Path) -> None:
    path = tmp_path / "mistakes.yaml"
    path.write_text((GRANTS / "good.yaml").read_text() + "".join(f"  key{number}: 1\n" for number in range(4000)))
    before = time.monotonic()
    found = shared.refused("grant", "apply", str(path))
    assert time.monotonic() - before < 20
    assert "and 3980 more" in found.err
    assert len(found.err.splitlines()) < 30


@pytest.mark.parametrize("order", [("good", "no-end"), ("no-end", "good")])
def test_one_bad_file_among_good_ones_applies_nothing(shared: Here, tmp_path: Path, order: tuple[str, str]) -> None:
    another = tmp_path / "another.yaml"
    another.write_text((GRANTS / "good.yaml").read_text().replace("lungs", "hearts"))
    found = shared.refused("grant", "apply", path_of(order[0]), str(another), path_of(order[1]))
    assert f"{path_of('no-end')}:4: spec.expires" in found.err


def test_a_name_is_given_once_across_files_and_against_the_record(here: Here, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    shutil.copyfile(GRANTS / "good.yaml", copy)
    found = here.refused("grant", "apply", path_of("good"), str(copy))
    assert f"Conflict: {copy}:3: metadata.name: a second grant" in found.err
    assert f"the first stands at {path_of('good')}:3" in found.err
    here.done("grant", "apply", path_of("good"))
    here.done("grant", "apply", path_of("good"))  # the same again is no second one
    found = here.refused("grant", "apply", path_of("other-organisation"))
    assert f"Conflict: {path_of('other-organisation')}:3: metadata.name: a grant of this name is on record" in found.err


def test_the_log_says_which_content_came_into_force(here: Here, tmp_path: Path) -> None:
    signed, shorter = tmp_path / "signed.yaml", tmp_path / "shorter.yaml"
    here.done("grant", "sign", path_of("good"), "--output", str(signed))
    for path in (Path(path_of("good")), signed):
        here.done("grant", "apply", str(path))
        assert in_force(here) == content_of(path)  # a signature changes nothing of what is signed
    first = content_of(signed)
    shorter.write_text(signed.read_text().replace("2036", "2035"))
    assert content_of(shorter) != first
    assert "EvidenceUnverified" in here.refused("grant", "apply", str(shorter)).err
    assert in_force(here) == first


def in_force(here: Here) -> str | None:
    with Installation.open(here.root).database.read() as connection:
        return grant_sources.digest_in_force(connection, "lungs")


def content_of(path: Path) -> str:
    [grant] = read_grants(path)
    return digest(grant.signed_content())


def test_what_has_ended_is_not_applied_again(here: Here) -> None:
    here.done("grant", "apply", path_of("good"))
    here.done("grant", "revoke", "lungs", "--reason", "breach", "--yes")
    found = here.refused("grant", "apply", path_of("good"))
    assert f"StateForbids: {path_of('good')}:3: metadata.name: this grant has ended (Revoked)" in found.err


def test_a_signed_grant_is_not_replaced_by_an_unsigned_file(here: Here, tmp_path: Path) -> None:
    signed = tmp_path / "signed.yaml"
    here.done("grant", "sign", path_of("good"), "--output", str(signed))
    assert "evidence verified" in here.done("grant", "apply", str(signed)).out
    assert "EvidenceUnverified" in here.refused("grant", "apply", path_of("good")).err
    forged = tmp_path / "forged.yaml"
    forged.write_text(signed.read_text().replace("2036-10-31", "2046-10-31"))
    assert forged.read_text() != signed.read_text()
    assert "EvidenceUnverified" in here.refused("grant", "apply", str(forged)).err


def test_with_a_provider_somebody_who_never_signed_in_is_no_mistake(here: Here, tmp_path: Path) -> None:
    issuer = "https://login.example.org"
    settings = here.root / "tre.yaml"
    urls = "".join(f"  {key}Url: {issuer}/{key}\n" for key in ("authorize", "token", "userinfo"))
    provider = f"auth: oidc\noidc:\n  issuer: {issuer}\n  clientId: tre\n{urls}"
    settings.write_text(settings.read_text() + provider)
    here.done("grant", "apply", path_of("unknown-issuer"))
    found = here.refused("grant", "apply", path_of("good"))
    assert "nobody signs in here by 'local'; people sign in by 'https://login.example.org'" in found.err


@pytest.mark.parametrize("name", ["no-end", "second-is-bad", "same-name-twice", "empty"])
def test_signing_refuses_the_same_files_and_writes_nothing(shared: Here, tmp_path: Path, name: str) -> None:
    copy, output = tmp_path / "copy.yaml", tmp_path / "signed.yaml"
    shutil.copyfile(GRANTS / f"{name}.yaml", copy)
    before = copy.read_bytes()
    shared.refused("grant", "sign", str(copy))
    shared.refused("grant", "sign", str(copy), "--output", str(output))
    assert copy.read_bytes() == before
    assert list(tmp_path.iterdir()) == [copy]


def test_a_signer_that_is_no_key_is_named(here: Here) -> None:
    bad = here.layout.keys / "grant-signers" / "committee.pub"
    bad.write_text("no key\n")
    found = here.refused("grant", "apply", path_of("good"))
    assert f"SetupIncomplete: {bad} is no key" in found.err


def test_the_file_that_the_others_are_made_from_is_good(here: Here) -> None:
    here.done("grant", "apply", path_of("good"))
    grant: AccessGrant = read_grants(GRANTS / "good.yaml")[0]
    assert yaml.safe_load((GRANTS / "good.yaml").read_text())["metadata"]["name"] == grant.metadata.name
    database = Database.sqlite(here.layout.database)
    with database.read() as connection:
        assert grants.require(connection, "lungs").spec == grant.spec
    database.close()
