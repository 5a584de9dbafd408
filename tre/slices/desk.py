"""Taking images and their sidecars: each file is read once, judged, and written down as it was read.

Guarantees: what is indexed was read from the very bytes that are in the store, so a delivery that changes meanwhile
cannot differ from its digest; nothing of a file that is refused is ever written. A sidecar is judged by the header that
was judged a moment before, where both are taken together.

Does not guarantee: that files have their names in the store before `Shelves.publish`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import BinaryIO

from tre.slices.coarse import coarse_image, write_coarse
from tre.slices.files import Beneath
from tre.slices.gate.judge import Judged
from tre.slices.gate.sidecar import MAX_SIDECAR_BYTES, read_sidecar
from tre.slices.headers import ImageHeader, header_of
from tre.slices.index import Instance, Sidecar
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX
from tre.slices.shelves import Shelves
from tre.slices.store import Intake, Taken, WaitsError, derive, stored_path, take
from tre.slices.taking import Delivery, Stores, Waiting, admit, as_waiting, gate_of, judge_image, judge_owner, stem_of
from tre.slices.unfit import UnfitError
from tre.slices.walk import Found, Refusal

LARGE = 8 * 2**20
"""Images up to this size are read once, into memory; larger ones are copied first and read from the copy."""

_CHUNK = 2**20


@dataclass(frozen=True)
class Desk:
    """Where files are taken, in whichever process: the delivery, the store, and what is on its way from one into the
    other.
    """

    stores: Stores
    root: int
    delivery: Delivery
    images: Beneath
    sidecars: Beneath
    shelves: Shelves

    @classmethod
    def at(cls, stores: Stores, root: int, delivery: Delivery) -> Desk:
        """A desk beside an open delivery."""
        return cls(stores, root, delivery, Beneath(root), Beneath(root), Shelves())

    def close(self) -> None:
        """Let go of everything but the delivery."""
        self.images.close()
        self.sidecars.close()
        self.shelves.abandon()


def take_image(desk: Desk, found: Found) -> tuple[Instance | Refusal | Waiting, Judged | None]:
    """Take one image, or say by which rule it stays out or waits; and what was found in its header."""
    try:
        stem = stem_of(found.parts)
        data = _read(desk.images, found.parts, LARGE)
        taken = _take_large(desk, found) if data is None else _take_small(desk, found, data)
    except UnfitError as error:
        return Refusal(found.path, error.rule, error.message), None
    except WaitsError as waits:
        return as_waiting(found, waits), None
    header, judged = taken.content
    partition = desk.delivery.partition(found.parts, header.pseudonym)
    if data is None:
        coarse = _coarse_large(desk.stores, header.pseudonym, taken.sha256, judged)
    else:
        coarse = _coarse_small(desk, header.pseudonym, data, judged)
    return Instance(header, partition, stem or header.sop_uid, taken.sha256, taken.size, *coarse), judged


_Content = tuple[ImageHeader, Judged]


def _judged(file: BinaryIO, sha256: bytes, parts: tuple[str, ...], delivery: Delivery) -> _Content:
    judged = judge_image(gate_of(delivery.rules), file)
    header = judge_owner(header_of(judged.text), parts, delivery)
    admit(judged.reasons, header.pseudonym, sha256, delivery)
    return header, judged


def _take_large(desk: Desk, found: Found) -> Taken[_Content]:
    """Copy first, then judge the copy: it never has to fit into memory."""
    judge = partial(_judged, parts=found.parts, delivery=desk.delivery)
    intake = Intake(judge, lambda content: content[0].pseudonym, IMAGE_SUFFIX)
    return take(desk.stores.full, desk.root, found.parts, intake)


def _take_small(desk: Desk, found: Found, data: bytes) -> Taken[_Content]:
    """Judge what was read, then write down exactly that."""
    sha256 = hashlib.sha256(data).digest()
    name = f"{sha256.hex()}{IMAGE_SUFFIX}"
    try:
        content = _judged(BytesIO(data), sha256, found.parts, desk.delivery)
    except WaitsError as waits:
        _set_aside(desk, waits, name, sha256, data)
        raise
    desk.shelves.of(desk.stores.full, content[0].pseudonym).put(name, sha256, data)
    return Taken(sha256, len(data), content)


def _set_aside(desk: Desk, waits: WaitsError, name: str, sha256: bytes, data: bytes) -> None:
    """Keep a file apart until somebody decided."""
    waits.sha256, waits.size = sha256, len(data)
    desk.shelves.of(desk.stores.full, waits.pseudonym, waiting=True).put(name, sha256, data)


def _read(delivered: Beneath, parts: tuple[str, ...], most: int) -> bytes | None:
    """A file of the delivery, whole; `None` for one that is larger. Raises `UnfitError`."""
    try:
        descriptor = delivered.open(parts)
    except OSError as error:
        raise UnfitError("path", f"cannot be opened: {error.strerror}") from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise UnfitError("path", "not a regular file")
        if about.st_size > most:
            return None
        data = os.read(descriptor, about.st_size + 1)
        while len(data) <= most and (more := os.read(descriptor, _CHUNK)):
            data += more
        return data if len(data) <= most else None
    finally:
        os.close(descriptor)


def _coarse_small(desk: Desk, pseudonym: str, data: bytes, judged: Judged) -> tuple[bytes | None, int | None]:
    if judged.deflated:
        return None, None
    return _put_coarse(desk, pseudonym, IMAGE_SUFFIX, coarse_image(data, judged.moments))


def _put_coarse(desk: Desk, pseudonym: str, suffix: str, data: bytes) -> tuple[bytes, int]:
    sha256 = hashlib.sha256(data).digest()
    desk.shelves.of(desk.stores.coarse, pseudonym).put(f"{sha256.hex()}{suffix}", sha256, data)
    return sha256, len(data)


def _coarse_large(stores: Stores, pseudonym: str, sha256: bytes, judged: Judged) -> tuple[bytes | None, int | None]:
    if judged.deflated:
        return None, None
    with stored_path(stores.full.tier, pseudonym, sha256, IMAGE_SUFFIX).open("rb") as source:
        write = partial(write_coarse, source, moments=judged.moments)
        return derive(stores.coarse, pseudonym, IMAGE_SUFFIX, write)


def take_sidecar(desk: Desk, found: Found, image: Instance, judged: Judged | None) -> Sidecar | Refusal | Waiting:
    """Take the sidecar of an image, or say by which rule it stays out or waits.

    `judged` is what was found in the image's header, where it was judged just now.
    """
    pseudonym = image.header.pseudonym
    try:
        data = _read(desk.sidecars, found.parts, MAX_SIDECAR_BYTES)
        if data is None:
            raise UnfitError("sidecar", "larger than any header")
        sha256 = hashlib.sha256(data).digest()
        name = f"{sha256.hex()}{SIDECAR_SUFFIX}"
        beside, coarse = _read_sidecar(desk, data, image, judged)
        try:
            admit(beside.reasons, pseudonym, sha256, desk.delivery)
        except WaitsError as waits:
            _set_aside(desk, waits, name, sha256, data)
            raise
        desk.shelves.of(desk.stores.full, pseudonym).put(name, sha256, data)
    except UnfitError as error:
        return Refusal(found.path, error.rule, error.message)
    except WaitsError as waits:
        return as_waiting(found, waits)
    if image.coarse_sha256 is None:
        return Sidecar(sha256, len(data))
    return Sidecar(sha256, len(data), *_put_coarse(desk, pseudonym, SIDECAR_SUFFIX, coarse))


def _read_sidecar(desk: Desk, data: bytes, image: Instance, judged: Judged | None) -> tuple[Judged, bytes]:
    gate = gate_of(desk.delivery.rules)
    if judged is None:
        tier, pseudonym = desk.stores.full.tier, image.header.pseudonym
        with stored_path(tier, pseudonym, image.sha256, IMAGE_SUFFIX).open("rb") as picture:
            judged = gate.judge_file(picture)
    return read_sidecar(gate, data, judged)
