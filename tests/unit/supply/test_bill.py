"""The bill of materials is valid CycloneDX and names every part; the list of licences leaves none out."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import bill_of_materials
import licences
import pytest
from fontTools.ttLib import TTFont
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from tests.unit.supply.conftest import CHECKOUT

SERVICES = (CHECKOUT / ".venv", CHECKOUT / "requirements" / "services.txt")
SCHEMAS = {
    name: json.loads((resources.files("cyclonedx.schema") / "_res" / f"{name}.SNAPSHOT.schema.json").read_text())
    for name in ("bom-1.6", "spdx", "jsf-0.82")
}


@pytest.fixture(scope="module")
def valid() -> Draft7Validator:
    """Judges by the schema that the standard publishes."""
    whole = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in SCHEMAS.values())
    return Draft7Validator(SCHEMAS["bom-1.6"], registry=whole)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The bill of what the services run on, as the program prints it."""
    program = CHECKOUT / "tools" / "bill_of_materials.py"
    environment, pins = (str(part) for part in SERVICES)
    command = [
        sys.executable,
        str(program),
        "services",
        environment,
        "--pins",
        pins,
        "--package",
        str(CHECKOUT / "tre"),
    ]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # type: ignore[no-any-return]


def test_it_is_what_the_standard_says(valid: Draft7Validator, services: dict[str, Any]) -> None:
    assert [error.message for error in valid.iter_errors(services)] == []
    assert not valid.is_valid(services | {"components": [{"name": "without a type"}]}), "the schema judges"


def test_that_of_an_image_too(valid: Draft7Validator) -> None:
    found = bill_of_materials.bill("workspace", CHECKOUT / ".venv-workspace")
    assert [error.message for error in valid.iter_errors(found)] == []
    assert "jupyterlab" in {one["name"] for one in found["components"]}


def test_each_package_has_its_licence_and_the_hashes_it_is_accepted_under(services: dict[str, Any]) -> None:
    packages = {one["name"]: one for one in services["components"] if one["purl"].startswith("pkg:pypi/")}
    accepted = bill_of_materials.pinned([SERVICES[1]])
    assert {"jupyterhub", "aiohttp"} <= set(packages) <= set(accepted)
    assert "pytest" not in packages, "what only tests need is not shipped"
    for name, one in packages.items():
        assert one["licenses"][0]["expression"], name
        assert {digest["content"] for digest in one["hashes"]} == set(accepted[name]), name


def test_what_lies_in_our_own_package_is_named_with_the_version_it_has(services: dict[str, Any]) -> None:
    ours = {one["name"]: one["version"] for one in services["components"] if not one["purl"].startswith("pkg:pypi/")}
    readme = (CHECKOUT / "tre/portal/static/vendor/README.md").read_text(encoding="utf-8")
    font = TTFont(CHECKOUT / "tre/pdf/fonts/DejaVuSans.ttf")["name"].getDebugName(5)
    assert f"nhsuk-frontend {ours.pop('nhsuk-frontend')}" in readme
    assert ours.pop("dejavu-fonts").removeprefix("version_").replace("_", ".") == font.removeprefix("Version ")
    assert ours == {}


def test_every_pin_has_a_licence_that_somebody_accepts() -> None:
    command = [sys.executable, str(CHECKOUT / "tools" / "licences.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"jinja2": "AGPL-3.0-only"}, "jinja2: AGPL-3.0-only is not accepted"),
        ({"jinja2": "MIT OR SSPL-1.0"}, "jinja2: SSPL-1.0 is not accepted"),
        ({"jinja2": licences.PLACEHOLDER}, "jinja2: it does not say its licence"),
    ],
)
def test_other_terms_stop_it(change: dict[str, str], says: str) -> None:
    found = licences.Licences.read()
    assert licences.objections(found) == []
    (line,) = licences.objections(found._replace(packages=found.packages | change))
    assert line.startswith(says)


def test_a_reason_allows_what_is_not_accepted_and_may_not_outlive_it() -> None:
    found = licences.Licences(("MIT",), {"one": "read, and kept apart", "gone": "was here"}, {"one": "GPL-3.0-only"})
    assert licences.objections(found)[0].startswith("pkg:github/dejavu-fonts"), "pieces in our package are judged alike"
    assert licences.objections(found)[-1] == "gone: a reason for what is not pinned."


def test_the_list_is_read_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = licences.Licences.read()
    monkeypatch.setattr(licences, "LIST", tmp_path / "licences.toml")
    licences.LIST.write_text(found.text(), encoding="utf-8")
    assert licences.Licences.read() == found
