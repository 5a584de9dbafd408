"""Fails when a file of the repository says where it was made or from where its parts came, or
holds a secret.

Guarantees: every text file that git tracks, or would track, is searched for addresses of package
registries, options that point a package client at one, paths of a person's or this very machine,
and common kinds of credentials. Each place is printed as `file:line`, without the secret, and the
exit code is 1.

Does not guarantee: that a secret of a kind not listed here is found, nor anything about the
history of the repository.

Threat it answers: a pin that quietly follows one machine's mirror, and a key that is pushed by
mistake.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LARGEST_TEXT = 4 * 1024 * 1024

# Each pattern is written so that it does not match its own text.
PATTERNS: dict[str, re.Pattern[str]] = {
    "address of a package registry": re.compile(
        r"files[.]pythonhosted|registry[.]npmjs|registry[.]yarnpkg|(?<![\w-])pypi[.](?:org|python)"
        r"|(?:static|index)[.]crates[.]io|repo[.]maven[.]apache|proxy[.]golang[.]org|deb[.]debian[.]org"
    ),
    "option that names a package source": re.compile(
        r"(?<!\w)[-]-(?:extra-)?index-url|(?<!\w)[-]-find-links|(?<!\w)[-]-trusted-host|\"resolve[d]\"\s*:"
    ),
    "path of somebody's machine": re.compile(
        r"(?<![\w.])/roo[t]/|(?<![\w.])/hom[e]/(?!(?:researcher|jovyan|USER)(?![\w-]))[\w-]"
        r"|(?<!\w)/User[s]/\w"
    ),
    "private key": re.compile(r"-----BEGI[N] (?:\w+ )*PRIVATE KEY-----(?:\s*$|\s*\w|\\n\w)"),
    "token": re.compile(
        r"\bAKI[A][0-9A-Z]{16}\b|\bgh[pousr]_\w{36}|\bgithub_pa[t]_\w{22}|\bnp[m]_\w{36}|\bpypi-Ag[E]\w{10}"
        r"|\bxox[abprs]-\w{10}|\bey[J][\w-]{16,}[.]ey[J][\w-]{16,}[.][\w-]{16,}"
    ),
}
# Hostile inputs are kept on purpose, and attacks try to reach such paths.
EXEMPT = {
    "tests/assets/*": {"path of somebody's machine", "private key", "token"},
    "tests/security/*": {"path of somebody's machine"},
}


def repository_files() -> list[Path]:
    """Everything tracked, and everything new that is not ignored.

    Raises CalledProcessError outside a git repository.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = sorted(name for name in listed.stdout.split("\0") if name)
    return [path for name in names if (path := CHECKOUT / name).is_file() and not path.is_symlink()]


def is_exempt(name: str, kind: str) -> bool:
    """Whether files of this name are allowed to hold this kind of thing."""
    return any(kind in kinds and name.startswith(glob[:-1]) for glob, kinds in EXEMPT.items())


def tells_checkout(line: str) -> bool:
    """Whether a line names the folder of this checkout, unless that is a usual place for services."""
    usual = len(CHECKOUT.parts) < 3 or CHECKOUT.parts[1] in ("srv", "opt")
    return not usual and str(CHECKOUT) in line


def findings(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of everything in a text that should not be there."""
    for number, line in enumerate(text.splitlines(), 1):
        for kind, pattern in PATTERNS.items():
            if pattern.search(line) and not is_exempt(name, kind):
                yield number, kind
        if tells_checkout(line):
            yield number, "path of this checkout"


def main() -> int:
    """Searches the repository; returns the exit code."""
    try:
        files = repository_files()
    except subprocess.CalledProcessError as error:
        print(f"git cannot list the files of {CHECKOUT}: {error.stderr.strip()}")
        return 1
    found = 0
    for path in files:
        data = path.read_bytes()
        if len(data) > LARGEST_TEXT or b"\0" in data[:8192]:
            continue
        name = path.relative_to(CHECKOUT).as_posix()
        for number, kind in findings(name, data.decode("utf-8", "replace")):
            print(f"{name}:{number}: {kind}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
