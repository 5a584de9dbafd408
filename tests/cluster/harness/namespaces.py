"""What the keeper of a node sets up inside its own namespaces before anything of the cluster starts.

Guarantees: mounts made in here are seen nowhere else, mounts made on the machine later are seen in here; the
network has two addresses, a way to nowhere, and no way to the machine; what programs keep at fixed places
(/run, /var/lib, /var/log) lands in memory of this namespace and goes with it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.cluster.harness import layout as places
from tests.cluster.harness.basics import HarnessError
from tests.cluster.harness.layout import Layout

PATIENCE = 240.0
HIDDEN = ("/run", "/var/lib", "/var/log")
SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
}


def run(*words: str, keep: int = 0) -> None:
    """Run a program to its end, with one more open file if told so; HarnessError where it fails."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            pass_fds=(keep,) if keep else (),
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{' '.join(words)}: no end within {PATIENCE:g} s") from error
    if done.returncode != 0:
        raise HarnessError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")


def arrange_mounts(where: Layout) -> None:
    """Own process table, own places for what runs; the state stays where it is."""
    # On top of the machine's: that one would show processes under the machine's numbers.
    run("mount", "-t", "proc", "proc", "/proc")
    for folder in HIDDEN:
        _hide(Path(folder), where.state)
    run("mount", "--make-rshared", "/")


def _hide(folder: Path, state: Path) -> None:
    """Put an empty file system over a folder, and the state back if it lies inside."""
    handle = os.open(state, os.O_PATH | os.O_DIRECTORY)
    try:
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
        if state.is_relative_to(folder):
            state.mkdir(parents=True)
            run("mount", "--no-canonicalize", "--bind", f"/proc/self/fd/{handle}", str(state), keep=handle)
    finally:
        os.close(handle)


def arrange_network() -> None:
    """The node's addresses on a pair of interfaces that lead nowhere."""
    run("ip", "link", "set", "lo", "up")
    for name, value in SETTINGS.items():
        (Path("/proc/sys/net") / name).write_text(value)
    run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "nowhere0")
    for link in ("node0", "nowhere0"):
        run("ip", "link", "set", link, "up")
    for prefix, gateway in zip(places.NODE_PREFIXES, places.NOWHERE, strict=True):
        run("ip", "address", "add", prefix, "dev", "node0")
        run("ip", "route", "add", "default", "via", gateway, "dev", "node0")
