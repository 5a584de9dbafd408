"""Which fix is offered for what, with which numbers, and what a file gives way to."""

from __future__ import annotations

import pytest

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, World, file, finding, policy, sha
from tre.domain.errors import Reason, TREError
from tre.domain.exports.fixes import BY_ID, FIXES, Made, check_suggested, columns_of, fixes_for, numbers_for
from tre.domain.exports.models import FileKind, Locator
from tre.domain.exports.replacing import Replacement, replace_by
from tre.domain.exports.severity import Severity

E = Severity.E
ROUNDED = Made(path="a_rounded5.csv", sha256=sha("5"), size=10, type="csv")


def test_a_fix_is_offered_where_a_finding_suggests_it_and_the_ending_fits() -> None:
    small = (finding(E, check="S01"),)
    assert [fix.id for fix in fixes_for("a.CSV", small)] == ["round-counts", "midpoint-counts", "suppress-counts"]
    assert fixes_for("a.png", small) == ()
    assert [fix.id for fix in fixes_for("a.png", (finding(E, check="F08"),))] == ["strip-metadata"]
    assert fixes_for("a.csv", (finding(E, check="S10"),)) == ()
    assert fixes_for("a.csv", ()) == ()
    assert check_suggested("round-counts", "a.csv", small).version == 1
    for path, found in (("a.csv", ()), ("a.csv", (finding(E, check="S03"),))):
        with pytest.raises(TREError) as refused:
            check_suggested("round-counts", path, found)
        assert refused.value.reason is Reason.BadInput


def test_numbers_are_the_policys_and_never_weaker() -> None:
    own = policy(
        counts={"threshold": 8}, rounding={"method": "nearest", "base": 10}, suppression={"recoverableWidth": 7}
    )
    assert numbers_for(BY_ID["round-counts"], own) == {"base": 10, "threshold": 8}
    assert numbers_for(BY_ID["midpoint-counts"], own) == {"base": 6, "threshold": 8}
    assert numbers_for(BY_ID["suppress-counts"], own) == {"threshold": 8, "width": 7}
    assert numbers_for(BY_ID["code-only"], own) == {}
    assert numbers_for(BY_ID["round-counts"], own, {"base": 5, "threshold": 9}) == {"base": 5, "threshold": 9}
    for fix, chosen in (
        ("round-counts", {"threshold": 7}),
        ("round-counts", {"base": 1}),
        ("round-counts", {"base": 101}),
        ("suppress-counts", {"width": 6}),
        ("code-only", {"threshold": 9}),
    ):
        with pytest.raises(TREError):
            numbers_for(BY_ID[fix], own, chosen)


def test_every_number_of_every_fix_has_a_value_within_its_bounds() -> None:
    for fix in FIXES:
        for name, value in numbers_for(fix, policy()).items():
            assert fix.numbers[name].least <= value <= fix.numbers[name].most


def test_findings_about_counts_name_the_columns() -> None:
    at = [finding(E).model_copy(update={"locator": Locator(row=2, column=column)}) for column in (3, 2, 3)]
    nowhere, other = (
        finding(E).model_copy(update={"locator": Locator()}),
        finding(E, check="S10").model_copy(update={"locator": Locator(column=9)}),
    )
    assert columns_of([*at, nowhere, other]) == (1, 2)


def replaced(world: World, **changes: object) -> World:
    values = {"path": "a.csv", "sha256": sha("1"), "made": (ROUNDED,)} | changes
    world.request = replace_by(world.request, AUTHOR, Replacement.model_validate(values), world.situation)
    return world


def test_the_new_file_stands_beside_the_old_one_which_never_leaves() -> None:
    world = replaced(World().with_files(file(), file("b.csv", "2")).with_files(file("c.csv", "3"), group="more"))
    tables, more = world.request.groups
    assert {f.path: f.kind for f in tables.files} == {
        "a.csv": FileKind.withdrawn,
        "b.csv": FileKind.output,
        "a_rounded5.csv": FileKind.output,
    }
    assert [f.path for f in more.files] == ["c.csv"]
    assert "a.csv" not in {f.path for f in world.request.outputs}


def test_what_was_shown_only_stays_shown_only() -> None:
    world = replaced(World().with_files(file(kind=FileKind.code)), afterwards=FileKind.supporting)
    assert [f.kind for f in world.request.files] == [FileKind.supporting, FileKind.code]


def test_no_other_file_is_replaced_and_the_same_one_is_there_once() -> None:
    world = World().with_files(file(), file("A_rounded5.csv", "mine"), file("b.csv", "2"))
    world = replaced(world)
    assert {f.path for f in world.request.outputs} == {"A_rounded5.csv", "b.csv", "a_rounded5-2.csv"}
    world = replaced(world, path="b.csv", sha256=sha("2"))
    assert {f.path for f in world.request.outputs} == {"A_rounded5.csv", "a_rounded5-2.csv"}


def test_too_many_files_of_one_name_are_refused() -> None:
    made = [file("a_rounded5.csv", "x")] + [file(f"a_rounded5-{number}.csv", "x") for number in range(2, 1000)]
    world = World(rules=policy(limits={"files": 2000})).with_files(file(), *made)
    with pytest.raises(TREError, match="Too many files"):
        replaced(world)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"path": "elsewhere.csv"}, Reason.BadInput),
        ({"sha256": sha("other")}, Reason.ContentChanged),
        ({"afterwards": FileKind.output}, Reason.BadInput),
        ({"made": ()}, Reason.BadInput),
    ],
)
def test_what_is_not_as_it_was_is_not_replaced(changes: dict[str, object], reason: Reason) -> None:
    with pytest.raises(TREError) as refused:
        replaced(World().with_files(), **changes)
    assert refused.value.reason is reason


def test_a_file_taken_back_gives_way_to_nothing() -> None:
    with pytest.raises(TREError):
        replaced(replaced(World().with_files()))


def test_nobody_but_the_author_and_nobody_after_submission() -> None:
    world = World().with_files()
    replacement = Replacement(path="a.csv", sha256=sha("1"), made=(ROUNDED,))
    for somebody in (COLLEAGUE, CHECKERS[0]):
        with pytest.raises(TREError) as refused:
            replace_by(world.request, somebody, replacement, world.situation)
        assert refused.value.reason is Reason.NotPermitted
    world.checked().submit()
    with pytest.raises(TREError) as refused:
        replace_by(world.request, AUTHOR, replacement, world.situation)
    assert refused.value.reason is Reason.StateForbids
