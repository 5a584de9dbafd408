"""Asks a database of known weaknesses about everything that is pinned: `make vulnerabilities`.

    .venv/bin/python tools/vulnerabilities.py [URL]

Guarantees: every package of every requirement file is asked about, in the version that is pinned, by pip-audit, at the
public OSV database or at the address given (an OSV interface of one's own). Exit code 0: nothing known. 1: at least one
weakness that nobody has judged. 2: it could not be asked, which is never "nothing known". What
requirements/weaknesses.toml names is left out until the day written there, with the reason.

Does not guarantee: that what nobody has reported is not there; nor does it ask about packages of the operating system,
which the bill of materials of an image names (a scanner reads it).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
REQUIREMENTS = CHECKOUT / "requirements"
JUDGED = "weaknesses.toml"
PINS = ("services.txt", "workspace.txt", "dev.txt", "corpus.txt")
FOUND, NOT_ASKED = 1, 2


def judged(requirements: Path, today: date) -> dict[str, str]:
    """Weaknesses that somebody judged, and why they do not matter here; those whose day has come count again."""
    path = requirements / JUDGED
    entries = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: str(one["why"]) for name, one in entries.items() if one["until"] > today}


def ask(pins: Sequence[Path], ignored: Sequence[str], url: str | None) -> list[dict[str, Any]] | str:
    """What is known of each package, or why nobody could say."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    command += ["--format", "json", "--vulnerability-service", "osv"]
    command += ["--osv-url", url] if url else []
    for file in pins:
        command += ["-r", str(file)]
    for one in ignored:
        command += ["--ignore-vuln", one]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return said[-1]
    return packages


def report(packages: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each weakness."""
    return sorted(
        f"{one['name']} {one['version']}: {weakness['id']}"
        f" ({', '.join(weakness['aliases']) or 'no other name'}), mended in"
        f" {', '.join(weakness['fix_versions']) or 'no version yet'}"
        for one in packages
        for weakness in one.get("vulns", ())
    )


def main(requirements: Path, url: str | None, today: date) -> int:
    """Ask and say; returns the exit code."""
    known = judged(requirements, today)
    packages = ask([requirements / name for name in PINS if (requirements / name).is_file()], sorted(known), url)
    if isinstance(packages, str):
        print(f"Nobody could be asked, so nothing is known: {packages}", file=sys.stderr)
        print("Where this machine reaches no public database, name one that it does: OSV_URL=...", file=sys.stderr)
        return NOT_ASKED
    lines = report(packages)
    print("\n".join(lines), end="\n" if lines else "")
    for name, why in known.items():
        print(f"left out: {name}, {why}")
    print(f"{len(packages)} packages asked about, {len(lines)} weaknesses known.")
    return FOUND if lines else 0


if __name__ == "__main__":
    sys.exit(main(REQUIREMENTS, sys.argv[1] if len(sys.argv) > 1 else None, datetime.now(UTC).date()))
