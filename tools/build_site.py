"""Builds the documentation site, strictly; run by `make docs`.

    .venv-docs/bin/python tools/build_site.py [DIRECTORY] [--source CHECKOUT]

Guarantees: a warning is an error, all of them are told at once, and the exit code is 1; the site is built anew each
time and only put in its place when it is whole.

Does not guarantee: that another site is like it; what it needs is in `.venv-docs`, which `make setup` builds.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
CONFIGURATION = CHECKOUT / "tools" / "docs_site"


def build(source: Path, site: Path) -> int:
    """Builds beside the site's place and exchanges them; returns the exit code."""
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=site.parent) as place:
        made = Path(place) / "site"
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-E", "-b", "html"]
        command += ["-c", str(CONFIGURATION), "-d", str(Path(place) / "read"), str(source), str(made)]
        code = subprocess.run(command, check=False).returncode
        if code == 0:
            shutil.rmtree(site, ignore_errors=True)
            made.rename(site)
    return code


def main() -> int:
    """Builds what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description="Builds the documentation site.")
    parser.add_argument("site", nargs="?", type=Path, default=CHECKOUT / "build" / "site")
    parser.add_argument("--source", type=Path, default=CHECKOUT, help="the checkout whose pages are taken")
    asked = parser.parse_args()
    code = build(asked.source.resolve(), asked.site.resolve())
    if code == 0:
        print(f"Built. Open {asked.site.resolve() / 'index.html'}")
    else:
        print("The site was not built: see the warnings above; each is an error here.", file=sys.stderr)
    return min(code, 1)


if __name__ == "__main__":
    sys.exit(main())
