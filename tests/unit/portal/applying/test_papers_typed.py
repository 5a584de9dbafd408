"""Papers by programs: the API and the command line, under the same rules as the pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.unit.portal.applying.test_papers import in_review
from tests.unit.portal.applying_world import CONTENT, Committee
from tests.unit.portal.papers_world import PROTOCOL, Papers, address_of, digest_of
from tests.unit.portal.world import World
from tre.cli.main import app
from tre.domain.applications import acts
from tre.domain.applications.papers import drafted


@pytest.fixture
def papers(desk: Committee) -> Papers:
    return Papers(desk)


def tre(world: World, *words: str) -> Result:
    return CliRunner().invoke(app, ["application", *words, "--root", str(world.layout.root)])


async def call(world: World, who: str, method: str, path: str, data: bytes = b"") -> Any:
    browser = world.browser(who)
    headers = browser.same_origin() | {"X-CSRF-Token": await browser.token()}
    return await browser.send(method, f"/api/v1/applications/{path}", "desk", content=data, headers=headers)


async def test_a_program_sends_lists_and_takes_out(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    version = papers.desk.get(name).version
    sent = await call(world, "alice", "PUT", f"{name}/papers/protocol.pdf?version={version}", PROTOCOL)
    assert sent.status_code == 202, sent.text
    assert [one["state"] for one in sent.json()["papers"]] == ["arriving"]
    old = await call(world, "alice", "PUT", f"{name}/papers/protocol.pdf?version={version}", PROTOCOL)
    assert (old.status_code, old.json()["reason"]) == (409, "Conflict")
    papers.settle(name)
    listed = (await call(world, "alice", "GET", f"{name}/papers")).json()
    assert listed == {
        "application": name,
        "version": version + 1,
        "papers": [
            {
                "name": "protocol.pdf",
                "digest": digest_of(PROTOCOL),
                "bytes": len(PROTOCOL),
                "state": "kept",
                "address": address_of(name),
            }
        ],
    }
    for who, status in (("eve", 404), ("cleo", 404)):
        assert (await call(world, who, "GET", f"{name}/papers")).status_code == status
        assert (await call(world, who, "DELETE", f"{name}/papers/protocol.pdf?version=1")).status_code == status
    gone = await call(world, "alice", "DELETE", f"{name}/papers/protocol.pdf?version={version + 1}")
    assert (gone.status_code, gone.json()["papers"]) == (200, [])
    assert list(world.layout.uploads.iterdir()) == []


@pytest.mark.parametrize(("path", "data", "reason"), [("run.exe", b"MZ", "FileRefused"), ("a.pdf", b"", "FileRefused")])
async def test_a_program_is_refused_as_a_person_is(
    world: World, papers: Papers, path: str, data: bytes, reason: str
) -> None:
    name = papers.desk.draft()
    sent = await call(world, "alice", "PUT", f"{name}/papers/{path}?version={papers.desk.get(name).version}", data)
    assert (sent.status_code, sent.json()["reason"]) == (409, reason)
    assert list(world.layout.uploads.iterdir()) == []


def test_a_paper_is_attached_listed_and_saved_at_the_command_line(world: World, papers: Papers, tmp_path: Path) -> None:
    name = papers.desk.draft()
    file = tmp_path / "protocol.pdf"
    file.write_bytes(PROTOCOL)
    done = tre(world, "attach", name, str(file), "--as", "local:alice", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["digest"] == digest_of(PROTOCOL)
    assert [one["state"] for one in json.loads(tre(world, "papers", name, "--json").output)] == ["arriving"]
    papers.settle(name)
    assert "protocol.pdf" in tre(world, "papers", name).output
    to = tmp_path / "saved.pdf"
    wanted = ("papers", name, "--save", digest_of(PROTOCOL), "--to", str(to))
    for person in ("", "local:eve", "local:cleo"):
        refused = tre(world, *wanted, *(("--as", person) if person else ()))
        assert (refused.exit_code, to.exists()) == (1, False), person
    assert tre(world, *wanted, "--as", "local:alice").exit_code == 0
    assert to.read_bytes() == PROTOCOL
    in_review(papers, name)
    assert tre(world, *wanted, "--as", "local:cleo").exit_code == 0
    assert [event.actor.id for event in world.events("application.paper-read")] == ["cleo", "alice"]


@pytest.mark.parametrize("who", ["local:eve", "local:cleo"])
def test_nobody_else_attaches_at_the_command_line(world: World, papers: Papers, tmp_path: Path, who: str) -> None:
    name = papers.desk.draft()
    file = tmp_path / "protocol.pdf"
    file.write_bytes(PROTOCOL)
    assert tre(world, "attach", name, str(file), "--as", who).exit_code == 1
    file.write_bytes(b"")
    assert tre(world, "attach", name, str(file), "--as", "local:alice").exit_code == 1
    assert drafted(papers.desk.get(name)) == []
    assert list(world.layout.uploads.iterdir()) == []


async def test_a_file_that_names_no_papers_takes_none_out(world: World, papers: Papers, tmp_path: Path) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    in_review(papers, name)
    papers.desk.change(name, lambda found: acts.deferred(found, ["Why?"], world.clock.now(), found.reason))
    file = tmp_path / "application.yaml"
    whole = {
        "apiVersion": "tre.research/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "again"},
        "spec": CONTENT,
        "answers": ["So."],
    }
    file.write_text(yaml.safe_dump(whole))
    done = tre(world, "submit", str(file), "--again", name, "--as", "local:alice")
    assert done.exit_code == 0, done.output
    content = papers.desk.get(name).content
    assert content is not None
    assert [one.digest for one in content.attachments] == [digest_of(PROTOCOL)]
