"""What the doctor says of a cluster: each judgement on objects as a server shows them, and all of it in memory."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tre.cli.cluster_keys import SPECS
from tre.cli.doctor import cluster
from tre.cli.doctor.cluster import CHECKS, View, field_of
from tre.cli.doctor.finding import Place
from tre.cli.doctor.run import examine
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import ClusterError, Kind, Object, refusal_of
from tre.runtimes.kubernetes.kinds import CLAIM, CONFIG_MAP, NAMESPACE, NODE, POD, SECRET, VOLUME
from tre.runtimes.kubernetes.render.vocabulary import END_ANNOTATION, GRANT_LABEL, WORKSPACE_LABEL
from tre.runtimes.kubernetes.rights import REVIEW, REVIEW_OF_OTHERS

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER, EARLIER = ((NOW + timedelta(hours=hours)).isoformat() for hours in (5, -5))
DIGEST = "registry.example.org/tre/workspace@sha256:" + "a" * 64
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
SHUT = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
FEATURES = {"userNamespaces": True, "recursiveReadOnlyMounts": True}
CLUSTER = f"""
images: {{workspace: "{DIGEST}", door: "{DIGEST}"}}
areas: [{{mountedAt: /srv, volume: {{kind: hostPath, path: /srv}}}}]
gateway: {{namespace: tre-system, podLabels: {{app: gateway}}}}
profiles: {{small: {{runtimeClass: gvisor}}}}
"""


def item(name: str, namespace: str = "", *, labels: Any = None, end: str = "", **more: Any) -> Object:
    metadata: Object = {"name": name, "labels": labels or {}, "annotations": {END_ANNOTATION: end} if end else {}}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {})} | copy.deepcopy(more)


def pod(name: str, namespace: str, image: str = DIGEST, *, workspace: bool = True, status: Any = None) -> Object:
    labels = {WORKSPACE_LABEL: "w-aaaa"} if workspace else {}
    return item(name, namespace, labels=labels, spec={"containers": [{"image": image}]}, status=status or READY)


class Memory(MemoryCluster):
    """A cluster with a version and a clock, and an authoriser that says yes but for what is named."""

    def __init__(self) -> None:
        super().__init__()
        self.told, self.off, self.denied, self.hidden = (1, 36), 0.2, "", ""

    def version(self) -> tuple[int, int]:
        return self.told

    def skew(self) -> float:
        return self.off

    def create(self, kind: Kind, item: Object) -> Object:
        if self.hidden == kind.plural:
            raise forbidden(kind)
        if kind not in {REVIEW, REVIEW_OF_OTHERS}:
            made = super().create(kind, item)
            return self.apply_status(kind, item) if "status" in item else made
        return {"status": {"allowed": item["spec"]["resourceAttributes"]["resource"] != self.denied}}

    def list(self, kind: Kind, *arguments: Any, **more: Any) -> Any:
        if self.hidden == kind.plural:
            raise forbidden(kind)
        return super().list(kind, *arguments, **more)


def forbidden(kind: Kind) -> ClusterError:
    return refusal_of(403, {"message": f'cannot list resource "{kind.plural}"'}, "The API server answered 403.")


@pytest.fixture
def memory() -> Memory:
    """A cluster on which everything is as the chart and the controller make it."""
    made = Memory()
    restricted = {GRANT_LABEL: "abc", "pod-security.kubernetes.io/enforce": "restricted"}
    objects: list[tuple[Kind, Object]] = [
        (NAMESPACE, item("tre-system")),
        (NAMESPACE, item("tre-grant-abc", labels=restricted, end=LATER)),
        (CONFIG_MAP, item("tre-settings", "tre-system", data={"cluster.yaml": CLUSTER})),
        (CLAIM, item("tre-data", "tre-system", status={"phase": "Bound"})),
        (cluster.RUNTIME_CLASS, item("gvisor")),
        (NODE, item("one", status=READY | {"runtimeHandlers": [{"name": "", "features": FEATURES}]})),
        (POD, pod("tre-hub-0", "tre-system", workspace=False)),
        (POD, pod("w-aaaa-1", "tre-grant-abc")),
        *((cluster.NETWORK_POLICY, item("deny", name, spec=SHUT)) for name in ("tre-system", "tre-grant-abc")),
        *((SECRET, item(spec.name, "tre-system")) for spec in SPECS),
        *((cluster.GUARD, item(name, spec={"failurePolicy": "Fail"})) for name in cluster.GUARDS),
        *(
            (cluster.BINDING, item(name, spec={"policyName": name, "validationActions": ["Deny", "Audit"]}))
            for name in cluster.GUARDS
        ),
    ]
    for kind, found in objects:
        made.create(kind, found)
    return made


def states(memory: Memory, nobody_here: Place) -> dict[str, str]:
    fields = {"cluster": field_of(View(memory, "tre-system", NOW))}
    return {one.what: str(one.state) for one in examine(nobody_here, fields, 45)}


def test_a_cluster_as_the_chart_makes_it_is_good(memory: Memory, nobody_here: Place) -> None:
    assert states(memory, nobody_here) == {check.what: "good" for check in CHECKS}
    assert all(check.means.endswith(".") for check in CHECKS)


def test_what_is_wrong_is_told_and_nothing_else(memory: Memory, nobody_here: Place) -> None:
    memory.told, memory.off, memory.denied = (1, 30), 60.0, "pods"
    memory.create(NAMESPACE, item("tre-grant-old", labels={GRANT_LABEL: "old"}, end=EARLIER))
    memory.create(POD, pod("w-bbbb-1", "tre-grant-old", "registry.example.org/tre/workspace:latest"))
    found = states(memory, nobody_here)
    wrong = {
        "API server", "API server's clock", "rights of the controller", "default deny", "pod security", "images",
        "ended workspaces",
    }  # fmt: skip
    assert {what for what, state in found.items() if state == "bad"} == wrong
    assert {state for what, state in found.items() if what not in wrong} == {"good"}


@pytest.mark.parametrize(
    ("hidden", "what"), [("nodes", "nodes"), ("secrets", "secrets"), ("networkpolicies", "default deny")]
)
def test_what_may_not_be_read_is_weak_and_never_good(
    memory: Memory, nobody_here: Place, hidden: str, what: str
) -> None:
    memory.hidden = hidden
    found = states(memory, nobody_here)
    assert found[what] == "weak"
    assert set(found.values()) == {"good", "weak"}


def test_who_may_ask_about_nobody_else_is_told_of_themselves(memory: Memory) -> None:
    memory.hidden, memory.denied = REVIEW_OF_OTHERS.plural, "nodes"
    found = cluster._rights(View(memory, "tre-system", NOW))
    assert (found.state, found.detail) == ("bad", "this account may not get nodes")


def guards(**changes: Any) -> tuple[list[Object], list[Object]]:
    policies = [item(name, spec={"failurePolicy": "Fail"} | changes.get("policy", {})) for name in cluster.GUARDS]
    bound = {"validationActions": ["Deny"]} | changes.get("binding", {})
    return policies, [item(name, spec={"policyName": name} | bound) for name in cluster.GUARDS]


def test_a_guard_that_is_gone_fails_open_or_only_warns_is_bad() -> None:
    assert cluster.judge_guards(*guards()).state == "good"
    policies, bindings = guards()
    assert cluster.judge_guards(policies[1:], bindings).detail == "tre-namespaces is missing"
    assert cluster.judge_guards(policies, bindings[1:]).detail == "tre-namespaces denies nothing"
    assert cluster.judge_guards(*guards(policy={"failurePolicy": "Ignore"})).state == "bad"
    assert cluster.judge_guards(*guards(binding={"validationActions": ["Warn"]})).state == "bad"


@pytest.mark.parametrize(
    "change",
    [
        {"podSelector": {"matchLabels": {"app": "x"}}},
        {"policyTypes": ["Ingress"]},
        {"egress": [{}]},
        {"ingress": [{"from": []}]},
    ],
)
def test_a_policy_that_leaves_a_way_is_no_default_deny(change: Object) -> None:
    assert cluster.judge_closed(["a"], [item("p", "a", spec=SHUT)]).state == "good"
    assert cluster.judge_closed(["a", "b"], [item("p", "a", spec=SHUT)]).state == "bad"
    assert cluster.judge_closed(["a"], [item("p", "a", spec=SHUT | change)]).state == "bad"


def test_volumes_that_are_not_bound_or_left_over_are_told(memory: Memory, nobody_here: Place) -> None:
    claim = item("tre-data", "tre-system", status={"phase": "Bound"})
    assert cluster.judge_volumes([claim], []).state == "good"
    assert cluster.judge_volumes([], []).state == "bad"
    assert cluster.judge_volumes([claim | {"status": {"phase": "Pending"}}], []).state == "bad"
    memory.create(VOLUME, item("tre-w", labels={WORKSPACE_LABEL: "w-aaaa"}, status={"phase": "Failed"}))
    assert states(memory, nobody_here)["volumes"] == "weak"


def node(*, ready: bool = True, **features: bool) -> Object:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}], "runtimeHandlers": [{"features": features}]}
    return item("one", status=status)


def test_nodes_that_cannot_what_pods_ask_for_are_bad() -> None:
    assert cluster.judge_nodes([node(**FEATURES)], user_namespaces=True).state == "good"
    assert cluster.judge_nodes([], user_namespaces=True).state == "bad"
    assert cluster.judge_nodes([node(ready=False, **FEATURES)], user_namespaces=True).detail == "one is not ready"
    alone = [node(recursiveReadOnlyMounts=True)]
    assert cluster.judge_nodes(alone, user_namespaces=False).state == "good"
    assert "no user namespace" in cluster.judge_nodes(alone, user_namespaces=True).detail
    assert "read-only throughout" in cluster.judge_nodes([node(userNamespaces=True)], user_namespaces=True).detail


def test_a_quota_that_is_used_up_is_weak() -> None:
    def quota(used: str) -> Object:
        status = {"hard": {"pods": "4", "services": "0"}, "used": {"pods": used, "services": "0"}}
        return item("site", "x", status=status)

    found = cluster.judge_quotas([quota("4")])
    assert (found.state, found.detail) == ("weak", "x/site: all of pods is used (4)")
    assert cluster.judge_quotas([quota("3")]).state == "good"


def test_pods_past_their_grants_end_are_bad_and_empty_namespaces_weak() -> None:
    ended, lives = item("tre-grant-a", end=EARLIER), item("tre-grant-b", end=LATER)
    assert cluster.judge_orphans([lives], [pod("w", "tre-grant-b")], NOW).state == "good"
    assert cluster.judge_orphans([ended], [], NOW).state == "weak"
    assert cluster.judge_orphans([ended], [pod("w", "tre-grant-a")], NOW).state == "bad"
    over = pod("w", "tre-grant-a", status={"phase": "Succeeded"})
    assert cluster.judge_orphans([ended], [over], NOW).state == "good", "it ended, and its proof is awaited"
    assert "in no namespace of a grant" in cluster.judge_orphans([lives], [pod("w", "default")], NOW).detail
    assert cluster.judge_orphans([item("tre-grant-c")], [pod("w", "tre-grant-c")], NOW).state == "bad", "no end is none"


def test_images_by_a_tag_are_bad_for_workspaces_and_weak_for_the_launcher() -> None:
    tagged = pod("w", "a", "registry.example.org/x:1")
    assert cluster.judge_images([pod("w", "a")], [pod("h", "b")]).state == "good"
    assert cluster.judge_images([tagged], []).state == "bad"
    assert cluster.judge_images([], [tagged]).state == "weak"
