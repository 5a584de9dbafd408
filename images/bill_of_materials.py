"""Prints what an image holds as a CycloneDX 1.6 bill of materials: `bill_of_materials.py NAME ENVIRONMENT`.

Guarantees: each Python package of the environment and, where there is dpkg, each package of the operating system is
named with its version and package URL, sorted, so that two builds of the same parts print the same. Standard library
only, since it runs while the image is built.

Does not guarantee: that the list is free of weaknesses. It is what a scanner needs to say so, at any later time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

Component = dict[str, str]


def python_packages(environment: Path) -> list[Component]:
    """The packages of an environment."""
    paths = [str(path) for path in environment.glob("lib/python3*/site-packages")]
    found = {(one.metadata["Name"].lower().replace("_", "-"), one.version) for one in distributions(path=paths)}
    return [_component("library", f"pkg:pypi/{name}@{version}", name, version) for name, version in sorted(found)]


def system_packages() -> list[Component]:
    """The packages of the operating system; none where it is not one of Debian's kind."""
    try:
        said = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture}\n"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        return []
    rows = sorted(line.split() for line in said.splitlines())
    return [_component("library", f"pkg:deb/debian/{name}@{v}?arch={arch}", name, v) for name, v, arch in rows]


def _component(kind: str, url: str, name: str, version: str) -> Component:
    return {"type": kind, "name": name, "version": version, "purl": url, "bom-ref": url}


def bill(name: str, environment: Path) -> dict[str, object]:
    """The whole document."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name}},
        "components": [*python_packages(environment), *system_packages()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(sys.argv[1], Path(sys.argv[2])), indent=1) + "\n")
