"""What the product rests on in the API server itself: each guard refuses, and lets pass once just it is removed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.client import ApiError
from tests.cluster.harness.running import Running
from tests.cluster.place import PRIVILEGED, Place, is_ready

Object = dict[str, Any]
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def policy(name: str, expression: str, resource: str, place: Place) -> Object:
    """An admission policy for one kind in one namespace."""
    only_here = [{"name": "here", "expression": f"object.metadata.namespace == '{place.name}'"}]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": only_here,
            "validations": [{"expression": expression, "message": f"refused by {name}"}],
        },
    }


def binding(name: str) -> Object:
    """What puts an admission policy of the same name into force."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }


@pytest.fixture
def guard(api: Reach) -> Iterator[Callable[[Object], None]]:
    """Puts an admission policy into force; it is gone after the test."""
    made: list[str] = []

    def put(content: Object) -> None:
        made.append(content["metadata"]["name"])
        api.client.create(f"{ADMISSION}/validatingadmissionpolicies", content)
        api.client.create(f"{ADMISSION}/validatingadmissionpolicybindings", binding(made[-1]))

    yield put
    for name in made:
        remove(api, name)


def remove(api: Reach, name: str) -> None:
    """Take an admission policy out of force."""
    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        api.client.delete(f"{ADMISSION}/{kind}/{name}")


def lease_until(end: str, **metadata: str) -> Object:
    """An object with an end, as a grant has one."""
    return {"metadata": {"name": "ends", "annotations": {"end": end}} | metadata}


def test_the_servers_clock_is_now_in_admission_policies(
    api: Reach, place: Place, guard: Callable[[Object], None]
) -> None:
    name = f"{place.name}-end"
    still_to_come = "timestamp(object.metadata.annotations['end']) > timestamp(object.metadata.creationTimestamp)"
    guard(policy(name, still_to_come, "configmaps", place))

    assert f"refused by {name}" in place.await_refusal("configmaps", lease_until(PAST))
    assert place.refusal("configmaps", lease_until(FUTURE)) == ""
    # Who claims to have been made before the end, so that the end seems to come, is not believed.
    claimed = lease_until("2010-01-01T00:00:00Z", creationTimestamp=PAST)
    assert f"refused by {name}" in place.refusal("configmaps", claimed)

    remove(api, name)
    place.await_admission("configmaps", lease_until(PAST))


def test_after_creation_now_is_the_time_of_creation(api: Reach, place: Place, guard: Callable[[Object], None]) -> None:
    """So an end that may change must be bounded by something else: the reason why it may only fall."""
    made = api.client.create(place.path("configmaps"), lease_until(FUTURE))
    name = f"{place.name}-age"
    unchanged = f"timestamp(object.metadata.creationTimestamp) == timestamp('{made['metadata']['creationTimestamp']}')"
    guard(policy(name, unchanged, "configmaps", place))

    place.await_refusal("configmaps", lease_until(FUTURE) | {"metadata": {"name": "another"}})
    changed = lease_until(PAST) | {"apiVersion": "v1", "kind": "ConfigMap"}
    assert api.client.apply(place.path("configmaps", "ends"), changed)["metadata"]["annotations"]["end"] == PAST


def quota(scopes: list[str], pods: str) -> Object:
    """A bound on pods."""
    return {"metadata": {"name": "bound"}, "spec": {"scopes": scopes, "hard": {"pods": pods}}}


def test_a_quota_refuses_pods_without_a_deadline(api: Reach, place: Place) -> None:
    endless, ending = place.pod("endless"), place.pod("ending", activeDeadlineSeconds=60)
    assert place.refusal("pods", endless) == ""

    api.client.create(place.path("resourcequotas"), quota(["NotTerminating"], "0"))
    assert "exceeded quota: bound" in place.await_refusal("pods", endless)
    place.await_admission("pods", ending)

    api.client.delete(place.path("resourcequotas", "bound"))
    place.await_admission("pods", endless)


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("host namespaces", {"hostNetwork": True}),
        ("runAsNonRoot", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
        ("seccompProfile", {"securityContext": {"runAsNonRoot": True, "runAsUser": 65534}}),
        ("hostPath", {"volumes": [{"name": "host", "hostPath": {"path": "/etc"}}]}),
        ("privileged", {"container": {"securityContext": {"privileged": True}}}),
        ("capabilities", {"container": {"securityContext": {"allowPrivilegeEscalation": False}}}),
    ],
)
def test_the_restricted_profile_refuses(
    new_place: Callable[[dict[str, str]], Place], place: Place, words: str, change: Object
) -> None:
    assert words in place.refusal("pods", place.pod("odd", **change))
    assert place.refusal("pods", place.pod("even")) == ""

    unguarded = new_place(PRIVILEGED)
    assert unguarded.refusal("pods", unguarded.pod("odd", **change)) == ""


def test_server_side_apply_guards_fields_of_another_manager(api: Reach, place: Place) -> None:
    content: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned"}, "data": {"end": "1"}}
    path = place.path("configmaps", "owned")
    api.client.apply(path, content, "controller")
    with pytest.raises(ApiError, match=r'conflict with "controller": \.data\.end') as refusal:
        api.client.apply(path, content | {"data": {"end": "2"}}, "somebody", force=False)
    assert refusal.value.code == 409
    assert api.client.apply(path, content | {"data": {"end": "3"}}, "controller")["data"] == {"end": "3"}


def test_a_policy_from_a_file_holds_and_cannot_be_deleted(api: Reach, ours: Running, place: Place) -> None:
    """The API server reads it from its own disk: who may do everything through the API still cannot remove it."""
    name = f"{place.name}.static.k8s.io"
    content = policy(name, "false", "configmaps", place)
    file = ours.where.static_policies / "validating" / f"{place.name}.json"
    items = [content, binding(name)]
    try:
        file.write_text("\n---\n".join(json.dumps(item) for item in items))
        assert f"refused by {name}" in place.await_refusal("configmaps", lease_until(FUTURE))
        listed = api.client.get(f"{ADMISSION}/validatingadmissionpolicies")["items"]
        assert name not in {item["metadata"]["name"] for item in listed}
        api.client.delete(f"{ADMISSION}/validatingadmissionpolicies/{name}")
        assert f"refused by {name}" in place.refusal("configmaps", lease_until(FUTURE))
    finally:
        file.unlink()
    place.await_admission("configmaps", lease_until(FUTURE))


def test_a_fake_node_runs_pods(api: Reach, ours: Running, place: Place) -> None:
    """kwok: nodes for tests of scale, which cost nothing."""
    fake = {"kwok.x-k8s.io/node": "fake"}
    node = {"metadata": {"name": place.name, "annotations": fake, "labels": fake}}
    ours.command("start", "kwok")
    try:
        api.client.create("/api/v1/nodes", node)
        path = f"/api/v1/nodes/{place.name}"
        wait_until(lambda: is_ready(api.client.get(path)), "kwok should take the node, and what comes to it later")
        place.start(place.pod("fake", nodeName=place.name))
        pod = place.await_phase("fake", "Running")
        assert pod["spec"]["nodeName"] == place.name
    finally:
        api.client.delete(place.path("pods", "fake"), grace=0)
        api.client.delete(f"/api/v1/nodes/{place.name}")
        ours.command("stop", "kwok")
    assert "kwok" not in ours.parts()


def test_helm_installs_and_removes(api: Reach, place: Place, helm: str, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "probe", "version": "1.0.0"}))
    content = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "by-helm"},
        "data": {"v": "{{ .Values.v }}"},
    }
    (chart / "templates" / "config.yaml").write_text(json.dumps(content))
    homes = {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}

    def run(*words: str) -> None:
        command = [helm, "--kubeconfig", str(api.kubeconfig), "--namespace", place.name, *words]
        done = subprocess.run(command, env=os.environ | homes, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    run("install", "probe", str(chart), "--set", "v=first")
    assert api.client.get(place.path("configmaps", "by-helm"))["data"] == {"v": "first"}
    run("upgrade", "probe", str(chart), "--set", "v=second")
    assert api.client.get(place.path("configmaps", "by-helm"))["data"] == {"v": "second"}
    run("uninstall", "probe")
    assert api.client.find(place.path("configmaps", "by-helm")) is None
