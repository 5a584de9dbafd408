"""The custom resource definitions: from the code, bounded everywhere, and taking whatever a signed grant holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.factories import access_grant, slice_plain, suspension
from tre.cluster.resources import ACCESS_GRANT, DATASET, WORKSPACE

CHECKOUT = Path(__file__).parents[3]
sys.path.insert(0, str(CHECKOUT / "tools"))
import generate_crds  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

NAMES = [kind.plural for kind in (ACCESS_GRANT, WORKSPACE, DATASET)]


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "helm" / "tre" / "crds" / f"{name}.yaml").read_text())
    return found


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = definition(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def parts(of: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its path."""
    yield path, of
    for name, inner in of.get("properties", {}).items():
        yield from parts(inner, f"{path}.{name}")
    if "items" in of:
        yield from parts(of["items"], f"{path}[]")
    if isinstance(of.get("additionalProperties"), dict):
        yield from parts(of["additionalProperties"], f"{path}{{}}")


def test_they_are_what_the_code_says() -> None:
    for path, text in generate_crds.files().items():
        assert path.read_text() == text
    assert len(generate_crds.files()) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_bounded_and_nothing_is_filled_up(name: str) -> None:
    for path, part in parts(schema(name)):
        assert "default" not in part, path
        if path in {"", ".metadata", ".apiVersion", ".kind"}:
            continue
        match part.get("type"):
            case "string":
                assert "maxLength" in part or "enum" in part, path
            case "array":
                assert "maxItems" in part, path
            case "object":
                assert "properties" in part or "maxProperties" in part, path
            case None:
                assert path.endswith((".patients.site", ".derive{}")), path


def test_they_are_found_and_have_a_status_of_their_own() -> None:
    for name in NAMES:
        spec = definition(name)["spec"]
        assert spec["names"]["categories"] == ["tre"]
        assert spec["names"]["shortNames"]
        (version,) = spec["versions"]
        assert version["subresources"] == {"status": {}}
        assert version["additionalPrinterColumns"][-1]["name"] == "Age"


FULL: dict[str, Any] = {
    "images": [{"modality": ["CT"], "study_date": {"from": "2020-03-01"}, "slice_thickness_mm": {"max": "1.5"}}],
    "exclude": [{"burned_in_annotation": ["YES"]}],
    "patients": {"age": {"from": 18}, "site": {"not": ["A"]}, "sex": ["female", "unknown"]},
    "tables": {"clinical": {"columns": ["pseudonym", "age_band"], "derive": {"age_band": {"from": "age", "band": 10}}}},
    "privacy": {"k": 5, "over": ["age"], "on_fail": "report"},
    "headers": "sidecar",
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"legalBasis": {"name": "COPI", "ends": "2027-06-30T23:59:59.123Z"}, "conditions": ["DUO:0000025"]},
        {"export": {"policy": "strict", "reviewers": 3}, "workspace": {"profile": "large"}},
        {"suspensions": [suspension().as_plain()]},
        {"slices": [slice_plain(spec=slice_plain()["spec"] | FULL)]},
    ],
)
def test_what_the_domain_writes_fits(changes: dict[str, Any]) -> None:
    plain = access_grant(**changes).as_plain()
    assert list(jsonschema.Draft202012Validator(schema("accessgrants")).iter_errors(plain)) == []


def test_what_does_not_fit_is_seen_by_the_same_means() -> None:
    plain = access_grant().as_plain()
    plain["spec"]["slices"][0]["dataset"] = "Not a label"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema("accessgrants")).validate(plain)
