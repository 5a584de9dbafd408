"""The table of what nobody may do on a cluster, read from `tests/assets/kubernetes/forbidden.yaml`.

Guarantees: an unknown key, a guard that does not exist or a place in an object that is not there is an error: no row
can be skipped by a misspelling.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support import kubernetes as given
from tre.domain import names
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.kubernetes.render.grant import objects_for_grant
from tre.runtimes.kubernetes.render.workspace import Moment, objects_for_workspace

Object = dict[str, Any]
TABLE = Path(__file__).parents[1] / "assets" / "kubernetes" / "forbidden.yaml"
CORE = "/api/v1"
# Where objects of a kind are made; `{ns}` is the namespace.
COLLECTIONS = {
    "Pod": f"{CORE}/namespaces/{{ns}}/pods",
    "ConfigMap": f"{CORE}/namespaces/{{ns}}/configmaps",
    "Secret": f"{CORE}/namespaces/{{ns}}/secrets",
    "ServiceAccount": f"{CORE}/namespaces/{{ns}}/serviceaccounts",
    "ResourceQuota": f"{CORE}/namespaces/{{ns}}/resourcequotas",
    "LimitRange": f"{CORE}/namespaces/{{ns}}/limitranges",
    "PersistentVolumeClaim": f"{CORE}/namespaces/{{ns}}/persistentvolumeclaims",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "Namespace": f"{CORE}/namespaces",
    "PersistentVolume": f"{CORE}/persistentvolumes",
}


@dataclass(frozen=True)
class Row:
    """One thing that nobody may do, or not this user."""

    name: str
    guards: tuple[str, ...]
    what: str = ""
    by: str = "controller"
    act: str = "create"
    api: str = CORE
    path: str = ""
    apart: tuple[str, ...] = ()
    object: Object = field(default_factory=dict)
    set: Object = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    copy: dict[str, str] = field(default_factory=dict)

    def changed(self, objects: dict[str, Object], pod: str) -> Object:
        """The object as the row wants it."""
        content: Object = copy.deepcopy(objects[self.what] if self.what else self.object)
        for target, source in self.copy.items():
            _put(content, target, copy.deepcopy(_get(content, source)))
        for target in self.remove:
            _take(content, target)
        for target, value in self.set.items():
            _put(content, target, _filled(copy.deepcopy(value), pod))
        return content

    def patch(self, objects: dict[str, Object], pod: str) -> Object:
        """The row's changes as a merge patch: whole lists where they reach into one."""
        changed = self.changed(objects, pod) if self.what else {}
        found: Object = {}
        for target, value in self.set.items():
            steps = _steps(target)
            upto = next((n for n, step in enumerate(steps) if step == "-" or step.isdigit()), len(steps))
            whole = value if upto == len(steps) else _get(changed, "/" + "/".join(map(_escaped, steps[:upto])))
            place = found
            for step in steps[: upto - 1]:
                place = place.setdefault(step, {})
            place[steps[upto - 1]] = _filled(whole, pod)
        return found


@dataclass(frozen=True)
class Scene:
    """A grant's objects and a workspace's, by short names; `running` is the pod of the run before."""

    plan: WorkspacePlan
    objects: dict[str, Object]
    running: Object

    @property
    def namespace(self) -> str:
        """Where they are."""
        return names.grant_namespace(self.plan.grant)

    @property
    def pod(self) -> str:
        """The pod's name."""
        return self.plan.identity

    @classmethod
    def of(cls, grant: str, moment: Moment, **facts: Any) -> Scene:
        """Render everything for a grant of this name."""
        plan = given.plan(
            grant=grant,
            workspace=names.workspace_name(grant, "local", "alice"),
            end=given.GRANT_END if moment.now < given.GRANT_END else moment.now,
        )
        cluster = given.facts(**facts)
        place = given.place(grant=grant, end=plan.end)
        objects = short_names(objects_for_grant(place, cluster) + objects_for_workspace(plan, cluster, moment))
        earlier = objects_for_workspace(plan.model_copy(update={"instance": plan.instance - 1}), cluster, moment)
        return cls(plan, objects, short_names(earlier)["pod"])


def short_names(objects: list[Object]) -> dict[str, Object]:
    """Objects by the names that rows call them by; of volumes and claims the first, which is a slice's."""
    short = {"Namespace": "namespace", "Pod": "pod", "ConfigMap": "instruction"}
    short |= {"PersistentVolume": "volume", "PersistentVolumeClaim": "claim"}
    found: dict[str, Object] = {}
    for one in objects:
        found.setdefault(short.get(one["kind"], one["metadata"]["name"]), one)
    return found


def rows() -> list[Row]:
    """The whole table."""
    return [Row(**_fixed(plain)) for plain in yaml.safe_load(TABLE.read_text("utf-8"))]


def _fixed(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}


def _filled(value: Any, pod: str) -> Any:
    """Put the pod's name where a text leaves room for it."""
    if isinstance(value, str):
        return value.replace("{pod}", pod)
    if isinstance(value, list):
        return [_filled(item, pod) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, pod) for key, item in value.items()}
    return value


def _steps(pointer: str) -> list[str]:
    """JSON pointer (RFC 6901)."""
    assert pointer.startswith("/"), pointer
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _get(content: Any, pointer: str) -> Any:
    for step in _steps(pointer):
        content = content[int(step)] if isinstance(content, list) else content[step]
    return content


def _parent(content: Object, pointer: str) -> tuple[Any, str]:
    steps = _steps(pointer)
    parent = _get(content, "/" + "/".join(map(_escaped, steps[:-1]))) if len(steps) > 1 else content
    return parent, steps[-1]


def _put(content: Object, pointer: str, value: Any) -> None:
    parent, last = _parent(content, pointer)
    if isinstance(parent, list):
        parent.append(value) if last == "-" else parent.__setitem__(int(last), value)
    elif value is None:
        del parent[last]
    else:
        parent[last] = value


def _take(content: Object, pointer: str) -> None:
    parent, last = _parent(content, pointer)
    del parent[int(last) if isinstance(parent, list) else last]
