"""Previews: what leaves, what stays, and how many one person gets."""

from __future__ import annotations

from typing import Any

from tests.unit.storekeeper.conftest import House
from tests.unit.storekeeper.test_service import ask, do_now
from tre.store import datasets as store
from tre.store.jobs import Job, JobState


def look(house: House, who: str = "local:alice", **spec: Any) -> Job:
    return do_now(house, ask(house, "slice.preview", {"asker": who, "spec": house.spec(**spec).as_plain()}, who))


def test_a_preview_is_shown_logged_and_not_kept(house: House) -> None:
    house.add()
    done = look(house)
    assert done.state is JobState.done, done.error
    assert done.result is not None
    assert done.result["patients"] == "*"
    assert done.result["rejected"] == {}
    assert house.kinds().count("slice.previewed") == 1
    assert "slice.planned" not in house.kinds()
    with house.office.database.read() as connection:
        assert store.get_plan(connection, done.result["planDigest"]) is None
    assert list((house.office.dataset("demo").root / "plans").iterdir()) == []


def test_a_plan_by_job_is_shown_alike(house: House) -> None:
    house.add()
    planned = do_now(house, ask(house, "slice.plan", {"spec": house.spec().as_plain()}))
    seen = look(house)
    assert planned.result is not None
    assert planned.result == seen.result


def test_one_person_gets_only_so_many_in_an_hour(house: House) -> None:
    house.add()
    policy = house.layout.root / "policies" / "datasets" / "demo.yaml"
    policy.parent.mkdir(parents=True)
    policy.write_text(
        "apiVersion: tre.research/v1alpha1\nkind: DisclosurePolicy\nmetadata: {name: demo}\n"
        "spec: {previewsPerHour: 2}\n"
    )
    assert [look(house, headers=kind).state for kind in ("none", "sidecar")] == [JobState.done] * 2
    third = look(house, layout="flat")
    assert third.error is not None
    assert third.error["reason"] == "RateLimited"
    assert look(house, "local:bob").state is JobState.done
    house.clock.advance(3601)
    assert look(house, layout="flat").state is JobState.done


def test_a_sample_needs_the_secret_and_a_list_its_digest(house: House) -> None:
    house.add()
    sample = {"patients": {"sample": {"seed": "s", "n": 2}}}
    refused = look(house, **sample)
    assert refused.error is not None
    assert refused.error["reason"] == "SetupIncomplete"
    house.layout.keys.mkdir(exist_ok=True)
    (house.layout.keys / "dataset-salt.key").write_bytes(b"s" * 32)
    assert look(house, "local:bob", **sample).state is JobState.done
    listed = look(house, "local:carol", patients={"list": {"file": "/etc/passwd"}})
    assert listed.error is not None
    assert "by its digest" in listed.error["what"]


def test_a_later_plan_says_whether_what_people_saw_covers_it(house: House) -> None:
    house.add()
    spec = house.spec().as_plain()
    first = do_now(house, ask(house, "slice.plan", {"spec": spec})).result
    assert first is not None
    assert "covered" not in first

    def again(signed: str, **changes: Any) -> Any:
        asked = {"spec": house.spec(**changes).as_plain(), "signed": signed}
        result = do_now(house, ask(house, "slice.plan", asked)).result
        assert result is not None
        return result["covered"]

    assert again(first["planDigest"])
    house.withdraw("Covid2")
    assert again(first["planDigest"]), "opt-outs need no new vote"
    assert not again(first["planDigest"], headers="sidecar")
    assert not again("sha256:" + "0" * 64)
