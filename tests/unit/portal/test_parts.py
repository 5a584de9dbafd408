"""The smaller parts: words, seals, passwords, roles, streams, figures for the public, the command."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from jinja2.exceptions import UndefinedError
from typer.testing import CliRunner

from tests.unit.portal.world import CHEAP, GRANT, PASSWORD, World
from tre.cli.user import app as user_app
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Role
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase
from tre.portal import live as live_module
from tre.portal import passwords, words
from tre.portal.live import MOST_EACH
from tre.portal.pages import environment
from tre.portal.passwords import PasswordChecker, hash_password
from tre.portal.roles import load_roles
from tre.portal.routes.public import rounded
from tre.portal.seals import Sealer, read_key
from tre.store import people


class TestWords:
    def test_every_reason_has_its_words(self) -> None:
        assert set(words.WORDS) == set(Reason)
        for found in words.WORDS.values():
            assert found.text.endswith(".")
            assert not found.advice or found.advice.endswith((".", "…"))

    def test_every_phase_step_and_role_has_its_words(self) -> None:
        for table, kind in (
            (words.GRANT_PHASES, GrantPhase),
            (words.GRANT_COLOURS, GrantPhase),
            (words.PUBLIC_PHASES, GrantPhase),
            (words.WORKSPACE_PHASES, WorkspacePhase),
            (words.WORKSPACE_COLOURS, WorkspacePhase),
            (words.STEPS, StartStep),
            (words.ROLES, Role),
        ):
            assert set(table) == set(kind)  # type: ignore[call-overload]

    def test_conditions(self) -> None:
        assert words.condition_words("DUO:0000025") == "Limited in time (DUO:0000025)"
        assert words.condition_words("DUO:9999999") == "DUO:9999999"


class TestTemplates:
    def test_a_misspelled_name_or_attribute_fails(self) -> None:
        for text in ("{{ nothing }}", "{{ owner.nothing }}", "{% if owner.nothing %}x{% endif %}"):
            with pytest.raises(UndefinedError):
                environment().from_string(text).render(owner=Path("x"))
        assert environment().from_string("{{ found.nothing }}{% if found.a.b %}x{% endif %}").render(found={}) == ""

    def test_every_template_compiles(self) -> None:
        names = environment().list_templates(filter_func=lambda name: name.endswith(".html"))
        assert "base.html" in names
        assert [environment().get_template(name).name for name in names] == names


class TestSeals:
    def test_for_one_purpose_and_key(self) -> None:
        sealer = Sealer(b"a" * 32)
        sealed = sealer.seal("desk", {"session": "x"})
        assert sealer.open("desk", sealed) == {"session": "x"}
        assert sealer.open("entry", sealed) is None
        assert Sealer(b"b" * 32).open("desk", sealed) is None

    def test_what_is_sealed_but_no_value_is_none(self) -> None:
        sealer = Sealer(b"a" * 32)
        for body in ("!", "WzFd", ""):
            assert sealer.open("desk", f"{body}.{sealer._code('desk', body)}") is None

    def test_tokens(self) -> None:
        sealer = Sealer(b"a" * 32)
        assert sealer.token_fits("one", sealer.token("one"))
        assert not sealer.token_fits("two", sealer.token("one"))
        assert not sealer.token_fits("one", "\udcff")

    def test_the_key(self, tmp_path: Path) -> None:
        with pytest.raises(TREError):
            read_key(tmp_path)
        path = tmp_path / "portal-session.key"
        path.write_bytes(b"x" * 31)
        with pytest.raises(TREError):
            read_key(tmp_path)
        path.write_bytes(b"x" * 32)
        assert read_key(tmp_path) == b"x" * 32


class TestPasswords:
    def test_argon2id_of_the_strength_promised(self) -> None:
        assert hash_password(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")

    @pytest.mark.parametrize("password", ["short", "x" * 11, "x" * 1025])
    def test_length(self, password: str) -> None:
        with pytest.raises(TREError):
            hash_password(password)

    def test_fits(self) -> None:
        checker = PasswordChecker(CHEAP)
        assert checker.fits(CHEAP.hash(PASSWORD), PASSWORD)
        assert not checker.fits(CHEAP.hash(PASSWORD), "other")
        assert not checker.fits(None, "the hash of no account")
        assert not checker.fits("no hash at all", PASSWORD)

    def test_a_flood_is_turned_away(self) -> None:
        begun, go_on = threading.Semaphore(0), threading.Event()

        class Slow(PasswordHasher):
            def verify(self, *_: Any) -> Any:
                begun.release()
                go_on.wait(10)
                return True

        checker = PasswordChecker(Slow(time_cost=1, memory_cost=64, parallelism=1), patience=10)
        outcomes: list[bool] = []
        count = passwords.AT_ONCE + passwords.WAITING
        threads = [threading.Thread(target=lambda: outcomes.append(checker.fits("h", "p"))) for _ in range(count)]
        for thread in threads:
            thread.start()
        for _ in range(passwords.AT_ONCE):
            assert begun.acquire(timeout=10)
        while checker._queue._value:  # the others are on their way into the queue
            pass
        with pytest.raises(TREError) as refused:
            checker.fits("h", "p")
        assert refused.value.reason is Reason.RateLimited
        go_on.set()
        for thread in threads:
            thread.join()
        assert outcomes == [True] * count


class TestRoles:
    def test_groups_are_compared_exactly(self, tmp_path: Path) -> None:
        policy = load_roles(tmp_path)
        assert policy.roles_of(["tre-operators", "tre-checkers"]) == {Role.operator, Role.checker}
        assert policy.roles_of(["TRE-operators", "tre-operators ", "operators", ""]) == frozenset()

    def test_the_site_comes_first_and_must_be_right(self, tmp_path: Path) -> None:
        path = tmp_path / "policies" / "roles.yaml"
        path.parent.mkdir()
        head = "apiVersion: tre.research/v1alpha1\nkind: RolePolicy\nmetadata: {name: roles}\n"
        path.write_text(head + "spec: {roles: {operator: [admins]}}\n")
        assert load_roles(tmp_path).roles_of(["admins", "tre-checkers"]) == {Role.operator}
        path.write_text(head + "spec: {roles: {emperor: [admins]}}\n")
        with pytest.raises(TREError):
            load_roles(tmp_path)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "fewer than 10"), (9, "fewer than 10"), (10, "about 10"), (31192, "about 31,190")]
)
def test_numbers_for_the_public(count: int, text: str) -> None:
    assert rounded(count) == text


class TestLive:
    async def test_a_page_is_told_what_changes_until_it_is_done(self, world: World) -> None:
        said = []
        world.want("alice", Wanted.Running)
        stream = await _open(world)
        async for line in stream:
            if line.startswith("data: "):
                message = json.loads(line.removeprefix("data: "))
                said.append(message)
                await asyncio.to_thread(_next, world, len(said))
        assert [message["label"] for message in said] == ["Waiting to start", "Starting", "Starting", "Running"]
        assert [sum(step["reached"] for step in message["steps"]) for message in said] == [0, 1, 2, 2]
        assert [message["done"] for message in said] == [False, False, False, True]

    async def test_it_ends_with_the_session(self, world: World) -> None:
        world.want("alice", Wanted.Running)
        _, session = world.session("alice")
        stream = await _open(world, session.id)
        assert (await anext(stream)).startswith("data: ")
        with world.database.change(world.event()) as change:
            people.revoke_session(change, session.id, world.clock.now())
        assert [line async for line in stream] == []

    async def test_only_so_many_at_once(self, world: World) -> None:
        world.want("alice", Wanted.Running)
        streams = [world.live.stream("one", lambda: {"done": False}) for _ in range(MOST_EACH)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(TREError):
            world.live.check_room("one")
        world.live.check_room("two")
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        world.live.check_room("one")

    async def test_the_end_of_the_launcher_ends_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_module, "BEAT_SECONDS", 0.0)
        stream = world.live.stream("one", lambda: {"done": False})
        await anext(stream)
        assert await anext(stream) == ": beat\n\n"
        world.live.stopping.set()
        assert [line async for line in stream] == []

    async def test_who_may_listen(self, world: World) -> None:
        name = world.workspace("alice").name
        assert (await world.browser("bob").get(f"/workspaces/{name}/events")).status_code == 404
        assert (await world.browser().get(f"/workspaces/{name}/events")).status_code == 401
        answer = await world.browser("alice").get(f"/workspaces/{name}/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert json.loads(answer.text.removeprefix("data: "))["done"] is True


async def _open(world: World, session: str | None = None) -> Any:
    from tre.portal.routes.workspaces import _message
    from tre.portal.sessions import Visitor
    from tre.portal.streams import while_in_force
    from tre.store.people import session as stored

    identifier = session or world.session("alice")[1].id
    with world.database.read() as connection:
        found = stored(connection, identifier, world.clock.now())
    assert found is not None
    name = world.workspace("alice").name
    who = Visitor(found, "")
    return world.live.stream(identifier, while_in_force(world.desk, who, lambda: _message(world.desk, who, name)))


def _next(world: World, number: int) -> None:
    if number == 1:
        world.move("alice", WorkspacePhase.Starting)
    elif number == 2:
        world.reach("alice", StartStep.SlicesMounted)
    elif number == 3:
        world.move("alice", WorkspacePhase.Running, reason=Reason.Entitled)


class TestCommand:
    @staticmethod
    def run(world: World, *arguments: str, typed: str = "") -> Any:
        return CliRunner().invoke(user_app, [*arguments, "--root", str(world.layout.root)], input=typed)

    def test_add_and_list(self, world: World) -> None:
        made = self.run(
            world, "add", "frank", "--name", "Frank", "--role", "checker", "--password-stdin", typed=f"{PASSWORD}\n"
        )
        assert made.exit_code == 0, made.output
        listed = json.loads(self.run(world, "list", "--json").output)
        assert {"name": "frank", "displayName": "Frank", "roles": ["checker"]}.items() <= next(
            item for item in listed if item["name"] == "frank"
        ).items()
        assert "hash" not in self.run(world, "list", "--json").output
        assert world.events("account.added")[0].detail == {"roles": ["checker"]}
        assert self.run(world, "add", "frank", "--password-stdin", typed=f"{PASSWORD}\n").exit_code == 1
        assert self.run(world, "add", "Frank Sinatra", "--password-stdin", typed=f"{PASSWORD}\n").exit_code == 1
        assert self.run(world, "add", "gina", "--password-stdin", typed="short\n").exit_code == 1

    @pytest.mark.parametrize("arguments", [("passwd", "alice", "--password-stdin"), ("disable", "alice")])
    def test_a_new_password_or_none_ends_every_sign_in(self, world: World, arguments: tuple[str, ...]) -> None:
        _, session = world.session("alice")
        with world.database.read() as connection:
            before = people.password_hash(connection, "alice")
        assert self.run(world, *arguments, typed="another long password\n").exit_code == 0
        with world.database.read() as connection:
            # The command runs by the machine's clock; the session was opened by the test's, a moment before its end.
            assert people.password_hash(connection, "alice") != before
        assert self.run(world, "disable", "nobody").exit_code == 1
        assert self.run(world, "passwd", "nobody", "--password-stdin", typed=f"{PASSWORD}\n").exit_code == 1
        assert session.id

    def test_sessions_are_revoked_with_an_event_each(self, world: World) -> None:
        from tre.system.clock import SystemClock

        world.clock.jump(SystemClock().now())
        _, session = world.session("alice")
        assert "1 sign-ins ended" in self.run(world, "disable", "alice").output
        assert [event.object for event in world.events("session.revoked")] == [f"session/{session.id}"]
        with world.database.read() as connection:
            assert people.revoked_sessions(connection, world.clock.now()) == [session.id]


async def test_public_project(world: World) -> None:
    answer = await world.browser().get(f"/projects/{GRANT}.json", "")
    found = answer.json()
    assert found["title"] == "Severity scoring of COVID-19 on chest X-rays"
    assert found["data"] == [{"dataset": "nccid", "release": "2026-10-01", "files": "about 31,190"}]
    assert found["people"] == 2
    page = await world.browser().get(f"/projects/{GRANT}", "")
    for text in ("University", "Approved by", "How to opt out", "Access began"):
        assert text in page.text
    front = await world.browser().get("/", "")
    assert "1 project has used the data" in front.text
