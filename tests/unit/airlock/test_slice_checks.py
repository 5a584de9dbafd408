"""P01, P02 and P03: what of a mounted slice is known again in an output, and what is not taken for it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.assets.airlock import leaks
from tre.airlock.checks import identifiers, secrets, slice_identifiers, slice_images, slice_records
from tre.airlock.images import hashes
from tre.airlock.parsed import Observation, ParsedFile, Passage, Picture, Rules, Surroundings, Table
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.sliceindex import linkage
from tre.airlock.sliceindex.body import IndexInvalidError, bundle
from tre.airlock.sliceindex.making import Material, make, with_gone
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity
from tre.storekeeper.indexing import picture_of

CONFINED = Path(leaks.__file__).parent / "confined_hash.py"


def around(name: str = "", rules: Rules | None = None) -> Surroundings:
    return Surroundings(rules or Rules(), people=leaks.PEOPLE, slice=leaks.index(), name=name)


def named(spelled: leaks.Spelled) -> list[Observation]:
    return slice_identifiers.observe(spelled.content(), around(spelled.name))


@pytest.mark.parametrize("name", leaks.NAMED)
def test_an_identifier_is_found_in_any_spelling_and_place(name: str) -> None:
    found = named(leaks.NAMED[name])
    assert [item.check for item in found] == ["P01"]


@pytest.mark.parametrize("name", leaks.NOT_NAMED)
def test_what_looks_like_an_identifier_is_none(name: str) -> None:
    assert named(leaks.NOT_NAMED[name]) == []


def test_a_finding_says_how_many_and_where_the_first_stands_and_never_which() -> None:
    (found,) = named(leaks.NAMED["column"])
    assert "3 texts, 3 different" in found.message
    assert (found.place.row, found.place.column) == (2, 1)
    assert not any(str(row["pseudonym"]) in found.message for row in leaks.people())


def short_names() -> Surroundings:
    names = ["Covid3", "Covid12", "Covid19", "Covid77"]
    material = Material(identifiers=names, names=names)
    for name in names:
        material.add(name, {"pseudonym": name})
    return Surroundings(slice=bundle([make(material)]))


@pytest.mark.parametrize(
    ("words", "found"),
    [("wave Covid12 began", 0), ("Covid12 and covid-3 were left out", 1), ("COVID-19 and Covid19", 0)],
)
def test_a_short_pseudonym_in_prose_needs_company(words: str, found: int) -> None:
    assert len(slice_identifiers.observe(leaks.text(words), short_names())) == found


def test_a_short_pseudonym_that_is_a_whole_cell_needs_none() -> None:
    assert len(slice_identifiers.observe(leaks.table(["x"], [["Covid12"]]), short_names())) == 1
    assert slice_identifiers.observe(leaks.table(["x"], [["COVID-19"]]), short_names()) == []


GONE, GONE_UID = "Covid987654", "1.2.826.0.1.3680043.987654.1"


@pytest.mark.parametrize("later", [False, True])
def test_who_has_opted_out_is_known_again_and_blocked(*, later: bool) -> None:
    """Made with the index, or added to one that is there: a case of its own, which policies block."""
    names = ["Covid123456"]
    material = Material(identifiers=names, names=names)
    if later:
        index = with_gone(make(material), [GONE], [GONE_UID])
    else:
        material.gone_names, material.gone = [GONE], [GONE_UID]
        index = make(material)
    surroundings = Surroundings(slice=bundle([index]))
    for words in (f"left out: {GONE}", f"see {GONE_UID}.dcm", GONE.upper(), "covid_987654"):
        (found,) = slice_identifiers.observe(leaks.text(words), surroundings)
        assert (found.check, found.case) == ("P01", "withdrawn")
        assert "opted out" in found.message
    (found,) = slice_identifiers.observe(leaks.text("Covid123456"), surroundings)
    assert found.case == ""
    assert slice_identifiers.observe(leaks.text("Covid987655"), surroundings) == []
    assert policy().spec.severities["P01.withdrawn"] is Severity.B


def policy() -> AirlockPolicy:
    return load_policy("default", [shipped_directory()])


@pytest.mark.parametrize("name", leaks.RECORDS)
def test_records_of_the_slice_are_found(name: str) -> None:
    found = slice_records.observe(leaks.RECORDS[name](), around())
    assert [(item.check, item.case) for item in found] == [("P02", "")]


@pytest.mark.parametrize("name", leaks.NO_RECORDS)
def test_summaries_and_strangers_are_no_records(name: str) -> None:
    assert slice_records.observe(leaks.NO_RECORDS[name](), around()) == []


def test_largest_and_smallest_values_of_groups_are_records() -> None:
    found = slice_records.observe(leaks._groups(max, ""), around())
    assert [item.check for item in found] == ["P02"]


def test_few_linked_rows_among_many_follow_the_policy() -> None:
    rows = [list(row) for row in leaks.NO_RECORDS["unrelated"]().tables[0].rows]
    planted = [[str(person[name]) for name in ("swab_date", "score1", "score2", "score3", "score4")]
               for person in leaks.people()[:3]]  # fmt: skip
    file = leaks.table(["x", "a", "b", "c", "d"], rows[:1000] + planted + rows[1000:])
    (found,) = slice_records.observe(file, around())
    assert found.message.startswith("3 of 3003 rows")
    assert found.place.row == 1002
    assert slice_records.observe(file, around(rules=Rules(linked_rows=4))) == []


def test_without_an_index_nothing_is_compared() -> None:
    file = leaks.RECORDS["first-rows"]()
    assert slice_records.observe(file, Surroundings()) == []
    assert slice_identifiers.observe(file, Surroundings()) == []


def test_of_two_slices_each_is_known() -> None:
    other = Material(identifiers=["Covid555123"], names=["Covid555123"])
    other.add("Covid555123", {"pseudonym": "Covid555123", "x": 1.234, "y": 5.678, "z": 9.012})
    for number in range(500):
        other.add(f"p{number}", {"x": number + 0.5})
    both = replace(around(), slice=leaks.index() + bundle([make(other)]))
    file = leaks.table(["a", "b", "c", "d"], [["1.234", "5.678", "9.012", "Covid555123"]])
    assert len(slice_records.observe(file, both)) == 1
    assert len(slice_identifiers.observe(file, both)) == 1
    assert slice_records.observe(file, around()) == []


def test_a_table_made_to_be_slow_is_compared_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage, "MOST_LOOKUPS", 5_000)
    chance = random.Random(9)
    rows = [[f"{chance.gauss(50, 12):.6f}" for _ in range(100)] for _ in range(500)]
    begun = time.process_time()
    (found,) = slice_records.observe(leaks.table(["c"] * 100, rows), around())
    assert (found.case, found.message.split()[1]) == ("partial", "50")
    assert time.process_time() - begun < 5


def test_rows_that_are_compared_in_part_cannot_be_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage, "MOST_LOOKUPS", 500)
    rows = [[f"{row}.{column:06}1" for column in range(50)] for row in range(200)]
    seen = []
    for key in (b"a" * 32, b"b" * 32):
        index = linkage.SliceIndex(linkage_body(key))
        compare = linkage.Linkage([index], 3)
        seen.append(list(compare._order(rows))[:10])
    assert seen[0] != seen[1]


def linkage_body(key: bytes):  # type: ignore[no-untyped-def]
    from tre.airlock.sliceindex.body import decode

    material = Material()
    material.add("p", {"a": 1})
    return decode(make(material, key))


def test_an_index_that_is_cut_off_fails_the_check() -> None:
    broken = replace(around(), slice=leaks.index()[:-100])
    with pytest.raises(IndexInvalidError):
        slice_records.observe(leaks.RECORDS["first-rows"](), broken)


def film(seed: int, side: int = 300) -> Picture:
    """Two dark lungs in a lighter chest, with noise of its own."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    pixels = 180 - 60 * np.abs(x - 0.5) + 40 * chance.random() * y
    for centre in (0.3, 0.7):
        a, b = 0.13 + 0.05 * chance.random(), 0.3 + 0.1 * chance.random()
        pixels -= 110 * (((x - centre - 0.05 * chance.random()) / a) ** 2 + ((y - 0.5) / b) ** 2 < 1)
    for _ in range(12):
        cx, cy, r = chance.random(3)
        pixels += chance.normal(0, 40) * np.exp(-(((x - cx) / (0.05 + r / 6)) ** 2 + ((y - cy) / (0.05 + r / 6)) ** 2))
    return picture_of(pixels + chance.normal(0, 3, (side, side)))


def array_of(picture: Picture) -> np.ndarray:
    return np.frombuffer(picture.grey, np.uint8).reshape(picture.height, picture.width).astype(float)


CHANGES = {
    "as it is": lambda a: a,
    "negative": lambda a: 255 - a,
    "mirrored": lambda a: a[:, ::-1],
    "upside down": lambda a: a[::-1],
    "quarter turn": np.rot90,
    "smaller": lambda a: a[::2, ::2],
    "window": lambda a: np.clip((a - 40) * 1.4, 0, 255),
}


def pictures(*shown: Picture) -> ParsedFile:
    return ParsedFile("png", 1, pictures=list(shown))


def mounted(*frames: Picture) -> Surroundings:
    found = [bits for frame in frames if (bits := hashes.hash_of(frame)) is not None]
    return Surroundings(slice=bundle([make(Material(pictures=found))]))


@pytest.mark.parametrize("change", CHANGES)
def test_a_mounted_frame_is_known_again(change: str) -> None:
    frame = film(1)
    shown = picture_of(CHANGES[change](array_of(frame)))
    found = slice_images.observe(pictures(shown), mounted(film(2), frame))
    assert [(item.check, item.case) for item in found] == [("P03", "")]


def test_other_people_s_films_and_blank_pictures_are_no_match() -> None:
    frames = mounted(*(film(seed) for seed in range(5)))
    blank = Picture(64, 64, bytes([200]) * 4096, (64, 64))
    others = [film(seed) for seed in range(100, 110)]
    assert slice_images.observe(pictures(*others, blank), frames) == []


def test_figures_are_no_match() -> None:
    y, x = np.mgrid[0:300, 0:300]
    bars = np.where((x // 40) % 2 == 0, 255, np.where(y > 300 - x, 40, 255)).astype(float)
    line = np.where(np.abs(y - 150 - 80 * np.sin(x / 40)) < 2, 0, 255).astype(float)
    frames = mounted(*(film(seed) for seed in range(5)))
    assert slice_images.observe(pictures(picture_of(bars), picture_of(line)), frames) == []


def test_pictures_beyond_the_bound_are_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice_images, "MOST_COMPARISONS", 20)
    found = slice_images.observe(pictures(film(8), film(9)), mounted(film(1)))
    assert [item.message for item in found] == ["The pictures from here on were not compared with the mounted ones."]


def test_a_blank_frame_is_not_in_the_index() -> None:
    assert hashes.hash_of(Picture(8, 8, bytes(64), (8, 8))) is None


def test_a_table_without_rows_is_nothing() -> None:
    file = ParsedFile("csv", 1, tables=[Table(["a"], [])])
    assert slice_records.observe(file, around()) == []


def test_pictures_are_hashed_behind_the_walls() -> None:
    """Nothing is loaded, opened or started by hashing that the walls would not let through."""
    frame = film(1)
    for shown, said in ((frame, b"P03"), (film(50), b"")):
        given = f"{shown.width}\n".encode() + shown.grey + mounted(frame).slice
        done = subprocess.run(
            [sys.executable, str(CONFINED)], input=given, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, said)


@pytest.mark.parametrize("name", ["a" * 4096, "\ud800\udfff.csv", "\n" * 50, "../../etc", "x\u202ey.csv", ".", "/"])
def test_a_hostile_name_is_only_a_name(name: str) -> None:
    assert slice_identifiers.observe(leaks.table(["a"], [["1.5"]]), around(name)) == []


def test_objects_that_have_nothing_in_common_take_time_in_proportion() -> None:
    rows = [{f"k{number}": number} for number in range(20_000)]
    begun = time.process_time()
    assert slice_records.observe(leaks.value(rows), around()) == []
    assert time.process_time() - begun < 5


def test_records_with_keys_of_their_own_are_found() -> None:
    rows = [{f"{name}_{n}": person[name] for name in leaks.ALL[4:]} for n, person in enumerate(leaks.people()[:20])]
    assert [item.check for item in slice_records.observe(leaks.value(rows), around())] == ["P02"]


def test_the_first_place_in_a_value_comes_first() -> None:
    names = [str(row["pseudonym"]) for row in leaks.people()[:3]]
    (found,) = slice_identifiers.observe(
        leaks.value({"a": 1, "b": [{"c": names[0]}, names[1]], "d": names[2]}), around()
    )
    assert found.place.pointer == "/b/0/c"


def test_a_printed_table_is_told_once() -> None:
    """Its parser gives it as text and as a table."""
    rows = [[str(row["pseudonym"]), leaks.SECRETS["home"](), "ZE3 9JW"] for row in leaks.people()[:3]]
    file = leaks.table(["id", "path", "area"], rows)
    file.passages.append(Passage("\n".join(" ".join(row) for row in rows)))
    for check in (slice_identifiers, identifiers, secrets):
        (found,) = check.observe(file, around())
        assert found.message.startswith("In the text")
    rows[1][0] = str(leaks.people()[9]["pseudonym"])
    more = replace(file.tables[0], rows=rows)
    file.tables.append(more)
    assert len(slice_identifiers.observe(file, around())) == 2
