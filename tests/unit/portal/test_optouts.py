"""Opt-outs at the desk: a list is counted, a number typed, a second person asked; the storekeeper is the real one."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import select

from tests.unit.portal.exports_world import CLEAN, PROJECT, Airlock, finding
from tests.unit.portal.world import CHEAP, Browser, World, subject
from tests.unit.slices.conftest import Maker, make_spec
from tre.domain.datasets import BuiltSlice, Dataset
from tre.domain.errors import Reason
from tre.domain.events import program
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.optouts.states import BatchState
from tre.domain.people import Person, Role
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.portal.metrics import OptOutNumbers
from tre.store import datasets, grant_slices, jobs, people
from tre.store import optouts as store
from tre.store.people import Account
from tre.store.tables.audit import audit_events
from tre.storekeeper import service, withdrawals
from tre.storekeeper.deliveries import Delivery, add
from tre.storekeeper.office import Office
from tre.storekeeper.slices import BuildRequest, build_slice

NAMES = [f"Covid20000{number}" for number in range(1, 5)]
SLICE = "s-aaaaaaaaaaaa"


class Data:
    """A dataset with a slice, and the storekeeper's hand."""

    def __init__(self, world: World, place: Path) -> None:
        self.world = world
        for path in (world.layout.datasets, world.layout.slices, world.layout.homes):
            path.mkdir(parents=True, exist_ok=True)
        self.office = Office(world.layout, world.settings, world.database, world.clock, program("storekeeper"))
        maker = Maker(place)
        for number, name in enumerate(NAMES, start=1):
            maker.record(name, Sex=1)
            maker.image(name, f"1.{number}", f"1.{number}.1")
        add(self.office, Delivery("demo", place, "r1"))
        build_slice(self.office, BuildRequest(slice_id=SLICE, spec=make_spec()))

    def work(self) -> None:
        """Do what the desk asked for."""
        with self.world.database.read() as connection:
            waiting = jobs.waiting(connection, "storekeeper", self.world.clock.now())
        keeper = service.Service(self.office)
        for job in waiting:
            keeper.do(job, service.LANES["withdrawals"][job.kind])
        withdrawals.Worker(self.office).run()


@pytest.fixture
def shelf(world: World) -> None:
    """A dataset in the record, without files."""
    with world.database.change(world.event()) as change:
        made = Dataset(name="demo", title="Demo", data_group=60100, created_at=world.clock.now())
        datasets.register(change, made)


@pytest.fixture
def data(world: World, tmp_path: Path) -> Data:
    dora = Person(subject=subject("dora"), display_name="Dora Data", roles=frozenset({Role.data_manager}))
    account = Account(name="dora", display_name="Dora Data", roles=dora.roles, created_at=world.clock.now())
    with world.database.change(world.event()) as change:
        people.add_account(change, account, CHEAP.hash("x"))
        people.keep_person(change, dora, world.clock.now())
    return Data(world, tmp_path / "delivery")


def form(text: str, **changes: str) -> dict[str, str]:
    return {"dataset": "demo", "kind": "withdraw", "level": "erase", "source": "The custodian", "list": text} | changes


async def hand_in(browser: Browser, fields: dict[str, str], *files: bytes, token: str | None = None) -> httpx.Response:
    """The form of the page as a browser sends it: the token first, then the fields, then the files."""
    parts: list[tuple[str, Any]] = [("csrf", (None, await browser.token() if token is None else token))]
    parts += [(name, (None, value)) for name, value in fields.items()]
    parts += [("file", (f"{NAMES[3]}.csv", data, "text/csv")) for data in files]
    return await browser.send("POST", "/optouts", "desk", files=parts, headers=browser.same_origin())


async def test_one_person_is_withdrawn_by_one(world: World, data: Data) -> None:
    dana = world.browser("dana")
    answer = await hand_in(dana, form(f"pseudonym,reason\n{NAMES[0]},SecretIllness\n"))
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert "Being counted" in (await dana.get(where)).text
    data.work()
    page = (await dana.get(where)).text
    assert "Waits to be confirmed" in page
    assert "SecretIllness" not in page
    assert (await dana.get(f"{where}/receipt.json")).status_code >= 400
    wrong = await dana.post(f"{where}/confirm", {"count": "2"})
    assert (wrong.status_code, "not the number of people" in wrong.text) == (400, True)
    for text in ("", "one", "-1"):
        assert (await dana.post(f"{where}/confirm", {"count": text})).status_code == 400
    assert (await dana.post(f"{where}/confirm", {"count": "1"})).status_code == 303
    assert list(world.layout.slices.rglob(f"*{NAMES[0]}*"))
    data.work()
    assert not list(world.layout.slices.rglob(f"*{NAMES[0]}*"))
    page = (await dana.get(where)).text
    assert "Held" in page
    assert SLICE in page
    receipt = await dana.get(f"{where}/receipt.json")
    assert (receipt.json()["filesRemoved"], receipt.json()["complete"]) == (1, False)
    kept = await dana.get(f"{where}/receipt.html")
    assert kept.headers["content-disposition"].startswith("attachment")
    assert NAMES[0] not in kept.text
    assert (await dana.post(f"{where}/cancel")).status_code == 409
    world.clock.advance(29 * 86400)
    data.work()
    with world.database.read() as connection:
        assert [one.state for one in store.everything(connection)] == [BatchState.Receipted]
    public = (await world.browser("alice").get("/", "")).text
    assert "opt-outs of fewer than 10 people applied" in public


async def test_many_are_withdrawn_by_two(world: World, data: Data) -> None:
    dana, dora = world.browser("dana"), world.browser("dora")
    answer = await hand_in(dana, form(f"{NAMES[0]}\n", kind="keep", level="no_use"))
    where = answer.headers["location"]
    data.work()
    assert "a second person must confirm it" in (await dana.get(where)).text
    assert (await dana.post(f"{where}/confirm", {"count": "3"})).status_code == 303
    assert "A second person is waited for" in (await dana.get(where)).text
    assert (await dana.post(f"{where}/confirm", {"count": "3"})).status_code == 403
    data.work()
    assert list(world.layout.slices.rglob(f"*{NAMES[1]}*"))
    assert "Confirm as the second person" in (await dora.get(where)).text
    assert (await dora.post(f"{where}/confirm", {"count": "3"})).status_code == 303
    data.work()
    assert not list(world.layout.slices.rglob(f"*{NAMES[1]}*"))
    assert list(world.layout.slices.rglob(f"*{NAMES[0]}*"))
    assert "Dana Data and Dora Data" in (await dana.get(where)).text


async def test_lists_that_are_refused(world: World, data: Data) -> None:
    dana = world.browser("dana")
    for changes in (
        {"list": ""},
        {"list": "a,b\n"},
        {"source": " "},
        {"source": "x" * 201},
        {"kind": "both"},
        {"level": "all"},
    ):
        answer = await hand_in(dana, form(f"{NAMES[0]}\n") | changes)
        assert (answer.status_code, "There is a problem" in answer.text) == (400, True)
        field = "source" if "source" in changes else "list"
        assert f'href="#{field}"' in answer.text
        assert f'id="{field}-error"' in answer.text
    assert (await hand_in(dana, form(f"{NAMES[0]}\n", dataset="other"))).status_code == 404
    answer = await hand_in(dana, form("Stranger1\n", kind="keep"))
    data.work()
    page = (await dana.get(answer.headers["location"])).text
    assert "keeps nobody whom the dataset knows" in page


async def test_a_list_is_taken_back(world: World, data: Data) -> None:
    dana = world.browser("dana")
    answer = await hand_in(dana, form(f"{NAMES[0]}\n"))
    data.work()
    assert (await dana.post(f"{answer.headers['location']}/cancel")).status_code == 303
    assert "Taken back" in (await dana.get("/optouts")).text


@pytest.mark.parametrize("name", ["alice", "olga", "carl", "chris"])
async def test_the_pages_are_a_data_managers(world: World, data: Data, name: str) -> None:
    answer = await hand_in(world.browser("dana"), form(f"{NAMES[0]}\n"))
    where = answer.headers["location"]
    data.work()
    other = world.browser(name)
    for path in ("/optouts", where, f"{where}/events", f"{where}/receipt.json", f"{where}/receipt.html"):
        assert (await other.get(path)).status_code == 403
    assert (await hand_in(other, form(f"{NAMES[1]}\n"))).status_code == 403
    for path in (f"{where}/confirm", f"{where}/cancel"):
        assert (await other.post(path, form(f"{NAMES[1]}\n") | {"count": "1"})).status_code == 403
    assert "/optouts" not in (await other.get("/")).text


class TestAList:
    """Handed in as a file."""

    async def test_as_a_file_it_does_what_the_text_does(self, world: World, data: Data) -> None:
        dana = world.browser("dana")
        answer = await hand_in(dana, form(""), f"pseudonym,reason\n{NAMES[0]},SecretIllness\n".encode())
        assert answer.status_code == 303, answer.text
        data.work()
        page = (await dana.get(answer.headers["location"])).text
        assert "Waits to be confirmed" in page
        assert NAMES[3] not in page
        assert NAMES[3] not in json.dumps([event.as_plain() for event in world.events("withdrawal.proposed")])

    async def test_a_keep_list_too(self, world: World, data: Data) -> None:
        dana = world.browser("dana")
        answer = await hand_in(dana, form(" ", kind="keep"), "\n".join(NAMES[1:]).encode())
        data.work()
        with world.database.read() as connection:
            (batch,) = store.everything(connection)
        assert answer.headers["location"].endswith(batch.id)
        assert batch.counted is not None
        assert batch.counted.people == 1

    @pytest.mark.parametrize(
        ("text", "files", "words"),
        [
            ("", (b"",), "The list names nobody"),
            ("", (b"\xff\xfe\x00",), "The list is no text"),
            ("", (b"a\nb c\n",), "Line 2 holds no pseudonym"),
            ("a\n", (b"a\n",), "There are two lists"),
            ("", (b"a\n", b"b\n"), "More than one file"),
            ("", (b"a\n" * (4 * 2**20),), "longer than 4 MiB"),
            ("", (b"\r\n" * 300_001,), "longer than 300,000 lines"),
        ],
    )
    @pytest.mark.usefixtures("shelf")
    async def test_one_that_is_refused_leaves_nothing(
        self, world: World, text: str, files: tuple[bytes, ...], words: str
    ) -> None:
        answer = await hand_in(world.browser("dana"), form(text, source="Site & sons"), *files)
        assert (answer.status_code, words in answer.text) == (400, True), answer.text
        assert "Site &amp; sons" in answer.text
        with world.database.read() as connection:
            assert store.everything(connection) == []

    @pytest.mark.usefixtures("shelf")
    async def test_the_token_is_asked_for_before_the_file(self, world: World) -> None:
        for token in ("", "wrong"):
            answer = await hand_in(world.browser("dana"), form(""), b"a\n", token=token)
            assert answer.status_code == 403

    @pytest.mark.usefixtures("shelf")
    async def test_no_file_of_it_is_written(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("a temporary file")

        for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
            monkeypatch.setattr(tempfile, name, refuse)
        answer = await hand_in(world.browser("dana"), form(""), f"{NAMES[0]}\n".encode() * 150_000)
        assert answer.status_code == 303
        assert not world.layout.uploads.exists()

    @pytest.mark.usefixtures("shelf")
    async def test_whoever_is_signed_out_meanwhile_hands_in_nothing(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tre.portal import optout_uploads

        async def poured(request: Any, feed: Any) -> None:
            await pour(request, feed)
            with world.database.change(world.event()) as change:
                people.revoke_sessions_of(change, subject("dana"), world.clock.now())

        pour = optout_uploads.pour
        monkeypatch.setattr(optout_uploads, "pour", poured)
        answer = await hand_in(world.browser("dana"), form(f"{NAMES[0]}\n"))
        assert answer.status_code == 401
        with world.database.read() as connection:
            assert store.everything(connection) == []


class TestTheApi:
    async def test_from_the_list_to_the_receipt(self, world: World, data: Data) -> None:
        dana, dora = world.browser("dana"), world.browser("dora")
        body = form("\n".join(NAMES[:2]))
        made = await dana.api("POST", "/api/v1/optouts", body)
        assert (made.status_code, made.json()["state"], made.json()["allowedActions"]) == (201, "Counting", ["cancel"])
        where = f"/api/v1/optouts/{made.json()['id']}"
        data.work()
        found = (await dana.get(where)).json()
        assert (found["counted"]["people"], found["secondPerson"]) == (2, True)
        assert found["allowedActions"] == ["confirm", "cancel"]
        wrong = await dana.api("POST", f"{where}/confirm", {"people": 3})
        assert (wrong.status_code, wrong.json()["reason"]) == (400, "ConfirmationWrong")
        once = (await dana.api("POST", f"{where}/confirm", {"people": 2})).json()
        assert (once["state"], once["allowedActions"]) == ("Proposed", ["cancel"])
        twice = (await dora.api("POST", f"{where}/confirm", {"people": 2})).json()
        assert (twice["state"], twice["allowedActions"], twice["secondBy"]["id"]) == ("Accepted", [], "dora")
        data.work()
        assert (await dana.get(f"{where}/receipt")).json()["filesRemoved"] == 2
        (listed,) = (await dana.get("/api/v1/optouts?dataset=demo")).json()
        assert listed["state"] == "Held"
        told = (await dana.get("/api/v1/optouts")).text
        assert not [name for name in NAMES if name in told]

    @pytest.mark.usefixtures("shelf")
    async def test_it_is_taken_back(self, world: World) -> None:
        dana = world.browser("dana")
        made = (await dana.api("POST", "/api/v1/optouts", form(NAMES[0]))).json()
        gone = await dana.api("POST", f"/api/v1/optouts/{made['id']}/cancel")
        assert (gone.json()["state"], gone.json()["allowedActions"]) == ("Cancelled", [])
        again = await dana.api("POST", f"/api/v1/optouts/{made['id']}/cancel")
        assert again.status_code == 409
        assert (await dana.get(f"/api/v1/optouts/{'0' * 32}")).status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            None,
            [],
            "x",
            {},
            form("", kind="both"),
            form("") | {"more": 1},
            form(""),
            form("a b"),
            form("\n" * 600_001),
        ],
    )
    @pytest.mark.usefixtures("shelf")
    async def test_an_order_that_is_not_understood(self, world: World, body: Any) -> None:
        answer = await world.browser("dana").api("POST", "/api/v1/optouts", body)
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadInput")

    @pytest.mark.parametrize("name", ["alice", "olga", "carl", "chris"])
    @pytest.mark.usefixtures("shelf")
    async def test_it_is_a_data_managers(self, world: World, name: str) -> None:
        made = (await world.browser("dana").api("POST", "/api/v1/optouts", form(NAMES[0]))).json()
        where, other = f"/api/v1/optouts/{made['id']}", world.browser(name)
        for path in ("/api/v1/optouts", where, f"{where}/receipt"):
            assert (await other.get(path)).status_code == 403
        for path, body in (
            ("/api/v1/optouts", form("a")),
            (f"{where}/confirm", {"people": 1}),
            (f"{where}/cancel", {}),
        ):
            assert (await other.api("POST", path, body)).status_code == 403
        without = await world.browser("dana").send(
            "POST", "/api/v1/optouts", "desk", json=form("a"), headers=world.browser("dana").same_origin()
        )
        assert without.status_code == 403


async def test_a_waiting_page_is_told_how_far_it_is(world: World, data: Data) -> None:
    dana = world.browser("dana")
    where = (await hand_in(dana, form(f"{NAMES[0]}\n"))).headers["location"]
    page = (await dana.get(where)).text
    assert f'data-live="{where}/events"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    stream = asyncio.create_task(dana.get(f"{where}/events", **{"Sec-Fetch-Site": "same-origin"}))
    await asyncio.sleep(0)
    data.work()
    told = [json.loads(line[6:]) for line in (await stream).text.splitlines() if line.startswith("data:")]
    assert (told[-1]["label"], told[-1]["done"]) == ("Waits to be confirmed", True)
    assert "data-live" not in (await dana.get(where)).text


async def test_numbers_of_opt_outs_name_nobody(world: World, data: Data) -> None:
    registry = CollectorRegistry()
    registry.register(OptOutNumbers(world.database, world.clock))
    await hand_in(world.browser("dana"), form(f"{NAMES[0]}\n", source="St Elsewhere"))
    assert registry.get_sample_value("tre_optouts", {"state": "Counting"}) == 1
    assert registry.get_sample_value("tre_optouts", {"state": "Held"}) == 0
    assert registry.get_sample_value("tre_optouts_overdue") == 0
    world.clock.advance(12 * 60)
    assert registry.get_sample_value("tre_optouts_overdue") == 1
    assert registry.get_sample_value("tre_optout_restarts") == 0
    world.move("alice", WorkspacePhase.Starting, WorkspacePhase.Running)
    world.move("alice", WorkspacePhase.Stopping, reason=Reason.DataWithdrawn)
    assert registry.get_sample_value("tre_optout_restarts") == 0
    world.want("alice", Wanted.Restart)
    assert registry.get_sample_value("tre_optout_restarts") == 1
    told = generate_latest(registry).decode()
    assert not any(word in told for word in (*NAMES, "St Elsewhere", "demo"))


async def test_no_event_names_anybody(world: World, data: Data) -> None:
    dana = world.browser("dana")
    where = (await hand_in(dana, form(f"{NAMES[0]}\n"))).headers["location"]
    data.work()
    await dana.post(f"{where}/confirm", {"count": "1"})
    data.work()
    with world.database.read() as connection:
        told = [str(tuple(row)) for row in connection.execute(select(audit_events))]
    assert len(told) > 8
    assert not [line for line in told if any(name in line for name in NAMES)]


def people_leave(world: World) -> None:
    """What the storekeeper writes when people have left the slice of a project."""
    with world.database.read() as connection:
        (item,) = grant_slices.of_grant(connection, PROJECT)
    digest = "sha256:" + "ab" * 32
    built = BuiltSlice(
        slice_id=item.slice_id,
        dataset=item.dataset,
        release=item.release,
        plan_digest=digest,
        content_digest=digest,
        manifest_version=2,
        files=1,
        bytes=1,
        data_group=60100,
        built_at=world.clock.now(),
    )
    with world.database.change(world.event("slice.changed", f"slice/{item.slice_id}")) as change:
        datasets.keep_slice(change, built)


@pytest.mark.parametrize("names_somebody", [False, True])
async def test_what_was_approved_before_people_left_is_checked_again(world: World, *, names_somebody: bool) -> None:
    airlock = Airlock(world).furnish()
    export = await airlock.approved(paths=("ages.csv",))
    before = airlock.request(export).check_run
    people_leave(world)
    world.clock.advance(30)
    airlock.control()
    assert airlock.request(export).state is ExportState.Approved
    if names_somebody:
        airlock.findings.append(finding(Severity.B, CLEAN, "P01"))
    airlock.release_due()
    found = airlock.request(export)
    assert found.state is (ExportState.Blocked if names_somebody else ExportState.Released)
    assert before is not None
    assert found.check_run is not None
    assert found.check_run.at > before.at


async def test_members_are_told_that_their_data_changed(world: World) -> None:
    alice = world.browser("alice")
    assert "Your data changed" not in (await alice.get("/")).text
    Airlock(world).furnish()
    people_leave(world)
    page = (await alice.get(f"/projects/{PROJECT}")).text
    assert "Your data changed" in page
    assert "a note in <code>/inbox</code>" in page
