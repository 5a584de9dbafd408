"""Making the index by which the airlock knows a slice's people and pictures again.

Guarantees: an index is made of what the slice holds now and kept before the slice is recorded, so that no slice is
used without one; it is renewed whenever the slice is built again, and by `renew` after people opted out: of these it
keeps that they are known, and nothing else. Perceptual hashes are kept by the SHA-256 of the image, beside the dataset
and for the storekeeper alone, so that an image is decoded once however many slices hold it.

Does not guarantee: that every frame is hashed. Of a series of many images the first, the middle and the last are; an
image that cannot be decoded here (compressed pixels, no pixels) is counted and left out, as are those beyond
`MOST_FRAMES` of one slice.

Sources: 1 to 3 ms a frame; a CT archive of ten million slices would take hours and 320 MB, its mid-slices minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydicom

from tre.airlock.images import hashes
from tre.airlock.parsed import PICTURE_SIDE, Picture
from tre.airlock.sliceindex.body import PICTURE_BYTES
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.making import Material, make
from tre.domain.slices.plan import SlicePlan
from tre.slices import documents
from tre.slices.contents import FILES
from tre.slices.index import ATTRIBUTES
from tre.slices.places import IMAGE_SUFFIX, patient_directory
from tre.slices.release import opened
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as store
from tre.storekeeper.office import Office

MOST_FRAMES = 100_000
FEW_IMAGES = 6
"""A series of no more images than this is a set of films: each is hashed. Of others the first, middle and last."""

MOST_PIXEL_BYTES = 256 << 20
HASHES = "hashes.parquet"
_EVERY = 200
_STRETCH = (0.5, 99.5)
_IDENTIFIERS = ("pseudonym", "study_uid", "series_uid", "sop_uid")
_COLUMNS = ("kind", *_IDENTIFIERS, "sha256")
_BATCH = 65_536


@dataclass
class Indexed:
    """What an index was made of."""

    people: int = 0
    frames: int = 0
    left_out: int = 0
    bytes: int = 0

    def as_plain(self) -> dict[str, int]:
        """As an event and a report hold it."""
        return {"people": self.people, "frames": self.frames, "leftOut": self.left_out, "bytes": self.bytes}


@dataclass
class _Seen:
    """Perceptual hashes by the SHA-256 of their image; `None` for an image that has none."""

    path: Path
    known: dict[bytes, int | None] = field(default_factory=dict)
    new: int = 0

    @classmethod
    def of(cls, path: Path) -> _Seen:
        """What is kept so far."""
        seen = cls(path)
        if path.is_file():
            table = pq.read_table(path)
            rows = zip(table.column("sha256").to_pylist(), table.column("hash").to_pylist(), strict=True)
            seen.known = {content: None if bits is None else int.from_bytes(bits, "big") for content, bits in rows}
        return seen

    def forget(self, contents: list[bytes]) -> None:
        """Remove the hashes of images that nobody may use any more."""
        for content in contents:
            if content in self.known:
                del self.known[content]
                self.new += 1

    def keep(self, owner: int) -> None:
        """Write what is new, in one step."""
        if self.new:
            bits = [None if one is None else one.to_bytes(PICTURE_BYTES, "big") for one in self.known.values()]
            columns = [pa.array(list(self.known), pa.binary(32)), pa.array(bits, pa.binary(PICTURE_BYTES))]
            begun = self.path.with_name(f".{HASHES}.new")
            pq.write_table(pa.table(columns, names=["sha256", "hash"]), begun, compression="zstd")
            begun.chmod(0o600)
            if owner != -1:
                os.chown(begun, owner, -1, follow_symlinks=False)
            begun.replace(self.path)


def index_slice(office: Office, slice_id: str, plan: SlicePlan, watcher: Watcher = SILENT) -> Indexed:
    """Make and keep the index of a slice that stands. The caller holds the lock of the slices."""
    watcher.step("index")
    places = office.dataset(plan.spec.dataset)
    files = places.plan(plan.plan_digest) / FILES
    denied = _denied(office, plan.spec.dataset)
    listed, gone = _parted(pq.read_table(files, columns=[*_COLUMNS, *ATTRIBUTES]), denied)
    images = listed.filter(pc.equal(listed.column("kind"), "image"))
    seen = _Seen.of(places.root / HASHES)
    seen.forget(gone.column("sha256").to_pylist())
    indexed = Indexed()
    pictures = list(_pictures(places.tier(plan.spec.tier), images, seen, indexed, watcher))
    owner = office.owner().uid
    seen.keep(owner)
    material = _material(listed, images, office.slices.slice(slice_id) / documents.CLINICAL)
    material.identifiers = chain(_identifiers(listed), _stems(files, denied))
    material.pictures = pictures
    material.gone_names = denied
    material.gone = withdrawn_identifiers(places.release(plan.spec.release), denied)
    body = make(material)
    IndexStore(office.layout.slice_indexes).keep(slice_id, body, owner)
    indexed.people, indexed.frames, indexed.bytes = material.count, len(pictures), len(body)
    return indexed


_GONE = """
SELECT DISTINCT s.study_uid, s.series_uid, i.sop_uid, i.stem
FROM patients p JOIN series s USING (patient) JOIN instances i USING (series)
WHERE p.pseudonym IN (SELECT pseudonym FROM denied)
"""


def withdrawn_identifiers(release: Path, denied: Set[str]) -> list[str]:
    """Every identifier but the pseudonyms by which people who opted out stand in a release. They stay recognisable."""
    if not denied:
        return []
    with opened(release, denied) as connection:
        rows = connection.execute(_GONE).fetchall()
    return sorted({name for row in rows for name in row})


def forget_pictures(office: Office, dataset: str, contents: list[bytes]) -> None:
    """Forget the perceptual hashes of images of people who opted out. The caller holds the lock of the slices."""
    seen = _Seen.of(office.dataset(dataset).root / HASHES)
    seen.forget(contents)
    seen.keep(office.owner().uid)


def _denied(office: Office, dataset: str) -> frozenset[str]:
    with office.database.read() as connection:
        return frozenset(store.deny_set(connection, dataset).pseudonyms)


def _parted(listed: pa.Table, denied: frozenset[str]) -> tuple[pa.Table, pa.Table]:
    """The plan's files of people who are in, and of people who have opted out since."""
    gone = pc.is_in(listed.column("pseudonym"), value_set=pa.array(sorted(denied), pa.string()))
    return listed.filter(pc.invert(gone)), listed.filter(gone)


def _material(listed: pa.Table, images: pa.Table, clinical: Path) -> Material:
    names = pc.unique(listed.column("pseudonym")).to_pylist()
    material = Material(names=names, count=len(names))
    for name in names:
        material.add(name, {"pseudonym": name})
    for row in _attributes(images):
        material.add(row.pop("pseudonym"), row)
    if clinical.is_file():
        known = set(names)
        for row in pq.read_table(clinical).to_pylist():
            # Without its pseudonyms a table's rows belong to nobody that is known here: each is a person of its own.
            name = row.get("pseudonym")
            if name is None or name in known:
                material.add(name or f"\0{len(material.people)}", row)
    return material


def _attributes(images: pa.Table) -> Iterator[dict[str, Any]]:
    """What the manifest says of each person's images, each different row once."""
    names = ["pseudonym", *ATTRIBUTES]
    yield from images.select(names).group_by(names).aggregate([]).to_pylist()


def _identifiers(listed: pa.Table) -> Iterator[str]:
    for name in _IDENTIFIERS:
        yield from pc.unique(listed.column(name)).to_pylist()


def _stems(files: Path, denied: frozenset[str]) -> Iterator[str]:
    """The names of files without their endings, from the plan's list: there may be millions."""
    with pq.ParquetFile(files) as file:
        for batch in file.iter_batches(_BATCH, columns=["path", "pseudonym"]):
            for path, pseudonym in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if pseudonym not in denied:
                    yield path.rpartition("/")[2].rpartition(".")[0]


def _pictures(tier: Path, images: pa.Table, seen: _Seen, indexed: Indexed, watcher: Watcher) -> Iterator[int]:
    chosen = list(_chosen(images))
    for done, (pseudonym, content) in enumerate(chosen[:MOST_FRAMES]):
        if content not in seen.known:
            seen.known[content] = hash_image(tier / patient_directory(pseudonym) / (content.hex() + IMAGE_SUFFIX))
            seen.new += 1
        if (found := seen.known[content]) is not None:
            yield found
        else:
            indexed.left_out += 1
        if done % _EVERY == 0:
            watcher.progress(done, len(chosen))
    indexed.left_out += max(0, len(chosen) - MOST_FRAMES)


def _chosen(images: pa.Table) -> Iterator[tuple[str, bytes]]:
    """The images that are hashed: person and content. Rows come in the order of their paths, series by series."""
    series: dict[str, list[tuple[str, bytes]]] = {}
    columns = (images.column(name).to_pylist() for name in ("series_uid", "pseudonym", "sha256"))
    for uid, pseudonym, content in zip(*columns, strict=True):
        series.setdefault(uid, []).append((pseudonym, content))
    for members in series.values():
        if len(members) <= FEW_IMAGES:
            yield from members
        else:
            yield from (members[0], members[len(members) // 2], members[-1])


def hash_image(path: Path) -> int | None:
    """The perceptual hash of a DICOM image's first frame; `None` where there is none to be had."""
    try:
        dataset = pydicom.dcmread(path)
        if len(dataset.get("PixelData", b"")) > MOST_PIXEL_BYTES:
            return None
        pixels = np.asarray(dataset.pixel_array)
    except Exception:  # noqa: BLE001 - decoders raise what they like; an image without a hash is counted
        return None
    while pixels.ndim > 2:  # frames, or colours
        pixels = pixels.mean(axis=-1) if pixels.shape[-1] in {3, 4} and pixels.ndim == 3 else pixels[0]
    picture = picture_of(pixels, negative=dataset.get("PhotometricInterpretation") == "MONOCHROME1")
    return hashes.hash_of(picture)


def picture_of(pixels: np.ndarray[Any, Any], *, negative: bool = False) -> Picture:
    """Pixels as people see them: eight bits between the darkest and the brightest half per cent, at most 512 wide."""
    low, high = np.percentile(pixels, _STRETCH)
    grey = np.clip((pixels - low) / max(float(high - low), 1e-9) * 255.0, 0, 255)
    grey = 255.0 - grey if negative else grey
    step = max(1, -(-max(pixels.shape) // PICTURE_SIDE))
    height, width = (size // step for size in pixels.shape)
    if step > 1 and height and width:
        grey = grey[: height * step, : width * step].reshape(height, step, width, step).mean(axis=(1, 3))
    eight = grey.astype(np.uint8)
    return Picture(eight.shape[1], eight.shape[0], eight.tobytes(), (pixels.shape[1], pixels.shape[0]))
