"""An image of the machine's own files for workspaces and doors, so that pods of the launcher run without a registry.

Guarantees: the programs are this checkout's, JupyterLab is the workspace environment's; where they lie is where the
renderer looks for them. It is packed once for each content, uncompressed, and imported by the node's runtime.

Does not guarantee: the whole environment: the heaviest packages for analysis are left out. The product's own images
are built by other means (`images/`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness import images as small
from tests.cluster.harness.basics import CHECKOUT, CannotRunError
from tests.cluster.harness.running import Running
from tre.runtimes.bubblewrap.sandbox import ENVIRONMENT, FILE_BROWSER, INIT

REFERENCE = "localhost/tre-tests/pods"
FORMAT = "2"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tre-launcher" / "cluster-images"
WORKSPACE = CHECKOUT / ".venv-workspace"
PROGRAMS = "usr/lib/python3/dist-packages"
LEFT_OUT = frozenset({
    "SimpleITK", "skimage", "sklearn", "statsmodels", "scipy", "scipy.libs", "pyarrow", "duckdb", "matplotlib",
    "scikit_learn.libs", "openjpeg", "libjpeg", "pylibjpeg", "pandas", "networkx", "fontTools", "PIL", "pillow.libs",
    "pydicom", "tests",
})  # fmt: skip
LEFT_OUT_FILES = ("_duckdb", "_libjpeg", "_openjpeg")
LINKS = {"data": "/data", "home": "/home/researcher", "shared": "/shared", "outbox": "/outbox", "inbox": "/inbox"}


def pods_image(running: Running) -> str:
    """The image by its digest, packed and imported if it is not there; CannotRunError without an environment."""
    if not (WORKSPACE / "bin" / "python").exists():
        raise CannotRunError("the workspace environment is missing (make setup)")
    content = _Content.of_this_checkout()
    archive = CACHE / f"pods-{content.fingerprint()[:16]}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        for older in CACHE.glob("pods-*"):
            older.unlink()
        content.pack(archive)
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        digest = json.load(index)["manifests"][0]["digest"]
    reference = f"{REFERENCE}@{digest}"
    if reference not in running.ctr("images", "list", "--quiet").split():
        running.ctr("images", "import", str(archive))
        running.ctr("images", "tag", "--force", f"{REFERENCE}:1", reference)
    return reference


@dataclass(frozen=True)
class _Content:
    """Files of this machine and links, by their place in the image."""

    files: dict[str, Path]
    links: dict[str, str]

    @classmethod
    def of_this_checkout(cls) -> _Content:
        """Everything that a pod runs."""
        base = small.tools()
        files, links = dict(base.files), dict(base.links)
        place = ENVIRONMENT.lstrip("/")
        objects = []
        for path in _files(WORKSPACE):
            files[f"{place}/{path.relative_to(WORKSPACE)}"] = path
            objects += [path] if path.suffix == ".so" else []
        for path in small._shared_objects(objects):
            if not path.is_relative_to(WORKSPACE.resolve()) and not path.is_relative_to(WORKSPACE):
                files[str(path).lstrip("/")] = path
        for path in _files(Path(sysconfig.get_path("stdlib"))):  # compiled too: pods cannot keep what they compile
            if path.parent.name == "__pycache__":
                files[str(path).lstrip("/")] = path
        for path in _files(CHECKOUT / "tre"):
            files[f"{PROGRAMS}/tre/{path.relative_to(CHECKOUT / 'tre')}"] = path
        for path in (CHECKOUT / "tre" / "runtimes" / "init").glob("*.py"):
            files[f"{INIT}/{path.name}".lstrip("/")] = path
        files[f"{INIT}/bin/tre-check".lstrip("/")] = CHECKOUT / "tre" / "runtimes" / "init" / "bin" / "tre-check"
        program = os.path.realpath("/usr/bin/python3")
        links |= {f"{place}/bin/{name}": program for name in ("python", "python3")}
        links |= {f"{FILE_BROWSER}/{name}".lstrip("/"): goal for name, goal in LINKS.items()}
        return cls(files, links | {"usr/bin/python3": program, "bin/bash": "busybox"})

    def fingerprint(self) -> str:
        """Another one for other content."""
        digest = hashlib.sha256(f"{FORMAT} {sorted(self.links.items())}".encode())
        for name, path in sorted(self.files.items()):
            found = path.stat()
            digest.update(f"\0{name}\0{found.st_size}\0{found.st_mtime_ns}".encode())
        return digest.hexdigest()

    def pack(self, archive: Path) -> None:
        """One layer, with the times that compiled Python compares, in an OCI archive."""
        layer, partial = archive.with_suffix(".layer"), archive.with_suffix(".partial")
        with tarfile.open(layer, "w") as tar:
            for name in self._directories():
                tar.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755))
            for name, text in small.PEOPLE.items():
                tar.addfile(_entry(name, tarfile.REGTYPE, 0o644, len(text)), io.BytesIO(text.encode()))
            for name, path in sorted(self.files.items()):
                found = path.stat()
                entry = _entry(name, tarfile.REGTYPE, 0o755 if found.st_mode & 0o100 else 0o644, found.st_size)
                entry.mtime = int(found.st_mtime)
                with path.open("rb") as data:
                    tar.addfile(entry, data)
            for name, goal in sorted(self.links.items()):
                entry = _entry(name, tarfile.SYMTYPE, 0o777)
                entry.linkname = goal
                tar.addfile(entry)
        _wrap(layer, partial)
        layer.unlink()
        partial.replace(archive)

    def _directories(self) -> list[str]:
        names = [*self.files, *self.links, *small.PEOPLE, "proc/x", "sys/x", "dev/x", "tmp/x", "run/x"]
        parents = {str(parent) for name in names for parent in Path(name).parents} - {"."}
        return sorted(parents)


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.mode, found.size = kind, mode, size
    return found


def _wrap(layer: Path, target: Path) -> None:
    """An image of one layer as an OCI layout in one archive."""
    with layer.open("rb") as data:
        digest = "sha256:" + hashlib.file_digest(data, "sha256").hexdigest()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    rootfs = {"type": "layers", "diff_ids": [digest]}
    config = small._encoded({"architecture": machine, "os": "linux", "config": {}, "rootfs": rootfs})
    kind = "application/vnd.oci.image"
    layers = [{"mediaType": f"{kind}.layer.v1.tar", "digest": digest, "size": layer.stat().st_size}]
    manifest = small._encoded(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": small._descriptor(f"{kind}.config.v1+json", config),
            "layers": layers,
        }
    )
    named = small._descriptor(f"{kind}.manifest.v1+json", manifest)
    named["annotations"] = {"io.containerd.image.name": f"{REFERENCE}:1"}
    parts = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": small._encoded({"schemaVersion": 2, "manifests": [named]}),
    }
    parts |= {f"blobs/sha256/{small._digest(blob).split(':')[1]}": blob for blob in (config, manifest)}
    with tarfile.open(target, "w") as tar:
        for name, blob in parts.items():
            tar.addfile(_entry(name, tarfile.REGTYPE, 0o644, len(blob)), io.BytesIO(blob))
        blob_name = f"blobs/sha256/{digest.split(':')[1]}"
        with layer.open("rb") as data:
            tar.addfile(_entry(blob_name, tarfile.REGTYPE, 0o644, layer.stat().st_size), data)


def _files(folder: Path) -> Iterator[Path]:
    top = folder.resolve()
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if name not in LEFT_OUT]
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink() and not name.startswith(LEFT_OUT_FILES):
                yield folder / path.relative_to(top)


def forget(running: Running) -> None:
    """Remove the image from the node."""
    for name in running.ctr("images", "list", "--quiet").split():
        if name.startswith(REFERENCE):
            running.ctr("images", "remove", name)
