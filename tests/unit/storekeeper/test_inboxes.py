"""Inboxes hold exactly what the record says was let in, whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.factories import access_grant
from tests.unit.domain.exports.world import AUTHOR, sha
from tests.unit.storekeeper.conftest import START, House
from tre.domain.errors import Reason, TREError
from tre.domain.imports.models import ImportFile, ImportRequest
from tre.domain.imports.states import ImportState
from tre.domain.people import Subject
from tre.store import grants, imports, workspaces
from tre.storekeeper import inboxes
from tre.storekeeper.inboxes import FillRequest, fill_all
from tre.storekeeper.workspaces import ProvisionRequest, provision

GRANT = "grant-1"
FIRST, SECOND = "i-aaaaaaaaaaaa", "i-bbbbbbbbbbbb"
UID = 20001 if os.geteuid() == 0 else os.geteuid()


class Door:
    """A grant with two workspaces, and what was let in."""

    def __init__(self, house: House) -> None:
        self.house = house
        with house.record.change(house.office.event("grant.applied", f"grant/{GRANT}")) as change:
            grants.apply(change, GRANT, access_grant(GRANT).spec, "test", START)
            members = [Subject(issuer="local", id=name) for name in ("alice", "bob")]
            self.names = [workspaces.ensure(change, GRANT, member, START) for member in members]
        house.layout.handover.mkdir(parents=True)

    def provision(self, place: int = 0) -> Path:
        provision(self.house.office, ProvisionRequest(workspace=self.names[place], grant=GRANT, uid=UID + place))
        return self.house.layout.inboxes / self.names[place]

    def let_in(self, name: str, files: dict[str, str], state: ImportState = ImportState.Placing) -> ImportRequest:
        """A request in a state, and its bytes handed over."""
        named = tuple(ImportFile(path=p, sha256=sha(c), size=len(c), type="code") for p, c in files.items())
        for content in files.values():
            (self.house.layout.handover / sha(content)).write_text(content)
        return self.keep(
            ImportRequest(
                id=name,
                grant=GRANT,
                author=AUTHOR.subject,
                files=named,
                state=state,
                created_at=START,
                changed_at=START,
                deadline=START + timedelta(days=1),
            )
        )

    def keep(self, request: ImportRequest) -> ImportRequest:
        with self.house.record.change(self.house.office.event("import.made", f"import/{request.id}")) as change:
            return imports.create(change, request)

    def move(self, request: ImportRequest, state: ImportState) -> ImportRequest:
        event = self.house.office.event("import.moved", f"import/{request.id}")
        with self.house.record.change(event) as change:
            return imports.save(change, request, request.changed(state=state))

    def fill(self) -> dict[str, object]:
        return fill_all(self.house.office, FillRequest(grant=GRANT))


@pytest.fixture
def door(house: House) -> Door:
    return Door(house)


def shown(inbox: Path) -> dict[str, str]:
    files = sorted(path for path in inbox.rglob("*") if path.is_file())
    return {str(path.relative_to(inbox)): path.read_text() for path in files}


def test_what_is_let_in_stands_in_every_inbox_and_goes_again(door: Door) -> None:
    inside = [door.provision(0), door.provision(1)]
    request = door.let_in(FIRST, {"pkg/a.py": "1", "pkg/deep/b.py": "22"})
    assert door.fill() == {"placed": 2, "removed": 0, "incomplete": []}
    for inbox in inside:
        assert shown(inbox) == {f"{FIRST}/pkg/a.py": "1", f"{FIRST}/pkg/deep/b.py": "22"}
    assert door.fill() == {"placed": 0, "removed": 0, "incomplete": []}, "again changes nothing"
    door.move(request, ImportState.Removed)
    assert door.fill() == {"placed": 0, "removed": 2, "incomplete": []}
    assert [shown(inbox) for inbox in inside] == [{}, {}]
    assert list((door.house.layout.homes.parent / ".trash").iterdir()) == []


@pytest.mark.parametrize("state", sorted(set(ImportState) - {ImportState.Placing, ImportState.Placed}))
def test_nothing_else_is_placed(door: Door, state: ImportState) -> None:
    inbox = door.provision()
    door.let_in(FIRST, {"a.py": "1"}, state)
    door.fill()
    assert shown(inbox) == {}


def test_a_workspace_that_comes_later_finds_it(door: Door) -> None:
    door.let_in(FIRST, {"a.py": "1"}, ImportState.Placed)
    assert door.fill() == {"placed": 0, "removed": 0, "incomplete": []}, "no inbox is there yet"
    assert shown(door.provision()) == {f"{FIRST}/a.py": "1"}


def test_its_user_reads_and_does_not_write(door: Door) -> None:
    inbox = door.provision()
    door.let_in(FIRST, {"pkg/a.py": "1"})
    door.fill()
    for path in (inbox / FIRST, inbox / FIRST / "pkg", inbox / FIRST / "pkg" / "a.py"):
        found = path.stat()
        assert found.st_gid == inbox.stat().st_gid
        assert stat.S_IMODE(found.st_mode) & 0o022 == 0
        assert found.st_mode & stat.S_IRGRP
        if os.geteuid() == 0:
            assert found.st_uid != UID


@pytest.mark.parametrize("content", [None, "2", "1" * 100_000])
def test_other_bytes_are_never_placed_and_do_not_stop_others(door: Door, content: str | None) -> None:
    inbox = door.provision()
    door.let_in(FIRST, {"a.py": "1"})
    door.let_in(SECOND, {"b.py": "2"})
    copy = door.house.layout.handover / sha("1")
    copy.unlink()
    if content is not None:
        copy.write_text(content)
    assert door.fill()["incomplete"] == [FIRST]
    assert shown(inbox) == {f"{SECOND}/b.py": "2"}
    assert not (inbox / FIRST).exists()


def test_a_link_in_place_of_a_copy_is_not_followed(door: Door, tmp_path: Path) -> None:
    inbox = door.provision()
    door.let_in(FIRST, {"a.py": "1"})
    copy = door.house.layout.handover / sha("1")
    copy.unlink()
    (tmp_path / "other").write_text("1")
    copy.symlink_to(tmp_path / "other")
    with pytest.raises(TREError) as caught:
        door.fill()
    assert caught.value.reason is Reason.StorageFailed
    assert shown(inbox) == {}


def test_a_cut_leaves_nothing_half_placed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut between any two files: the directory has no name yet, and the next time it is made anew."""
    inbox = door.provision()
    door.let_in(FIRST, {"a.py": "1", "b.py": "2"})
    real, calls = inboxes._copy, []

    def cut(source: Path, target: Path, file: ImportFile) -> None:
        calls.append(file.path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target, file)

    monkeypatch.setattr(inboxes, "_copy", cut)
    with pytest.raises(TREError) as caught:
        door.fill()
    assert caught.value.reason is Reason.StorageFull
    assert not (inbox / FIRST).exists()
    monkeypatch.undo()
    assert door.fill()["placed"] == 1
    assert shown(inbox) == {f"{FIRST}/a.py": "1", f"{FIRST}/b.py": "2"}
    assert sorted(path.name for path in inbox.iterdir()) == [FIRST]


def test_what_is_not_its_own_stays(door: Door, tmp_path: Path) -> None:
    inbox = door.provision()
    (inbox / ".preflight").mkdir()
    (inbox / "notes").mkdir()
    door.fill()
    assert sorted(path.name for path in inbox.iterdir()) == [".preflight", "notes"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (door.house.layout.inboxes / door.names[1]).symlink_to(elsewhere)
    door.let_in(FIRST, {"a.py": "1"})
    door.fill()
    assert list(elsewhere.iterdir()) == []
