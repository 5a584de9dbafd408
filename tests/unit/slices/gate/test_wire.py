"""The strict reader: whatever the bytes, it judges or refuses, and no other reader finds more than it did."""

from __future__ import annotations

import warnings
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as some
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.unit.slices.gate.files import CLEAN, EXPLICIT, IMPLICIT, element, elements, file, sequence
from tre.demodata.scanner_files import distributed_files
from tre.slices.gate.judge import Gate, Judged
from tre.slices.gate.wire import Reader
from tre.slices.unfit import UnfitError

GATE = Gate()
NESTED = sequence(elements([(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.1\0"), (0x00081155, "UI", b"2.25.3")]))
OPEN = b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + (
    elements([(0x0020000E, "UI", b"2.25.2")]) + b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
)
SEEDS = [
    file(),
    file(syntax=IMPLICIT),
    file([*CLEAN, (0x00081140, "SQ", NESTED)]),
    file(
        [one for one in CLEAN if one[0] < 0x00081115], tail=OPEN + elements(one for one in CLEAN if one[0] > 0x00081115)
    ),
    file(tail=element(0x7FE00010, "OW", bytes(32))),
]


def judged(data: bytes) -> Judged | None:
    """What the gate finds; `None` for a file that it refuses to read."""
    try:
        return GATE.judge_file(BytesIO(data))
    except UnfitError:
        return None


def paths(dataset: Dataset, parents: tuple[int, ...] = ()) -> set[tuple[int, ...]]:
    """Every element that pydicom finds, by its ancestors and its tag."""
    found: set[tuple[int, ...]] = set()
    for one in dataset:
        found.add((*parents, int(one.tag)))
        if one.VR == "SQ":
            for item in one.value:
                found |= paths(item, (*parents, int(one.tag)))
    return found


def read_by_pydicom(data: bytes) -> set[tuple[int, ...]]:
    """All elements as another reader sees them; none where it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(BytesIO(data))
            return paths(dataset.file_meta) | paths(dataset)
        except Exception:  # noqa: BLE001 - what it makes of broken bytes is its own affair
            return set()


@some.composite
def changed(draw: some.DrawFn) -> bytes:
    """A good file with some of its bytes changed, cut or doubled."""
    data = bytearray(draw(some.sampled_from(SEEDS)))
    for _ in range(draw(some.integers(1, 4))):
        at = draw(some.integers(0, len(data) - 1))
        kind = draw(some.integers(0, 2))
        if kind == 0:
            data[at] = draw(some.integers(0, 255))
        elif kind == 1:
            del data[at : at + draw(some.integers(1, 12))]
        else:
            data[at:at] = data[at : at + draw(some.integers(1, 24))]
        if not data:
            return b""
    return bytes(data)


@given(changed())
@settings(max_examples=600, deadline=None)
def test_broken_bytes_are_judged_or_refused_and_no_reader_finds_more(data: bytes) -> None:
    found = judged(data)
    if found is not None:
        assert read_by_pydicom(data) <= found.tags


@given(some.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_behind_a_good_start_are_judged_or_refused(tail: bytes) -> None:
    data = file(tail=tail)
    found = judged(data)
    assert found is None or read_by_pydicom(data) <= found.tags


def test_the_files_that_they_are_made_from_pass() -> None:
    assert [found.reasons for data in SEEDS if (found := judged(data))] == [(), (), (), (), (_pixels(),)]


def _pixels() -> object:
    """Pixels of which the header says nothing."""
    (found,) = (one for one in (judged(SEEDS[-1]) or Judged()).reasons)
    return found


def test_real_files_hold_what_another_reader_finds_in_them() -> None:
    same = 0
    for path in distributed_files():
        data = path.read_bytes()
        found = judged(data)
        if found is not None and not any(one.rule == "unknown-vr" for one in found.reasons):
            assert read_by_pydicom(data) <= found.tags, path.name
            same += 1
    assert same > 60


def test_where_a_value_stands_is_known() -> None:
    for element_ in Reader(BytesIO(SEEDS[0])).elements():
        if element_.value is not None:
            assert SEEDS[0][element_.offset : element_.offset + element_.length] == element_.value


def test_both_encodings_are_read_alike() -> None:
    explicit, implicit = (judged(file(syntax=one)) for one in (EXPLICIT, IMPLICIT))
    assert explicit is not None
    assert implicit is not None
    assert explicit.tags == implicit.tags
