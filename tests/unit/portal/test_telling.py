"""How pages tell what is: times, distances, histories in people's words, why an approval waits, what one does here."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import tre.controller
from tests.support.factories import NOON
from tests.unit.portal.world import GRANT, World, subject
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.people import Subject
from tre.domain.workspaces.states import WorkspacePhase
from tre.portal.export_words import FOR_CHECKERS, STATES, type_words
from tre.portal.histories import history_lines
from tre.portal.pages import brief, codes, distance, heading, written
from tre.portal.words import EVENTS, STANDINGS, reason_words, standing_words
from tre.store import events, grants
from tre.store.database import new_id

AT = datetime(2027, 3, 5, 7, 4, tzinfo=UTC)


class TestTimes:
    @pytest.mark.parametrize(
        ("length", "words"),
        [
            (timedelta(seconds=20), "in less than a minute"),
            (timedelta(minutes=1), "in 1 minute"),
            (timedelta(hours=47), "in 1 day"),
            (timedelta(days=89), "in 89 days"),
            (timedelta(days=90), "in 3 months"),
            (timedelta(days=399), "in 13 months"),
            (timedelta(days=729), "in 24 months"),
            (timedelta(days=730), "in 2 years"),
            (timedelta(days=-2), "2 days ago"),
        ],
    )
    def test_distances_are_told_in_the_unit_that_people_would_use(self, length: timedelta, words: str) -> None:
        assert distance(NOON + length, NOON) == words

    def test_a_moment_in_a_table_is_short_and_still_exact_for_machines(self) -> None:
        assert brief(AT) == '<time datetime="2027-03-05T07:04:00Z">5 Mar 2027, 07:04</time>'
        assert brief(None) == "–"
        assert written("2027-03-05T07:04:00+00:00") == brief(AT)
        assert written("<soon>") == "&lt;soon&gt;"


def test_headings_have_no_full_stop_and_names_stand_out() -> None:
    assert heading("There is no such page.") == "There is no such page"
    assert codes("Says `busy` & <more>.") == "Says <code>busy</code> &amp; &lt;more&gt;."


def test_codes_without_words_are_told_as_they_are() -> None:
    assert reason_words("GrantExpired") == "The approval has ended."
    assert reason_words("Unheard") == standing_words("Unheard") == type_words("Unheard") == "Unheard"
    assert standing_words("PlanCovered") == "The data are those that the committee approved"


def test_every_condition_that_the_controller_finds_has_words() -> None:
    controller = Path(tre.controller.__file__).parent
    found = {kind for path in controller.glob("*.py") for kind in re.findall(r'inding\("(\w+)"', path.read_text())}
    assert {"EvidenceVerified", "SlicesReady"} <= found <= STANDINGS.keys()


def test_every_state_of_a_request_says_something_to_a_checker() -> None:
    assert FOR_CHECKERS.keys() == STATES.keys()


class TestHistories:
    def lines(self, world: World, *told: tuple[str, Subject, str]) -> list[tuple[str, str, str]]:
        about = "grant/told-here"
        for kind, actor, reason in told:
            detail = {"reason": reason} if reason else {}
            event = Event(id=new_id(), at=AT, actor=actor, kind=kind, object=about, detail=detail)
            with world.database.change(event):
                pass
        with world.database.read() as connection:
            found = events.search(connection, events.EventSearch(object=about, limit=events.MAX_PAGE))
            return [(line.text, line.detail, line.by) for line in history_lines(connection, found, EVENTS)]

    def test_people_have_names_and_machines_do_not(self, world: World) -> None:
        keyboard = Subject(issuer="machine", id="root")
        assert self.lines(
            world,
            ("grant.applied", keyboard, ""),
            ("grant.activated", program("controller"), "Entitled"),
            ("suspension.added", subject("olga"), "An audit is under way."),
            ("grant.expired", program("controller"), "LegalBasisEnded"),
            ("grant.closed", Subject(issuer="elsewhere", id="x"), ""),
        ) == [
            ("The project was closed", "", "elsewhere:x"),
            ("Access ended", "The law that allowed this use of the data no longer does.", "the service"),
            ("A suspension was added", "An audit is under way.", "Olga Operator"),
            ("Access began", "", "the service"),
            ("The approval was put on record", "", "root, on the command line"),
        ]

    def test_a_machines_steps_are_left_out_and_repetitions_become_one_line(self, world: World) -> None:
        gateway = program("gateway")
        entered = ("workspace.entered", gateway, "")
        assert self.lines(world, entered, ("job.asked", gateway, ""), entered, entered) == [
            ("The notebook was opened in a browser", "", "the service")
        ]

    async def test_no_code_of_an_event_reaches_a_projects_page(self, world: World) -> None:
        for kind in ("workspace.entered", "workspace.identity-given", "job.asked", "grant.conditions-changed"):
            with world.database.change(world.event(kind, f"workspace/{world.workspace().name}")):
                pass
        page = (await world.browser("alice").get(f"/projects/{GRANT}")).text
        assert "The notebook was opened in a browser" in page
        assert re.search(r"<strong>[a-z]+\.[a-z-]+</strong>", page) is None

    async def test_what_is_long_is_folded(self, world: World) -> None:
        for number in range(9):
            with world.database.change(
                world.event("suspension.added", f"grant/{GRANT}").model_copy(
                    update={"detail": {"reason": f"n{number}"}}
                )
            ):
                pass
        page = (await world.browser("alice").get(f"/projects/{GRANT}")).text
        assert "5 earlier" in page


class TestWhyAnApprovalWaits:
    async def test_the_first_condition_that_fails_is_told(self, world: World) -> None:
        world.add_grant("waits", active=False)
        conditions = [
            {"type": "EvidenceVerified", "status": "True", "reason": "Entitled"},
            {"type": "PlanCovered", "status": "False", "reason": "PlanNotCovered", "message": "another digest"},
        ]
        alice = world.browser("alice")
        assert "its data are being prepared" in (await alice.get("/projects/waits")).text
        with world.database.change(world.event()) as change:
            grants.set_conditions(change, "waits", conditions)
        page = (await alice.get("/projects/waits")).text
        assert "<strong>The data differ from what the committee approved.</strong>" in page
        assert Reason.PlanNotCovered.value in page
        page = (await alice.get("/")).text
        assert "The data differ from what the committee approved. The committee has to approve" in page
        assert "its data are being prepared" not in page
        record = (await world.browser("olga").get("/grants/waits")).text
        assert "The data are those that the committee approved" in record
        assert "another digest" in record


class TestTheFirstPage:
    async def test_it_says_what_each_role_does_here(self, world: World) -> None:
        for who, words in (
            ("olga", ("/operate/workspaces", "What runs now")),
            ("carl", ("/grants", "Every approval")),
            ("chris", ("/reviews", "wait for a review")),
        ):
            page = (await world.browser(who).get("/")).text
            assert '<h1 class="nhsuk-heading-l">Your work here</h1>' in page
            assert all(word in page for word in words)
        assert "No project names you yet" in (await world.browser("eve").get("/")).text

    async def test_whoever_asks_for_a_stop_sees_that_it_is_on_its_way(self, world: World) -> None:
        """The controller may take a moment: until then nothing leads back in, and the page goes on waiting."""
        alice, path = world.browser("alice"), f"/workspaces/{world.workspace().name}"
        await alice.post(f"/projects/{GRANT}/open")
        world.move("alice", WorkspacePhase.Starting, WorkspacePhase.Running, reason=Reason.Entitled)
        page = (await alice.get(path)).text
        assert "Go to the notebook" in page
        assert "data-live=" not in page
        assert (await alice.post(f"{path}/stop")).status_code == 303
        page = (await alice.get(path)).text
        assert "Waiting to stop" in page
        assert "data-live=" in page
        assert "Go to the notebook" not in page + (await alice.get("/")).text
        world.move("alice", WorkspacePhase.Stopping, WorkspacePhase.Stopped)
        assert "Open it</button>" in (await alice.get(path)).text

    async def test_a_workspace_that_was_never_opened_is_not_called_stopped(self, world: World) -> None:
        page = (await world.browser("alice").get(f"/projects/{GRANT}")).text
        assert "Not opened yet" in page
        assert ">Stopped<" not in page
