"""Slices as they stand in the file system, and what verifying finds."""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.unit.slices.conftest import SLICE, Bench, make_spec
from tre.domain.errors import Reason, TREError
from tre.slices import build as building
from tre.slices import farm
from tre.slices.build import remove
from tre.slices.documents import Description, Notice, read_me
from tre.slices.files import NOBODY_ELSE
from tre.slices.verify import Difference, Fault, Recorded, verify

HELPER = Path(building.__file__).parents[1] / "notebook" / "tre_data.py"
TABLE = {
    "clinical": {
        "columns": ["pseudonym", "age", "age_band", "sex"],
        "derive": {"age_band": {"from": "age", "band": 20, "top": 80}},
    }
}


def differences(bench: Bench, recorded: Recorded) -> list[Difference]:
    return list(verify(recorded, bench.slices, bench.dataset).differences)


def payload(bench: Bench) -> list[str]:
    data = bench.slice / "data"
    return sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())


def test_every_file_is_the_very_file_of_the_store(filled: Bench) -> None:
    recorded = filled.build(headers="sidecar")
    stored = {path.stat().st_ino for path in filled.dataset.tier("dates-full").rglob("*.*")}
    files = [filled.slice / "data" / name for name in payload(filled)]
    assert len(files) == recorded.plan.counts.files == 7
    assert all(path.stat().st_ino in stored for path in files)
    assert all(path.stat().st_mode & 0o777 == 0o440 for path in files)
    for path in filled.slice.rglob("*"):
        if path.is_dir():
            assert path.stat().st_mode & 0o7777 == 0o2750


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("nccid", "xray/Covid1/1.1/1.1.1/image1.dcm"),
        ("patient", "Covid1/1.9.1.dcm"),
        ("flat", "1.9.1.dcm"),
    ],
)
def test_layouts(filled: Bench, layout: str, expected: str) -> None:
    recorded = filled.build(layout=layout, headers="sidecar")
    assert expected in payload(filled)
    assert len(payload(filled)) == 7
    assert differences(filled, recorded) == []


def test_a_slice_is_a_bag_that_other_tools_verify(filled: Bench) -> None:
    filled.build(tables=TABLE)
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        done = subprocess.run(
            ["sha256sum", "--quiet", "--strict", "-c", name], cwd=filled.slice, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout
    info = (filled.slice / "bag-info.txt").read_text()
    size = sum((filled.slice / "data" / name).stat().st_size for name in payload(filled))
    assert f"Payload-Oxum: {size}.{len(payload(filled))}\n" in info
    listed = (filled.slice / "manifest-sha256.txt").read_text().splitlines()
    assert [line[66:] for line in listed] == [f"data/{name}" for name in payload(filled)]


def test_the_table_holds_the_permitted_columns_and_nothing_else(filled: Bench) -> None:
    filled.build(tables=TABLE)
    table = pq.read_table(filled.slice / "clinical.parquet")
    assert table.to_pylist() == [
        {"pseudonym": "Covid1", "age": 50, "age_band": "40-59", "sex": "male"},
        {"pseudonym": "Covid2", "age": 70, "age_band": "60-79", "sex": "female"},
        {"pseudonym": "Covid3", "age": 90, "age_band": "80+", "sex": "male"},
    ]
    everything = b"".join(path.read_bytes() for path in filled.slice.iterdir() if path.is_file())
    assert b"TRUST-01" not in everything
    assert b"ethnicity" not in everything


def test_ages_from_ninety_on_are_written_as_ninety(bench: Bench) -> None:
    bench.maker.record(Age=101)
    bench.maker.image()
    bench.ingest()
    bench.build(tables={"clinical": {"columns": ["age"]}})
    assert pq.read_table(bench.slice / "clinical.parquet").to_pylist() == [{"age": 90}]


def test_no_table_asked_no_table_there(filled: Bench) -> None:
    filled.build()
    assert not (filled.slice / "clinical.parquet").exists()


def test_the_image_table_has_a_row_for_each_image_and_leads_to_it(filled: Bench) -> None:
    filled.build(headers="sidecar", layout="patient")
    rows = pq.read_table(filled.slice / "manifest.parquet").to_pylist()
    assert len(rows) == 4
    for row in rows:
        assert hashlib.sha256((filled.slice / row["path"]).read_bytes()).digest() == row["sha256"]


def test_the_specification_lies_beside(filled: Bench) -> None:
    recorded = filled.build()
    text = (filled.slice / "slice.yaml").read_text()
    assert recorded.plan.plan_digest in text
    assert yaml.safe_load(text)["images"] == [{"modality": ["DX"]}]


def test_the_read_me_shows_typed_text_as_text(filled: Bench) -> None:
    planned = filled.keep()
    notice = Notice.model_validate(
        {"title": "<script>x</script> [a](b)", "body": "B", "reference": "R-1", "expires": "2027-10-31T23:59:59Z"}
    )
    text = read_me(Description(SLICE, planned, 1, notice.expires, notice))
    assert "<script>" not in text
    assert "[a](b)" not in text
    assert "reference R-1" in text
    assert "31 October 2027 at 23:59 UTC" in text
    assert "This work uses data provided by patients" in text
    cited = f"index {planned.identity.index_digest}. Slice {SLICE}, version 1, plan {planned.plan_digest}."
    assert cited in text


def test_the_read_me_names_what_a_notebook_can_import(filled: Bench) -> None:
    """And nothing that is not there: its names are those that the helper offers."""
    filled.build()
    text = (filled.slice / "README.md").read_text()
    assert "`import tre_data`" in text
    named = set(re.findall(r"tre_data\.(\w+)\(", text))
    assert named >= {"images", "load"}
    names = re.search(r"^__all__ = (\[.*\])$", HELPER.read_text(), re.MULTILINE)
    assert names is not None
    assert named <= set(ast.literal_eval(names[1]))


def test_building_again_gives_the_same_content_digest_and_another_version_another(filled: Bench) -> None:
    first = filled.build().content_digest
    assert filled.build().content_digest == first
    assert filled.build(version=2).content_digest != first


def test_nothing_is_built_from_an_empty_plan(filled: Bench) -> None:
    with pytest.raises(TREError) as caught:
        filled.build(images=[])
    assert caught.value.reason is Reason.EmptySlice
    assert not filled.slice.exists()


@pytest.mark.parametrize(("on_fail", "built"), [("refuse", False), ("report", True)])
def test_a_plan_below_its_own_k_is_refused_unless_it_only_reports(filled: Bench, on_fail: str, built: bool) -> None:
    spec = {"tables": TABLE, "privacy": {"k": 2, "over": ["age_band", "sex"], "on_fail": on_fail}}
    if built:
        filled.build(**spec)
    else:
        with pytest.raises(TREError) as caught:
            filled.build(**spec)
        assert caught.value.reason is Reason.PrivacyNotMet
    assert filled.slice.exists() == built


def victim(bench: Bench) -> Path:
    return bench.slice / "data" / payload(bench)[0]


def replaced_by_a_copy(bench: Bench) -> None:
    path = victim(bench)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def replaced_by_another_link(bench: Bench) -> None:
    first, second = payload(bench)[:2]
    (bench.slice / "data" / first).unlink()
    os.link(bench.slice / "data" / second, bench.slice / "data" / first)


def replaced_by_a_symlink(bench: Bench) -> None:
    path = victim(bench)
    path.rename(bench.root / "away.dcm")
    path.symlink_to(bench.root / "away.dcm")


def changed_table(bench: Bench) -> None:
    table = pq.read_table(bench.slice / "clinical.parquet")
    (bench.slice / "clinical.parquet").unlink()
    pq.write_table(table.slice(1), bench.slice / "clinical.parquet")


FAULTS: dict[str, tuple[Callable[[Bench], object], set[Fault]]] = {
    "missing": (lambda b: victim(b).unlink(), {Fault.missing}),
    "missing directory": (
        lambda b: (b.slice / "data" / "xray" / "Covid3").rename(b.root / "away"),
        {Fault.missing},
    ),
    "added": (lambda b: (b.slice / "data" / "xray" / "extra.dcm").write_bytes(b""), {Fault.added}),
    "added link of the store": (
        lambda b: os.link(victim(b), b.slice / "data" / "xray" / "extra.dcm"),
        {Fault.added},
    ),
    "added directory": (lambda b: (b.slice / "data" / "more").mkdir(), {Fault.added}),
    "added document": (lambda b: (b.slice / "NOTES.md").write_text("x"), {Fault.added}),
    "added beside data": (lambda b: (b.slice / "data2").mkdir(), {Fault.added}),
    "same bytes, other file": (replaced_by_a_copy, {Fault.replaced}),
    "another image's link": (replaced_by_another_link, {Fault.replaced}),
    "a link out": (replaced_by_a_symlink, {Fault.added, Fault.missing}),
    "document gone": (lambda b: (b.slice / "README.md").unlink(), {Fault.missing}),
    "table with a row less": (changed_table, {Fault.changed}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_verifying_finds(filled: Bench, fault: str) -> None:
    recorded = filled.build(tables=TABLE)
    assert differences(filled, recorded) == []
    spoil, kinds = FAULTS[fault]
    spoil(filled)
    assert {one.fault for one in differences(filled, recorded)} == kinds


def test_verifying_finds_a_rewritten_manifest(filled: Bench) -> None:
    """Manifest and tag manifest changed together, so that they agree with each other."""
    recorded = filled.build()
    manifest, tags = filled.slice / "manifest-sha256.txt", filled.slice / "tagmanifest-sha256.txt"
    old = hashlib.sha256(manifest.read_bytes()).hexdigest()
    text = "".join(manifest.read_text().splitlines(keepends=True)[1:])
    for path in (manifest, tags):
        path.chmod(0o640)
    manifest.write_text(text)
    tags.write_text(tags.read_text().replace(old, hashlib.sha256(text.encode()).hexdigest()))
    assert differences(filled, recorded) == [Difference("manifest-sha256.txt", Fault.changed)]


def test_verifying_does_not_believe_a_changed_plan(filled: Bench) -> None:
    recorded = filled.build()
    (filled.dataset.plan(recorded.plan.plan_digest) / "files.parquet").write_bytes(b"x")
    with pytest.raises(TREError) as caught:
        differences(filled, recorded)
    assert caught.value.reason is Reason.ContentChanged


def test_verifying_what_is_not_there(filled: Bench) -> None:
    recorded = filled.build()
    remove(filled.slices, SLICE, NOBODY_ELSE)
    with pytest.raises(TREError) as caught:
        differences(filled, recorded)
    assert caught.value.reason is Reason.SliceNotFound


def test_a_file_missing_from_the_store_stops_the_build(filled: Bench) -> None:
    next(filled.dataset.tier("dates-full").rglob("*.dcm")).unlink()
    with pytest.raises(TREError) as caught:
        filled.build(images=[{"modality": ["DX", "CT"]}])
    assert caught.value.reason is Reason.ContentChanged
    assert not filled.slice.exists()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EPERM, Reason.StorageFailed),
        (errno.ENOSPC, Reason.StorageFull),
        (errno.EDQUOT, Reason.StorageFull),
    ],
)
def test_what_the_file_system_refuses_is_said_and_leaves_nothing(
    filled: Bench, monkeypatch: pytest.MonkeyPatch, number: int, reason: Reason
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(farm.os, "link", refuse)
    with pytest.raises(TREError) as caught:
        filled.build()
    assert caught.value.reason is reason
    assert caught.value.remedy
    assert list(filled.slices.staging.iterdir()) == []
    monkeypatch.undo()
    filled.build()


def test_removing_takes_names_and_leaves_the_store(filled: Bench) -> None:
    recorded = filled.build()
    store = sorted(filled.dataset.tier("dates-full").rglob("*.*"))
    removed = remove(filled.slices, SLICE, NOBODY_ELSE)
    assert removed.files == recorded.plan.counts.files + 10
    assert not filled.slice.exists()
    assert sorted(filled.dataset.tier("dates-full").rglob("*.*")) == store
    assert all(path.stat().st_nlink == 1 for path in store)
    assert remove(filled.slices, SLICE, NOBODY_ELSE).files == 0


@pytest.mark.parametrize("name", ["", "..", "s-aaaaaaaaaaaa/..", "../datasets", "S-AAAAAAAAAAAA", ".trash"])
def test_only_a_slices_identifier_names_a_slice(filled: Bench, name: str) -> None:
    with pytest.raises(TREError):
        remove(filled.slices, name, NOBODY_ELSE)


def test_a_build_never_changes_mode_or_owner_of_the_store(filled: Bench) -> None:
    before = {path: (path.stat().st_mode, path.stat().st_uid) for path in filled.dataset.root.rglob("*.dcm")}
    filled.build()
    remove(filled.slices, SLICE, NOBODY_ELSE)
    after = {path: (path.stat().st_mode, path.stat().st_uid) for path in filled.dataset.root.rglob("*.dcm")}
    assert after == before


def test_a_notice_of_nobody_is_a_read_me_all_the_same(filled: Bench) -> None:
    filled.build()
    assert f"Slice {SLICE}" in (filled.slice / "README.md").read_text()
    assert make_spec().dataset in (filled.slice / "README.md").read_text()


def test_sweeping_what_was_never_there(filled: Bench) -> None:
    assert building.sweep(filled.slices).files == 0
