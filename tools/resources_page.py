"""The page of a cluster's resources, from the definitions that `make generated` writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generate_crds import DEFINITIONS, definition
from page import code, page, table

Schema = dict[str, Any]


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Each field below a schema: its path, what it holds, whether it must be there, what it means."""
    required = set(schema.get("required", ()))
    for name, one in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield code(here + _many(one)), _kind(one), "yes" if name in required else "", one.get("description", "")
        yield from fields(one.get("items", one), here + _many(one))


def _many(schema: Schema) -> str:
    return "[]" if schema.get("type") == "array" else ""


def _kind(schema: Schema) -> str:
    one = schema.get("items", schema)
    if "enum" in one:
        return " or ".join(code(value) for value in one["enum"])
    kind = "date and time" if one.get("format") == "date-time" else str(one.get("type", "anything"))
    low, high = one.get("minimum"), one.get("maximum")
    bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    longest = [f"at most {one['maxLength']} characters"] if "maxLength" in one else []
    return ", ".join([{"object": "fields"}.get(kind, kind), *bounds, *longest])


def resources_page() -> str:
    """Every kind with its fields."""
    parts = []
    for one in map(definition, DEFINITIONS):
        names, version = one["spec"]["names"], one["spec"]["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]
        parts += [f"## {names['kind']}", f"{schema['description']} Short name {code(names['shortNames'][0])}."]
        for part in ("spec", "status"):
            if rows := list(fields(schema["properties"].get(part, {}), part)):
                parts.append(table(("field", "holds", "required", "meaning"), rows))
    return page(
        "Resources",
        "The kinds that the launcher knows in a [cluster](../kubernetes.md), group `tre.research`, version `v1alpha1`. "
        "A file for one machine (`tre grant apply`) has the same fields. `kubectl explain` says the same. People and "
        "programs write `spec`; `status` is the controller's alone.",
        *parts,
    )
