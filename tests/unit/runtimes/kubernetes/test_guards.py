"""The guards without a cluster: what is rendered passes each of them, and what is forbidden fails just those named.

The expressions themselves are evaluated, by an independent implementation of their language. It lacks Kubernetes' own
additions, and no guard uses them. `tests/cluster/test_guards.py` says the same with the real API server.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cel_expr_python import cel

from tests.support import kubernetes as given
from tests.support.forbidden import Object, Row, Scene, rows
from tre.runtimes.kubernetes.render import vocabulary

CHECKOUT = Path(__file__).parents[4]
sys.path.insert(0, str(CHECKOUT / "tools"))
import guards  # noqa: E402

CONTROLLER = "system:serviceaccount:tre-system:tre-controller"
USERS = {"controller": CONTROLLER, "administrator": "admin"}
VARIABLES = ("object", "oldObject", "request", "namespaceObject", "variables")
GUARDS = guards.load()
RULES = {guards.identifier(guard, rule) for guard in GUARDS for rule in guard.rules}
BESIDES = {"restricted", "limits", "quota:no-pod-without-deadline", "quota:nothing-else"}
SCENE = Scene.of(given.GRANT, given.moment())
ROWS = rows()
# kind → API group and resource, for objects that no collection of ours names
GROUPS = {"EndpointSlice": "discovery.k8s.io", "Ingress": "networking.k8s.io", "NetworkPolicy": "networking.k8s.io"}
GROUPS |= {"Deployment": "apps", "Job": "batch", "RoleBinding": "rbac.authorization.k8s.io"}
PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}


@cache
def compiled(text: str) -> Any:
    """An expression, compiled once."""
    environment = cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))
    return environment.compile(guards.expression(text, CONTROLLER))


class Evaluator:
    """One request, judged by one guard after another."""

    def __init__(self, data: Object) -> None:
        self._data = data

    def _value(self, text: str, data: Object) -> Any:
        return compiled(text).eval(data=data).plain_value()

    def failed(self, guard: guards.Guard) -> set[str]:
        """The rules that refuse; an expression that cannot be evaluated refuses too, as in a cluster."""
        data = self._data | {"variables": {}}
        if not all(self._value(one.expression, data) is True for one in guard.conditions):
            return set()
        for one in guard.variables:
            data["variables"] = data["variables"] | {one.name: self._value(one.expression, data)}
        return {
            guards.identifier(guard, rule) for rule in guard.rules if self._value(rule.expression, data) is not True
        }


def resource(row: Row, content: Object) -> tuple[str, str, str]:
    """API group, resource and subresource that a row speaks of."""
    if row.path and not row.what:
        parts = row.path.partition("?")[0].split("/")
        group = row.api.removeprefix("/apis/").partition("/")[0] if row.api != "/api/v1" else ""
        return group, parts[0], parts[2] if len(parts) > 2 else ""
    kind = content["kind"]
    return GROUPS.get(kind, ""), PLURALS.get(kind, f"{kind.lower()}s"), ""


def sees(guard: guards.Guard, group: str, name: str, operation: str) -> bool:
    """Whether a guard looks at requests of this kind."""
    return any(
        group in one.groups and operation in one.operations and (name in one.resources or "*" in one.resources)
        for one in guard.resources
    )


def refused(row: Row) -> set[str]:
    """Every rule that refuses what a row tries."""
    content = row.changed(SCENE.objects, SCENE.pod) if row.what or row.object else {}
    operation = row.act.upper()
    if content:
        content.setdefault("metadata", {})["creationTimestamp"] = given.NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    group, name, sub = resource(row, content)
    request = {
        "operation": operation,
        "userInfo": {"username": USERS[row.by]},
        "resource": {"group": group, "version": "v1", "resource": name},
        "subResource": sub,
    }
    old = SCENE.objects[row.what] if row.what and operation != "CREATE" else {}
    data = {"object": content, "oldObject": old, "request": request, "namespaceObject": SCENE.objects["namespace"]}
    full = f"{name}/{sub}" if sub else name
    evaluator = Evaluator(data)
    return {found for guard in GUARDS if sees(guard, group, full, operation) for found in evaluator.failed(guard)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_just_the_named_guards_refuse(row: Row) -> None:
    # What other parts of the API server add to an object before a guard sees it is known to the cluster's test only.
    added = {"tre-pods/volume-kinds"} if row.name == "a token" else set()
    added |= {"tre-pods/host-port"} if row.name == "the node's network" else set()
    assert refused(row) == {guard for guard in row.guards if guard in RULES} - added


@pytest.mark.parametrize(
    "scene",
    [
        SCENE,
        Scene.of("another-grant", given.moment(), areas=given.nfs_and_csi().areas),
        Scene.of("g", given.moment(datetime(2027, 6, 30, 23, 0, tzinfo=UTC))),
    ],
    ids=["directories", "file server and driver", "an hour before the end"],
)
def test_everything_rendered_passes_every_guard(scene: Scene) -> None:
    for name in scene.objects:
        row = Row("as rendered", (), what=name)
        content = row.changed(scene.objects, scene.pod)
        content["metadata"]["creationTimestamp"] = "2026-11-24T12:00:00Z"
        if name == "pod" and scene.plan.grant == "g":
            content["metadata"]["creationTimestamp"] = "2027-06-30T23:00:01Z"
        group, plural, _ = resource(row, content)
        request = {"operation": "CREATE", "userInfo": {"username": CONTROLLER}, "subResource": ""}
        request |= {"resource": {"group": group, "version": "v1", "resource": plural}}
        data = {"object": content, "oldObject": {}, "request": request, "namespaceObject": scene.objects["namespace"]}
        seen = [guard for guard in GUARDS if sees(guard, group, plural, "CREATE")]
        assert seen, name
        assert not {found for guard in seen for found in Evaluator(data).failed(guard)}, name


# --- the table and the files


def test_every_guard_has_a_row_and_every_row_a_guard() -> None:
    named = {guard for row in ROWS for guard in row.guards}
    assert named == RULES | BESIDES
    assert len(ROWS) >= 60
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.guards for row in ROWS)


def test_guards_and_renderer_mean_the_same_names() -> None:
    assert guards.GRANT_LABEL == vocabulary.GRANT_LABEL
    texts = " ".join(rule.expression for guard in GUARDS for rule in guard.rules)
    for word in (
        vocabulary.END_ANNOTATION,
        vocabulary.GRANT_ANNOTATION,
        vocabulary.GRANT_LABEL,
        vocabulary.IMAGE_AGE_ANNOTATION,
        vocabulary.IMAGE_BUILT_ANNOTATION,
    ):
        assert f"'{word}'" in texts
    assert f"== {vocabulary.DOOR_PORT}" in texts


def test_rendered_files_are_up_to_date() -> None:
    command = [sys.executable, str(CHECKOUT / "tools" / "render_guards.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_files_for_another_controller(tmp_path: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "tools" / "render_guards.py")]
    command += ["--namespace", "elsewhere", "--output", str(tmp_path)]
    subprocess.run(command, capture_output=True, check=True)
    for path in tmp_path.iterdir():
        text = path.read_text("utf-8")
        assert ".static.k8s.io" in text
        assert "tre-system" not in text
        assert "CONTROLLER" not in text
    assert len(list(tmp_path.iterdir())) == len(GUARDS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"paramKind": {}}, "Extra inputs"),
        ({"rules": []}, "at least 1"),
        ({"name": "pods"}, "pattern"),
        ({"rules": [{"id": "a-b", "expression": "true", "message": "m"}]}, "without"),
        ({"rules": [{"id": "ab", "expression": "e", "message": "m", "without": "w"}] * 2}, "stands twice"),
    ],
)
def test_a_source_is_read_strictly(change: Object, words: str) -> None:
    plain = GUARDS[0].model_dump(by_alias=True)
    assert guards.Guard.model_validate(plain) == GUARDS[0]
    with pytest.raises(ValueError, match=words):
        guards.Guard.model_validate(plain | change)
