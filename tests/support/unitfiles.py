"""Reading units, and what `systemd-analyze` knows, where it is there."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

Section = dict[str, list[str]]
_HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def read(text: str) -> dict[str, Section]:
    """Sections, keys and every value of each key."""
    found: dict[str, Section] = {}
    section: Section = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def numbers(sysusers: str) -> dict[str, int]:
    """Users and groups of a file for systemd-sysusers."""
    return {words[1]: int(words[2]) for line in sysusers.splitlines() if (words := line.split()) and words[0] in "gu"}


@functools.lru_cache(maxsize=1)
def calls_of_services() -> list[int]:
    """The numbers of `@system-service`; empty where this machine does not say them."""
    if shutil.which("systemd-analyze") is None or not _HEADER.is_file():
        return []
    known = {name: int(number) for name, number in re.findall(r"__NR_(\w+)\s+(\d+)", _HEADER.read_text())}
    names, sets = set[str](), ["@system-service"]
    while sets:
        said = subprocess.run(
            ["systemd-analyze", "syscall-filter", "--no-pager", sets.pop()], capture_output=True, text=True, check=True
        ).stdout
        words = [line.strip() for line in said.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
        names |= {word for word in words if not word.startswith("@")}
        sets += [word for word in words if word.startswith("@")]
    return sorted(known[name] for name in names if name in known)
