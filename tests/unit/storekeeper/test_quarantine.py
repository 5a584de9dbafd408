"""Files that wait, and the tag manifest: kept in step with the record."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.storekeeper.conftest import House
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.quarantine import QuarantineState
from tre.slices.gate.manifest import TagManifest, sign_manifest
from tre.slices.gate.rules import gate_digest
from tre.sources.signed import key_id
from tre.store import datasets
from tre.store import quarantine as store
from tre.store.quarantine import QuarantineSearch
from tre.storekeeper.quarantine import decide

KEY = Ed25519PrivateKey.generate()


def rows(house: House, **asked: object) -> list[str]:
    with house.office.database.read() as connection:
        return [one.sha256 for one in store.files_of(connection, QuarantineSearch("demo", **asked))]  # type: ignore[arg-type]


def strange(house: House) -> Path:
    """An image whose text waits for a person."""
    return house.maker.image("Covid1", "1.1", "1.1.7", SeriesDescription="seen by Adaeze")


def manifest(house: House, name: str = "demo", key: Ed25519PrivateKey = KEY, *, trusted: bool = True) -> Path:
    """A signed manifest that lets the text through."""
    content = {
        "apiVersion": "tre.research/v1alpha1",
        "kind": "TagManifest",
        "metadata": {"name": name},
        "spec": {"words": ["seen", "Adaeze"]},
    }
    signed = sign_manifest(TagManifest.model_validate(content), key, key_id(key.public_key()))
    signers = house.layout.keys / "manifest-signers"
    signers.mkdir(parents=True, exist_ok=True)
    if trusted:
        form, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        (signers / "manager.pub").write_bytes(key.public_key().public_bytes(form, kind))
    path = house.maker.root.parent / "manifest.yaml"
    path.write_text(yaml.safe_dump(signed.as_plain()))
    return path


def test_what_waits_is_on_record_once_and_comes_in_when_released(house: House) -> None:
    strange(house)
    added = house.add()
    assert added.taken.quarantined == {"free-text": 1}
    assert added.release.counts.instances == 3
    canonical_bytes(added.as_plain())
    (digest,) = rows(house, state=QuarantineState.waiting)
    assert house.kinds() == ["dataset.registered", "dataset.quarantined", "release.published"]
    house.add("r2")
    assert house.kinds()[3:] == ["release.published"]
    decide(house.office, "demo", [digest], QuarantineState.released, "a colleague's word, harmless")
    assert rows(house, state=QuarantineState.released) == [digest]
    assert house.add("r3").release.counts.instances == 4
    assert house.kinds()[4:] == ["quarantine.released", "release.published"]
    with house.office.database.read() as connection:
        (one,) = store.files_of(connection, QuarantineSearch("demo"))
        assert store.counts_of(connection, "demo") == {("released", "free-text", "SeriesDescription"): 1}
    assert (one.decided_by, one.reason) == (house.office.actor, "a colleague's word, harmless")


def test_rejected_files_are_refused_from_then_on(house: House) -> None:
    strange(house)
    house.add()
    decide(house.office, "demo", rows(house), QuarantineState.rejected, "names a colleague")
    assert house.add("r2").taken.refused == {"rejected": 1}


def test_what_waits_is_counted_by_first_reason_and_searched_by_all(house: House) -> None:
    strange(house)
    house.maker.image("Covid2", "1.2", "1.2.7", StudyDescription="asked for by Piet", ImageType=["DERIVED", "PRIMARY"])
    house.add()
    first = house.clock.now()
    house.clock.advance(60)
    house.maker.image("Covid3", "1.3", "1.3.7", SeriesDescription="seen by Piet")
    house.add("r2")
    series, study, sort = (
        ("free-text", "SeriesDescription"),
        ("free-text", "StudyDescription"),
        ("image-type", "ImageType"),
    )
    with house.office.database.read() as connection:
        groups = store.waiting_groups(connection, "demo")
        assert {(one.rule, one.attribute, one.files, one.oldest) for one in groups} == {
            (*series, 2, first),
            (*study, 1, first),
        }
        assert store.waiting_groups(connection) == groups
        assert store.waiting_groups(connection, "other") == []
        every = store.choice(connection, QuarantineSearch("demo", QuarantineState.waiting))
        assert (every.files, every.newest) == (3, house.clock.now())
        assert every.reasons == {series: 2, study: 1, sort: 1}
        none = store.choice(connection, QuarantineSearch("demo", QuarantineState.released))
        assert (none.files, none.newest, none.reasons) == (0, None, {})
    assert len(rows(house, rule="free-text")) == 3
    assert len(rows(house, rule="free-text", attribute=study[1])) == len(rows(house, attribute=study[1])) == 1
    assert rows(house, rule="image-type") == [], "it waits for something else first"
    assert len(rows(house, until=first)) == 2
    with house.office.database.read() as connection:
        pages = [store.files_of(connection, QuarantineSearch("demo"), start, 2) for start in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 1, 0]


@pytest.mark.parametrize(("reason", "due"), [("", Reason.BadInput), ("x" * 1001, Reason.BadInput)])
def test_a_decision_needs_a_reason(house: House, reason: str, due: Reason) -> None:
    strange(house)
    house.add()
    with pytest.raises(TREError) as caught:
        decide(house.office, "demo", rows(house), QuarantineState.released, reason)
    assert caught.value.reason is due
    assert "quarantine.released" not in house.kinds()


def test_all_are_decided_or_none_and_nobody_decides_twice(house: House) -> None:
    strange(house)
    house.maker.image("Covid2", "1.2", "1.2.7", SeriesDescription="asked for by Piet")
    house.add()
    first, second = rows(house)
    for named in ([], ["0" * 64], [first, "0" * 64]):
        with pytest.raises(TREError) as caught:
            decide(house.office, "demo", named, QuarantineState.released, "all of them")
        assert caught.value.reason is Reason.ObjectNotFound
    assert len(rows(house, state=QuarantineState.waiting)) == 2
    decide(house.office, "demo", [first, second], QuarantineState.released, "both of them")
    with pytest.raises(TREError) as caught:
        decide(house.office, "demo", [first], QuarantineState.rejected, "changed my mind")
    assert caught.value.reason is Reason.StateForbids


def test_files_wait_even_where_nothing_can_be_taken(house: House) -> None:
    for path in list(house.maker.root.rglob("*.dcm")):
        path.unlink()
    strange(house)
    with pytest.raises(TREError) as caught:
        house.add()
    assert "1 wait in quarantine" in caught.value.why
    decide(house.office, "demo", rows(house), QuarantineState.released, "harmless")
    assert house.add().release.counts.instances == 1


def test_a_signed_manifest_holds_from_then_on_and_releases_name_it(house: House) -> None:
    strange(house)
    plain = house.add()
    assert plain.release.gate == gate_digest(None)
    added = house.add("r2", manifest=manifest(house))
    assert (added.taken.quarantined, added.release.counts.instances) == ({}, 4)
    with house.office.database.read() as connection:
        digest = datasets.require(connection, "demo").tag_manifest
        release = datasets.require_release(connection, "demo", "r2")
    assert digest is not None
    assert release.gate == gate_digest(digest) != gate_digest(None)
    assert house.add("r3").release.counts.instances == 4
    assert house.kinds().count("dataset.declared") == 1


def test_a_manifest_that_does_not_count_changes_nothing(house: House) -> None:
    house.add()
    before = house.kinds()
    stranger = Ed25519PrivateKey.generate()
    good = yaml.safe_load(manifest(house).read_text())
    changed = good | {"spec": {"words": ["seen", "Adaeze", "more"]}}
    unsigned = {key: value for key, value in good.items() if key != "signed"}
    for content in (changed, unsigned):
        path = house.maker.root.parent / "manifest.yaml"
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(TREError) as caught:
            house.add("r2", manifest=path)
        assert caught.value.reason is Reason.EvidenceUnverified
    with pytest.raises(TREError) as caught:
        house.add("r2", manifest=manifest(house, key=stranger, trusted=False))
    assert caught.value.reason is Reason.EvidenceUnverified
    with pytest.raises(TREError) as caught:
        house.add("r2", manifest=manifest(house, "other"))
    assert caught.value.reason is Reason.BadInput
    assert house.kinds() == before


def test_a_kept_manifest_that_was_changed_stops_additions(house: House) -> None:
    house.add(manifest=manifest(house))
    path = house.office.dataset("demo").tag_manifest
    path.write_text(path.read_text().replace("Adaeze", "Anybody"))
    with pytest.raises(TREError) as caught:
        house.add("r2")
    assert caught.value.reason is Reason.ContentChanged
