"""A dataset's tag manifest: taken in when it is signed, kept beside the store, used by every addition.

Guarantees: a manifest is used only if a configured key signed it for this dataset, and later only if the kept file has
the digest on record. Data managers' public keys lie in `keys/manifest-signers`; the approving body's keys count too.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tre.domain.datasets import Dataset
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.slices.files import make_private
from tre.slices.gate.manifest import NO_RULES, TagManifest, TagRules, check_manifest
from tre.sources.signed import load_signers
from tre.store import datasets as store
from tre.storekeeper.office import Office
from tre.system.files import write_atomically
from tre.system.layout import Layout
from tre.system.yamlfile import read_yaml

_MODE = 0o600


def read_manifest(path: Path) -> TagManifest:
    """A manifest file, signed or not. Raises `TREError`."""
    return parse_record(TagManifest, read_yaml(path), source=str(path))


def signers(layout: Layout) -> dict[str, Ed25519PublicKey]:
    """The keys whose signatures make a manifest count."""
    directories = (layout.keys / "grant-signers", layout.keys / "manifest-signers")
    return {name: key for path in directories if path.is_dir() for name, key in load_signers(path).items()}


def read_signed(office: Office, path: Path, dataset: str) -> TagManifest:
    """A manifest file that counts for a dataset. Raises `TREError(EvidenceUnverified)`, `TREError(BadInput)`."""
    manifest = read_manifest(path)
    if manifest.metadata.name != dataset:
        raise TREError(
            Reason.BadInput,
            f"{path} is the tag manifest of another dataset.",
            why=f"Its metadata.name is {manifest.metadata.name!r}, not {dataset!r}.",
            remedy="Name the manifest of this dataset.",
        )
    check_manifest(manifest, signers(office.layout))
    return manifest


def declare(office: Office, dataset: Dataset, manifest: TagManifest) -> Dataset:
    """Keep a manifest that was verified and record it. The caller holds the dataset's lock."""
    digest = manifest.digest()
    if dataset.tag_manifest == digest:
        return dataset
    places = office.dataset(dataset.name)
    make_private(places.root, office.owner())
    data = (manifest.model_dump_json(by_alias=True, exclude_none=True) + "\n").encode()
    write_atomically(places.tag_manifest, data, mode=_MODE)
    office.owner().give(places.tag_manifest)
    signed = manifest.signed
    detail = {"tagManifest": digest, "key": signed.key if signed else ""}
    with office.database.change(office.event("dataset.declared", f"dataset/{dataset.name}", **detail)) as change:
        store.declare(change, dataset.name, digest)
    return dataset.model_copy(update={"tag_manifest": digest})


def rules_of(office: Office, dataset: Dataset) -> TagRules:
    """What is declared for a dataset. Raises `TREError(ContentChanged)` if the kept file is not what is on record."""
    if dataset.tag_manifest is None:
        return NO_RULES
    path = office.dataset(dataset.name).tag_manifest
    try:
        manifest = TagManifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        manifest = None
    if manifest is None or manifest.digest() != dataset.tag_manifest:
        raise TREError(
            Reason.ContentChanged,
            f"The tag manifest of {dataset.name!r} is not the one on record.",
            why=f"{path} is missing or was changed.",
            remedy="Give the signed manifest again: `tre dataset add NAME PATH --manifest FILE`.",
        )
    return manifest.spec
