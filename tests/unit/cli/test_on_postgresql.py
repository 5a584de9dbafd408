"""An installation whose record is on a server: made, used by commands, led by one controller."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from tests.support.databases import Postgres, name_of
from tre.audit.checkpoint import SignedCheckpoint
from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE
from tre.audit.places import FilePlace, read_notes
from tre.cli.main import app
from tre.controller.program import NOT_LEADING, Controller
from tre.domain.errors import TREError
from tre.store.postgres import password_path
from tre.system.layout import Layout
from tre.system.settings import Settings, load_settings


class Site:
    def __init__(self, root: Path, address: str) -> None:
        self.layout = Layout(root)
        root.mkdir()
        (root / "tre.yaml").write_text(f"base: tre.localhost\nlistenPort: 8000\ndatabaseUrl: {address}\n")

    def tre(self, *words: str, typed: str = "", exit_code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--root", str(self.layout.root)], input=typed)
        assert done.exit_code == exit_code, (done.output, done.exception)
        return done.output

    def controller(self) -> Controller:
        private = self.layout.keys / PRIVATE_KEY_FILE
        with mock.patch.object(os, "geteuid", return_value=private.stat().st_uid):  # it is the controller's own
            return Controller(self.layout, load_settings(self.layout.root))


@pytest.fixture
def site(postgres: Postgres, tmp_path: Path) -> Iterator[Site]:
    name = name_of(postgres.empty(tmp_path))
    made = Site(tmp_path / "root", postgres.server.setting(name))
    yield made
    shutil.rmtree(made.layout.run, ignore_errors=True)


def test_an_installation_is_made_and_its_commands_work_without_a_file(site: Site) -> None:
    site.tre("init")
    site.tre("init")
    assert not site.layout.database.exists()
    site.tre("user", "add", "alice", "--password-stdin", typed="a long enough password\n")
    assert [item["name"] for item in json.loads(site.tre("user", "list", "--json"))] == ["alice"]
    assert json.loads(site.tre("grant", "list", "--json")) == []
    scored = site.tre("satre", "score", "--json", exit_code=1)  # the clipboard
    assert len(json.loads(scored)["capabilities"]) == 35
    assert "could not be looked at" not in scored


def test_where_workspaces_are_pods_no_command_says_that_nothing_lives(site: Site) -> None:
    site.tre("init")
    assert "Nothing lives" in site.tre("workspace", "verify")
    with (site.layout.root / "tre.yaml").open("a") as file:
        file.write("runtime: kubernetes\n")
    said = site.tre("workspace", "verify", exit_code=1)
    assert "cannot be seen from here" in said
    assert "Nothing lives" not in said


def test_a_password_belongs_to_the_one_program_that_reads_it(site: Site) -> None:
    site.layout.keys.mkdir()
    path = password_path(site.layout, "portal")
    path.write_text("secret")
    path.chmod(0o644)
    site.tre("init")
    assert path.stat().st_mode & 0o777 == 0o600
    expected = load_settings(site.layout.root).services.portal if os.geteuid() == 0 else os.geteuid()
    assert path.stat().st_uid == expected


def test_of_two_controllers_one_leads_and_the_other_grants_nothing(site: Site) -> None:
    site.tre("init")
    one, other = site.controller(), site.controller()
    with pytest.raises(TREError, match="Nothing new is granted"):
        one.context.check_granting()  # nobody leads yet
    for item in (one, other):
        item.leadership.step()
        item.sequence()
    one.context.check_granting()
    assert (one.log_trouble, other.log_trouble) == (None, NOT_LEADING)
    with pytest.raises(TREError, match="Nothing new is granted"):
        other.context.check_granting()
    one.let_go()
    for item in (other, one):
        item.leadership.step()
        item.sequence()
    assert (one.log_trouble, other.log_trouble) == (NOT_LEADING, None)
    assert [item.checks()["log"]() for item in (one, other)] == [NOT_LEADING, None]
    for item in (one, other):
        item.reconciler._feed.close()
        item.database.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://db/tre", "begins with postgresql://"),
        ("postgresql://alice@db/tre", "do not stand in databaseUrl"),
        ("postgresql://:secret@db/tre", "do not stand in databaseUrl"),
        ("postgresql://db/tre?password=secret", "do not stand in databaseUrl"),
        ("postgresql://db/tre?user=alice", "do not stand in databaseUrl"),
        ("postgresql://[db/tre", "this is no address"),
    ],
)
def test_an_address_with_a_name_or_a_secret_is_refused(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(database_url=address)
    assert Settings(database_url="postgresql://db.example.org/tre?sslmode=verify-full").database_url is not None


def test_the_logs_key_is_changed_by_whoever_leads_and_the_next_controller_goes_on(site: Site) -> None:
    site.tre("init")
    site.tre("user", "add", "alice", "--password-stdin", typed="a long enough password\n")
    first = (site.layout.keys / PUBLIC_KEY_FILE).read_text()
    leader = site.controller()
    leader.leadership.step()
    leader.sequence()
    with mock.patch("tre.cli.audit_keys.LEASE_SECONDS", 0.2):
        assert "Conflict" in site.tre("audit", "rotate-key", exit_code=1)
    assert (site.layout.keys / PUBLIC_KEY_FILE).read_text() == first
    leader.leadership.release()
    leader.reconciler._feed.close()
    leader.database.close()
    told = json.loads(site.tre("audit", "rotate-key", "--json"))
    assert told["earlier"] + "\n" == first
    later = site.controller()
    later.leadership.step()
    site.tre("user", "add", "bob", "--password-stdin", typed="a long enough password\n")
    later.sequence()
    assert later.log_trouble is None
    later.reconciler._feed.close()
    later.database.close()
    kept = site.layout.root / "first.pub"
    kept.write_text(first)
    assert json.loads(site.tre("audit", "verify", "--key", str(kept), "--json"))["ok"]


def test_whoever_leads_shows_checkpoints_to_places_elsewhere(site: Site, tmp_path: Path) -> None:
    site.tre("init")
    site.tre("user", "add", "alice", "--password-stdin", typed="a long enough password\n")
    kept = tmp_path / "kept.jsonl"
    with (site.layout.root / "tre.yaml").open("a") as file:
        file.write(f"witnesses: [{{name: volume, file: {kept}}}]\n")
    leader = site.controller()
    shown = threading.Event()
    real = FilePlace.keep

    def keep(place: FilePlace, signed: SignedCheckpoint) -> None:
        real(place, signed)
        shown.set()

    with mock.patch.object(FilePlace, "keep", keep), mock.patch("tre.audit.courier.LOOK_SECONDS", 0.01):
        leader._show_checkpoints()
        assert not shown.wait(0.2), "who does not lead shows nothing"
        leader.leadership.step()
        leader.sequence()
        assert shown.wait(30)
    leader.stop.set()
    for thread in threading.enumerate():
        if thread.name == "courier":
            thread.join(30)
    leader.reconciler._feed.close()
    leader.database.close()
    assert len(read_notes(kept.read_text())) == 1
    assert json.loads(site.tre("audit", "verify", "--seen", str(kept), "--json"))["ok"]
