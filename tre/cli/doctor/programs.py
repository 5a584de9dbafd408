"""Whether what is installed is what was tested: versions of packages against their pins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from tre.cli.doctor.finding import Check, Field, Place, Seen, State, good, judged, weak
from tre.system.environment import built_at
from tre.system.paths import CHECKOUT, workspace_environment

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
_OLD = timedelta(days=90)
"""After a quarter of a year somebody should have looked at least once."""

_INSTALLED = re.compile(r"^(.+)-([^-]+)\.dist-info$")


def pins_in(path: Path) -> dict[str, str]:
    """The version that a file of pins demands of each package."""
    return {normal(name): version for name, version in _PIN.findall(path.read_text(encoding="utf-8"))}


def normal(name: str) -> str:
    """A package's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def others(pins: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """Packages that are installed in another version than was tested; what is not installed is not used."""
    pairs = [(name, version, installed[name]) for name, version in sorted(pins.items()) if name in installed]
    return [f"{name} {found} instead of {due}" for name, due, found in pairs if found != due]


def _services(_place: Place) -> Seen:
    installed = {normal(one.metadata["Name"]): one.version for one in metadata.distributions() if one.metadata["Name"]}
    return _judged("services.txt", installed, "jupyterhub")


def _workspace(place: Place) -> Seen:
    folders = workspace_environment(place.settings).glob("lib/python3*/site-packages/*.dist-info")
    matches = [found for path in folders if (found := _INSTALLED.match(path.name))]
    return _judged("workspace.txt", {normal(found[1]): found[2] for found in matches}, "jupyterlab")


def _age(place: Place) -> Seen:
    built = built_at(workspace_environment(place.settings))
    if built is None:
        return weak("it is not known when they were installed", "`make setup` makes them anew and notes when.")
    words = f"installed {(place.now - built).days} days ago"
    remedy = "`make vulnerabilities`; `make pins PINS_ARGS=--upgrade`, then `make setup` (docs/supply.md)."
    return good(words) if place.now - built < _OLD else weak(words, remedy)


def _judged(file: str, installed: Mapping[str, str], first: str) -> Seen:
    path = CHECKOUT / "requirements" / file
    if first not in installed:
        return judged([f"{first} is not installed"], "", "`make setup`")
    if not path.is_file():
        return good(f"{first} {installed[first]}; no list of pins is here to compare with")
    pins = pins_in(path)
    words = f"{first} {installed[first]}, and all of {len(pins)} packages as they were tested"
    return judged(others(pins, installed), words, "`make setup` installs what was tested.", State.weak)


FIELD = Field(
    "Programs",
    (
        Check("packages of services", "Another version was never tested with this program.", _services),
        Check("packages of workspaces", "The same, for what people compute with.", _workspace),
        Check("age of workspaces' packages", "Weaknesses become known that only newer packages mend.", _age),
    ),
)
