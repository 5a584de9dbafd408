"""What an operator reads of sources of approvals on the page Health."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy.exc import DBAPIError

from tests.support.databases import Backend
from tests.support.factories import access_grant
from tests.support.sources import entitlement, rems_plain
from tests.unit.portal.world import World
from tre.domain.errors import Reason
from tre.domain.sources.truth import Answer, Truth
from tre.store import grants
from tre.store import sources as store
from tre.store.sources import StoredSource

PAGE = "/operate/health"


@pytest.fixture
def site(world: World) -> Iterator[World]:
    """A REMS that was heard, and a directory that was not."""
    write(world, rems=[rems_plain()], directories=[{"name": "git", "path": "git"}])
    keep(world)
    yield world
    (world.layout.root / "policies" / "sources.yaml").unlink(missing_ok=True)


def write(world: World, **spec: object) -> None:
    path = world.layout.root / "policies" / "sources.yaml"
    path.parent.mkdir(exist_ok=True)
    plain = {"apiVersion": "tre.research/v1alpha1", "kind": "SourcePolicy", "metadata": {"name": "sources"}}
    path.write_text(yaml.safe_dump(plain | {"spec": spec}))


def keep(world: World, reason: Reason = Reason.Entitled, message: str = "") -> None:
    now = world.clock.now()
    truth = Truth(answer=Answer(asked_at=now, after=0, entitlements=(entitlement(user="eve"),)))
    stands = StoredSource(id="rems:rems", truth=truth, tried_at=now, heard_at=now, reason=reason, message=message)
    with world.database.change(world.event("source.heard", "source/rems:rems")) as change:
        store.keep(change, stands)


async def text(world: World) -> str:
    page = await world.browser("olga").get(PAGE)
    assert page.status_code == 200
    return page.text


async def test_how_each_stands(site: World) -> None:
    page = await text(site)
    assert page.count("Heard</strong>") == 1
    assert page.count("Not heard</strong>") == 1
    assert "Never" in page
    assert "eve" not in page.split("Sources of approvals")[1].split("</section>")[0].replace("Never", "")
    site.clock.advance(timedelta(days=3).total_seconds())
    assert (await text(site)).count("Not heard</strong>") == 2


async def test_what_is_wrong_is_said_and_is_text(site: World) -> None:
    keep(site, Reason.ServiceUnavailable, "<b>down</b>")
    page = await text(site)
    assert "Not well</strong>" in page
    assert "&lt;b&gt;down&lt;/b&gt;" in page


async def test_one_that_was_taken_out_is_told_until_its_last_grant_has_ended(site: World) -> None:
    name = "from-rems-7-x"
    with site.database.change(site.event("grant.applied", f"grant/{name}")) as change:
        grants.apply(change, name, access_grant(name).spec, "rems:rems", site.clock.now())
    write(site)
    page = await text(site)
    assert "No longer in the policy</strong>" in page
    assert "tre grant revoke" in page
    with site.database.change(site.event("grant.revoked", f"grant/{name}")) as change:
        grants.revoke(change, name, "It is over.", site.clock.now())
    assert "No longer in the policy" not in await text(site)


async def test_without_sources_nothing_is_said(site: World) -> None:
    write(site)
    assert "Sources of approvals" not in await text(site)


async def test_a_policy_that_cannot_be_read_hides_no_page(site: World) -> None:
    (site.layout.root / "policies" / "sources.yaml").write_text("spec: [")
    page = await text(site)
    assert "The policy of sources cannot be read." in page
    assert "Letters" in page


async def test_it_is_for_operators(site: World) -> None:
    assert (await site.browser("alice").get(PAGE)).status_code == 403


def test_the_portal_reads_how_a_source_stands_and_nothing_that_it_said(backend: Backend, tmp_path: Path) -> None:
    database = backend.make(tmp_path / "record.sqlite")
    portal = backend.as_role(database, "portal")
    with portal.read() as connection:
        assert store.standing(connection, "rems:rems").heard_at is None
    if database.is_postgres:
        with pytest.raises(DBAPIError, match="permission denied"), portal.read() as connection:
            store.get(connection, "rems:rems")
    database.close()
