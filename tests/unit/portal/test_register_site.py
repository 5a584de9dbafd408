"""The public pages as files: all of them, the same each time, replaced in one step, and nothing else ever."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.unit.portal.register_world import furnish, project
from tests.unit.portal.world import GRANT, World
from tre.domain.errors import Reason, TREError
from tre.portal import register_site
from tre.portal.register_site import MARK, Built, build
from tre.portal.routes import public
from tre.portal.site import site_for
from tre.store import register

ORIGIN = "https://register.example"


def made(world: World, target: Path) -> Built:
    site = site_for(world.settings, public_navigation=public.NAVIGATION).published_at(ORIGIN)
    with world.database.read() as connection:
        return build(connection, site, ORIGIN, target)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_everything_is_there_and_every_link_leads_somewhere(world: World, tmp_path: Path) -> None:
    furnish(world, sites=True)
    built = made(world, tmp_path / "site")
    found = contents(tmp_path / "site")
    assert (built.projects, built.datasets, built.files) == (2, 1, len(found))
    assert built.bytes == sum(map(len, found.values()))
    assert {"index.html", "projects/told/index.html", "projects/told.json", "register.xlsx", "register.rss"} <= set(
        found
    )
    addresses = set()
    for name, data in found.items():
        if name.endswith(".html"):
            addresses |= set(re.findall(r'(?:href|src)="(/[^"#?]*)', data.decode()))
    assert len(addresses) > 15
    for address in addresses:
        name = address.strip("/")
        assert {name, f"{name}/index.html".lstrip("/")} & set(found), address
    assert json.loads(found["projects/told.json"])["name"] == "told"
    assert f"{ORIGIN}/projects/told".encode() in found["register.rss"]
    assert f"{ORIGIN}/projects/told".encode() in found["projects/told/index.html"]
    assert b"<form" not in b"".join(found.values())


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
    site = site_for(world.settings, public_navigation=public.NAVIGATION)
    with world.database.read() as connection:
        build(connection, site, ORIGIN, tmp_path / "site", heard.append)
    assert heard == [1, 2]
    assert GRANT in {path.name for path in (tmp_path / "site/projects").iterdir()}
