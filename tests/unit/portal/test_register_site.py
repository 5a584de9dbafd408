"""The public pages as files: all of them, the same each time, replaced in one step, and nothing else ever."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from tests.unit.portal.account_world import AFTER, BEFORE, Stranger, begin, do, taking_in
from tests.unit.portal.committee_world import PATIENT_REASON, REASON, furnish_committee
from tests.unit.portal.register_world import furnish, project
from tests.unit.portal.world import GRANT, World
from tre.domain.errors import Reason, TREError
from tre.domain.publicaccount.states import ItemKind
from tre.portal import register_site
from tre.portal.register_site import MARK, Built, build
from tre.store import publicaccount, register

ORIGIN = "https://register.example"


def made(world: World, target: Path) -> Built:
    return build(world.desk, ORIGIN, target)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def links_of(found: dict[str, bytes]) -> dict[str, set[str]]:
    """Every address within the site that a page names, with the part of the page that it names."""
    addresses: dict[str, set[str]] = {}
    for name, data in found.items():
        if name.endswith(".html"):
            for address in re.findall(r'(?:href|src)="(?:https://register\.example)?(/[^"?]*)', data.decode()):
                addresses.setdefault(address, set()).add(name)
    return addresses


def check_links(found: dict[str, bytes]) -> int:
    """Whether each leads to a file that is there and, where it names a part of it, to that part."""
    links = links_of(found)
    for address, named_by in links.items():
        place, _, part = address.partition("#")
        name = place.strip("/")
        target = {name, f"{name}/index.html".lstrip("/")} & set(found)
        assert target, (address, named_by)
        if part:
            assert f'id="{part}"'.encode() in found[target.pop()], (address, named_by)
    return len(links)


def test_everything_is_there_and_every_link_leads_somewhere(world: World, tmp_path: Path) -> None:
    furnish(world, sites=True)
    built = made(world, tmp_path / "site")
    found = contents(tmp_path / "site")
    assert (built.projects, built.datasets, built.files) == (2, 1, len(found))
    assert built.bytes == sum(map(len, found.values()))
    assert {"index.html", "projects/told/index.html", "projects/told.json", "register.xlsx", "register.rss"} <= set(
        found
    )
    assert check_links(found) > 25
    assert json.loads(found["projects/told.json"])["name"] == "told"
    assert f"{ORIGIN}/projects/told".encode() in found["register.rss"]
    assert f"{ORIGIN}/projects/told".encode() in found["projects/told/index.html"]
    assert b"<form" not in b"".join(found.values())


WAITS, REFUSED = "Who waits unread?", "Who was refused?"
CHANGE = {"title": "Smaller counts", "text": "We want to.", "closes": "2027-01-31", "before": BEFORE, "after": AFTER}
INCIDENT = {"title": "A wrong list", "happened": "2026-10-30", "text": "A list was sent.", "done": "It was deleted."}


async def give_an_account(world: World) -> dict[str, str]:
    """One of everything that the public account holds; what each is called."""
    named = {}
    async with taking_in(world):
        named["asked"] = await Stranger(world).ask()
        named["waits"] = await Stranger(world, "192.0.2.8").ask(WAITS)
        named["refused"] = await Stranger(world, "192.0.2.9").ask(REFUSED)
        named["change"] = await begin(world, "consultation", **CHANGE)
        comments = f"/consultations/{named['change']}/comments"
        for text in ("Keep it.", WAITS):
            assert (await Stranger(world, "192.0.2.10").post(comments, {"text": text})).status_code == 303
    await do(world, "olga", named["asked"], "answer", reply="Four people.")
    await do(world, "olga", named["asked"], "publish")
    await do(world, "olga", named["refused"], "refuse", refusal="unrelated")
    with world.database.read() as connection:
        said = publicaccount.of_object(connection, ItemKind.comment, named["change"])
    await do(world, "olga", next(one.id for one in said if "Keep" in str(one.body)), "publish")
    named["incident"] = await begin(world, "incident", **INCIDENT, type="disclosure", project="told")
    complaint = await begin(world, "complaint", received=f"{world.clock.now():%Y-%m-%d}")
    await do(world, "olga", complaint, "close", text="An answer was late.", reply="We said sorry.")
    sent = {"type": "paper", "text": "A score.", "doi": "10.1000/xyz123"}
    assert (await world.browser("alice").post("/projects/told/outcomes", sent)).status_code == 303
    with world.database.read() as connection:
        (outcome,) = publicaccount.of_object(connection, ItemKind.outcome, "told")
    await do(world, "olga", outcome.id, "publish")
    return named


async def test_the_whole_account_is_there_and_nothing_that_waits(world: World, tmp_path: Path) -> None:
    furnish(world, sites=True)
    furnish_committee(world, grant="told")
    named = await give_an_account(world)
    made(world, tmp_path / "site")
    found = contents(tmp_path / "site")
    assert check_links(found) > 40
    for name, said in {
        f"questions/{named['asked']}/index.html": "Four people.",
        "questions/index.html": "Four people.",
        "questions.json": "Four people.",
        f"consultations/{named['change']}/index.html": "Keep it.",
        f"consultations/{named['change']}.json": "Keep it.",
        "consultations/index.html": "Smaller counts",
        "incidents/index.html": "A list was sent.",
        "incidents.json": "disclosure",
        "complaints/index.html": "We said sorry.",
        "complaints.json": "We said sorry.",
        "outcomes/index.html": "Scoring of X-rays of the lungs",
        "outcomes.json": "10.1000/xyz123",
        "committee/index.html": "Member pat",
        "committee.json": "Member fred",
        "declined/index.html": REASON,
        "declined.json": PATIENT_REASON,
        "easy/index.html": "easy words",
        "glossary/index.html": "Opt out",
        "glossary.json": "Opt out",
        "index.html": "Have your say",
        "totals/index.html": REASON,
        "projects/told/index.html": "We want to read what comes of it.",
    }.items():
        assert said.encode() in found[name], name
    every = b"".join(found.values())
    for secret in (WAITS, REFUSED, named["waits"], named["refused"], "illness"):
        assert secret.encode() not in every, secret
    assert b"<form" not in every
    live = world.settings.origin()
    assert f'href="{live}/questions"'.encode() in found["questions/index.html"]
    assert (
        f'href="{live}/consultations/{named["change"]}"'.encode()
        in found[f"consultations/{named['change']}/index.html"]
    )
    assert f"incidents#{named['incident']}".encode() in found["projects/told/index.html"]


async def test_a_closed_change_says_so_and_offers_nothing(world: World, tmp_path: Path) -> None:
    furnish(world)
    named = await give_an_account(world)
    world.clock.advance(timedelta(days=120).total_seconds())
    made(world, tmp_path / "site")
    page = (tmp_path / "site" / "consultations" / named["change"] / "index.html").read_text()
    assert "The time for comments ended on" in page
    assert "can only be read" not in page


def test_many_projects_cost_no_more_questions_each(world: World, tmp_path: Path) -> None:
    """What is told beside the register's rows is read once for all projects."""

    def asked(count: int) -> int:
        for number in range(count):
            world.add_grant(f"p-{count}-{number:03}", project=project(f"Hearts {number}"))
        counted = [0]

        def count_one(*_: object) -> None:
            counted[0] += 1

        event.listen(world.database.engine, "before_cursor_execute", count_one)
        made(world, tmp_path / "site")
        event.remove(world.database.engine, "before_cursor_execute", count_one)
        return counted[0]

    few = asked(2)
    assert asked(10) - few <= 10 * PER_PROJECT


PER_PROJECT = 3
"""Questions to the record for each project's page: its slices' state and what is told of them, its course."""


def test_the_same_record_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    furnish(world)
    made(world, tmp_path / "one")
    world.clock.advance(86400)
    made(world, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_list_goes_on_over_pages(world: World, tmp_path: Path) -> None:
    for number in range(register.PAGE + 1):
        world.add_grant(f"p-{number:03}", project=project(f"Hearts {number}"))
    made(world, tmp_path / "site")
    first = (tmp_path / "site/projects/index.html").read_text()
    second = (tmp_path / "site/projects/pages/2/index.html").read_text()
    assert 'rel="next" href="/projects/pages/2/"' in first
    assert 'rel="prev" href="/projects/"' in second
    assert (first + second).count("app-card__top") == register.PAGE + 2


def test_a_new_one_takes_the_place_of_an_old_one(world: World, tmp_path: Path) -> None:
    target = tmp_path / "site"
    made(world, target)
    (target / "projects" / "gone").mkdir()
    (target / "projects" / "gone" / "index.html").write_text("gone")
    furnish(world)
    made(world, target)
    assert "projects/gone/index.html" not in contents(target)
    assert "projects/told/index.html" in contents(target)
    assert [path.name for path in tmp_path.iterdir() if "site" in path.name] == ["site"]


def test_what_breaks_off_leaves_the_old_one_as_it_was(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site"
    made(world, target)
    before = contents(target)
    furnish(world)

    def stop(_connection: Connection, _grant: object, _known: object) -> None:
        raise OSError

    monkeypatch.setattr(register_site.public, "project_values", stop)
    with pytest.raises(OSError):
        made(world, target)
    assert contents(target) == before
    assert [path.name for path in tmp_path.iterdir() if "site" in path.name] == ["site"]


def test_nothing_else_is_ever_replaced(world: World, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    own = tmp_path / "own"
    made(world, own)
    (tmp_path / "link").symlink_to(own)
    for target in (home, tmp_path / "file", tmp_path / "link"):
        with pytest.raises(TREError) as caught:
            made(world, target)
        assert caught.value.reason is Reason.AlreadyExists
    assert contents(home) == {"letter.txt": b"dear"}
    (tmp_path / "empty").mkdir()
    made(world, tmp_path / "empty")
    assert (tmp_path / "empty" / MARK).is_file()


def test_whoever_watches_hears_of_each_project(world: World, tmp_path: Path) -> None:
    furnish(world)
    heard: list[int] = []
    build(world.desk, ORIGIN, tmp_path / "site", heard.append)
    assert heard == [1, 2]
    assert GRANT in {path.name for path in (tmp_path / "site/projects").iterdir()}
