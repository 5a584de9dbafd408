"""Keeps the list of licences of everything that is installed: requirements/licences.toml.

    .venv/bin/python tools/licences.py [--check]

Guarantees: each package that services.txt or workspace.txt pins has its licence in the list, as an SPDX expression;
each licence named is one that is accepted, or the package is one for which a reason is written down; what the packages
that are installed here say of themselves is what the list says. With `--check` nothing is written, and each difference
is named. Packages that only another platform installs keep what was read where they were installed.

Does not guarantee: that a package says the truth of itself; nor is it legal advice.

Threat it answers: a new version or a new dependency under terms that nobody has read.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from bill_of_materials import VENDORED, installed, pinned

CHECKOUT = Path(__file__).resolve().parents[1]
REQUIREMENTS = CHECKOUT / "requirements"
LIST = REQUIREMENTS / "licences.toml"
SHIPPED = {"services.txt": ".venv", "workspace.txt": ".venv-workspace"}
PLACEHOLDER = "unknown"


class Licences(NamedTuple):
    """What the list says."""

    accepted: tuple[str, ...]
    reasons: dict[str, str]
    """Packages whose licence is not accepted, or which do not say theirs: why they are here all the same."""
    packages: dict[str, str]

    @classmethod
    def read(cls) -> Licences:
        """From its file."""
        found = tomllib.loads(LIST.read_text(encoding="utf-8"))
        return cls(tuple(found["accepted"]), found["reasons"], found["packages"])

    def text(self) -> str:
        """As its file."""
        quoted = ",\n".join(f'  "{one}"' for one in self.accepted)
        reasons = "\n".join(f'"{name}" = "{why}"' for name, why in sorted(self.reasons.items()))
        packages = "\n".join(f'"{name}" = "{one}"' for name, one in sorted(self.packages.items()))
        return (
            "# Licences of what is installed beside our own code (Apache-2.0). tools/licences.py writes `packages`;\n"
            "# people write the rest: which terms are accepted, and why a package is here that comes under others.\n"
            f"accepted = [\n{quoted},\n]\n\n[reasons]\n{reasons}\n\n[packages]\n{packages}\n"
        )


def terms(expression: str) -> set[str]:
    """The licences that an expression names; each must be accepted, even where one could choose."""
    return set(re.findall(r"[A-Za-z0-9.+-]+", expression)) - {"AND", "OR", "WITH"}


def brought_up_to_date(before: Licences) -> Licences:
    """The list for the pins of today."""
    names = {name for file in SHIPPED for name in pinned([REQUIREMENTS / file])}
    said: dict[str, str] = {}
    for environment in SHIPPED.values():
        for name, (_, licence) in installed(CHECKOUT / environment).items():
            if licence or name not in said:
                said[name] = licence
    known = {
        name: (before.packages.get(name) if name in before.reasons else None)
        or said.get(name)
        or before.packages.get(name, PLACEHOLDER)
        for name in names
    }
    return before._replace(packages=known)


def objections(found: Licences) -> list[str]:
    """What a person must see to."""
    words = [
        f"{name}: it does not say its licence; read it, and write it and how you know it into {LIST.name}."
        for name, one in sorted(found.packages.items())
        if one == PLACEHOLDER
    ]
    everything = {**found.packages, **{url: licence for url, licence, _ in VENDORED}}
    for name, one in sorted(everything.items()):
        foreign = terms(one) - set(found.accepted) - {PLACEHOLDER}
        if foreign and name not in found.reasons:
            words.append(f"{name}: {', '.join(sorted(foreign))} is not accepted; leave it out, or write a reason.")
    words += [f"{name}: a reason for what is not pinned." for name in sorted(set(found.reasons) - set(everything))]
    return words


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description="Keeps the list of licences of what is installed.")
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    check = parser.parse_args().check
    before = Licences.read()
    now = brought_up_to_date(before)
    changed = {
        name
        for name in before.packages.keys() | now.packages.keys()
        if before.packages.get(name) != now.packages.get(name)
    }
    words = objections(now)
    if check:
        words += [f"{name}: the list is out of date. Type: make licences" for name in sorted(changed)]
    else:
        LIST.write_text(now.text(), encoding="utf-8")
        print(f"{len(now.packages)} packages, {len(changed)} changed.")
    print("\n".join(words), end="\n" if words else "")
    return 1 if words else 0


if __name__ == "__main__":
    sys.exit(main())
