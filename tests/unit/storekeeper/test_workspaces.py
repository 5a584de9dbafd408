"""Directories of workspaces: whose they are, and that nothing is left of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.storekeeper.conftest import House
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.slices.acl import named_users
from tre.slices.files import directory
from tre.storekeeper.workspaces import DestroyRequest, ProvisionRequest, destroy, provision

NAME = "w-aaaaaaaaaaaa"
UID = 20001 if os.geteuid() == 0 else os.geteuid()
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give directories away")


def make(house: House, name: str = NAME, uid: int = UID) -> dict[str, object]:
    return provision(house.office, ProvisionRequest(workspace=name, grant="grant-1", uid=uid))


def places(house: House) -> dict[str, Path]:
    layout = house.layout
    roots = {"home": layout.homes, "outbox": layout.outboxes, "inbox": layout.inboxes}
    return {name: root / NAME for name, root in roots.items()} | {"shared": layout.shared / "grant-1"}


def test_directories_are_made_once(house: House) -> None:
    make(house)
    before = {name: path.stat().st_ino for name, path in places(house).items()}
    make(house)
    assert {name: path.stat().st_ino for name, path in places(house).items()} == before
    assert house.kinds() == ["workspace.provisioned", "workspace.provisioned"]


@as_root
def test_each_belongs_to_whom_it_should(house: House) -> None:
    make(house)
    services = house.office.settings.services
    found = {name: path.stat() for name, path in places(house).items()}
    owners = {name: (one.st_uid, one.st_gid, stat.S_IMODE(one.st_mode)) for name, one in found.items()}
    assert owners["home"] == (UID, UID, 0o700)
    assert owners["outbox"] == (UID, services.checker, 0o2750)
    assert owners["inbox"] == (services.storekeeper, UID, 0o2750)
    assert owners["shared"][0] == services.storekeeper
    with directory(places(house)["shared"]) as descriptor:
        assert named_users(descriptor) == [UID]


@as_root
def test_a_second_member_joins_the_projects_folder(house: House) -> None:
    make(house)
    make(house, "w-bbbbbbbbbbbb", 20002)
    with directory(places(house)["shared"]) as descriptor:
        assert named_users(descriptor) == [20001, 20002]


@as_root
@pytest.mark.parametrize("uid", [0, 1000, 19005, 60000])
def test_nothing_is_given_to_a_user_that_is_no_workspaces(house: House, uid: int) -> None:
    with pytest.raises(TREError) as caught:
        make(house, uid=uid)
    assert caught.value.reason is Reason.NotPermitted
    assert not places(house)["home"].exists()


@as_root
def test_somebody_elses_directory_is_not_taken_over(house: House) -> None:
    home = places(house)["home"]
    home.mkdir()
    os.chown(home, 20099, 20099)
    with pytest.raises(TREError) as caught:
        make(house)
    assert caught.value.reason is Reason.Conflict
    assert home.stat().st_uid == 20099


def test_a_link_in_the_place_of_a_home_is_not_followed(house: House) -> None:
    home = places(house)["home"]
    target = house.layout.root / "target"
    target.mkdir()
    home.symlink_to(target)
    with pytest.raises(TREError) as caught:
        make(house)
    assert caught.value.reason is Reason.Conflict
    assert target.stat().st_uid == os.geteuid()


@as_root
def test_a_provision_that_was_cut_before_the_owner_changed_is_finished(house: House) -> None:
    home = places(house)["home"]
    home.mkdir(mode=0o700)
    make(house)
    assert home.stat().st_uid == UID


def test_destroying_counts_and_leaves_nothing(house: House) -> None:
    make(house)
    home = places(house)["home"]
    (home / "deep" / "er").mkdir(parents=True)
    (home / "deep" / "er" / "file").write_text("12345")
    (home / "out").symlink_to("/etc")
    receipt = destroy(house.office, DestroyRequest(workspace=NAME, grant="grant-1"))
    canonical_bytes(receipt)
    assert receipt["home"] == {"files": 2, "directories": 3, "bytes": 5 + len("/etc")}
    assert not [path for name, path in places(house).items() if name != "shared" and path.exists()]
    assert places(house)["shared"].exists(), "the grant has not ended"
    assert list((house.layout.homes.parent / ".trash").iterdir()) == []
    assert Path("/etc/passwd").exists()
    assert house.kinds()[-1] == "workspace.destroyed"


def test_destroying_again_finishes_what_was_interrupted(house: House) -> None:
    make(house)
    request = DestroyRequest(workspace=NAME, grant="grant-1")
    destroy(house.office, request)
    (house.layout.homes.parent / ".trash" / "left").mkdir()
    receipt = destroy(house.office, request)
    assert receipt["home"]["files"] == 0
    assert receipt["leftOver"]["directories"] == 1


@pytest.mark.parametrize("name", ["", "..", "w-aaaaaaaaaaaa/..", "w-AAAAAAAAAAAA", "homes"])
def test_only_a_workspaces_name_names_a_workspace(name: str) -> None:
    with pytest.raises(ValueError, match="workspace"):
        DestroyRequest(workspace=name, grant="grant-1")
