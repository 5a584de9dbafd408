"""What is rendered for a cluster: compared whole with files that people read, and in what matters one by one."""

from __future__ import annotations

import copy
import difflib
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.support import kubernetes as given
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import Mount, MountKind, WorkspacePlan
from tre.runtimes.door import instruction as door
from tre.runtimes.init import instruction
from tre.runtimes.kubernetes.render.facts import ClusterFacts, HostPath, Images, StorageArea
from tre.runtimes.kubernetes.render.grant import objects_for_grant
from tre.runtimes.kubernetes.render.vocabulary import (
    CERTIFICATE_ANNOTATION,
    DOOR_INSTRUCTION_FILE,
    DOOR_PORT,
    HEALTH_PORT,
    INSTRUCTION_FILE,
    PLAN_ANNOTATION,
    PROOF_FINALIZER,
    Object,
)
from tre.runtimes.kubernetes.render.workspace import (
    MARGIN_SECONDS,
    deadline_seconds,
    objects_for_workspace,
)

GOLDEN = Path(__file__).parents[3] / "assets" / "kubernetes" / "golden"
MOMENT = given.moment()

CASES: dict[str, list[Object]] = {
    "grant": objects_for_grant(given.place(), given.facts()),
    "workspace-host-path": objects_for_workspace(given.plan(), given.facts(), MOMENT),
    "workspace-nfs-csi": objects_for_workspace(given.plan(), given.nfs_and_csi(), MOMENT),
    "workspace-gpu-gvisor": objects_for_workspace(given.plan(profile="gpu"), given.facts(), MOMENT),
}


def as_text(objects: list[Object]) -> str:
    """As people read it: one document an object, JSON inside a ConfigMap spread out."""
    return "---\n".join(yaml.safe_dump(readable(one), sort_keys=False, width=110) for one in objects)


def readable(one: Object) -> Object:
    """An object whose instructions are no longer one long line, and whose targets are named only."""
    if one["kind"] != "ConfigMap":
        return one
    return one | {"data": {name: _named(json.loads(text)) for name, text in one["data"].items()}}


def _named(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "item" in value[0]:
        return " · ".join(one["item"] for one in value)
    return {key: _named(one) for key, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("case", CASES)
def test_rendered_objects_are_the_golden_ones(case: str) -> None:
    """`GOLDEN=write` writes the files anew, to be read before they are committed."""
    path, text = GOLDEN / f"{case}.yaml", as_text(CASES[case])
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    wanted = path.read_text(encoding="utf-8")
    difference = difflib.unified_diff(wanted.splitlines(), text.splitlines(), path.name, "rendered", lineterm="", n=1)
    assert wanted == text, "\n" + "\n".join(list(difference)[:40])


@pytest.mark.parametrize("version", ["1.35", "1.36", "1.37"])
@pytest.mark.parametrize("case", CASES)
def test_the_schemas_of_supported_versions_know_every_field(case: str, version: str) -> None:
    assert [one["kind"] for one in CASES[case] if given.misfit(one, version)] == []


def test_a_field_that_no_version_knows_is_seen_by_the_same_means() -> None:
    wrong = pod_object()
    wrong["spec"]["hostUser"] = False
    assert "hostUser" in given.misfit(wrong, "1.37")


def pod_object() -> Object:
    """A pod of its own to change, as rendered."""
    return copy.deepcopy(the("Pod", CASES["workspace-host-path"])[0])


def the(kind: str, objects: list[Object]) -> list[Object]:
    """The objects of a kind."""
    return [one for one in objects if one["kind"] == kind]


def pod(**changes: Any) -> Object:
    """The pod of a changed plan."""
    spec: Object = the("Pod", objects_for_workspace(given.plan(**changes), given.facts(), MOMENT))[0]["spec"]
    return spec


def test_the_order_is_that_of_safety() -> None:
    kinds = [one["kind"] for one in CASES["grant"]]
    assert kinds[:2] == ["Namespace", "NetworkPolicy"]
    assert CASES["grant"][1]["metadata"]["name"] == "deny-all"
    assert [one["kind"] for one in CASES["workspace-host-path"]][-2:] == ["ConfigMap", "Pod"]


def test_rendering_twice_gives_the_same() -> None:
    assert objects_for_workspace(given.plan(), given.facts(), MOMENT) == CASES["workspace-host-path"]


def test_the_first_process_takes_its_instruction() -> None:
    config = the("ConfigMap", CASES["workspace-host-path"])[0]
    order = instruction.parse(config["data"][INSTRUCTION_FILE].encode())
    assert order.workspace == given.plan().identity
    assert order.end == given.END.timestamp()
    assert order.probe is not None
    items = {str(one["item"]) for one in order.probe[0]}  # type: ignore[index]
    assert {"tcp API server 10.96.0.1 443", "absent /run/keys", "create /data/cxr", "socket inet stream"} <= items
    assert f"tcp host port {HEALTH_PORT}" in items


def test_the_door_takes_its_instruction() -> None:
    config = the("ConfigMap", CASES["workspace-host-path"])[0]
    order = door.parse(json.loads(config["data"][DOOR_INSTRUCTION_FILE]))
    assert (order.port, order.health, order.uid) == (DOOR_PORT, HEALTH_PORT, given.plan().uid)
    assert list(order.sealed) == json.loads(config["data"][INSTRUCTION_FILE])["probe"]["targets"]
    kinds = {str(one["kind"]) for one in order.network}
    assert kinds == {"tcp", "udp", "dns"}
    assert order.answered == given.ANSWERED
    assert not any(str(one.get("address")) in {"127.0.0.1", "::1"} for one in order.network)


def test_the_pod_carries_what_a_controller_without_memory_needs() -> None:
    metadata = the("Pod", CASES["workspace-host-path"])[0]["metadata"]
    assert WorkspacePlan.model_validate_json(metadata["annotations"][PLAN_ANNOTATION]) == given.plan()
    assert metadata["annotations"][CERTIFICATE_ANNOTATION] == given.KEYS.certificate
    assert metadata["finalizers"] == [PROOF_FINALIZER]


def test_only_the_secret_holds_the_key() -> None:
    holding = [one["kind"] for one in CASES["workspace-host-path"] if given.KEYS.key in json.dumps(one)]
    assert holding == ["Secret"]


def test_the_deadline_is_the_earlier_of_end_and_cap() -> None:
    by_end = given.plan(cap_seconds=10**6)
    assert deadline_seconds(by_end, given.NOW) == 8 * 3600 - MARGIN_SECONDS
    assert deadline_seconds(given.plan(cap_seconds=60), given.NOW) == 60
    assert deadline_seconds(by_end, given.END - timedelta(seconds=MARGIN_SECONDS + 1)) == 1
    with pytest.raises(TREError) as caught:
        deadline_seconds(by_end, given.END - timedelta(seconds=MARGIN_SECONDS))
    assert caught.value.reason is Reason.DeadlineReached


def test_user_namespaces_where_everything_allows_them() -> None:
    assert pod()["hostUsers"] is False
    assert "hostUsers" not in pod(profile="gpu")
    assert "hostUsers" not in pod(uid=70000)
    assert "hostUsers" not in pod(data_groups=(65536,))
    assert "hostUsers" not in the("Pod", CASES["workspace-nfs-csi"])[0]["spec"]
    without = objects_for_workspace(given.plan(), given.facts(user_namespaces=False), MOMENT)
    assert "hostUsers" not in the("Pod", without)[0]["spec"]


def test_only_what_is_read_only_is_mounted_so() -> None:
    mounts = {one["mountPath"]: one for one in pod()["containers"][0]["volumeMounts"]}
    for path in ("/data/cxr", "/inbox"):
        assert mounts[path]["readOnly"] is True
        assert mounts[path]["recursiveReadOnly"] == "Enabled"
    for path in ("/home/researcher", "/shared", "/outbox"):
        assert mounts[path]["readOnly"] is False
        assert "recursiveReadOnly" not in mounts[path]


def test_each_volume_and_its_claim_name_each_other() -> None:
    objects = CASES["workspace-host-path"]
    claims = {one["metadata"]["name"]: one for one in the("PersistentVolumeClaim", objects)}
    volumes = the("PersistentVolume", objects)
    assert len(volumes) == len(claims) == len(given.MOUNTS)
    for volume in volumes:
        claim = claims[volume["spec"]["claimRef"]["name"]]
        assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
        assert claim["metadata"]["namespace"] == volume["spec"]["claimRef"]["namespace"]
        assert claim["spec"]["accessModes"] == volume["spec"]["accessModes"]


def test_two_runs_share_no_object() -> None:
    first, second = (objects_for_workspace(given.plan(instance=n), given.facts(), MOMENT) for n in (1, 2))
    named = [{(one["kind"], one["metadata"]["name"]) for one in objects} for objects in (first, second)]
    assert not named[0] & named[1]


def test_nothing_but_the_plan_names_a_person() -> None:
    named = copy.deepcopy(CASES["workspace-host-path"])
    del named[-1]["metadata"]["annotations"][PLAN_ANNOTATION]  # says so, and viewers of pods may know
    assert "alice" not in json.dumps(named).replace(given.WORKSPACE, "")


def test_a_path_outside_every_area_is_refused() -> None:
    elsewhere = Mount(kind=MountKind.slice, name="x", source="/srv/tre/database", target="/data/x")
    with pytest.raises(TREError, match="No storage area") as caught:
        objects_for_workspace(given.plan(mounts=(elsewhere,)), given.facts(), MOMENT)
    assert caught.value.reason is Reason.SetupIncomplete


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(TREError, match="no profile 'huge'") as caught:
        objects_for_workspace(given.plan(profile="huge"), given.facts(), MOMENT)
    assert caught.value.reason is Reason.SetupIncomplete


@pytest.mark.parametrize(
    "image",
    [
        "workspace:latest",
        "workspace",
        f"workspace@sha256:{'a' * 63}",
        f"Workspace@sha256:{'a' * 64}",
        "@sha256:" + "a" * 64,
    ],
)
def test_images_are_named_by_digest(image: str) -> None:
    with pytest.raises(ValidationError, match="named by its digest"):
        Images(workspace=image, door=given.IMAGES.door)


def test_areas_do_not_hold_each_other() -> None:
    inner = StorageArea(mounted_at="/srv/tre/data", volume=HostPath(path="/a"))
    outer = StorageArea(mounted_at="/srv/tre", volume=HostPath(path="/b"))
    with pytest.raises(ValidationError, match="holds another area"):
        given.facts(areas=(inner, outer))


def test_facts_are_read_strictly() -> None:
    plain = given.nfs_and_csi().as_plain()
    assert ClusterFacts.model_validate(plain) == given.nfs_and_csi()
    with pytest.raises(ValidationError, match="Extra inputs"):
        ClusterFacts.model_validate(plain | {"privileged": "yes"})


def test_gpus_of_the_profile_are_asked_for_by_the_name_that_the_cluster_gives_them() -> None:
    limits = given.plan().limits.model_copy(update={"gpus": 2})
    whole = given.facts().model_copy(update={"gpu_resource": "amd.com/gpu"})
    for facts, name in ((given.facts(), "nvidia.com/gpu"), (whole, "amd.com/gpu")):
        rendered = the("Pod", objects_for_workspace(given.plan(limits=limits), facts, MOMENT))[0]["spec"]
        (lab,) = rendered["containers"]
        assert (lab["resources"]["limits"][name], lab["resources"]["requests"][name]) == ("2", "2")
    (bare,) = pod()["containers"]
    assert not [name for name in bare["resources"]["limits"] if "gpu" in name]


def test_shared_memory_is_the_profiles_and_counts_as_the_pods_memory() -> None:
    limits = given.plan().limits.model_copy(update={"shared_memory_bytes": 2**28})
    volumes = {one["name"]: one for one in pod(limits=limits)["volumes"]}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": str(2**28)}
