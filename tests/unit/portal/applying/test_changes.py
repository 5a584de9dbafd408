"""What a change of a running project changes: on the desk's page and in a member's pack, whatever it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.portal.applying_world import CONTENT, Committee, words_of
from tests.unit.portal.deciding.test_pack import act, text_of
from tests.unit.portal.world import GRANT, World
from tre.domain.applications import acts
from tre.domain.applications.models import PlannedSlice
from tre.domain.applications.states import ApplicationState
from tre.portal.applying.changes import Difference, differences
from tre.portal.deciding import pack as packs
from tre.store import applications, grants

PART = CONTENT["slices"][0]


def rests_on(world: World, desk: Committee, **changes: Any) -> None:
    """The running project came from an application."""
    approved = desk.in_review(**changes)
    values: dict[str, Any] = {"decided_at": world.clock.now(), "grant": GRANT}
    desk.change(approved, lambda found: acts.moved(found, ApplicationState.Approved, world.clock.now(), **values))
    with world.database.change(world.event()) as change:
        spec = grants.require(change.connection, GRANT).spec
        approval = spec.approval.model_copy(update={"reference": f"{approved}/1"})
        rests = spec.model_copy(update={"approval": approval})
        grants.apply(change, GRANT, rests, "signed-file", world.clock.now())


def change_asked(world: World, desk: Committee, **changes: Any) -> str:
    person, now = world.session("alice")[1].person, world.clock.now()
    with world.database.change(world.event()) as change:
        made = applications.begin(change, person, now, GRANT)
        written = acts.edit(made, person, CONTENT | changes, now)
        name = applications.save(change, made, acts.submit(written, person, now)).id
    content = desk.get(name).content
    assert content is not None
    plans = tuple(PlannedSlice(name=one.name, plan_digest=desk.plan(one.spec)) for one in content.slices)
    desk.change(name, lambda one: acts.taken_up(one, plans, acts.Way(deadline=now + timedelta(days=5)), now))
    return name


def found(world: World, desk: Committee, name: str) -> list[tuple[str, str, str]]:
    with world.database.read() as connection:
        return [(one.label, *map(said, (one.before, one.after))) for one in differences(connection, desk.get(name))]


def said(cells: tuple[Any, ...]) -> str:
    return ", ".join(cell.value for cell in cells)


async def test_nothing_but_what_differs_is_told(world: World, desk: Committee) -> None:
    rests_on(world, desk)
    name = change_asked(world, desk, ends="2028-05-31T23:59:59Z", funders=["A charity", "A council"])
    assert found(world, desk, name) == [
        ("Access until", "2027-11-30", "2028-05-31"),
        ("Who pays", "A charity", "A charity\nA council"),
    ]
    page = words_of(await world.browser("pat").get(f"/committee/{name}"))
    assert "What it changes" in page
    assert "As approved 30 November 2027" in page
    paper = text_of(packs.make(world.desk, act(world, "pat")).data)
    assert "What As approved As asked now Access until 30 November 2027 31 May 2028 Who pays" in paper


async def test_people_and_data_that_go_and_come_are_told(world: World, desk: Committee) -> None:
    bob = CONTENT["people"][0] | {"name": "Bob <Baker>", "subject": {"issuer": "local", "id": "bob"}}
    rests_on(world, desk, people=[*CONTENT["people"], bob])
    wider = PART | {"name": "wide", "spec": PART["spec"] | {"images": [{"modality": ["DX", "CR"]}]}}
    wider["justifications"] = {"DX": "Yes.", "CR": "Too."}
    name = change_asked(world, desk, people=[CONTENT["people"][0] | {"jobTitle": "Professor"}], slices=[wider])
    told = found(world, desk, name)
    assert [(label, bool(old), bool(new)) for label, old, new in told] == [
        ("Person", True, False),
        ("Person", True, False),
        ("Person", False, True),
        ("The data “chest”", True, False),
        ("The data “wide”", False, True),
    ]
    page = await world.browser("pat").get(f"/committee/{name}")
    assert "Bob &lt;Baker&gt;" in page.text
    assert "Professor" in page.text


@pytest.mark.parametrize(
    "spec",
    [
        {"images": [{"modality": ["DX"], "view_position": ["PA"]}]},
        {"tables": {"clinical": {"columns": ["pseudonym", "sex"]}}},
        {"headers": "sidecar"},
        {"keep_whole": "patient"},
    ],
)
async def test_two_parts_that_differ_are_told_differently(world: World, desk: Committee, spec: dict[str, Any]) -> None:
    rests_on(world, desk)
    name = change_asked(world, desk, slices=[PART | {"spec": PART["spec"] | spec}])
    ((_, before, after),) = found(world, desk, name)
    assert before != after


async def test_what_no_sentence_says_is_told_by_the_specification(world: World, desk: Committee) -> None:
    def banded(band: int) -> dict[str, Any]:
        derive = {"age_band": {"from": "age", "band": band, "top": 90}}
        return PART | {"spec": PART["spec"] | {"tables": {"clinical": {"columns": ["age_band"], "derive": derive}}}}

    rests_on(world, desk, slices=[banded(10)])
    ((_, before, after),) = found(world, desk, change_asked(world, desk, slices=[banded(5)]))
    assert "band: 10" in before
    assert "band: 5" in after


async def test_where_nothing_is_changed_nothing_is_told(world: World, desk: Committee) -> None:
    new = desk.in_review()
    assert found(world, desk, new) == []
    assert "What it changes" not in (await world.browser("pat").get(f"/committee/{new}")).text
    rests_on(world, desk)
    same = change_asked(world, desk)
    assert found(world, desk, same) == []
    person = world.session("alice")[1].person
    desk.change(same, lambda one: acts.withdraw(one, person, world.clock.now()))
    assert found(world, desk, same) == []
    assert Difference("A label").before == ()
