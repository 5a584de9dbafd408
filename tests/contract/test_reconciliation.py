"""From the identity provider to the workspace: a certified provider, Hub, portal and controller over one record."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.orm  # noqa: F401 - whole before a thread asks the record: half there, it breaks others' queries
from jupyterhub.crypto import CryptKeeper

from tests.contract.hub_world import World, a_world, until
from tests.contract.oidc_world import (
    Provider,
    Walker,
    a_running_provider,
    provider_settings,
    write_client_secret,
)
from tests.contract.test_hub_oidc import AUTHORIZE
from tests.support.databases import Sqlite
from tests.support.factories import access_grant
from tests.support.memory_runtime import MemoryRuntime
from tests.unit.controller.conftest import World as ControllerWorld
from tests.unit.portal.world import CHEAP
from tre.controller.reconciler import Reconciler
from tre.domain.errors import Reason
from tre.domain.names import hub_user_name
from tre.domain.people import Role, Subject
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.portal.applications import internal_app
from tre.portal.context import Desk
from tre.portal.passwords import PasswordChecker
from tre.portal.roles import load_roles
from tre.portal.seals import Sealer
from tre.portal.serving import server_for
from tre.portal.signing_in import open_session
from tre.runtimes.protocol import RunPhase
from tre.store import people
from tre.store.people import KnownPerson
from tre.system.clock import SystemClock
from tre.system.sockets import listen

ADA = {"name": "Ada", "groups": ["staff", "tre-researchers", "tre-checkers"]}
GRACE = {"name": "Grace", "groups": ["staff", "tre-researchers"]}
EVERY, STALE = 1, 4
SLACK = 6.0
"""Seconds beyond the stated bound for a machine that does much else."""


class Whole:
    """A provider, the Hub, the portal's internal interface and a controller over one record."""

    def __init__(self, provider: Provider, hub: World) -> None:
        self.provider, self.hub = provider, hub
        self.backend = Sqlite()
        self.clock = SystemClock()
        self.controller = self._controller()
        self.desk = Desk(
            settings=hub.settings,
            layout=hub.layout,
            database=self.controller.database,
            clock=self.clock,
            sealer=Sealer(b"k" * 32),
            passwords=PasswordChecker(CHEAP),
            roles=load_roles(hub.layout.root),
            hub_secret="ab" * 32,
        )
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self.controller.reconciler.run, args=(self._stop,), daemon=True),
            threading.Thread(target=self._answer_jobs, daemon=True),
        ]

    def _controller(self) -> ControllerWorld:
        made = ControllerWorld(self.backend, self.hub.layout.root)
        made.clock = self.clock  # type: ignore[assignment]  # the machine's own, as in the Hub's process
        made.runtime = MemoryRuntime(self.clock)
        made.context = dataclasses.replace(
            made.context, clock=self.clock, runtime=made.runtime, settings=self.hub.settings
        )
        made.reconciler = Reconciler(made.context, threading.Event())
        return made

    @contextmanager
    def running(self) -> Iterator[Whole]:
        self.hub.portal.down()
        path = self.hub.layout.socket("portal-internal")
        path.unlink(missing_ok=True)
        listening = listen(path, mode=0o660)
        listening.setblocking(False)
        server = server_for(internal_app(self.desk))
        loop = asyncio.new_event_loop()
        portal = threading.Thread(target=lambda: loop.run_until_complete(server.serve([listening])), daemon=True)
        for thread in (portal, *self._threads):
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            server.should_exit = True
            for thread in (portal, *self._threads):
                thread.join(10)
            self.controller.reconciler._feed.close()
            self.backend.close()
            loop.close()

    def _answer_jobs(self) -> None:
        while not self._stop.wait(0.05):
            self.controller.do_jobs()

    def subject(self, name: str) -> Subject:
        return Subject(issuer=self.provider.issuer, id=name)

    def person(self, name: str) -> KnownPerson | None:
        with self.desk.database.read() as connection:
            return people.by_subject(connection, self.subject(name))

    def apply(self, *names: str) -> None:
        now = self.clock.now()
        members = [{"subject": self.subject(name).as_plain()} for name in names]
        times = {"notBefore": (now - timedelta(days=1)).isoformat(), "expires": (now + timedelta(days=9)).isoformat()}
        self.controller.apply(access_grant(members=members, **times))

    def sign_in(self, name: str) -> tuple[Walker, str]:
        """Through the provider to the Hub, and on to a session of the portal; the session's id."""
        walker = Walker(self.hub.browser())
        form, reply = walker.walk(AUTHORIZE)
        assert reply is not None
        assert 'name="person"' in reply.text, reply.text
        url, _ = walker.sign_in_as(name, form)
        assert "code=" in url, url
        _, session = open_session(self.desk, hub_user_name(self.provider.issuer, name))
        return walker, session.id

    def is_signed_in(self, session: str) -> bool:
        with self.desk.database.read() as connection:
            return people.session(connection, session, self.clock.now()) is not None

    def workspace(self, name: str) -> Workspace:
        return self.controller.workspace(Workspace.name_for("nccid-00123", self.subject(name)))

    def open_workspace(self, name: str) -> None:
        until(lambda: self.controller.grant().activated_at, "the grant is active")
        self.controller.want(Wanted.Running, self.subject(name))
        plan: Any = until(lambda: self.workspace(name).phase is WorkspacePhase.Starting and self.workspace(name).plan,
                          f"it starts: {self.workspace(name)}")  # fmt: skip
        until(lambda: plan.identity in self.controller.runtime.runs, "it is there")
        for phase in (RunPhase.Proven, RunPhase.Ready):
            self.controller.runtime.becomes(plan.identity, phase)
            time.sleep(0.1)
        until(lambda: self.workspace(name).phase is WorkspacePhase.Running, "it runs")


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with a_running_provider({"ada": ADA, "grace": GRACE}) as provider:
        settings = provider_settings(provider.issuer)
        settings["oidc"]["recheck"] = {"everySeconds": EVERY, "staleSeconds": STALE}
        settings["oidc"]["allowedGroups"] = ["staff"]
        with a_world(tmp_path / "root", settings) as hub:
            write_client_secret(hub.layout.root)
            made = Whole(provider, hub)
            with made.running():
                hub.start()
                yield made


def both_work(whole: Whole) -> tuple[str, str]:
    whole.sign_in("ada")
    whole.apply("ada", "grace")
    _, ada = whole.sign_in("ada")
    _, grace = whole.sign_in("grace")
    whole.open_workspace("ada")
    whole.open_workspace("grace")
    return ada, grace


def test_whoever_is_removed_at_the_provider_is_out_within_the_bound(whole: Whole) -> None:
    ada, grace = both_work(whole)
    time.sleep(2 * STALE)  # rounds go on confirming both: nobody is out by the clock
    assert whole.workspace("ada").phase is WorkspacePhase.Running
    began = time.monotonic()
    whole.provider.replace_people({"grace": GRACE})
    until(lambda: whole.workspace("ada").phase is WorkspacePhase.Stopped, "Ada's workspace ended")
    took = time.monotonic() - began
    assert took < EVERY + SLACK, took
    assert whole.workspace("ada").reason is Reason.NotVouchedFor
    assert not whole.is_signed_in(ada)
    ended = [reason for _, reason in whole.controller.runtime.ended]
    assert ended == [Reason.NotVouchedFor]
    assert whole.workspace("grace").phase is WorkspacePhase.Running
    assert whole.is_signed_in(grace)
    # Back at the provider, a new sign-in lets her in again; until then nothing does.
    whole.provider.replace_people({"ada": ADA, "grace": GRACE})
    time.sleep(2 * EVERY)
    person = whole.person("ada")
    assert person is not None
    assert person.barred is Reason.NotVouchedFor
    whole.sign_in("ada")
    whole.open_workspace("ada")


def test_whoever_lost_the_groups_that_are_let_in_is_out_and_comes_back_with_them(whole: Whole) -> None:
    ada, _ = both_work(whole)
    began = time.monotonic()
    whole.provider.replace_people({"ada": ADA | {"groups": ["guests", "tre-checkers"]}, "grace": GRACE})
    until(lambda: whole.workspace("ada").phase is WorkspacePhase.Stopped, "Ada's workspace ended")
    assert time.monotonic() - began < EVERY + SLACK
    assert whole.workspace("ada").reason is Reason.NotVouchedFor
    assert not whole.is_signed_in(ada)
    walker = Walker(whole.hub.browser())
    form, _ = walker.walk(AUTHORIZE)
    _, reply = walker.sign_in_as("ada", form)
    assert reply is not None
    assert reply.status == 403
    whole.provider.replace_people({"ada": ADA, "grace": GRACE})
    until(lambda: (person := whole.person("ada")) is not None and person.barred is None, "she is let in again")


def test_a_role_that_was_lost_ends_the_sign_ins_that_carried_it(whole: Whole) -> None:
    _, ada = whole.sign_in("ada")
    _, grace = whole.sign_in("grace")
    fewer = [group for group in ADA["groups"] if group != "tre-checkers"]
    whole.provider.replace_people({"ada": ADA | {"groups": fewer}, "grace": GRACE})
    until(lambda: not whole.is_signed_in(ada), "her sign-in with the role ended")
    person = whole.person("ada")
    assert person is not None
    assert person.roles == {Role.researcher}
    assert person.barred is None
    assert whole.is_signed_in(grace)
    _, session = open_session(whole.desk, person.hub_name)
    assert session.roles == {Role.researcher}


def test_a_provider_that_nobody_reaches_lets_nothing_begin_and_ends_what_runs_at_the_limit(whole: Whole) -> None:
    ada, _ = both_work(whole)
    whole.provider.kill()
    gone = datetime.now(UTC)
    before = whole.person("ada")
    assert before is not None
    assert before.confirmed_until is not None
    until(lambda: whole.workspace("ada").phase is WorkspacePhase.Stopped, "Ada's workspace ended")
    assert whole.workspace("ada").reason is Reason.IdentityStale
    after = whole.person("ada")
    assert after is not None
    assert after.confirmed_until is not None
    assert after.barred is None
    stopped = whole.workspace("ada").changed_at
    assert after.confirmed_until <= stopped < gone + timedelta(seconds=EVERY + STALE + SLACK)
    assert not whole.is_signed_in(ada)
    whole.controller.want(Wanted.Running, whole.subject("ada"))
    until(lambda: whole.workspace("ada").phase is WorkspacePhase.Refused, "nothing begins")
    assert whole.workspace("ada").reason is Reason.IdentityStale


def test_tokens_are_kept_encrypted_and_one_that_was_refused_is_forgotten(whole: Whole) -> None:
    whole.sign_in("ada")
    name = hub_user_name(whole.provider.issuer, "ada")

    def kept() -> bytes | None:
        with sqlite3.connect(whole.hub.layout.root / "hub" / "hub.sqlite") as connection:
            row = connection.execute("SELECT encrypted_auth_state FROM users WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    first = until(kept, "the token is kept")
    assert b"refresh" not in first
    until(lambda: kept() != first, "each round spends a token and keeps its successor")
    key = bytes.fromhex((whole.hub.layout.keys / "hub-tokens-key").read_text().strip())
    state = CryptKeeper(keys=[key])._decrypt(kept())
    assert set(state) == {"subject", "refreshToken"}
    assert state["subject"] == "ada"
    assert state["refreshToken"] not in whole.hub.log_text()
    whole.provider.replace_people({"grace": GRACE})
    until(lambda: kept() is None, "the refused token is forgotten")


def test_without_the_setting_no_token_is_kept(tmp_path: Path) -> None:
    with (
        a_running_provider({"ada": ADA}) as provider,
        a_world(tmp_path / "root", provider_settings(provider.issuer)) as hub,
    ):
        write_client_secret(hub.layout.root)
        hub.start()
        walker = Walker(hub.browser())
        form, _ = walker.walk(AUTHORIZE)
        assert "code=" in walker.sign_in_as("ada", form)[0]
        assert all("offline_access" not in url and "prompt=" not in url for url in walker.passed)
        with sqlite3.connect(hub.layout.root / "hub" / "hub.sqlite") as connection:
            assert connection.execute("SELECT encrypted_auth_state FROM users").fetchall() == [(None,)]
