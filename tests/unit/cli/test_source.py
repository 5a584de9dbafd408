"""`tre source`: what it prints of sources that stand well, ill, or not at all; and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.factories import NOON, access_grant
from tests.support.quick_installing import quick_installing
from tests.support.sources import RESOURCE, entitlement, rems_plain
from tests.unit.cli.conftest import Here
from tre.cli.common import Installation
from tre.domain.errors import Reason
from tre.domain.sources.policy import secret_digest
from tre.domain.sources.truth import Answer, Truth
from tre.store import grants
from tre.store import sources as store
from tre.store.sources import Channel, MessageState, Outcome, StoredGrant, StoredSource

POLICY = {"apiVersion": "tre.research/v1alpha1", "kind": "SourcePolicy", "metadata": {"name": "sources"}}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Here]:
    """An installation whose policy names a REMS that was heard and a directory that was not."""
    here = Here(tmp_path)
    with quick_installing():
        here.done("init")
    (here.root / "policies").mkdir(exist_ok=True)
    spec = {"rems": [rems_plain()], "directories": [{"name": "git", "path": "git"}]}
    (here.root / "policies" / "sources.yaml").write_text(yaml.safe_dump(POLICY | {"spec": spec}))
    opened = Installation.open(here.root)
    truth = Truth(answer=Answer(asked_at=NOON, after=0, entitlements=(entitlement(end=None),)))
    found = StoredSource(id="rems:rems", truth=truth, tried_at=NOON, heard_at=NOON, reason=Reason.Entitled)
    waits = StoredGrant(
        source="rems:rems",
        key=f"7 {RESOURCE}",
        grant="from-rems-7-x",
        reason=Reason.MemberNotFound,
        message="[bold]nobody[/]",
    )
    with opened.database.change(opened.event("source.heard", "source/rems:rems")) as change:
        store.keep(change, found)
        store.keep_grants(change, [waits])
        store.tell(change, "rems:rems", Channel.event, b"secret [red]words[/]", NOON)
        store.tell(change, "rems:rems", Channel.event, b"more", NOON)
        refused = Outcome(state=MessageState.refused, reason=Reason.BadInput, message="It is no JSON.")
        store.settle(change, 1, refused, NOON)
    opened.database.close()
    yield here
    here.close()


def test_the_list_says_how_each_stands(site: Here) -> None:
    found = {item["name"]: item for item in json.loads(site.done("source", "list", "--json").out)}
    assert (found["rems"]["kind"], found["rems"]["waiting"], found["rems"]["stated"]) == ("rems", 1, 1)
    assert (found["git"]["state"], found["git"]["heardAt"]) == ("SourceStale", None)
    assert "rems" in site.done("source", "list").shown


def test_one_source_says_what_came_of_what_it_approved(site: Here) -> None:
    found = json.loads(site.done("source", "show", "rems", "--json").out)
    assert found["outcomes"][0]["reason"] == "MemberNotFound"
    assert [item["state"] for item in found["messages"]] == ["waiting", "refused"]
    shown = site.done("source", "show", "rems").shown
    assert "[bold]nobody[/]" in shown
    assert "It is no JSON." in shown


def test_what_a_message_said_is_not_shown(site: Here) -> None:
    for words in (("source", "show", "rems"), ("source", "show", "rems", "--json")):
        assert "secret" not in site.done(*words).out


def test_a_source_is_asked(site: Here) -> None:
    assert json.loads(site.done("source", "poll", "rems", "--json").out) == {"name": "rems", "asked": True}
    found = json.loads(site.done("source", "show", "rems", "--json").out)
    assert (found["messages"][0]["channel"], found["messages"][0]["state"]) == ("asked", "waiting")
    assert "source.poll-asked" in site.done("audit", "tail").shown


def test_a_directory_is_not_asked(site: Here) -> None:
    assert "is a directory" in site.refused("source", "poll", "git").err


@pytest.mark.parametrize("words", [("show",), ("poll",)])
def test_an_unknown_source_is_refused(site: Here, words: tuple[str, ...]) -> None:
    assert "There is no source 'nobody'" in site.refused("source", *words, "nobody").shown


def test_without_a_policy_there_is_no_source(site: Here) -> None:
    (site.root / "policies" / "sources.yaml").unlink()
    assert json.loads(site.done("source", "list", "--json").out) == []


def test_a_source_that_was_taken_out_is_shown_until_its_last_grant_has_ended(site: Here) -> None:
    path = site.root / "policies" / "sources.yaml"
    whole = path.read_text()
    opened = Installation.open(site.root)
    grant = access_grant("from-rems-7-x")
    with opened.database.change(opened.event("grant.applied", "grant/from-rems-7-x")) as change:
        grants.apply(change, "from-rems-7-x", grant.spec, "rems:rems", NOON)
    path.write_text(yaml.safe_dump(POLICY | {"spec": {}}))
    [found] = json.loads(site.done("source", "list", "--json").out)
    assert (found["name"], found["state"], found["grants"]) == ("rems", "SourceRemoved", 1)
    assert "no longer in the policy" in site.done("source", "list").shown
    shown = site.done("source", "show", "rems").shown
    assert "no longer in the policy" in shown
    assert "tre grant revoke" in shown
    assert "stands no longer in the policy" in site.refused("source", "poll", "rems").shown
    with opened.database.change(opened.event("source.removed", "source/rems:rems")) as change:
        store.keep(change, StoredSource(id="rems:rems", heard_at=NOON, reason=Reason.SourceRemoved, message="gone"))
    path.write_text(whole)
    back = {item["name"]: item["state"] for item in json.loads(site.done("source", "list", "--json").out)}
    assert back["rems"] == "SourceStale"  # until it is heard again
    path.write_text(yaml.safe_dump(POLICY | {"spec": {}}))
    site.done("grant", "revoke", "from-rems-7-x", "--reason", "over", "--yes")
    assert json.loads(site.done("source", "list", "--json").out) == []
    opened.database.close()


def test_a_wrong_policy_is_named_with_its_line(site: Here) -> None:
    path = site.root / "policies" / "sources.yaml"
    path.write_text(path.read_text().replace("name: git", "name: Git"))
    assert "sources.yaml:" in site.refused("source", "list").shown


def test_a_secret_and_its_digest_belong_together(site: Here) -> None:
    found = json.loads(site.done("source", "secret", "--json").out)
    assert secret_digest(found["secret"]) == found["digest"]
    assert len(found["secret"]) >= 40
    again = site.done("source", "secret").shown
    assert found["secret"] not in again
    assert "sha256:" in again


def test_init_makes_the_key_that_sources_are_signed_with(site: Here) -> None:
    assert site.layout.source_key.stat().st_mode & 0o777 == 0o600
    assert site.layout.source_secrets.stat().st_mode & 0o777 == 0o700
    assert list((site.layout.keys / "source-signers").glob("*.pub"))
