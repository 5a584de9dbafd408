"""Prints what an environment holds as a CycloneDX 1.6 bill of materials.

    bill_of_materials.py NAME ENVIRONMENT [--pins FILE]

Guarantees: each Python package of the environment, each piece of other projects that lies in our own package and, where
there is dpkg, each package of the operating system is named with its version and package URL, sorted, so that two
builds of the same parts print the same. Licences are those of requirements/licences.toml where that lies beside the
pins, else what a package says of itself. With the pins, packages carry the hashes under which they are accepted, and
those of the operating system are left out: they are the machine's. Standard library only, since it runs while an
image is built.

Does not guarantee: that the list is free of weaknesses. It is what a scanner needs to say so, at any later time.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path
from typing import Any

Component = dict[str, Any]

VENDORED = (
    ("pkg:npm/nhsuk-frontend@10.6.1", "MIT", "tre/portal/static/vendor"),
    ("pkg:github/dejavu-fonts/dejavu-fonts@version_2_35", "Bitstream-Vera", "tre/pdf/fonts"),
)
"""Pieces of other projects in our own package: package URL, licence, folder."""

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages write where they do not write an SPDX expression; "BSD License" is their word for all its forms."""


def normalised(name: str) -> str:
    """A package name as the packaging standard (PEP 503) compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(metadata: PackageMetadata) -> str:
    """The SPDX expression of a package, as far as it says one; else an empty text."""
    fields = metadata.json
    if expression := str(fields.get("license_expression", "")):
        return expression
    prefix = "License :: OSI Approved :: "
    said = [str(one).removeprefix(prefix) for one in fields.get("classifier", ()) if str(one).startswith(prefix)]
    known = [SPDX[one] for one in said if one in SPDX]
    if known and len(known) == len(said):
        return " AND ".join(sorted(set(known)))
    first = str(fields.get("license", "")).strip().split("\n", 1)[0]
    return SPDX.get(first, first if re.fullmatch(r"[A-Za-z0-9.+-]+", first) else "")


def installed(environment: Path) -> dict[str, tuple[str, str]]:
    """The packages of an environment: name → version, licence."""
    paths = [str(path) for path in environment.glob("lib/python3*/site-packages")]
    found = distributions(path=paths)
    return {normalised(one.metadata["Name"]): (one.version, licence_of(one.metadata)) for one in found}


def pinned(files: Sequence[Path]) -> dict[str, list[str]]:
    """What requirement files pin: name → SHA-256 of each file under which it is accepted."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in "\n".join(file.read_text(encoding="utf-8") for file in files).splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==", line):
            name = normalised(match[1])
            found.setdefault(name, [])
        for digest in re.findall(r"--hash=sha256:([0-9a-f]{64})", line):
            found[name].append(digest)
    return found


def licences_beside(pins: Path | None) -> Mapping[str, str]:
    """The licences that were read once, by package."""
    path = pins.parent / "licences.toml" if pins else None
    if path is None or not path.is_file():
        return {}
    packages: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))["packages"]
    return packages


def python_packages(environment: Path, pins: Path | None) -> list[Component]:
    """The packages of an environment: all, or those that are pinned, with their hashes."""
    accepted = pinned([pins]) if pins else None
    read = licences_beside(pins)
    components = []
    for name, (version, licence) in sorted(installed(environment).items()):
        if accepted is not None and name not in accepted:
            continue
        one = _component("library", f"pkg:pypi/{name}@{version}", name, version, read.get(name, licence))
        if accepted is not None:
            one["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in sorted(set(accepted[name]))]
        components.append(one)
    return components


def vendored(package: Path) -> list[Component]:
    """The pieces of other projects that lie in our own package."""
    found = []
    for url, licence, folder in VENDORED:
        if (package.parent / folder).is_dir():
            name, _, version = url.rpartition("/")[2].partition("@")
            found.append(_component("library", url, name, version, licence))
    return found


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


def _component(kind: str, url: str, name: str, version: str, licence: str = "") -> Component:
    found: Component = {"type": kind, "name": name, "version": version, "purl": url, "bom-ref": url}
    if licence:
        found["licenses"] = [{"expression": licence}]
    return found


def bill(name: str, environment: Path, pins: Path | None = None, package: Path | None = None) -> dict[str, object]:
    """The whole document."""
    ours = vendored(package) if package else []
    theirs = [] if pins else system_packages()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application" if pins else "container", "name": name}},
        "components": [*python_packages(environment, pins), *ours, *theirs],
    }


def main() -> None:
    """Print one bill."""
    parser = argparse.ArgumentParser(description="Prints what an environment holds as a CycloneDX bill of materials.")
    parser.add_argument("name")
    parser.add_argument("environment", type=Path)
    parser.add_argument("--pins", type=Path, help="the requirement file it was installed from")
    parser.add_argument("--package", type=Path, help="our own package, for what lies in it of other projects")
    given = parser.parse_args()
    sys.stdout.write(json.dumps(bill(given.name, given.environment, given.pins, given.package), indent=1) + "\n")


if __name__ == "__main__":
    main()
