"""The guards of `policies/kubernetes/guards/`: read strictly, turned into Kubernetes' own admission policies.

Guarantees: one source for the chart, for files that the API server reads from its own disk, and for tests that leave
one rule out; an unknown key, a missing text or an identifier that stands twice is refused; policies take no
parameters, so nobody can loosen them by writing an object. `CONTROLLER` in an expression stands for the controller's
user.

Does not guarantee: that an expression means what its message says; each has a test that says so
(`tests/assets/kubernetes/forbidden.yaml`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCE = CHECKOUT / "policies" / "kubernetes" / "guards"
GRANT_LABEL = "tre.research/grant"
STATIC_SUFFIX = ".static.k8s.io"
API = "admissionregistration.k8s.io/v1"

Object = dict[str, Any]
Text = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Resources(_Strict):
    """Which requests a guard sees, in Kubernetes' words."""

    groups: list[str]
    versions: list[str]
    operations: list[Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]]
    resources: list[str]


class Named(_Strict):
    """A condition or a variable."""

    name: Text
    expression: Text


class Rule(_Strict):
    """One thing that must hold; `without` says what breaks where it does not."""

    id: Identifier
    expression: Text
    message: Text
    without: Text


class Guard(_Strict):
    """One admission policy."""

    name: Annotated[str, Field(pattern=r"^tre-[a-z]+$")]
    about: Text
    namespaces: Literal["grants", "any"]
    resources: list[Resources]
    conditions: list[Named] = []
    variables: list[Named] = []
    rules: Annotated[list[Rule], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Guard:
        found = [rule.id for rule in self.rules]
        if len(set(found)) != len(found):
            msg = f"{self.name}: an identifier stands twice"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Rendering:
    """For whom policies are rendered: the controller's user, what is added to each name, and what is left out.

    `without` is one rule (`tre-pods/host-pid`); `bound_to` is put into the binding's `matchResources`.
    """

    controller: str
    suffix: str = ""
    without: frozenset[str] = frozenset()
    bound_to: Object | None = None


def load(source: Path = SOURCE) -> list[Guard]:
    """Every guard, by file name; raises `ValueError` for a file that is not one."""
    return [Guard.model_validate(yaml.safe_load(path.read_text("utf-8"))) for path in sorted(source.glob("*.yaml"))]


def identifier(guard: Guard, rule: Rule) -> str:
    """How tests and pages name a rule."""
    return f"{guard.name}/{rule.id}"


def expression(text: str, controller: str) -> str:
    """An expression on one line, for one controller."""
    return " ".join(text.split()).replace("CONTROLLER", controller)


def policy(guard: Guard, rendering: Rendering) -> Object:
    """The guard as `ValidatingAdmissionPolicy`."""
    constraints: Object = {"resourceRules": [_resource_rule(one) for one in guard.resources]}
    if guard.namespaces == "grants":
        constraints["namespaceSelector"] = {"matchExpressions": [{"key": GRANT_LABEL, "operator": "Exists"}]}
    spec: Object = {"failurePolicy": "Fail", "matchConstraints": constraints}
    for key, items in (("matchConditions", guard.conditions), ("variables", guard.variables)):
        if items:
            spec[key] = [
                {"name": one.name, "expression": expression(one.expression, rendering.controller)} for one in items
            ]
    spec["validations"] = [
        {
            "expression": expression(rule.expression, rendering.controller),
            "message": f"{identifier(guard, rule)}: {rule.message}",
            "reason": "Forbidden",
        }
        for rule in guard.rules
        if identifier(guard, rule) not in rendering.without
    ]
    name = guard.name + rendering.suffix
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}


def binding(guard: Guard, rendering: Rendering) -> Object:
    """What puts the guard into force: refused, and written into the cluster's audit log."""
    name = guard.name + rendering.suffix
    spec: Object = {"policyName": name, "validationActions": ["Deny", "Audit"]}
    if rendering.bound_to is not None:
        spec["matchResources"] = rendering.bound_to
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": spec}


def _resource_rule(resources: Resources) -> Object:
    return {
        "apiGroups": resources.groups,
        "apiVersions": resources.versions,
        "operations": resources.operations,
        "resources": resources.resources,
    }
