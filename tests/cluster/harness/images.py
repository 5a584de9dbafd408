"""Two small images from the machine's own files: one to hold a pod's namespaces, one with a shell and Python.

Guarantees: no registry is asked. An archive's name tells what went into it, so a change of the machine's Python or
busybox makes a new one; it is written under a temporary name and renamed.

Does not guarantee: reproducible bytes. The images serve the tests and hold nothing of the product; the product's
own images are built by other means (`images/`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.basics import CannotRunError

PAUSE = "localhost/tre-tests/pause:1"
TOOLS = "localhost/tre-tests/tools:1"
BUSYBOX = Path("/usr/bin/busybox")
FORMAT = "2"  # raise it when this module makes other images from the same files
PEOPLE = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
# Parts of Python that no test in a pod needs.
LEFT_OUT = ("test", "idlelib", "lib2to3", "ensurepip", "dist-packages", "site-packages", "__pycache__", "turtledemo")


@dataclass(frozen=True)
class Image:
    """What an image is called, starts and holds: files of this machine by their place in the image."""

    reference: str
    command: tuple[str, ...]
    files: tuple[tuple[str, Path], ...]
    links: tuple[tuple[str, str], ...] = ()


def busybox() -> Path:
    """The static busybox; CannotRunError where there is none."""
    if not BUSYBOX.exists() or subprocess.run(["ldd", BUSYBOX], capture_output=True, check=False).returncode == 0:
        raise CannotRunError("a static busybox is missing (as root: apt-get install busybox-static)")
    return BUSYBOX


def pause() -> Image:
    """Holds a pod's namespaces and does nothing."""
    return Image(PAUSE, ("/busybox", "sleep", "2147483647"), (("busybox", busybox()),))


def tools() -> Image:
    """A shell with the usual tools, and the Python that runs these tests, at the same path as here."""
    program = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    library = Path(sysconfig.get_path("stdlib"))
    files = {str(program).lstrip("/"): program, "bin/busybox": busybox()}
    objects = [program]
    for path in _below(library):
        files[str(path).lstrip("/")] = path
        objects += [path] if path.suffix == ".so" else []
    for path in _shared_objects(objects):
        files[str(path).lstrip("/")] = path
    applets = subprocess.run([busybox(), "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = [(f"bin/{name}", "busybox") for name in applets if name != "busybox"]
    links.append(("bin/python3", str(program)))
    return Image(TOOLS, ("/bin/sleep", "2147483647"), tuple(sorted(files.items())), tuple(links))


def _below(folder: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT and not name.startswith("config-")]
        yield from (Path(directory) / name for name in files)


def _shared_objects(objects: list[Path]) -> set[Path]:
    """The libraries that the loader would take, and the loader, under the names by which they are looked for."""
    said = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=False).stdout
    words = [line.split() for line in said.splitlines() if "/" in line and not line.endswith(":")]
    return {Path(next(word for word in line if word.startswith("/"))) for line in words}


def archives(cache: Path) -> tuple[str, ...]:
    """Both images as archives that `ctr images import` takes, made if they are not there; returns their paths."""
    cache.mkdir(parents=True, exist_ok=True)
    return tuple(str(_archive(cache, image)) for image in (pause(), tools()))


def _archive(cache: Path, image: Image) -> Path:
    target = cache / f"{_fingerprint(image)}.tar"
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}.partial")
        _write(partial, image)
        partial.replace(target)
    return target


def _fingerprint(image: Image) -> str:
    digest = hashlib.sha256(f"{FORMAT} {image.reference} {image.command} {image.links} {PEOPLE}".encode())
    for name, path in image.files:
        found = path.stat()
        digest.update(f"\0{name}\0{found.st_size}\0{found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _layer(image: Image) -> bytes:
    made: set[str] = set()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
            for parent in reversed(Path(name).parents):
                if str(parent) != "." and str(parent) not in made:
                    made.add(str(parent))
                    add(str(parent), tarfile.DIRTYPE, 0o755)
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), link
            tar.addfile(entry, io.BytesIO(data))

        for name in ("tmp", "proc", "sys", "dev"):
            made.add(name)
            add(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
        for name, text in PEOPLE.items():
            add(name, tarfile.REGTYPE, 0o644, text.encode())
        for name, path in image.files:
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            add(name, tarfile.REGTYPE, mode, path.read_bytes())
        for name, goal in image.links:
            add(name, tarfile.SYMTYPE, 0o777, link=goal)
    return buffer.getvalue()


def _write(target: Path, image: Image) -> None:
    """An OCI image layout in one archive."""
    layer = _layer(image)
    packed = gzip.compress(layer, compresslevel=1, mtime=0)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = _encoded(
        {
            "architecture": machine,
            "os": "linux",
            "config": {"Entrypoint": list(image.command), "Env": ["PATH=/bin:/usr/bin"], "User": "65534:65534"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _encoded(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", packed)],
        }
    )
    reference = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    reference["annotations"] = {"io.containerd.image.name": image.reference}
    index = _encoded({"schemaVersion": 2, "manifests": [reference]})
    parts = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    parts |= {f"blobs/sha256/{_digest(blob).split(':')[1]}": blob for blob in (packed, config, manifest)}
    with tarfile.open(target, "w") as tar:
        for name, data in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}
