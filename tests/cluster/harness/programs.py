"""Builds the cluster's programs from the module sets in `modules/` and keeps the binaries outside the tree.

Guarantees: a binary in the cache was built to its end from exactly the `go.mod`, `go.sum`, flags and Go release
that its folder's key names (SHA-256): it is built under a temporary name and renamed. A run that was cut off goes
on with the first binary that is missing; two runs wait for each other. Go's checksum database and proxy stay as
the person configured them; nothing of them is written into the tree.

Does not guarantee: that old keys are removed from the cache; it may be deleted at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.basics import CHECKOUT, CannotRunError, HarnessError, say

MODULES = CHECKOUT / "tests" / "cluster" / "modules"
OLDEST_GO = (1, 26)
LINES_SHOWN = 15
KUBERNETES_VERSION_PACKAGE = "k8s.io/component-base/version"
# kwok knows no behaviour of its own: these files of its module say how a fake kubelet answers.
KWOK_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


@dataclass(frozen=True)
class ModuleSet:
    """One nested Go module and the programs that are built from it, in the order of their need."""

    name: str
    programs: tuple[str, ...]
    cgo: bool = False
    tags: str = ""

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return MODULES / self.name

    @property
    def binaries(self) -> tuple[str, ...]:
        """The programs' names."""
        return tuple(binary_name(package) for package in self.programs)


KUBERNETES = ModuleSet(
    "kubernetes",
    (
        "go.etcd.io/etcd/server/v3",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kubectl",
        "k8s.io/kubernetes/cmd/kubelet",
        "k8s.io/kubernetes/cmd/kube-proxy",
    ),
)
CNI = ModuleSet(
    "cni",
    (
        "github.com/containernetworking/plugins/plugins/main/ptp",
        "github.com/containernetworking/plugins/plugins/main/loopback",
        "github.com/containernetworking/plugins/plugins/ipam/host-local",
    ),
)
CONTAINERD = ModuleSet(
    "containerd",
    (
        "github.com/containerd/containerd/v2/cmd/containerd",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/ctr",
    ),
)
RUNC = ModuleSet("runc", ("github.com/opencontainers/runc",), cgo=True, tags="seccomp netgo osusergo")
KWOK = ModuleSet("kwok", ("sigs.k8s.io/kwok/cmd/kwok",))
HELM = ModuleSet("helm", ("helm.sh/helm/v4/cmd/helm",))

API_SETS = (KUBERNETES, KWOK)
NODE_SETS = (KUBERNETES, CNI, RUNC, CONTAINERD, KWOK)
ALL_SETS = (*NODE_SETS, HELM)


def binary_name(package: str) -> str:
    """The name that a program's binary gets; etcd's package would name it `server`."""
    return "etcd" if package.startswith("go.etcd.io/etcd/") else package.rsplit("/", 1)[-1]


def default_cache() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/tre-launcher/cluster`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tre-launcher" / "cluster"


def find_go() -> str:
    """Go's program; CannotRunError where there is none that is new enough."""
    wanted = ".".join(map(str, OLDEST_GO))
    found = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if found is None:
        raise CannotRunError(f"Go is missing, and the cluster is built by it: install Go {wanted} or newer (go.dev/dl)")
    release = go_release(found)
    number = re.search(r"go(\d+)\.(\d+)", release)
    if number is None or (int(number[1]), int(number[2])) < OLDEST_GO:
        raise CannotRunError(f"{found} is {release}: install Go {wanted} or newer (go.dev/dl)")
    return found


def go_release(go: str) -> str:
    """What `go version` says, which includes the system and the processor."""
    return _output([go, "version"], Path("/"), {**os.environ, "GOTOOLCHAIN": "local"}).strip()


def kubernetes_version() -> str:
    """The Kubernetes release that the go.mod names, such as v1.37.2."""
    text = (KUBERNETES.folder / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", text, re.MULTILINE)
    if found is None:
        raise HarnessError(f"{KUBERNETES.folder}/go.mod names no release of k8s.io/kubernetes")
    return found[1]


def build_flags(modules: ModuleSet) -> tuple[str, ...]:
    """What `go build` is told; a part of the key."""
    linker = ["-s", "-w"]
    if modules is KUBERNETES:
        version = kubernetes_version()
        major, minor = version.lstrip("v").split(".")[:2]
        stamp = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        # Without the stamp the API server calls itself v0.0.0, and clients that look at versions go astray.
        linker += [f"-X {KUBERNETES_VERSION_PACKAGE}.{name}={value}" for name, value in stamp.items()]
    tags = ("-tags", modules.tags) if modules.tags else ()
    return ("-p", "2", "-trimpath", *tags, "-ldflags", " ".join(linker))


def key_of(modules: ModuleSet, release: str) -> str:
    """SHA-256 over everything that decides what the binaries are."""
    digest = hashlib.sha256(f"{release}\0{build_flags(modules)}\0cgo={modules.cgo}\0{modules.programs}".encode())
    for name in ("go.mod", "go.sum"):
        digest.update(b"\0" + (modules.folder / name).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Programs:
    """The cache, seen with one Go release."""

    cache: Path
    go: str
    release: str

    @classmethod
    def found(cls, cache: Path | None = None) -> Programs:
        """The cache of this person; CannotRunError where Go is missing."""
        go = find_go()
        return cls(cache or default_cache(), go, go_release(go))

    def folder(self, modules: ModuleSet) -> Path:
        """Where the binaries of a set are, or will be."""
        return self.cache / key_of(modules, self.release)

    def folders(self, sets: Iterable[ModuleSet]) -> dict[str, str]:
        """The folders by the name of the set, as a cluster remembers them."""
        return {modules.name: str(self.folder(modules)) for modules in sets}

    def missing(self, sets: Iterable[ModuleSet]) -> list[str]:
        """The binaries that are not built yet."""
        return [name for s in sets for name in s.binaries if not (self.folder(s) / name).exists()]

    def build(self, sets: Iterable[ModuleSet]) -> float:
        """Build what is missing; returns the seconds it took."""
        begun = time.monotonic()
        wanted = tuple(sets)
        if not self.missing(wanted):
            return 0.0
        self.cache.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(self.cache / "build.lock"):
            for modules in wanted:
                self._build_set(modules)
        return time.monotonic() - begun

    def _build_set(self, modules: ModuleSet) -> None:
        folder = self.folder(modules)
        folder.mkdir(exist_ok=True)
        for stale in folder.glob("*.partial"):
            stale.unlink()
        for package in modules.programs:
            target = folder / binary_name(package)
            if not target.exists():
                self._build_program(modules, package, target)

    def _build_program(self, modules: ModuleSet, package: str, target: Path) -> None:
        say(f"  {target.name}: building")
        begun = time.monotonic()
        partial = target.with_name(f"{target.name}.partial")
        command = ["nice", "-n", "15", self.go, "build", *build_flags(modules), "-o", str(partial), package]
        _output(command, modules.folder, self.environment(modules))
        if modules is KWOK:
            self._keep_stages(target.parent)
        partial.replace(target)
        say(f"  {target.name}: built in {time.monotonic() - begun:.1f} s, {target.stat().st_size / 1e6:.0f} MB")

    def _keep_stages(self, folder: Path) -> None:
        """kwok's own description of a fake node, from the module itself, beside its binary."""
        command = [self.go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]
        source = Path(_output(command, KWOK.folder, self.environment(KWOK)).strip()) / "kustomize" / "stage"
        texts = [f.read_text() for part in KWOK_STAGES for f in sorted((source / part).glob("*.yaml"))]
        stages = [text for text in texts if "kind: Stage" in text]
        (folder / "stages.yaml").write_text("\n---\n".join(stages))

    def environment(self, modules: ModuleSet) -> dict[str, str]:
        """The person's own settings of Go, but nothing that changes what is built."""
        fixed = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "local"}
        return {**os.environ, **fixed, "CGO_ENABLED": str(int(modules.cgo))}


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _output(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stderr.splitlines()[-LINES_SHOWN:])
        raise HarnessError(f"{' '.join(command[:6])} … ended with {done.returncode}:\n{last}")
    return done.stdout
