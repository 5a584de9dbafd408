"""Building a slice from a kept plan, and taking it away.

Guarantees: a slice's directory appears whole, in one step, after everything in it reached the disk; building again
exchanges old and new in one step, so there is always one of them; what an interruption leaves is out of sight and is
swept by the next build. Where files had to be copied, the slice says which (`tre.slices.copies`). An empty plan and
one that fails its own k are refused. Nothing is written into the store.

Does not guarantee: that a mount made before a rebuild shows the new content: it keeps the old directory until it is
made again. Opt-outs do not rebuild: they unlink in place.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tre.domain.slices.cover import HEADERS_TABLE
from tre.domain.slices.plan import check_buildable
from tre.domain.slices.spec import DirectoryLayout, Headers
from tre.slices import copies, documents
from tre.slices.contents import FILES, ROWS, check_contents
from tre.slices.documents import Description
from tre.slices.farm import PAYLOAD, Farm, links, make_shared, make_top, plant
from tre.slices.files import (
    FILE_MODE,
    Ownership,
    Removed,
    directory,
    discard,
    empty,
    exchange,
    make_private,
    plain_umask,
    rename_new,
    storage_error,
    sync_filesystem,
)
from tre.slices.headertable import write_headers
from tre.slices.places import DatasetPlaces, SlicePlaces
from tre.slices.tables import write_clinical
from tre.slices.watch import SILENT, Watcher


@dataclass(frozen=True)
class BuildOrder:
    """Which slice is built from which dataset, for whom, described how."""

    slices: SlicePlaces
    dataset: DatasetPlaces
    owner: Ownership
    about: Description


def build(order: BuildOrder, watcher: Watcher = SILENT) -> str:
    """Build the slice; return its content digest. The caller holds the lock of the slices.

    Raises as `check_buildable`, `TREError(ContentChanged)` for a plan or a store that was changed, and
    `TREError(StorageFull)` or `TREError(StorageFailed)` when the disk refuses.
    """
    check_buildable(order.about.plan)
    contents = order.dataset.plan(order.about.plan.plan_digest)
    check_contents(contents, order.about.plan.identity)
    watcher.step("prepare")
    try:
        with plain_umask():
            return _build(order, contents, watcher)
    except OSError as error:
        sweep(order.slices)
        raise storage_error(error, f"Building the slice {order.about.slice_id}") from error


def _build(order: BuildOrder, contents: Path, watcher: Watcher) -> str:
    about = order.about
    for path in (order.slices.trash, order.slices.staging):
        make_private(path, Ownership(order.owner.uid, -1))
    sweep(order.slices)
    staged = order.slices.staging / f"{about.slice_id}-{secrets.token_hex(4)}"
    make_top(staged, order.owner)
    watcher.step("links")
    _link(order, contents, staged, watcher)
    watcher.step("documents")
    content = _write_documents(order, contents, staged)
    watcher.step("sync")
    sync_filesystem(staged)
    watcher.step("publish")
    _publish(order.slices, staged, order.slices.slice(about.slice_id))
    watcher.step("published")
    sweep(order.slices)
    return content


def _link(order: BuildOrder, contents: Path, staged: Path, watcher: Watcher) -> None:
    spec = order.about.plan.spec
    payload = staged / PAYLOAD
    make_shared(payload, order.owner)
    farm = Farm(payload, order.dataset.tier(spec.tier), order.owner)
    total = order.about.plan.counts.files
    made = plant(farm, links(contents / FILES, spec.layout), total, watcher)
    assert made == total, "the plan's content was checked against its digest"
    farm.copies.write(staged)


def _write_documents(order: BuildOrder, contents: Path, staged: Path) -> str:
    about, spec = order.about, order.about.plan.spec
    files = contents / FILES
    manifest = documents.write_manifest(files, spec.layout, staged / documents.MANIFEST)
    documents.write_images(files, spec.layout, staged / documents.IMAGES)
    tables = {}
    if spec.tables.clinical is not None:
        release, target = order.dataset.release(spec.release), staged / documents.CLINICAL
        tables["clinical"] = write_clinical(release, contents / ROWS, spec.tables.clinical, target)
    if spec.headers is Headers.full:
        tier, target = order.dataset.tier(spec.tier), staged / documents.HEADERS
        tables[HEADERS_TABLE] = write_headers(files, tier, spec.layout, target)
    if (copied := copies.record_digest(staged)) is not None:
        tables[copies.RECORD] = copied
    content = documents.content_digest(about.plan.plan_digest, manifest, tables, about.version)
    documents.write_documents(about, content, staged)
    for path in staged.iterdir():
        if path.is_file():  # written here, with one name: not a link into the store
            order.owner.give(path)
            path.chmod(FILE_MODE)
    return content


def rewrite(order: BuildOrder) -> str:
    """Write the documents and tables of a slice that stands anew, from a kept plan, in place; its content digest.

    Each document is replaced in one step, the list of them last, so that running mounts show it; an interruption
    between two of them is repaired by doing it again. The caller holds the lock of the slices. Raises as `build`.
    """
    about = order.about
    contents = order.dataset.plan(about.plan.plan_digest)
    check_contents(contents, about.plan.identity)
    try:
        with plain_umask():
            for path in (order.slices.trash, order.slices.staging):
                make_private(path, Ownership(order.owner.uid, -1))
            sweep(order.slices)
            staged = make_private(order.slices.staging / f"{about.slice_id}-documents", order.owner)
            here = order.slices.slice(about.slice_id)
            _write_copies(here, contents, about.plan.spec.layout, staged)
            content = _write_documents(order, contents, staged)
            sync_filesystem(staged)
            _replace_documents(here, staged)
            sync_filesystem(order.slices.root)
            sweep(order.slices)
    except OSError as error:
        raise storage_error(error, f"Rewriting the slice {about.slice_id}") from error
    return content


def _write_copies(here: Path, contents: Path, layout: DirectoryLayout, staged: Path) -> None:
    """Write the record of copies anew, of those that are left: it names paths, and a path may name a person."""
    standing = copies.copies_of(here)
    if standing.paths:
        left = {path for path, _ in documents.payload_paths(contents / FILES, layout)}
        standing.of_rest(left).write(staged)


def _replace_documents(here: Path, staged: Path) -> None:
    """Put each document in the place of the one before it, the list of them last; what is no longer written goes."""
    last = documents.TAG_MANIFEST
    written = sorted(path.name for path in staged.iterdir())
    for name in sorted(written, key=lambda name: (name == last, name)):
        if name == last:
            for path in here.iterdir():
                if path.name not in {*written, PAYLOAD}:
                    path.unlink()
        (staged / name).replace(here / name)


def _publish(places: SlicePlaces, staged: Path, target: Path) -> None:
    try:
        rename_new(staged, target)
    except FileExistsError:
        exchange(staged, target)
    with directory(places.root) as descriptor:
        os.fsync(descriptor)


def sweep(places: SlicePlaces) -> Removed:
    """Delete what interrupted builds and removals left. The caller holds the lock of the slices."""
    if not places.trash.is_dir():
        return Removed()
    if places.staging.is_dir():
        for path in sorted(places.staging.iterdir()):
            discard(path, places.trash)
    return empty(places.trash)


def remove(places: SlicePlaces, slice_id: str, owner: Ownership) -> Removed:
    """Take a slice away: out of sight in one step, then deleted. Removing what is not there removes nothing."""
    try:
        make_private(places.trash, Ownership(owner.uid, -1))
        return discard(places.slice(slice_id), places.trash)
    except OSError as error:
        raise storage_error(error, f"Removing the slice {slice_id}") from error
