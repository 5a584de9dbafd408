"""A signature on a plan holds for a later one only when the deny set explains every difference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.domain.slices.test_plan import CHANGES, make_identity, make_table, sha
from tre.domain.errors import Reason, TREError
from tre.domain.slices.cover import (
    PlanContents,
    PlanDifference,
    can_cover,
    check_covers,
    difference_of,
    obstacles,
)
from tre.domain.slices.merkle import files_root, names_root
from tre.domain.slices.plan import PlanIdentity

PEOPLE = st.sampled_from("abcde")
FILE = st.tuples(st.sampled_from(["01" * 32, "02" * 32]), st.sampled_from("xyz"), PEOPLE)
FILES = st.frozensets(FILE, max_size=8)
CONTENTS = st.builds(PlanContents, FILES, st.frozensets(PEOPLE, max_size=5))
NOTHING = PlanDifference()


def identity_of(contents: PlanContents, version: int, **changes: Any) -> PlanIdentity:
    """A plan whose digests are really those of its contents."""
    named = [(f"{pseudonym}/{path}/{content}", bytes.fromhex(content)) for content, path, pseudonym in contents.files]
    table = make_table(rows=len(contents.rows), row_ids=names_root(contents.rows))
    return make_identity(files_root=files_root(named), tables={"clinical": table}, deny_version=version, **changes)


@given(CONTENTS, st.frozensets(PEOPLE), st.integers(0, 3))
def test_subtracting_denied_people_is_always_covered(contents: PlanContents, denied: frozenset[str], by: int) -> None:
    later = PlanContents(frozenset(file for file in contents.files if file[2] not in denied), contents.rows - denied)
    difference = difference_of(contents, later, denied)
    assert can_cover(identity_of(contents, 0), identity_of(later, by), difference)


@given(CONTENTS, CONTENTS, st.frozensets(PEOPLE))
def test_cover_is_exactly_subset_with_the_rest_denied(
    signed: PlanContents, later: PlanContents, denied: frozenset[str]
) -> None:
    subset = later.files <= signed.files and later.rows <= signed.rows
    gone = {file[2] for file in signed.files - later.files} | (signed.rows - later.rows)
    expected = subset and gone <= denied
    difference = difference_of(signed, later, denied)
    assert can_cover(identity_of(signed, 0), identity_of(later, 1), difference) == expected


@given(CONTENTS, st.frozensets(FILE), st.frozensets(PEOPLE), st.frozensets(PEOPLE), st.integers(1, 2))
def test_cover_is_transitive(
    first: PlanContents, lost: frozenset[Any], gone: frozenset[str], denied: frozenset[str], at: int
) -> None:
    """Whatever two steps are covered each, both together are; and whatever is not, is not together either."""
    second = PlanContents(first.files - lost, first.rows - gone) if at == 1 else first
    third = PlanContents(first.files - lost, first.rows - gone)

    def covers(one: PlanContents, other: PlanContents, numbers: tuple[int, int]) -> bool:
        plans = identity_of(one, numbers[0]), identity_of(other, numbers[1])
        return can_cover(*plans, difference_of(one, other, denied))

    steps = covers(first, second, (0, 1)) and covers(second, third, (1, 2))
    assert covers(first, third, (0, 2)) == steps


@given(CONTENTS, CONTENTS)
def test_a_difference_that_hides_something_contradicts_the_digests(signed: PlanContents, later: PlanContents) -> None:
    """Whoever brings an empty difference for contents that differ is not believed."""
    assume(signed != later)
    assert not can_cover(identity_of(signed, 0), identity_of(later, 1), NOTHING)


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in {"files", "deny set", "rows"}])
def test_whatever_else_changes_is_not_covered(change: str) -> None:
    later = make_identity(**CHANGES[change])
    if change == "count of rows":
        assert can_cover(make_identity(), later, NOTHING), "the digest of the rows speaks for their number"
        return
    check_covers(make_identity(), make_identity(), NOTHING)
    with pytest.raises(TREError) as caught:
        check_covers(make_identity(), later, NOTHING)
    assert caught.value.reason is Reason.PlanNotCovered
    assert caught.value.why


@pytest.mark.parametrize(
    ("difference", "word"),
    [
        (PlanDifference(files_added=2), "2 files were added"),
        (PlanDifference(files_removed=2, undenied_files_removed=1), "1 files are gone"),
        (PlanDifference(files_removed=2), ""),
    ],
)
def test_files(difference: PlanDifference, word: str) -> None:
    found = obstacles(make_identity(), make_identity(files_root=sha("7")), difference)
    assert [word] == [text[: len(word)] for text in found] if word else found == []
    assert obstacles(make_identity(), make_identity(), difference), "roots are equal, so nothing can differ"


@pytest.mark.parametrize(
    ("difference", "word"),
    [
        (PlanDifference(rows_added=1), "1 rows were added"),
        (PlanDifference(rows_removed=2, undenied_rows_removed=2), "2 rows are gone"),
        (PlanDifference(rows_removed=2), ""),
    ],
)
def test_rows(difference: PlanDifference, word: str) -> None:
    later = make_identity(tables={"clinical": make_table(row_ids=sha("8"))})
    found = obstacles(make_identity(), later, difference)
    assert [word] == [text[: len(word)] for text in found] if word else found == []
    assert obstacles(make_identity(), make_identity(), difference)


def test_an_older_deny_set_is_not_covered() -> None:
    assert can_cover(make_identity(deny_version=1), make_identity(deny_version=1), NOTHING)
    assert can_cover(make_identity(deny_version=1), make_identity(deny_version=2), NOTHING)
    found = obstacles(make_identity(deny_version=2), make_identity(deny_version=1), NOTHING)
    assert found == ["the deny set is older than the signed one"]


def test_everything_that_differs_is_named_at_once() -> None:
    later = make_identity(layout="flat", tier="dates-coarse", files_root=sha("7"))
    with pytest.raises(TREError) as caught:
        check_covers(make_identity(), later, replace(NOTHING, files_added=1))
    assert "layout" in caught.value.why.lower()
    assert "tier" in caught.value.why
    assert "1 files were added" in caught.value.why


def headed(root: str, rows: str, **changes: Any) -> PlanIdentity:
    table = make_table(columns=("path",), row_ids=rows)
    return make_identity(files_root=root, headers="full", tables={"headers": table}, **changes)


def test_a_table_of_headers_goes_with_the_files() -> None:
    signed, later = headed(sha("1"), sha("1")), headed(sha("2"), sha("2"), deny_version=1)
    assert can_cover(signed, later, PlanDifference(files_removed=1, rows_removed=1)), (
        "rows of people have no table here"
    )
    wrong = headed(sha("2"), sha("1"), deny_version=1)
    found = obstacles(signed, wrong, PlanDifference(files_removed=1))
    assert found == ["the table of headers has other rows than there are images"]


def test_people_who_are_gone_need_no_table_to_be_covered() -> None:
    signed, later = make_identity(tables={}), make_identity(tables={}, files_root=sha("7"), deny_version=1)
    assert can_cover(signed, later, PlanDifference(files_removed=2, rows_removed=1))
    added = PlanDifference(files_removed=2, rows_removed=1, undenied_rows_removed=1)
    assert not can_cover(signed, later, added)


def test_people_may_leave_a_plan_without_tables() -> None:
    """No digest speaks of rows there, so their going contradicts none; with tables it would."""
    signed = make_identity(tables={}, files_root=sha("1"))
    later = make_identity(tables={}, files_root=sha("2"), deny_version=signed.deny_version + 1)
    difference = PlanDifference(files_removed=1, rows_removed=1)
    assert can_cover(signed, later, difference)
    same = make_identity(files_root=sha("2"), deny_version=signed.deny_version + 1)
    assert not can_cover(make_identity(files_root=sha("1")), same, difference)
