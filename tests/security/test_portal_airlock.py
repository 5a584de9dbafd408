"""The airlock's pages as an attacker sees them: who may not decide, on what not, and which tricks do not help."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.test_portal_requests import changing_routes
from tests.support.factories import spec_plain
from tests.unit.portal.exports_world import CLEAN, MEMBERS, OTHER, PROJECT, TABLE, WORDS, Airlock, finding, member, sha
from tests.unit.portal.world import World
from tre.controller.situations import situation_of
from tre.domain.errors import TREError
from tre.domain.exports import permissions
from tre.domain.exports.models import CheckedFile, CheckRun
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.grants.models import AccessGrantSpec
from tre.portal import export_views, review_actions, sessions
from tre.portal.applications import desk_app
from tre.portal.export_views import file_key
from tre.portal.routes import releases
from tre.store import exports, grants
from tre.store.events import EventSearch, search

API = "/api/v1/exports"


@pytest.fixture
def airlock(tmp_path: Path) -> Iterator[Airlock]:
    world = World(tmp_path / "root")
    world.add_people()
    yield Airlock(world).furnish()
    world.close()
    shutil.rmtree(world.layout.run, ignore_errors=True)


def decisions(airlock: Airlock, export: str) -> list[tuple[str, dict[str, Any]]]:
    """Every act of a checker with a body that is in order."""
    request = airlock.request(export)
    assert request.check_run is not None
    output = request.outputs[0]
    ballot = {"path": output.path, "sha256": output.sha256, "run": request.check_run.id}
    ballot |= {"choice": "Approved", "looked": "covered"}
    return [
        ("vote", ballot),
        ("review", {"seen": airlock.seen(export)}),
        ("approve", {"seen": airlock.seen(export), "confirm": str(len(request.outputs))}),
        ("return", {"message": "x"}),
        ("reject", {"message": "x"}),
    ]


async def decide(airlock: Airlock, who: str, export: str, act: str, body: dict[str, Any]) -> httpx.Response:
    method = "PUT" if act == "vote" else "POST"
    return await airlock.world.browser(who).api(method, f"{API}/{export}/{act}", body)


class TestWhoDecides:
    @pytest.mark.parametrize("who", ["arthur", "molly", "alice"])
    async def test_neither_the_author_nor_the_project(self, airlock: Airlock, who: str) -> None:
        """Arthur wrote it, Molly is in the project; both hold the checker's role. Alice holds none."""
        export = await airlock.submitted("arthur")
        for act, body in decisions(airlock, export):
            answer = await decide(airlock, who, export, act, body)
            assert (answer.status_code, answer.json()["reason"]) == (403, "NotPermitted"), act
        for page in await airlock.vote(who, export):
            assert page.status_code == 403
        for act in ("submit", "approve", "return", "reject"):
            page = await airlock.world.browser(who).post(f"/reviews/{export}/{act}", {"message": "x", "confirm": "2"})
            assert page.status_code == 403, act
        assert airlock.request(export).reviews == ()
        text = (await airlock.world.browser(who).get(f"/exports/{export}")).text
        for words in ("Your vote", "Submit your review", "Confirm the release", "Refuse for good", "/reviews/"):
            assert words not in text.replace('href="/reviews"', "")
        assert (await airlock.world.browser(who).get(f"/reviews/{export}")).status_code == 403

    @pytest.mark.parametrize("who", ["arthur", "molly"])
    async def test_independence_is_what_refuses_them(
        self, airlock: Airlock, who: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        export = await airlock.submitted("arthur")
        act, body = decisions(airlock, export)[0]
        monkeypatch.setattr(permissions, "is_independent", lambda *_: True)
        assert (await decide(airlock, who, export, act, body)).status_code == 200

    @pytest.mark.parametrize("who", ["olga", "carl", "dana", "eve"])
    async def test_no_other_role_is_a_way_around(self, airlock: Airlock, who: str) -> None:
        export = await airlock.submitted()
        for act, body in decisions(airlock, export):
            assert (await decide(airlock, who, export, act, body)).status_code == 404, act
        browser = airlock.world.browser(who)
        for path in (f"/exports/{export}", f"/exports/{export}/events", f"/exports/{export}/release.zip"):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.get(f"/reviews/{export}")).status_code in {403, 404}
        for act in ("submit", "withdraw", "look", "files", "groups", "kind", "recheck"):
            fields = {"path": "table.csv", "group": "Table 1", "kind": "output"}
            assert (await browser.post(f"/exports/{export}/{act}", fields)).status_code == 404, act

    async def test_one_person_is_one_vote(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        await airlock.review("chris", export)
        again = await airlock.review("chris", export)
        assert again.status_code == 409
        assert "already submitted" in again.text
        assert airlock.request(export).state is ExportState.PartiallyReviewed
        approval = decisions(airlock, export)[2]
        assert (await decide(airlock, "chris", export, *approval)).status_code == 409
        await airlock.review("chloe", export)
        assert (await decide(airlock, "chris", export, *approval)).status_code == 200

    async def test_somebody_who_joined_the_project_counts_no_more(self, airlock: Airlock) -> None:
        """Chris voted as an outsider and is made a member before the release: the approval does not hold."""
        export = await airlock.approved()
        spec = spec_plain(members=[member(name) for name in (*MEMBERS, "chris")], **airlock.dates())
        with airlock.world.database.change(airlock.world.event("grant.applied", f"grant/{PROJECT}")) as change:
            grants.apply(
                change, PROJECT, AccessGrantSpec.model_validate(spec), "signed-file", airlock.world.clock.now()
            )
        airlock.world.clock.advance(6)
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Reviewed
        assert (await airlock.world.browser("chris").get(f"/reviews/{export}")).status_code == 403


class TestOnWhat:
    async def test_a_vote_for_other_bytes(self, airlock: Airlock) -> None:
        export = await airlock.submitted("alice", "table.csv")
        run = airlock.request(export).check_run
        assert run is not None
        old = {"path": "table.csv", "sha256": sha(TABLE), "run": run.id, "choice": "Approved"}
        await airlock.world.browser("chris").post(f"/reviews/{export}/return", {"message": "x"})
        airlock.outbox["table.csv"] = b"sex,n_patients\nF,1\nM,400\n"
        alice = airlock.world.browser("alice")
        await airlock.add(alice, export, "table.csv")
        airlock.answer()
        await alice.post(f"/exports/{export}/submit")
        for stale in (old, old | {"sha256": sha(airlock.outbox["table.csv"])}):
            answer = await decide(airlock, "chris", export, "vote", stale)
            assert (answer.status_code, answer.json()["reason"]) == (409, "ContentChanged")
            path = f"/reviews/{export}/files/{file_key('table.csv')}"
            page = await airlock.world.browser("chris").post(path, {**stale, "comment": "kept"})
            assert page.status_code == 409
            assert "no longer what you saw" in page.text
        assert [review for review in airlock.request(export).reviews if review.turn == 2] == []
        assert (await airlock.vote("chris", export))[0].status_code == 303

    @pytest.mark.parametrize("act", ["review", "approve"])
    async def test_a_decision_on_another_list_of_files(
        self, airlock: Airlock, act: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        export = await airlock.submitted() if act == "review" else await airlock.reviewed()
        if act == "review":
            await airlock.vote("chris", export)
        body = {"seen": "0" * 64, "confirm": "2"} if act == "approve" else {"seen": "0" * 64}
        answer = await decide(airlock, "chris", export, act, body)
        assert (answer.status_code, answer.json()["reason"]) == (409, "ContentChanged")
        monkeypatch.setattr(review_actions, "_check_seen", lambda *_: None)
        assert (await decide(airlock, "chris", export, act, body)).status_code == 200

    async def test_a_new_run_of_the_checks_voids_the_votes(self, airlock: Airlock) -> None:
        export = await airlock.reviewed()
        body = decisions(airlock, export)[2][1]
        airlock.findings = [finding(Severity.E)]
        site = airlock.world.layout.root / "policies" / "airlock"
        site.mkdir(parents=True)
        shipped = (Path(__file__).parents[2] / "policies" / "airlock" / "default.yaml").read_text()
        (site / "default.yaml").write_text(shipped.replace("threshold: 10", "threshold: 11"))
        answer = await decide(airlock, "chris", export, "approve", body)
        assert answer.json()["reason"] == "PolicyChanged"
        assert (await airlock.world.browser("chris").post(f"/reviews/{export}/recheck")).status_code == 303
        airlock.answer()
        answer = await decide(airlock, "chris", export, "approve", body)
        assert answer.json()["reason"] == "ContentChanged"
        answer = await decide(airlock, "chris", export, "approve", body | {"seen": airlock.seen(export)})
        assert answer.json()["reason"] == "QuorumMissing"

    async def test_what_blocks_leaves_by_nobodys_word(self, airlock: Airlock) -> None:
        """Two people approved; then a run of the checks finds what nobody may release."""
        export = await airlock.reviewed()
        request, now = airlock.request(export), airlock.world.clock.now()
        files = tuple(CheckedFile(path=file.path, sha256=file.sha256) for file in request.files)
        found = (finding(Severity.B),)
        run = CheckRun(policy=airlock.policy.ref, tools={}, at=now, files=files, findings=found)
        with airlock.world.database.change(airlock.world.event()) as change:
            exports.keep_run(change, request, run, situation_of(airlock.context, change.connection, request))
        assert airlock.request(export).state is ExportState.Blocked
        for act, body in decisions(airlock, export):
            assert (await decide(airlock, "chris", export, act, body)).status_code == 409, act


class TestWhichFiles:
    async def test_only_ones_own_outbox_is_asked_for(self, airlock: Airlock) -> None:
        """Whatever a form says beside: the outbox is the author's, and the group's files are theirs."""
        export = await airlock.begin("alice")
        theirs = airlock.world.workspace("bob", "lungs-0007").name
        fields = {"group": "g", "outbox": theirs, "workspace": theirs, "policy": "x", "about": "x"}
        await airlock.world.browser("alice").post(f"/exports/{export}/files", fields | {"path": "table.csv"})
        [job] = airlock._waiting()
        assert job.payload["outbox"] == airlock.world.workspace("alice", "lungs-0007").name
        assert job.payload["policy"]["name"] == "default"
        assert job.payload["about"]["person"]["subject"]["id"] == "alice"

    async def test_paths_lead_nowhere_else(self, airlock: Airlock, tmp_path: Path) -> None:
        """The real checker takes nothing but plain files of the outbox, and each refusal is explained."""
        airlock.fill_outbox("alice")
        box = airlock.world.layout.outboxes / airlock.world.workspace("alice", "lungs-0007").name
        secret = tmp_path / "secret.csv"
        secret.write_bytes(CLEAN)
        (box / "link.csv").symlink_to(secret)
        os.link(secret, box / "second-name.csv")
        os.mkfifo(box / "pipe.csv")
        export = await airlock.begin()
        alice = airlock.world.browser("alice")
        wrong = ("../../../etc/passwd", "/etc/passwd", str(secret), "link.csv", "second-name.csv", "pipe.csv", "a\nb")
        await airlock.add(alice, export, *wrong, "ages.csv")
        airlock.settle()
        assert [file.path for file in airlock.request(export).files] == ["ages.csv"]
        page = (await alice.get(f"/exports/{export}")).text
        assert "7 files were not taken" in page
        assert (await airlock.add(alice, export, "a\x00b")).status_code == 400

    async def test_the_portal_reads_neither_outbox_nor_vault(self, airlock: Airlock) -> None:
        """With every directory but the releases unreadable to it, its pages are the same."""
        airlock.findings = [finding(Severity.E)]
        export = await airlock.submitted()
        for place in (airlock.world.layout.vault, airlock.world.layout.outboxes, airlock.world.layout.checker_spool):
            assert not place.exists()
        assert (await airlock.world.browser("alice").get(f"/exports/{export}")).status_code == 200
        assert (await airlock.world.browser("chris").get(f"/reviews/{export}")).status_code == 200


class TestDownloads:
    async def released(self, airlock: Airlock) -> str:
        export = await airlock.approved()
        airlock.world.clock.advance(6)
        airlock.release_due()
        airlock.world.layout.releases.mkdir(parents=True)
        (airlock.world.layout.releases / f"{export}.zip").write_bytes(b"bundle")
        return export

    async def test_members_only_and_not_after_a_recall(self, airlock: Airlock) -> None:
        export = await self.released(airlock)
        path = f"/exports/{export}/release.zip"
        assert (await airlock.world.browser("bob").get(path)).content == b"bundle"
        for who, status in (("chris", 403), ("olga", 404), ("eve", 404)):
            assert (await airlock.world.browser(who).get(path)).status_code == status
        assert (await airlock.world.browser().get(path)).status_code == 302
        await airlock.world.browser("chad").post(f"/reviews/{export}/recall", {"message": "x"})
        assert (await airlock.world.browser("bob").get(path)).status_code == 409
        assert [event.actor.id for event in airlock.world.events("export.downloaded")] == ["bob"]

    @pytest.mark.parametrize("kind", ["other", "longer", "link", "pipe", "directory", "missing"])
    async def test_an_exchanged_bundle_is_not_handed_out(
        self, airlock: Airlock, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        export = await self.released(airlock)
        path = airlock.world.layout.releases / f"{export}.zip"
        path.unlink()
        if kind in {"other", "longer"}:
            path.write_bytes(b"bundlf" if kind == "other" else b"bundle!")
        elif kind == "link":
            (tmp_path / "same.zip").write_bytes(b"bundle")
            path.symlink_to(tmp_path / "same.zip")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        address = f"/exports/{export}/release.zip"
        answer = await airlock.world.browser("alice").get(address)
        assert answer.status_code in {409, 503}
        assert b"bundl" not in answer.content.replace(b"bundle verify", b"")
        assert airlock.world.events("export.downloaded") == []
        if kind == "other":
            monkeypatch.setattr(releases, "open_bundle", lambda *_: path.open("rb"))
            assert (await airlock.world.browser("alice").get(address)).content == b"bundlf"


class TestForgedRequests:
    async def test_every_change_needs_its_token(self, airlock: Airlock, monkeypatch: pytest.MonkeyPatch) -> None:
        export = await airlock.submitted()
        routes = [
            (method, path.replace("{export}", export).replace("{key}", file_key("table.csv")))
            for method, path in changing_routes(desk_app(airlock.world.desk, airlock.world.live))
            if "/exports" in path or "/reviews" in path
        ]
        assert len(routes) >= 24
        browser = airlock.world.browser("chris")
        before = airlock.request(export)
        for method, path in routes:
            for token in ("", "x"):
                body: dict[str, Any] = {"csrf": token, "message": "x", "seen": airlock.seen(export), "confirm": "2"}
                sent = browser.same_origin() | {"X-CSRF-Token": token}
                more = {"json": body} if path.startswith("/api/") else {"data": body}
                answer = await browser.send(method, path, "desk", headers=sent, **more)
                assert answer.status_code in {403, 422}, (method, path, answer.text)
        assert airlock.request(export) == before
        monkeypatch.setattr(sessions, "check_token", lambda *_: None)
        form = {"csrf": "x", "message": "Please round."}
        answer = await browser.send(
            "POST", f"/reviews/{export}/return", "desk", headers=browser.same_origin(), data=form
        )
        assert answer.status_code == 303

    @pytest.mark.parametrize("prefix", ["w-aaaaaaaaaaaa.lab", "hub", ""])
    async def test_a_notebooks_page_decides_nothing(self, airlock: Airlock, prefix: str) -> None:
        """The checker's own cookies and token, sent by script of a sibling host."""
        export = await airlock.reviewed()
        browser = airlock.world.browser("chris")
        form = {"csrf": await browser.token(), "seen": airlock.seen(export), "confirm": "2"}
        foreign = {"Sec-Fetch-Site": "same-site", "Origin": airlock.world.settings.origin(prefix)}
        path = f"/reviews/{export}/approve"
        assert (await browser.send("POST", path, "desk", headers=foreign, data=form)).status_code == 403
        assert airlock.request(export).state is ExportState.Reviewed
        own = browser.same_origin()
        assert (await browser.send("POST", path, "desk", headers=own, data=form)).status_code == 303


class TestWhatIsWritten:
    async def test_texts_are_texts(self, airlock: Airlock) -> None:
        """Names of files, words and findings come from inside: they are shown, never run."""
        evil = "<img src=x onerror=alert(1)>\"'{{7*7}}"
        data = b"a\n1\n"
        airlock.outbox = {f"{evil.replace('/', '')}.csv": data}
        message = f"'{evil}' shows 2."
        airlock.findings = [finding(Severity.E, data).model_copy(update={"message": message, "suggestion": evil})]
        export = await airlock.begin()
        await airlock.add(
            airlock.world.browser("alice"), export, *airlock.outbox, group=evil, context=f"{evil} {WORDS}"
        )
        airlock.answer()
        await airlock.world.browser("alice").post(f"/exports/{export}/submit")
        key = file_key(next(iter(airlock.outbox)))
        chris = airlock.world.browser("chris")
        await airlock.vote("chris", export, choice="ChangesRequested", comment=evil)
        for browser, path in (
            (airlock.world.browser("alice"), f"/exports/{export}"),
            (airlock.world.browser("alice"), "/exports?q=%3Cimg"),
            (chris, f"/reviews/{export}"),
            (chris, f"/reviews/{export}/files/{key}"),
            (chris, "/reviews?q=%3Cimg"),
        ):
            page = await browser.get(path)
            assert page.status_code == 200
            assert "<img" not in page.text
            assert "&lt;img" in page.text
            assert "{{7*7}}" in page.text or path.endswith("%3Cimg")
            for inline in ("<script>", " style=", " onclick"):
                assert inline not in page.text

    async def test_the_log_holds_no_names_votes_or_words(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        await airlock.vote("chris", export, choice="ChangesRequested", comment="Chris wrote this remark")
        await airlock.world.browser("chris").post(f"/reviews/{export}/return", {"message": "a message"})
        with airlock.world.database.read() as connection:
            found = search(connection, EventSearch(object=f"export/{export}", limit=1000))
        assert len(found) > 5
        for stored in found:
            text = stored.event.leaf().decode()
            for hidden in ("table.csv", "ages.csv", "Table 1", WORDS, "remark", "a message", "ChangesRequested"):
                assert hidden not in text

    async def test_blindness_is_what_hides_a_vote(self, airlock: Airlock, monkeypatch: pytest.MonkeyPatch) -> None:
        export = await airlock.submitted()
        await airlock.review("chris", export, comment="Chris wrote this remark")
        chloe = airlock.world.browser("chloe")
        path = f"/reviews/{export}/files/{file_key('table.csv')}"
        assert "remark" not in (await chloe.get(path)).text
        monkeypatch.setattr(export_views, "seen_by", lambda request, *_: request)
        assert "remark" in (await chloe.get(path)).text


async def test_no_request_out_of_anothers_project(airlock: Airlock) -> None:
    alice = airlock.world.browser("alice")
    assert (await alice.api("POST", API, {"grant": OTHER})).status_code == 404
    assert (await alice.api("POST", API, {"grant": "nothing"})).status_code == 404
    with pytest.raises(TREError):
        airlock.request("e-abcdefghijkl")
