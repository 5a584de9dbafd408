"""What was judged before is judged alike again: the quick way says of every file what the whole way says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.slices.gate.files import CLEAN, IMPLICIT, element, file, sequence, with_raw
from tre.demodata import NccidSpec, generate_nccid, poisoned_twins
from tre.demodata.scanner_files import distributed_files
from tre.slices.coarse import coarse_sidecar
from tre.slices.gate.judge import Gate, Judged, Judging
from tre.slices.gate.manifest import TagRules
from tre.slices.gate.pieces import split
from tre.slices.gate.sidecar import judge_sidecar, parse_model, read_sidecar
from tre.slices.unfit import UnfitError

Told = tuple[Any, ...] | str
WARM = Gate()
OPENED = TagRules(safe_attributes=("StationName",), words=("chestroom",))


@contextmanager
def looked_at_whole() -> Iterator[None]:
    """Nothing is passed over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judging, "pass_over", lambda _self, _data, at, before, _last: (at, before))
        yield


def told(gate: Gate, data: bytes) -> Told:
    """All that judging finds, or why the file cannot be read."""
    try:
        found = gate.judge_file(BytesIO(data))
    except UnfitError as error:
        return error.rule, error.message
    return all_of(found)


def all_of(found: Judged) -> Told:
    return (
        found.reasons,
        {tag: value for tag, value in found.raw.items() if value},
        sorted(found.moments),
        found.tags,
        found.empty,
        found.pixel_bytes,
        found.deflated,
        found.order,
    )


def whole(data: bytes) -> Told:
    with looked_at_whole():
        return told(Gate(), data)


def files_of(root: Path, ending: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(root.rglob(f"*.{ending}")) if path.is_file() and not path.is_symlink()]


def test_every_known_file_is_judged_alike(tmp_path: Path) -> None:
    twins = poisoned_twins(tmp_path / "twins", 11)
    files = files_of(tmp_path / "twins", "dcm") + [path.read_bytes() for path in distributed_files()]
    assert len(files) > 2 * len(twins)
    due = [whole(data) for data in files]
    assert [told(WARM, data) for data in files] == due
    assert [told(WARM, data) for data in files] == due, "and again"
    assert WARM.seen.elements, "something was passed over"


SEEDS = [
    file(),
    file(syntax=IMPLICIT),
    with_raw((0x00080050, "SH", b""), (0x00281050, "DS", b"40\\400"), (0x00081010, "SH", b"chestroom")),
    with_raw((0x00081140, "SQ", sequence(element(0x00081155, "UI", b"2.25.3")))),
    with_raw((0x00090010, "LO", b"MAKER"), (0x00091001, "LO", b"Smith"), (0x00280010, "US", b"\x20\0")),
    file(tail=element(0x7FE00010, "OW", bytes(32))),
]


@given(some.sampled_from(SEEDS), some.lists(some.tuples(some.integers(128, 700), some.binary(min_size=1, max_size=6))))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_judged_alike(seed: bytes, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(seed)
    for at, new in changes:
        data[at : at + len(new)] = new
    due = whole(bytes(data))
    assert told(WARM, bytes(data)) == due
    assert told(WARM, bytes(data)) == due, "and again"


@pytest.mark.parametrize("tag", [0x00080050, 0x00100010, 0x00081030, 0x00080020, 0x00280301, 0x00080018])
def test_a_value_that_is_like_one_that_passed_does_not_pass_for_it(tag: int) -> None:
    gate = Gate()
    told(gate, file())
    changed = with_raw((tag, "LO", b"Mr Smith 1234"))
    assert told(gate, changed) == whole(changed)
    assert told(gate, changed) != told(gate, file())


def test_rules_of_one_dataset_open_nothing_in_another() -> None:
    opened, strict = Gate(OPENED), Gate()
    data = with_raw((0x00081010, "SH", b"chestroom"))
    assert opened.judge_file(BytesIO(data)).reasons == ()
    assert strict.judge_file(BytesIO(data)).reasons
    assert opened.judge_file(BytesIO(data)).reasons == ()


def test_what_is_remembered_is_bounded() -> None:
    gate = Gate()
    for number in range(9000):
        gate.seen.learn(element(0x0020000D, "UI", b"1.2.%06d" % number))
        gate.pieces.keep(f"{number}", None)  # type: ignore[arg-type]
    assert len(gate.seen.elements) <= 8192
    assert len(gate.pieces.known) <= 8192


# --- Sidecars ------------------------------------------------------------------------------------

IMAGE = Gate().judge_file(BytesIO(file()))
SIDECAR = {
    "00080020": {"vr": "DA", "Value": ["20200415"]},
    "00080018": {"Value": ["2.25.11"], "vr": "UI"},
    "00080030": {"Value": ["101523.5"], "vr": "TM"},
    "00081030": {"Value": ["Chest PA"], "vr": "LO"},
    "00100010": {"Value": [{"Alphabetic": "Covid1"}], "vr": "PN"},
    "00100020": {"Value": ["Covid1"], "vr": "LO"},
    "00100030": {"Value": ["19500101"], "vr": "DA"},
    "00281050": {"Value": [40, 400.5, None], "vr": "DS"},
    "00283010": None,
    "00400555": {"Value": [], "vr": "SQ"},
    "00081140": {"Value": [{"00081155": {"Value": ["2.25.3"], "vr": "UI"}}], "vr": "SQ"},
}
TEXT = json.dumps(SIDECAR, separators=(",", ":")) + "\n"


def told_quickly(data: bytes) -> Told:
    try:
        found, coarse = read_sidecar(WARM, data, IMAGE)
    except UnfitError as error:
        return error.rule
    return *all_of(found), coarse


def told_whole(data: bytes) -> Told:
    try:
        model = parse_model(data)
        found = judge_sidecar(Gate(), model, IMAGE)
    except UnfitError as error:
        return error.rule
    return *all_of(found), coarse_sidecar(model)


def test_sidecars_of_an_archive_are_read_alike(tmp_path: Path) -> None:
    generate_nccid(tmp_path / "nccid", NccidSpec(patients=6, xray_pixels=(16,), ct_pixels=(16,)))
    sidecars = [path.read_bytes() for path in sorted((tmp_path / "nccid").rglob("*-metadata/**/*.json"))]
    assert len(sidecars) > 10
    assert all(split(data) for data in sidecars), "the quick way is the one that is tested"
    for data in sidecars:
        image = Judged(raw=ids_of(data))
        quick, coarse = read_sidecar(WARM, data, image)
        model = parse_model(data)
        assert all_of(quick) == all_of(judge_sidecar(Gate(), model, image))
        assert coarse == coarse_sidecar(model)


def ids_of(data: bytes) -> dict[int, bytes]:
    model = json.loads(data)
    tags = ("00080018", "0020000D", "0020000E", "00100020")
    return {int(tag, 16): model[tag]["Value"][0].encode() for tag in tags}


@given(
    some.lists(
        some.tuples(
            some.integers(0, len(TEXT)),
            some.integers(0, 3),
            some.sampled_from(
                [
                    *'{}[]",:\\ \n0aé\x01',
                    "null",
                    "NaN",
                    '"00080020":',
                    '{"vr":"LO"}',
                    ',"00080020":null',
                    "\\u00e9",
                    "Smith",
                ]
            ),
        ),
        max_size=3,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_alike(changes: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for at, gone, new in changes:
        text = text[:at] + new + text[at + gone :]
    due = told_whole(text.encode())
    assert told_quickly(text.encode()) == due
    assert told_quickly(text.encode()) == due, "and again"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('{"00080020"', '{"00080020":{"Value":["20200415"],"vr":"DA"},"00080020"'),
        lambda text: text.replace('"2.25.11"', '"2.25.12"'),
        lambda text: text.replace("Chest PA", "Mr Smith"),
        lambda text: text.replace("Chest PA", "Chest\\u0020Smith"),
        lambda text: text.replace('["Covid1"],"vr":"LO"', '["Covid2"],"vr":"LO"'),
        lambda text: text.replace('"00283010":null', '"00280010":{"Value":["x"],"vr":"US"}'),
        lambda text: text.replace("[]", "[" * 900 + "]" * 900),
        lambda text: text[:-2] + ",}",
        lambda text: text.strip() * 2,
    ],
)
def test_a_sidecar_that_is_nearly_the_one_before_is_refused(change: Callable[[str], str]) -> None:
    assert not isinstance(told_quickly(TEXT.encode()), str), "the one before was read"
    data = change(TEXT).encode()
    assert data != TEXT.encode()
    told_now = told_quickly(data)
    assert told_now == told_whole(data)
    assert isinstance(told_now, str) or told_now[0], "refused, or there are reasons"


def test_clean_elements_are_those_of_the_seed() -> None:
    assert told(WARM, file(CLEAN))[0] == ()
