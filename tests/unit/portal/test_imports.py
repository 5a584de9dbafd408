"""The pages of the way in: who sees and does what, and what the words say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.factories import suspension
from tests.unit.portal.exports_world import OTHER, PROJECT, sha
from tests.unit.portal.imports_world import FILES, PURPOSE, WHEEL, Gate
from tests.unit.portal.world import populated
from tre.cli.main import app
from tre.domain.exports.models import Finding, Locator, finding_id
from tre.domain.exports.severity import Severity
from tre.domain.imports import acts
from tre.domain.imports.models import ImportFile, ImportRequest
from tre.domain.imports.states import IMPORT_TRANSITIONS, WAITING, ImportState
from tre.portal import import_actions, import_words
from tre.portal.export_views import file_key
from tre.portal.import_views import install_command
from tre.store import jobs
from tre.system.clock import SystemClock

S = ImportState


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with populated(tmp_path / "root") as world:
        yield Gate(world).furnish()


def blocks(data: bytes, check: str = "F04") -> Finding:
    message = "It holds an archive inside."
    return Finding(
        id=finding_id(check, 1, sha(data), Locator(), message),
        check=check,
        check_version=1,
        severity=Severity.B,
        sha256=sha(data),
        message=message,
    )


def test_every_state_and_severity_has_its_words() -> None:
    known = set(ImportState)
    assert set(import_words.STATES) == set(import_words.FOR_CHECKERS) == set(import_words.STATE_COLOURS) == known
    assert set(import_words.SEVERITIES) == set(Severity)
    for _, reason in WAITING.values():
        assert "release" not in import_words.reason_words(reason).text
        assert "leave" not in import_words.reason_words(reason).text


async def test_the_whole_way_in_and_out_again(gate: Gate) -> None:
    alice, chris = gate.world.browser("alice"), gate.world.browser("chris")
    name = await gate.begin()
    assert "No file is in this request yet" in (await alice.get(f"/imports/{name}")).text
    assert (await gate.send(alice, name)).status_code == 303
    busy = (await alice.get(f"/imports/{name}")).text
    assert "Copying files" in busy
    assert "Submit to the checkers" not in busy
    gate.answer()
    shown = (await alice.get(f"/imports/{name}")).text
    assert "The checks found nothing in it." in shown
    assert sha(FILES[WHEEL])[:12] in shown
    short = await alice.post(f"/imports/{name}/submit", {"purpose": "lungs"})
    assert short.status_code == 409
    assert ">lungs</textarea>" in short.text
    assert (await alice.post(f"/imports/{name}/submit", {"purpose": PURPOSE})).status_code == 303
    listed = (await chris.get("/imports")).text
    assert "1 request waits" in listed
    assert name in listed
    assert (await gate.decide("chris", name)).status_code == 303
    assert gate.request(name).state is S.Approved
    gate.control()
    placed = (await alice.get(f"/imports/{name}")).text
    assert f"/inbox/{name}/lookup.csv" in placed
    assert f"pip install --no-index -f /inbox/{name} lungs==1.2.0" in placed
    wordless = await chris.post(f"/imports/{name}/take-away", {"message": " "})
    assert (wordless.status_code, gate.request(name).state) == (409, S.Placed)
    assert (await chris.post(f"/imports/{name}/take-away", {"message": "It is not yours."})).status_code == 303
    assert gate.request(name).state is S.Removed
    with gate.world.database.read() as connection:
        asked = jobs.latest(connection, "storekeeper", "inbox.fill", f"import/{name}")
    assert asked is not None
    assert (asked.payload, asked.state) == ({"grant": PROJECT}, "open"), "the inboxes are seen to at once"
    gone = (await alice.get(f"/imports/{name}")).text
    assert "It is not yours." in gone
    assert "pip install" not in gone
    told = [kind for kind in import_words.EVENTS if gate.world.events(kind)]
    assert {"import.created", "import.submitted", "import.approved", "import.placed", "import.removed"} <= set(told)
    words = "".join(str(event.detail) for kind in told for event in gate.world.events(kind))
    assert "lookup" not in words
    assert "segments" not in words


async def test_who_sees_it(gate: Gate) -> None:
    name = await gate.submitted()
    for who, status in {"alice": 200, "bob": 200, "arthur": 200, "chris": 200, "eve": 404, "olga": 404}.items():
        browser = gate.world.browser(who)
        key = file_key(WHEEL)
        for path in (f"/imports/{name}", f"/imports/{name}/files/{key}"):
            assert (await browser.get(path)).status_code == status, (who, path)
    eve = gate.world.browser("eve")
    for page in ("", "/events", "/files/abc"):
        hidden = (await eve.get(f"/imports/{name}{page}")).text
        none = (await eve.get(f"/imports/i-{'a' * 12}{page}")).text
        assert hidden == none.replace(f"i-{'a' * 12}", name)
    assert name not in (await gate.world.browser("eve").get("/imports")).text


async def test_what_each_may_do(gate: Gate) -> None:
    name = await gate.draft()

    def may(who: str) -> tuple[str, ...]:
        _, session = gate.world.session(who)
        return import_actions.allowed(session.person, import_actions.found_now(gate.world.desk, session.person, name))

    assert may("alice") == ("upload", "remove-file", "submit", "withdraw")
    assert may("bob") == may("arthur") == may("chris") == ()
    await gate.world.browser("alice").post(f"/imports/{name}/submit", {"purpose": PURPOSE})
    assert may("alice") == ("withdraw",)
    assert may("bob") == may("arthur") == (), "a checker in the project decides nothing"
    assert may("chris") == ("decide",)
    assert (await gate.decide("chris", name)).status_code == 303
    assert (may("alice"), may("chris")) == (("withdraw",), ())
    gate.control()
    assert (may("alice"), may("arthur"), may("chris")) == ((), (), ("take-away",))


@pytest.mark.parametrize(
    ("who", "status"), [("bob", 403), ("arthur", 403), ("chris", 403), ("eve", 404), ("olga", 404)]
)
async def test_only_its_author_changes_it(gate: Gate, who: str, status: int) -> None:
    name = await gate.draft()
    browser = gate.world.browser(who)
    for act, fields in (("remove-file", {"path": WHEEL}), ("submit", {"purpose": PURPOSE}), ("withdraw", {})):
        assert (await browser.post(f"/imports/{name}/{act}", fields)).status_code == status, act
    assert (await gate.send(browser, name)).status_code == status
    assert gate.request(name).state is S.Pending
    assert len(gate.request(name).files) == 2
    assert list(gate.world.layout.uploads.iterdir()) == []


@pytest.mark.parametrize(("who", "status"), [("alice", 403), ("bob", 403), ("arthur", 403), ("eve", 404)])
async def test_only_a_checker_from_outside_decides_and_takes_away(gate: Gate, who: str, status: int) -> None:
    name = await gate.submitted()
    assert (await gate.decide(who, name)).status_code == status
    assert gate.request(name).state is S.Submitted
    assert (await gate.decide("chris", name)).status_code == 303
    gate.control()
    words = {"message": "Away with it."}
    assert (await gate.world.browser(who).post(f"/imports/{name}/take-away", words)).status_code == status
    assert gate.request(name).state is S.Placed


async def test_an_author_who_is_a_checker_decides_nothing(gate: Gate) -> None:
    name = await gate.submitted("arthur")
    assert (await gate.decide("arthur", name)).status_code == 403
    assert "Your decision" not in (await gate.world.browser("arthur").get(f"/imports/{name}")).text
    assert "Your decision" in (await gate.world.browser("chris").get(f"/imports/{name}")).text


async def test_a_decision_is_about_what_was_seen(gate: Gate) -> None:
    name = await gate.submitted()
    other = await gate.decide("chris", name, manifest="sha256:" + "0" * 64)
    assert (other.status_code, gate.request(name).state) == (409, S.Submitted)
    assert "no longer those that you saw" in other.text
    for choice, comment in (("", ""), ("perhaps", ""), ("no", "  ")):
        refused = await gate.decide("chris", name, choice, comment=comment)
        assert refused.status_code in {400, 409}
    assert gate.request(name).state is S.Submitted
    assert (await gate.decide("chris", name, "no", comment="Too large a package.")).status_code == 303
    said = (await gate.world.browser("bob").get(f"/imports/{name}")).text
    assert "Too large a package." in said
    assert "A checker" in said


async def test_what_blocks_is_taken_out(gate: Gate) -> None:
    gate.findings = [blocks(FILES[WHEEL])]
    name = await gate.draft()
    alice = gate.world.browser("alice")
    shown = (await alice.get(f"/imports/{name}")).text
    assert gate.request(name).state is S.Blocked
    assert "Nobody can let this in" in shown
    assert "Not ready yet." in shown
    refused = await alice.post(f"/imports/{name}/submit", {"purpose": PURPOSE})
    assert (refused.status_code, gate.request(name).state) == (409, S.Blocked)
    assert (await alice.post(f"/imports/{name}/remove-file", {"path": "nothing"})).status_code == 400
    assert (await alice.post(f"/imports/{name}/remove-file", {"path": WHEEL})).status_code == 303
    assert (await alice.post(f"/imports/{name}/submit", {"purpose": PURPOSE})).status_code == 303


async def test_what_the_checker_did_not_take_is_said(gate: Gate) -> None:
    gate.refuse = {"lookup.csv": "It is larger than the policy allows."}
    name = await gate.draft()
    assert "1 file was not taken" in (await gate.world.browser("alice").get(f"/imports/{name}")).text
    assert "not taken" not in (await gate.world.browser("bob").get(f"/imports/{name}")).text
    assert [file.path for file in gate.request(name).files] == [WHEEL]


async def test_lists(gate: Gate) -> None:
    draft, waiting = await gate.draft(), await gate.submitted()
    alice, chris, arthur = (gate.world.browser(who) for who in ("alice", "chris", "arthur"))
    mine = (await alice.get("/imports")).text
    assert mine.index(draft) < mine.index(waiting), "what waits for its reader comes first"
    theirs = (await chris.get("/imports")).text
    assert waiting in theirs
    assert draft not in theirs, "a draft is its project's own"
    assert draft in (await arthur.get("/imports")).text
    for query, shown in {"?state=Pending": {draft}, "?q=lookup": {draft, waiting}, "?q=nothing": set()}.items():
        page = (await alice.get(f"/imports{query}")).text
        assert {name for name in (draft, waiting) if name in page} == shown
    assert (await gate.world.browser("alice").post(f"/imports/{draft}/withdraw")).status_code == 303
    assert draft not in (await chris.get("/imports")).text, "it never was submitted"


async def test_who_may_begin(gate: Gate) -> None:
    for who, grant, status in (
        ("eve", PROJECT, 404),
        ("alice", OTHER, 404),
        ("chris", PROJECT, 404),
        ("eve", OTHER, 303),
    ):
        assert (await gate.world.browser(who).post("/imports", {"grant": grant})).status_code == status, (who, grant)
    gate.world.suspend(suspension(), PROJECT)
    refused = await gate.world.browser("alice").post("/imports", {"grant": PROJECT})
    assert refused.status_code == 409
    assert "Nothing can be brought into this project now" in refused.text
    page = (await gate.world.browser("alice").get(f"/imports/new?grant={PROJECT}")).text
    assert ">Begin</button>" not in page


async def test_drafts_are_bounded(gate: Gate) -> None:
    names = [await gate.begin() for _ in range(acts.MOST_DRAFTS)]
    alice = gate.world.browser("alice")
    assert (await alice.post("/imports", {"grant": PROJECT})).status_code == 429
    assert (await gate.world.browser("bob").post("/imports", {"grant": PROJECT})).status_code == 303
    await alice.post(f"/imports/{names[0]}/withdraw")
    assert (await alice.post("/imports", {"grant": PROJECT})).status_code == 303


async def test_who_lost_access_sends_and_submits_nothing(gate: Gate) -> None:
    name = await gate.draft()
    gate.world.suspend(suspension(), PROJECT)
    alice = gate.world.browser("alice")
    assert (await gate.send(alice, name, {"b.py": b"x"})).status_code == 409
    assert (await alice.post(f"/imports/{name}/submit", {"purpose": PURPOSE})).status_code == 409
    page = (await alice.get(f"/imports/{name}")).text
    assert "Files cannot be sent now" in page
    assert "Not ready yet." in page


def a_request(path: str, kind: str = "wheel") -> tuple[ImportRequest, ImportFile]:
    file = ImportFile(path=path, sha256="0" * 64, size=1, type=kind)
    moment = "2026-11-01T09:00:00Z"
    plain = {"id": "i-abcdefghijkl", "grant": "g", "author": {"issuer": "local", "id": "a"}}
    return ImportRequest.model_validate(plain | {"files": [file], "createdAt": moment, "changedAt": moment}), file


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("a_b-1.0-py3-none-any.whl", "pip install --no-index -f /inbox/i-abcdefghijkl a_b==1.0"),
        (
            "my tools/a-1.0+cpu-1-cp311-cp311-linux_x86_64.whl",
            "pip install --no-index -f '/inbox/i-abcdefghijkl/my tools' a==1.0+cpu",
        ),
        ("x;reboot-1.0-py3-none-any.whl", ""),
        ("a-1.0-py3-none.whl.txt", ""),
        ("$(id)/a-1.0-py3-none-any.whl", "pip install --no-index -f '/inbox/i-abcdefghijkl/$(id)' a==1.0"),
    ],
)
def test_the_command_names_the_place_and_nothing_else(path: str, command: str) -> None:
    assert install_command(*a_request(path)) == command


def test_only_a_wheel_is_installed() -> None:
    assert install_command(*a_request("a-1.0-py3-none-any.whl", "text")) == ""
    assert IMPORT_TRANSITIONS.can(S.Placing, S.Placed)


def test_on_the_command_line(tmp_path: Path) -> None:
    """The same acts at the machine itself; only decisions are made nowhere but in the portal."""
    with populated(tmp_path / "root") as world:
        gate = Gate(world, clock=SystemClock()).furnish()

        def tre(*words: str, code: int = 0) -> str:
            environment = {"TRE_ROOT": str(world.layout.root), "COLUMNS": "200"}
            done = CliRunner().invoke(app, ["import", *words], env=environment)
            assert done.exit_code == code, done.output
            return done.output

        for path, data in FILES.items():
            (tmp_path / path).write_bytes(data)
        paths = [str(tmp_path / path) for path in FILES]
        name = tre("begin", PROJECT, "--as", "local:alice").strip()
        assert "2 sent" in tre("upload", name, *paths, "--as", "local:alice", "--folder", "/tools/")
        assert "StateForbids" in tre("upload", name, paths[0], "--as", "local:alice", code=1)
        assert list(world.layout.uploads.iterdir()) != []
        gate.answer()
        assert "NotPermitted" in tre("upload", name, paths[0], "--as", "local:bob", code=1)
        assert f"tools/{WHEEL}" in tre("show", name, "--as", "local:bob", "--json")
        assert "Pending" in tre("show", name, "--as", "local:bob")
        assert "ImportNotFound" in tre("show", name, "--as", "local:eve", code=1)
        assert "Submitted" in tre("submit", name, "--as", "local:alice", "--purpose", PURPOSE)
        assert name in tre("list", "--json")
        assert "Submitted" in tre("list")
        assert name not in tre("list", "--as", "local:eve", "--json")
        assert list(world.layout.uploads.iterdir()) == []
        (tmp_path / ".hidden").write_bytes(b"x")
        other = tre("begin", PROJECT, "--as", "local:alice").strip()
        assert "FileRefused" in tre("upload", other, paths[0], str(tmp_path / ".hidden"), "--as", "local:alice", code=1)
        assert list(world.layout.uploads.iterdir()) == []
        assert "Withdrawn" in tre("withdraw", other, "--as", "local:alice")
        asked = world.events("import.files-asked")[0]
        assert (asked.actor.id, asked.detail["keyboard"].partition(":")[0]) == ("alice", "machine")
