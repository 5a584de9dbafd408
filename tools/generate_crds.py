"""Writes helm/tre/crds/*.yaml from the records of the code; run by `make docs`, compared by `make check`.

Guarantees: each schema is structural, holds no default (what was signed is not filled up), and bounds every text, list
and mapping; where the records set no bound, the one from `BOUNDS` or the general one stands. With `--check` nothing is
written and the exit code is 1 where a file would change.

Does not guarantee: that what the API server takes is a grant. Rules that it cannot express are the domain's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from tre.cluster.protocol import Kind
from tre.cluster.resources import (
    ACCESS_GRANT,
    DATASET,
    WORKSPACE,
    DatasetResource,
    GrantResource,
    WorkspaceResource,
)

CHECKOUT = Path(__file__).resolve().parents[1]
TARGET = CHECKOUT / "helm" / "tre" / "crds"
HEADER = "# Written by tools/generate_crds.py from the records of the code: change those, then run `make docs`.\n"

Schema = dict[str, Any]

TEXT_LENGTH, LIST_LENGTH, MAPPING_LENGTH = 500, 100, 100
LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
RELEASE = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"
NAME: Schema = {"pattern": LABEL, "maxLength": 63}
AMOUNT: Schema = {"pattern": r"^[0-9]{1,15}(Ki|Mi|Gi|Ti)?/h$", "maxLength": 20}
COLUMN: Schema = {"pattern": r"^[a-z][a-z0-9_]{0,40}$", "maxLength": 41}
SLICE = "spec.slices[]"
BOUNDS: dict[str, Schema] = {
    "spec.approval.evidence.source": {"pattern": r"^[a-z][a-z0-9-]{0,40}$", "maxLength": 41},
    "spec.conditions[]": {"pattern": r"^DUO:[0-9]{7}$", "maxLength": 11},
    "spec.suspensions[].ref": {"maxLength": 600},
    "spec.workspace.profile": NAME,
    "spec.export.policy": NAME,
    "spec.workspace.budgets.fileReads": AMOUNT,
    "spec.workspace.budgets.kernelOutput": AMOUNT,
    f"{SLICE}.name": NAME,
    f"{SLICE}.dataset": NAME,
    f"{SLICE}.release": {"pattern": RELEASE, "maxLength": 64},
    f"{SLICE}.spec.dataset": NAME,
    f"{SLICE}.spec.release": {"pattern": RELEASE, "maxLength": 64},
    f"{SLICE}.spec.images[]": {"minProperties": 1},
    f"{SLICE}.spec.exclude[]": {"minProperties": 1},
    f"{SLICE}.spec.patients": {"minProperties": 1},
    f"{SLICE}.spec.patients.age": {"minProperties": 1},
    f"{SLICE}.spec.images[].study_date": {"minProperties": 1},
    f"{SLICE}.spec.exclude[].study_date": {"minProperties": 1},
    f"{SLICE}.spec.tables.clinical.columns[]": COLUMN,
    f"{SLICE}.spec.privacy.over[]": COLUMN,
}
"""What the records check by code, said to the API server as far as it can be said."""

KEYED = {SLICE.removesuffix("[]"): "name", "status.slices": "name", "status.conditions": "type"}
"""Lists whose entries have a name: two of one name are refused, and managers own entries."""


def rule(expression: str, message: str, **more: str) -> Schema:
    """One rule that the API server evaluates."""
    return {"rule": expression, "message": message} | more


_NAMED = rule(
    f"self.metadata.name.matches('{LABEL}')",
    "the name becomes part of directories and hosts: 1 to 63 lower-case letters, digits and hyphens",
)
GRANT_RULES: dict[str, list[Schema]] = {
    "": [_NAMED],
    "spec": [
        rule("self.expires > self.notBefore", "expires must lie after notBefore", fieldPath=".expires"),
        rule(
            "!has(self.legalBasis) || self.legalBasis.ends > self.notBefore",
            "legalBasis.ends must lie after notBefore",
            fieldPath=".legalBasis",
        ),
        rule(
            "self.slices.size() == 1 || self.slices.all(item, has(item.planDigest))",
            "with several slices each needs its planDigest",
            fieldPath=".slices",
        ),
    ],
    "spec.project.organisation.id": [
        rule("self == oldSelf", "a grant stays with its organisation: a new one needs a grant of a new name"),
    ],
    SLICE: [
        rule(
            "self.spec.dataset == self.dataset && self.spec.release == self.release",
            "the spec names another dataset or release than the slice",
        ),
    ],
}
WORKSPACE_RULES = {
    "spec": [rule("self == oldSelf", "a workspace belongs to one grant and one member for good")],
}


def column(name: str, path: str, kind: str = "string", **more: Any) -> Schema:
    """One column of `kubectl get`."""
    return {"name": name, "type": kind, "jsonPath": path} | more


AGE = column("Age", ".metadata.creationTimestamp", "date")
WHY = column("Reason", '.status.conditions[?(@.type=="Ready")].reason')


@dataclass(frozen=True)
class Definition:
    """One kind as people see it on a cluster."""

    kind: Kind
    model: type[BaseModel]
    short: tuple[str, ...]
    columns: tuple[Schema, ...]
    selectable: tuple[str, ...] = ()
    rules: dict[str, list[Schema]] = field(default_factory=dict)


DEFINITIONS = (
    Definition(
        ACCESS_GRANT,
        GrantResource,
        ("ag",),
        (
            column("Phase", ".status.phase"),
            WHY,
            column("Ends", ".status.effectiveEnd"),
            column("Members", ".status.members", "integer"),
            column("Running", ".status.running", "integer"),
            column("Reference", ".spec.approval.reference", priority=1),
            column("Title", ".spec.project.title", priority=1),
            AGE,
        ),
        (".status.phase", ".spec.project.organisation.id", ".spec.approval.reference"),
        GRANT_RULES,
    ),
    Definition(
        WORKSPACE,
        WorkspaceResource,
        ("tws",),
        (
            column("Grant", ".spec.grant"),
            column("Phase", ".status.phase"),
            column("Reason", ".status.reason"),
            column("Ends", ".status.endsAt"),
            column("Message", ".status.message", priority=1),
            AGE,
        ),
        (".spec.grant", ".status.phase"),
        WORKSPACE_RULES,
    ),
    Definition(
        DATASET,
        DatasetResource,
        ("tds",),
        (column("Latest", ".status.latestRelease"), column("Title", ".spec.title"), AGE),
        rules={"": [_NAMED]},
    ),
)


@dataclass(frozen=True)
class Structural:
    """Turns a record's schema into one that the API server takes."""

    definitions: Schema
    rules: dict[str, list[Schema]]

    def of(self, schema: Schema, path: str = "") -> Schema:
        """The schema at a path (`spec.slices[].name`)."""
        schema = self._resolved(schema)
        if "oneOf" in schema:  # a list or a mapping: the API server has no word for that, the domain checks it
            return {"x-kubernetes-preserve-unknown-fields": True}
        made = self._plain(schema, path)
        made |= BOUNDS.get(path, {})
        if made["type"] == "string" and "enum" not in made:
            made.setdefault("maxLength", 64 if "format" in made else TEXT_LENGTH)
        if path in self.rules:
            made["x-kubernetes-validations"] = self.rules[path]
        return made

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            target = self.definitions[schema["$ref"].rpartition("/")[2]]
            return self._resolved(target | {key: value for key, value in schema.items() if key != "$ref"})
        if "anyOf" in schema:
            branches = [branch for branch in schema["anyOf"] if branch.get("type") != "null"]
            # A number that may be written as text stands as text where it was signed.
            chosen = next((branch for branch in branches if branch.get("type") == "string"), branches[0])
            return self._resolved(chosen)
        return schema

    def _plain(self, schema: Schema, path: str) -> Schema:
        made: Schema = {"type": schema["type"]}
        if text := schema.get("description", ""):
            made["description"] = " ".join(text.partition("\n\n")[0].split())
        if "const" in schema:
            made["enum"] = [schema["const"]]
        for key in ("enum", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems"):
            if key in schema:
                made[key] = schema[key]
        if made["type"] == "array":
            made |= {"maxItems": schema.get("maxItems", LIST_LENGTH), "items": self.of(schema["items"], f"{path}[]")}
            if path in KEYED:
                made |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [KEYED[path]]}
            else:
                made["x-kubernetes-list-type"] = "atomic"
        if made["type"] == "object":
            made |= self._object(schema, path)
        return made

    def _object(self, schema: Schema, path: str) -> Schema:
        if isinstance(values := schema.get("additionalProperties"), dict):
            return {"maxProperties": MAPPING_LENGTH, "additionalProperties": self.of(values, f"{path}{{}}")}
        inner = {
            name: self.of(item, f"{path}.{name}".strip(".")) for name, item in schema.get("properties", {}).items()
        }
        required = {"required": schema["required"]} if schema.get("required") else {}
        return required | {"properties": inner}


def root_schema(wanted: Definition) -> Schema:
    """The whole schema of a kind."""
    schema = wanted.model.model_json_schema(by_alias=True)
    made = Structural(schema.get("$defs", {}), wanted.rules).of(schema)
    made["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    } | made["properties"]
    return made


def definition(wanted: Definition) -> Schema:
    """A CustomResourceDefinition."""
    kind = wanted.kind
    version: Schema = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root_schema(wanted)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(wanted.columns),
    }
    if wanted.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in wanted.selectable]
    names = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "shortNames": list(wanted.short),
        "categories": ["tre"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


class _Dumper(yaml.SafeDumper):
    """Writes every value out: the API server's other readers do not all know anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Never an anchor."""
        return True


def files() -> dict[Path, str]:
    """Every file and what it must hold."""
    return {
        TARGET / f"{item.kind.plural}.yaml": HEADER
        + yaml.dump(definition(item), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        for item in DEFINITIONS
    }


def main() -> int:
    """Write, or with --check compare; returns the exit code."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(CHECKOUT)} is not what the code says: run `make docs`")
        return 1 if stale else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
