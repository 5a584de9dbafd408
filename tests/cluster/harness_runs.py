"""Runs of the harness as people run it, in programs of their own, and a look at the whole machine around them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness import cgroups, removal
from tests.cluster.harness.basics import CHECKOUT
from tests.cluster.harness.identity import with_token
from tests.cluster.harness.layout import OWNER_VARIABLE, STATE_VARIABLE, Layout
from tests.cluster.harness.programs import default_cache
from tests.cluster.harness.running import Running

PATIENCE = 600.0
# Where the parts of a node leave things if nothing keeps them from it.
USUAL_PLACES = (
    *("/run/containerd", "/run/netns", "/run/runc", "/var/lib/containerd", "/var/lib/cni", "/var/lib/kubelet"),
    *("/var/log/containers", "/var/log/pods", "/etc/cni", "/opt/cni", "/opt/containerd", "/usr/libexec/kubernetes"),
)


@dataclass(frozen=True)
class Run:
    """What a run said and how it ended."""

    code: int
    said: str


@dataclass(frozen=True)
class Trial:
    """A cluster of a test's own, beside the one that the other tests use."""

    where: Layout
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None

    def begin(self, action: str, *options: str) -> subprocess.Popen[str]:
        """Start a run and do not wait for it."""
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-u", "-m", "tests.cluster", action, *options],
            cwd=CHECKOUT,
            env={**os.environ, **(self.environment or {}), **self._own()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _own(self) -> dict[str, str]:
        """The cluster's place, and that it is not to outlive these tests, even if they are killed."""
        return {STATE_VARIABLE: str(self.where.state), OWNER_VARIABLE: str(os.getpid())}

    def run(self, action: str, *options: str) -> Run:
        """Run to the end."""
        with self.begin(action, *options) as process:
            try:
                said, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                said = f"{process.communicate()[0]}\nNO END WITHIN {PATIENCE:g} s; parts said:\n{self._logs()}"
            except BaseException:  # these tests are being stopped: it would go on and make what is just being removed
                process.kill()
                raise
        return Run(process.returncode, said)

    def _logs(self) -> str:
        """The end of every part's log."""
        files = sorted(self.where.logs.glob("*.log"))
        return "\n".join(f"{f.name}:\n{f.read_text(errors='replace')[-1500:]}" for f in files)

    def kill_at(self, step: str, action: str, *options: str) -> bool:
        """Kill a run as soon as it has said a step, -9; returns whether it was still at work."""
        with self.begin(action, *options) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if step in line:
                    break
            hit = process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        return hit

    def running(self) -> Running:
        """The cluster that runs."""
        return Running.found(self.where)


@contextmanager
def trial(prefix: tuple[str, ...] = (), environment: Mapping[str, str] | None = None) -> Iterator[Trial]:
    """A place for a cluster; whatever a test left there is removed."""
    # Short, since sockets lie in it; and in a folder that any user may enter.
    parent = Path(tempfile.mkdtemp(prefix="tre-c-"))
    parent.chmod(0o777)
    found = Trial(Layout(parent / "state"), prefix, environment)
    try:
        yield found
    finally:
        removal.remove(found.where)
        shutil.rmtree(parent)


def look_around(token: str) -> dict[str, object]:
    """Everything of this machine that the cluster of a token could leave something in; other clusters do not count."""
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=False).stdout
    return {
        "mounts": mounts(),
        "control groups": sorted(str(g) for root in cgroups.hierarchies() for g in root.glob(f"{token}*")),
        "links": sorted(line.split()[0] for line in links.splitlines()),
        "settings": removal.read_sysctls(),
        "places": [place for place in USUAL_PLACES if Path(place).exists()],
        "processes": list(with_token(token)),
    }


def mounts() -> list[str]:
    """Where something is mounted, but for the cache that all clusters share: a build of images mounts and unmounts
    there, for whichever test comes first to need them."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(place for place in places if not Path(place).is_relative_to(default_cache() / "product"))
