"""What this machine brings for a cluster, what can be installed here, and in one line what is missing.

Guarantees: where something is missing, CannotRunError says what to type. Debian packages are installed where root
asks, as `make setup` does for the browser.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.harness import cgroups
from tests.cluster.harness.basics import CHECKOUT, CannotRunError
from tests.cluster.harness.images import BUSYBOX
from tests.cluster.harness.layout import Tier

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Program, and the Debian package that brings it.
ALWAYS = {"setpriv": "util-linux"}
FOR_A_NODE = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "nft": "nftables",
    str(BUSYBOX): "busybox-static",
}
FOR_RUNC = {"gcc": "gcc", "pkg-config": "pkg-config", "/usr/include/seccomp.h": "libseccomp-dev"}
CONTROLLERS = ("cpu", "memory", "pids", "cpuset")


def has(program: str) -> bool:
    """Whether a program, or a file where a path is given, is there."""
    return Path(program).exists() if program.startswith("/") else shutil.which(program, path=SYSTEM_PATH) is not None


def provide(tier: Tier, *, builds_runc: bool, install: bool) -> None:
    """Make sure that a tier can run here, if told so by installing; CannotRunError says what is missing."""
    if sys.platform != "linux":
        raise CannotRunError("the cluster runs on Linux only")
    needs = dict(ALWAYS)
    if tier is Tier.node:
        if os.geteuid() != 0:
            raise CannotRunError("a node needs root: mounts, networks and control groups of its own")
        needs |= FOR_A_NODE | (FOR_RUNC if builds_runc else {})
    missing = sorted({package for program, package in needs.items() if not has(program)})
    if missing and not (install and _install(missing)):
        raise CannotRunError(f"missing here (as root: apt-get install {' '.join(missing)})")
    if tier is Tier.node:
        _check_kernel()


def _install(packages: list[str]) -> bool:
    # Tools are run as scripts, so their folder, not the checkout, is where they import from.
    sys.path.append(str(CHECKOUT / "tools"))
    from shell import apt_install

    return apt_install(*packages)


def _check_kernel() -> None:
    """Try what a node needs of the kernel, in namespaces that are gone at once."""
    if "overlay" not in Path("/proc/filesystems").read_text() and not _succeeds("modprobe", "overlay"):
        raise CannotRunError("the kernel has no overlay file system")
    if not _succeeds("unshare", "--pid", "--fork", "--mount", "--net", "nft", "add table inet probe"):
        raise CannotRunError(
            "the kernel does not let root make namespaces of processes, mounts, networks with nftables"
        )
    offered = Path("/proc/cgroups").read_text() if not cgroups.is_unified() else _unified_controllers()
    lacking = [name for name in CONTROLLERS if name not in offered.split()]
    if lacking or not cgroups.hierarchies():
        raise CannotRunError(f"control groups of this kernel lack {', '.join(lacking) or 'a mount'}")


def _unified_controllers() -> str:
    return (cgroups.MOUNT / "cgroup.controllers").read_text()


def _succeeds(*words: str) -> bool:
    environment = {"PATH": SYSTEM_PATH}
    return subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0
