"""The product's images: built without a Docker engine, run by nobody, with all their parts named."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness.basics import CannotRunError
from tests.cluster.productimages import Built, ImageBuilder

pytestmark = pytest.mark.timeout(1500)
HEADER = 16
"""Bytes of a compiled module that say how it is compared with its source (PEP 552)."""


@pytest.fixture(scope="module")
def builder() -> ImageBuilder:
    """Builds, where this machine can."""
    made = ImageBuilder()
    try:
        made.base()
    except CannotRunError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture(scope="module", params=["tre", "workspace"])
def image(request: pytest.FixtureRequest, builder: ImageBuilder) -> Built:
    """Each of the product's images."""
    built: Built = getattr(builder, request.param)()
    return built


@cache
def files_of(image: Built) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """The files below /opt/tre that a container sees, with what tests ask of their content."""
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(image.archive) as outer:

        def blob(digest: str) -> Any:
            return outer.extractfile("blobs/sha256/" + digest.partition(":")[2])

        manifest = json.load(blob(image.digest))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=blob(layer["digest"])) as inner:
                for entry in inner:
                    if entry.name.startswith("opt/tre/"):
                        wanted = {".pyc": HEADER, "json": entry.size}.get(entry.name[-4:], 0)
                        text = inner.extractfile(entry) if entry.isfile() and wanted else None
                        found[entry.name] = (entry, text.read(wanted) if text else b"")
    return found


def config_of(image: Built) -> dict[str, Any]:
    """What a container is started with."""
    with tarfile.open(image.archive) as outer:
        manifest = json.load(outer.extractfile("blobs/sha256/" + image.digest.partition(":")[2]))  # type: ignore[arg-type]
        digest = manifest["config"]["digest"].partition(":")[2]
        found: dict[str, Any] = json.load(outer.extractfile(f"blobs/sha256/{digest}"))  # type: ignore[arg-type]
        return found


def test_nobody_runs_it_and_labels_say_what_it_is(image: Built) -> None:
    config = config_of(image)["config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["research.tre.bill-of-materials"] == "/opt/tre/bill-of-materials.json"
    assert config["Entrypoint"][0].startswith(("/opt/tre/", "/usr/bin/python3"))


def test_what_is_ours_belongs_to_root_and_nobody_else_writes_it(image: Built) -> None:
    for name, (entry, _) in files_of(image).items():
        assert (entry.uid, entry.gid) == (0, 0), name
        assert entry.issym() or not entry.mode & 0o022, name
        assert not entry.mode & 0o6000, name


def test_every_part_is_named(image: Built) -> None:
    bill = json.loads(files_of(image)["opt/tre/bill-of-materials.json"][1])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    kinds = {one["purl"].partition("/")[0] for one in bill["components"]}
    assert kinds == {"pkg:pypi", "pkg:deb"}
    names = {one["name"] for one in bill["components"]}
    assert {"python3"} < names
    assert names & {"sqlalchemy", "jupyterlab"}
    assert "setuptools" not in names
    assert ("pip" in names) == ("jupyterlab" in names), "it installs what was let in, and nothing else anywhere"


def test_modules_are_compiled_and_never_compared_with_their_source(image: Built) -> None:
    compiled = {name: data for name, (_, data) in files_of(image).items() if name.endswith(".pyc")}
    ours = [name for name in compiled if "/tre/runtimes/" in name or name.startswith("opt/tre/init/")]
    assert ours
    for name in ours:
        flags = int.from_bytes(compiled[name][4:8], "little")
        assert flags == 0b01, name  # by hash, not checked (PEP 552)


def test_no_test_and_no_key_is_in_it(image: Built) -> None:
    ours = [
        name for name in files_of(image) if "/site-packages/" not in name and not name.startswith("opt/tre/workspace/")
    ]
    assert not [name for name in ours if name.endswith((".key", ".pem")) or "/tests/" in name]


def test_nothing_stays_mounted_after_a_build(builder: ImageBuilder, image: Built) -> None:
    with builder._alone():  # nobody else builds
        mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    assert [place for place in mounted if place.startswith(str(image.archive.parent))] == []
