"""Lists of patients and samples: what is taken, what is refused, who is drawn."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.slices.conftest import Bench, make_spec
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.slices.cohorts import Cohort, kept_list, list_digest, read_list, sampling_key, settled
from tre.slices.files import NOBODY_ELSE
from tre.slices.loaded import loaded
from tre.slices.plan import plan, row_names, select

KEY = sampling_key(b"s" * 32, "demo")
PEOPLE = [f"Covid{number}" for number in range(40)]


@pytest.fixture
def crowd(bench: Bench) -> Bench:
    """40 patients with an X-ray each."""
    for number, name in enumerate(PEOPLE):
        bench.maker.record(name, Age=20 + number)
        bench.maker.image(name, f"1.{number}", f"1.{number}.1")
    bench.ingest()
    return bench


def drawn(bench: Bench, denied: frozenset[str] = frozenset(), key: bytes = KEY, **sample: Any) -> set[str]:
    """Who is in the slice: the rows of its table."""
    spec = {"patients": {"sample": {"seed": "DAA-1", **sample}}}
    order = replace(bench.order(denied, len(denied), **spec), cohort=Cohort(key))
    with loaded(order.release, order.denied) as connection:
        select(connection, order)
        return set(row_names(connection))


def test_n_takes_exactly_so_many_and_everybody_where_there_are_fewer(crowd: Bench) -> None:
    assert len(drawn(crowd, n=10)) == 10
    assert drawn(crowd, n=10) < drawn(crowd, n=11), "a larger sample keeps the smaller one"
    assert drawn(crowd, n=100) == set(PEOPLE)


def test_another_seed_or_key_draws_others(crowd: Bench) -> None:
    first = drawn(crowd, n=10)
    assert drawn(crowd, n=10, seed="DAA-2") != first
    assert drawn(crowd, key=sampling_key(b"t" * 32, "demo"), n=10) != first
    assert sampling_key(b"s" * 32, "other") != KEY


def test_who_opts_out_is_not_replaced(crowd: Bench) -> None:
    for size in ({"n": 10}, {"permille": 300}):
        before = drawn(crowd, **size)
        gone = frozenset(sorted(before)[:3])
        assert drawn(crowd, gone, **size) == before - gone


def test_a_share_depends_on_nobody_else(crowd: Bench) -> None:
    """So it keeps its people when a release grows; `n` need not."""
    before = drawn(crowd, permille=300)
    assert 4 <= len(before) <= 20
    without = make_spec(patients={"sample": {"seed": "DAA-1", "permille": 300}, "age": {"from": 30}})
    assert without.patients is not None
    older = replace(crowd.order(), spec=without, cohort=Cohort(KEY))
    assert plan(older).counts.patients == len([name for name in before if int(name[5:]) >= 10])


def test_a_sample_is_counted_before_opt_outs(crowd: Bench) -> None:
    spec = {"patients": {"sample": {"seed": "DAA-1", "n": 10}}}
    before = drawn(crowd, n=10)
    gone = frozenset(sorted(before)[:2])
    found = plan(replace(crowd.order(gone, 1, **spec), cohort=Cohort(KEY)))
    assert found.sample is not None
    assert (found.sample.eligible, found.sample.drawn) == (40, 10)
    assert found.counts.patients == 8
    assert found.rejected == {"patients.sample": 30, "withdrawn": 2}


def test_without_the_key_no_sample_is_drawn(crowd: Bench) -> None:
    with pytest.raises(TREError) as caught:
        drawn(crowd, key=b"", n=10)
    assert caught.value.reason is Reason.SetupIncomplete


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "pseudonym\nCovid1\nCovid2\n",
        "\ufeffPseudonym\r\nCovid2\r\nCovid1\r\n\r\n",
        'age,"pseudonym",note\n5,Covid1,"a,\nb"\n6, Covid2 ,\n7,Covid1,\n',
        "patient_id\nCovid1\nCovid2",
    ],
)
def test_lists_as_cohort_tools_write_them(tmp_path: Path, text: str) -> None:
    assert read_list(write(tmp_path / "c.csv", text)) == {"Covid1", "Covid2"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "names no column"),
        ("name\nCovid1\n", "names no column"),
        ("pseudonym,PatientID\nCovid1,Covid1\n", "more than one"),
        ("pseudonym\n", "lists nobody"),
        ("pseudonym\nCovid1\nJane Doe\n../x\n", "2 of its lines (3, 4)"),
        ("age,pseudonym\n5\n", "1 of its lines (2)"),
        (b"pseudonym\n\xff\xfe\n", "UTF-8"),
        ('pseudonym\n"Covid1\n', "CSV"),
    ],
)
def test_what_is_no_list_is_refused_without_repeating_it(tmp_path: Path, text: str | bytes, word: str) -> None:
    with pytest.raises(TREError) as caught:
        read_list(write(tmp_path / "c.csv", text))
    assert word in str(caught.value)
    assert "Jane" not in str(caught.value)


def test_a_list_that_is_not_there_or_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TREError, match="cannot be read"):
        read_list(tmp_path / "none.csv")
    monkeypatch.setattr("tre.slices.cohorts.MAX_LIST_BYTES", 10)
    with pytest.raises(TREError, match="larger"):
        read_list(write(tmp_path / "c.csv", "pseudonym\nCovid1\n"))


def with_list(**named: str) -> SliceSpec:
    return make_spec(patients={"list": named})


def test_a_list_is_kept_by_digest_and_planned_with(filled: Bench, tmp_path: Path) -> None:
    write(tmp_path / "c.csv", "pseudonym\nCovid3\nCovid1\nCovid77\n")
    spec = settled(with_list(file="c.csv"), tmp_path, filled.dataset, NOBODY_ELSE)
    assert spec.patients is not None
    assert spec.patients.list is not None
    digest = "sha256:" + hashlib.sha256(b"Covid1\nCovid3\nCovid77\n").hexdigest()
    assert spec.as_plain()["patients"] == {"list": {"digest": digest}}
    people = kept_list(spec.patients.list, filled.dataset)
    found = plan(replace(filled.order(), spec=spec, cohort=Cohort(listed=people)))
    assert found.counts.patients == 2
    assert found.patient_list is not None
    assert (found.patient_list.pseudonyms, found.patient_list.unknown) == (3, 1)
    assert found.rejected == {"images.modality": 1, "patients.list": 1}


def test_the_same_list_in_another_order_is_the_same_plan(filled: Bench, tmp_path: Path) -> None:
    specs = []
    for name, text in (("a.csv", "pseudonym\nCovid3\nCovid1\n"), ("b.csv", "x,pseudonym\n,Covid1\n,Covid3\n,Covid1\n")):
        write(tmp_path / name, text)
        specs.append(settled(with_list(file=name), tmp_path, filled.dataset, NOBODY_ELSE))
    assert specs[0] == specs[1]


def test_a_list_must_be_the_one_that_its_digest_says(filled: Bench, tmp_path: Path) -> None:
    write(tmp_path / "c.csv", "pseudonym\nCovid1\n")
    right, wrong = list_digest(frozenset({"Covid1"})), list_digest(frozenset({"Covid2"}))
    settled(with_list(file="c.csv", digest=right), tmp_path, filled.dataset, NOBODY_ELSE)
    with pytest.raises(TREError, match="another list"):
        settled(with_list(file="c.csv", digest=wrong), tmp_path, filled.dataset, NOBODY_ELSE)
    kept = filled.dataset.patient_list(right)
    kept.write_text("Covid1\nCovid2\n")
    spec = with_list(digest=right)
    assert spec.patients is not None
    assert spec.patients.list is not None
    with pytest.raises(TREError) as caught:
        kept_list(spec.patients.list, filled.dataset)
    assert caught.value.reason is Reason.ContentChanged
    kept.unlink()
    with pytest.raises(TREError, match="not kept here"):
        kept_list(spec.patients.list, filled.dataset)


def test_what_is_built_names_a_list_by_digest_only(filled: Bench) -> None:
    spec = with_list(file="c.csv")
    assert spec.patients is not None
    assert spec.patients.list is not None
    with pytest.raises(TREError, match="by its digest"):
        kept_list(spec.patients.list, filled.dataset)
    plain = make_spec()
    assert settled(plain, Path("/nowhere"), filled.dataset, NOBODY_ELSE) is plain


def test_people_of_the_validation_partition_on_a_list_are_unknown(bench: Bench) -> None:
    bench.maker.record("Covid1")
    bench.maker.image("Covid1")
    bench.maker.record("Covid2", partition="validation")
    bench.maker.image("Covid2", "1.2", "1.2.1", partition="validation")
    bench.ingest()
    listed = frozenset({"Covid1", "Covid2"})
    spec = with_list(digest=list_digest(listed))
    found = plan(replace(bench.order(), spec=spec, cohort=Cohort(listed=listed)))
    assert found.patient_list is not None
    assert (found.counts.patients, found.patient_list.unknown) == (1, 1)
