"""`tre grant archive`: everything that was released and nothing else, verified before it is written."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from tests.unit.airlock.releases import Releases
from tests.unit.cli.test_dossier import NAME, Site, site
from tre.cli.keeping import MADE
from tre.domain.exports.models import ExportRequest, Release
from tre.domain.exports.states import ExportState
from tre.store import exports
from tre.store.events import EventSearch, search
from tre.store.export_rows import request_row
from tre.store.tables.airlock import export_requests

__all__ = ["site"]  # a fixture
RECALLED = "e-recalledxxxx"


@pytest.fixture
def released(site: Site, tmp_path: Path) -> ExportRequest:
    """A request of the grant whose bundle is where releases are."""
    (tmp_path / "made").mkdir()
    made = Releases(tmp_path / "made", signer=site.signer)
    request = made.world.request
    site.layout.releases.mkdir(parents=True)
    bundle = made.bundle()
    path = bundle.rename(site.layout.releases / f"{request.id}.zip")
    data = path.read_bytes()
    release = Release(at=made.world.now, bundle_sha256=hashlib.sha256(data).hexdigest(), bundle_size=len(data))
    return _keep(site, request, grant=NAME, state=ExportState.Released, release=release)


def _keep(site: Site, request: ExportRequest, **changes: Any) -> ExportRequest:
    found = request.model_copy(update=changes)
    with site.database.change(exports.event_of("released", found, found.author, site.clock.now())) as change:
        change.connection.execute(insert(export_requests).values(request_row(found)))
    return found


def read(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_archive_is_a_bag_of_what_was_released(site: Site, released: ExportRequest) -> None:
    site.close()
    said = json.loads(site.tre("grant", "archive", NAME, str(site.file), "--json"))
    files = read(site.file)
    payload = {name: data for name, data in files.items() if name.startswith("data/")}
    listed = dict(line.split("  ")[::-1] for line in files["manifest-sha512.txt"].decode().splitlines())
    assert listed == {name: hashlib.sha512(data).hexdigest() for name, data in payload.items()}
    bundle = site.layout.releases / f"{released.id}.zip"
    assert payload[f"data/releases/{released.id}.zip"] == bundle.read_bytes()
    assert json.loads(payload["data/project.json"])["grant"] == NAME
    assert json.loads(payload["data/certificate.json"])["certificate"] == "destruction"
    assert released.id in payload["data/README.md"].decode()
    assert said["sha256"] == hashlib.sha256(site.file.read_bytes()).hexdigest()
    with site.database.read() as connection:
        (event,) = search(connection, EventSearch(kind=MADE))
    assert event.event.detail == {"sha256": said["sha256"], "releases": 1}


def test_before_the_end_there_is_no_certificate_in_it(site: Site, released: ExportRequest) -> None:
    site.tre("grant", "archive", NAME, str(site.file))
    assert set(read(site.file)) >= {"data/project.json", f"data/releases/{released.id}.zip"}
    assert "data/certificate.json" not in read(site.file)


def test_what_was_recalled_is_named_and_left_out(site: Site, released: ExportRequest) -> None:
    _keep(site, released, id=RECALLED, state=ExportState.Recalled)
    said = json.loads(site.tre("grant", "archive", NAME, str(site.file), "--json"))
    assert (said["releases"], said["recalled"]) == ([released.id], [RECALLED])
    files = read(site.file)
    assert f"data/releases/{RECALLED}.zip" not in files
    assert f"not to be used any more: {RECALLED}" in files["data/README.md"].decode()


@pytest.mark.parametrize("harm", ["changed", "gone", "another"])
def test_a_bundle_that_does_not_hold_its_bytes_stops_everything(site: Site, released: ExportRequest, harm: str) -> None:
    path = site.layout.releases / f"{released.id}.zip"
    if harm == "gone":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2 if harm == "changed" else 0] ^= 1
        path.write_bytes(data)
    assert "ContentChanged" in site.tre("grant", "archive", NAME, str(site.file), exit_code=1)
    assert not list(site.file.parent.glob("*dossier.zip*"))


def test_nothing_is_overwritten_and_nothing_unknown_is_archived(site: Site) -> None:
    assert "GrantNotFound" in site.tre("grant", "archive", "nobody", str(site.file), exit_code=1)
    site.file.write_bytes(b"mine")
    assert "AlreadyExists" in site.tre("grant", "archive", NAME, str(site.file), exit_code=1)
    assert site.file.read_bytes() == b"mine"
