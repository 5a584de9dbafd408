"""Nothing that the gate did not pass is in a tier or an index; what waits comes in by decision only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.slices.conftest import Bench
from tests.unit.slices.gate.test_never_passes import hidden
from tests.unit.slices.test_ingest import rows
from tre.demodata.faults import SECRET_NAME
from tre.demodata.twins import poisoned_twins
from tre.domain.people import Subject
from tre.domain.quarantine import Decision, QuarantinedFile, QuarantineState, decide, kept
from tre.slices.gate.manifest import TagRules
from tre.slices.ingest import Ingested, NothingTakenError
from tre.slices.places import DatasetPlaces
from tre.slices.taking import Waiting

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MANAGER = Subject(issuer="local", id="dora")


def stored(places: DatasetPlaces) -> list[Path]:
    """Every image and sidecar in every tier from which a slice can be built."""
    tiers = (places.tier("dates-full"), places.tier("dates-coarse"))
    return sorted(path for tier in tiers for path in tier.rglob("*") if path.is_file())


def indexed(bench: Bench, places: DatasetPlaces) -> list[str]:
    """Digests of every file that the release's index names."""
    other = replace(bench, dataset=places)
    keys = ("sha256", "sidecar_sha256", "coarse_sha256", "coarse_sidecar_sha256")
    found: list[Any] = [row[key] for row in rows(other, "instances") for key in keys]
    return sorted(one.hex() for one in found if one is not None)


def tried(bench: Bench, delivery: Path, places: DatasetPlaces) -> Ingested | NothingTakenError:
    """What an addition says."""
    try:
        return bench.ingest(delivery=delivery, places=places)
    except NothingTakenError as error:
        return error


def test_every_poisoned_twin_is_kept_out_and_every_clean_one_taken(bench: Bench) -> None:
    for twin in poisoned_twins(bench.root / "twins", 7):
        for side, verdict in (("clean", "pass"), ("poisoned", twin.expected_verdict)):
            places = DatasetPlaces(bench.root / "datasets" / f"{twin.fault}-{side}")
            delivery = bench.root / "twins" / twin.fault / side
            taken = tried(bench, delivery, places)
            if isinstance(taken, NothingTakenError):
                assert verdict != "pass", (twin.fault, taken)
                assert stored(places) == []
                assert bool(taken.waiting) is (verdict == "quarantine"), twin.fault
                continue
            assert sorted(path.stem for path in stored(places)) == indexed(bench, places)
            bad = twin.path.read_bytes() if twin.fault not in {"link", "duplicate-sop-uid"} else None
            poisoned = verdict != "pass" and twin.fault != "path-with-dots"
            assert (bad not in [path.read_bytes() for path in stored(places)]) or not poisoned
            if side == "clean" or twin.fault == "path-with-dots":
                assert (taken.refused, taken.quarantined, taken.counts.files) == ({}, {}, 2), twin.fault


def test_no_report_repeats_what_was_found(bench: Bench) -> None:
    for twin in poisoned_twins(bench.root / "twins", 7):
        bench.maker.record()
        bench.maker.image()
        delivery = bench.root / "twins" / twin.fault / "poisoned"
        good = delivery / "training" / "data" / "Covid1"
        good.mkdir()
        for path in bench.maker.root.rglob("*"):
            if path.is_file():
                target = delivery / path.relative_to(bench.maker.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        known = (delivery / "pseudonyms.txt").read_text()
        (delivery / "pseudonyms.txt").write_text(f"{known}Covid1\n")
        taken = bench.ingest(delivery=delivery, release=f"r-{twin.fault}")
        told = json.dumps([one.as_plain() for one in taken.refusals]) + repr(taken.waiting)
        assert not any(part in told for part in SECRET_NAME.split("^"))
        report = (bench.dataset.release(f"r-{twin.fault}") / "report.jsonl").read_text()
        assert not any(part in report for part in SECRET_NAME.split("^"))


@given(hidden())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_identifier_anywhere_in_a_header_is_never_mountable(bench: Bench, case: tuple[str, bytes]) -> None:
    text, data = case
    places = DatasetPlaces(bench.root / "datasets" / f"{abs(hash(data))}")
    bench.maker.record()
    bench.maker.image(path="training/xray/Covid1/1.1/1.1.1/good.dcm", sop="1.9.1")
    bench.maker.file("training/xray/Covid1/2.25.1/2.25.2/bad.dcm", data)
    taken = bench.ingest(places=places)
    assert len(taken.refusals) + len(taken.waiting) == 1
    assert len(stored(places)) == 2
    assert data not in [path.read_bytes() for path in stored(places)]
    assert text not in json.dumps([one.as_plain() for one in taken.refusals]) + repr(taken.waiting)


def waiting_file(one: Waiting, **changes: Any) -> QuarantinedFile:
    """What the record keeps of a file that waits."""
    values = {
        "dataset": "demo",
        "sha256": one.sha256.hex(),
        "pseudonym": one.pseudonym,
        "path": one.path,
        "kind": one.kind,
        "bytes": one.size,
        "reasons": kept(one.reasons),
        "found_at": NOW,
    }
    return QuarantinedFile.model_validate(values | changes)


def decided(one: Waiting, state: QuarantineState) -> dict[str, QuarantinedFile]:
    """A decision about a file that waits."""
    return {one.sha256.hex(): decide(waiting_file(one), Decision(state, MANAGER, NOW, "looked at it"))}


def test_a_file_that_waits_is_kept_apart_until_it_is_released(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image()
    bench.maker.image(SeriesDescription="seen by Adaeze", sidecar=True)
    taken = bench.ingest()
    (one,) = taken.waiting
    assert (one.kind, one.pseudonym, [reason.rule for reason in one.reasons]) == ("image", "Covid1", ["free-text"])
    assert taken.counts.instances == 1
    (path,) = [path for path in bench.dataset.quarantine.rglob("*") if path.is_file()]
    assert path.parent.name == "Covid1"
    assert path.stem == one.sha256.hex()
    assert taken.refused == {"sidecar": 1}
    released = bench.ingest(release="r2", decided=decided(one, QuarantineState.released))
    assert (released.waiting, released.counts.instances) == ((), 2)
    rejected = bench.ingest(release="r3", decided=decided(one, QuarantineState.rejected))
    assert (rejected.refused["rejected"], rejected.counts.instances) == (1, 1)


def test_a_decision_covers_only_what_was_seen(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image()
    bench.maker.image(SeriesDescription="seen by Adaeze", ImageType=["DERIVED", "PRIMARY"])
    (one,) = bench.ingest().waiting
    less = waiting_file(one, reasons=kept(one.reasons[:1]))
    decision = decide(less, Decision(QuarantineState.released, MANAGER, NOW, "looked at one of two"))
    assert bench.ingest(release="r2", decided={less.sha256: decision}).waiting == (one,)


def test_what_is_refused_stays_out_whoever_decided(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image()
    path = bench.maker.image(SeriesDescription="seen by Adaeze")
    (one,) = bench.ingest().waiting
    bench.maker.number = 1
    bench.maker.image(InstitutionName="A hospital")
    digest = hashlib.sha256(path.read_bytes()).digest()
    taken = bench.ingest(release="r2", decided=decided(replace(one, sha256=digest), QuarantineState.released))
    assert taken.refused == {"absent-or-empty": 1}


def test_a_sidecar_that_waits_keeps_its_image_company_no_longer(bench: Bench) -> None:
    bench.maker.record()
    image = bench.maker.image(sidecar=True, StudyDescription="Chest")
    path = Path(str(image).replace("/xray/", "/xray-metadata/")).with_suffix(".json")
    model = json.loads(path.read_bytes()) | {"00081030": {"vr": "LO", "Value": ["Chest of Adaeze"]}}
    path.write_text(json.dumps(model))
    taken = bench.ingest()
    (one,) = taken.waiting
    assert (one.kind, taken.counts.files) == ("sidecar", 1)
    assert bench.ingest(release="r2", decided=decided(one, QuarantineState.released)).counts.files == 2


def test_what_a_manifest_declares_is_taken(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image(ManufacturerModelName="Wunderkammer")
    with pytest.raises(NothingTakenError) as caught:
        bench.ingest()
    assert len(caught.value.waiting) == 1
    assert "quarantine" in caught.value.remedy
    assert bench.ingest(rules=TagRules(words=("wunderkammer",))).counts.instances == 1


def test_a_delivery_may_say_who_is_in_it_and_who_opted_out(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.maker.record(f"Covid{number}")
        bench.maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1")
    bench.maker.file("pseudonyms.txt", b"Covid1\nCovid2\n")
    bench.maker.file("withdrawals.csv", b"pseudonym,level\nCovid2,no_use\n")
    taken = bench.ingest()
    assert taken.refused == {"unlisted-pseudonym": 1, "withdrawn": 2}
    assert taken.counts.instances == 1


def test_pixels_are_read_for_text_where_the_manifest_wants_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is a program in the path: here one that finds what its own file says."""
    import numpy as np

    pixels = np.arange(64, dtype="<u2").reshape(8, 8)
    shape = {"Rows": 8, "Columns": 8, "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "SamplesPerPixel": 1}
    shape |= {"PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2", "PixelData": pixels.tobytes()}
    bench.maker.record()
    bench.maker.image(**shape)
    rules = TagRules(ocr=("DX",))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for text, rule in ((None, "ocr-missing"), ("  | .", ""), ("1950", "burned-in-text")):
        if text is not None:
            program = tmp_path / "bin" / "tesseract"
            program.parent.mkdir(exist_ok=True)
            line = "\\t".join(["5", *"123456789", "90", text])
            program.write_text(f"#!/bin/sh\n/bin/cat > /dev/null\nprintf 'head\\n{line}\\n'\n")
            program.chmod(0o755)
        places = DatasetPlaces(tmp_path / f"d-{rule}")
        if not rule:
            assert bench.ingest(places=places, rules=rules).counts.instances == 1
            continue
        with pytest.raises(NothingTakenError) as caught:
            bench.ingest(places=places, rules=rules)
        assert [one.rule for one in caught.value.waiting[0].reasons] == [rule]
