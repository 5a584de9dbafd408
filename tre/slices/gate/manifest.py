"""A dataset's tag manifest: what the data manager declares safe in it, and what its site is called.

Guarantees: the manifest counts only with a signature by a key that the operator configured, over the name of the
dataset and the whole content; its digest is recorded with each release. A manifest can make the gate milder in five
named ways (private elements, attributes, words, image types, keys of clinical records) and in no other; it makes it
stricter by names of sites and by modalities whose pixels are read.

Threat: a gate that is opened by whoever can edit a file.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, model_validator
from pydicom.datadict import tag_for_keyword

from tre.domain.canonical import canonical_bytes, digest_of_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.domain.slices.spec import ResourceName
from tre.domain.slices.vocabulary import MODALITIES
from tre.slices.gate.attributes import Handling, handling_of

_CONTEXT = b"tre.research tag manifest v1\0"
"""Signed in front of the content, so that a signature over anything else is never one over a manifest."""

_OPENABLE = frozenset({Handling.absent, Handling.opaque})
Keyword = Annotated[Line, Field(pattern=r"^[A-Z][A-Za-z0-9]{1,127}$")]
Word = Annotated[Line, Field(min_length=1, max_length=64)]


class SafePrivate(Record):
    """A private element by its creator, group and the last two digits of its number; read as `vr`."""

    creator: Annotated[Line, Field(min_length=1, max_length=64)]
    group: Annotated[Line, Field(pattern=r"^[0-9A-F]{3}[13579BDF]$")]
    element: Annotated[Line, Field(pattern=r"^[0-9A-F]{2}$")]
    vr: Literal["CS", "DS", "FD", "FL", "IS", "LO", "SH", "SL", "SS", "UI", "UL", "US"]


class TagRules(Record):
    """What is declared: each list may be empty."""

    safe_private: tuple[SafePrivate, ...] = ()
    safe_attributes: tuple[Keyword, ...] = ()
    """Attributes that must otherwise be empty; they are read word by word instead."""

    words: tuple[Word, ...] = ()
    gazetteer: tuple[Annotated[Line, Field(min_length=3, max_length=200)], ...] = ()
    image_types: tuple[tuple[Word, Word], ...] = ()
    """Pairs beside ORIGINAL, PRIMARY."""

    ocr: tuple[Word, ...] = ()
    """Modalities whose pixels are read for text."""

    clinical_keys: tuple[Word, ...] | None = None
    """Keys of clinical records beside the known ones; their values are read word by word. Left out of what is signed
    where there are none, so that a manifest which was signed before there were such keys stays signed."""

    @model_validator(mode="after")
    def _known(self) -> TagRules:
        for keyword in self.safe_attributes:
            tag = tag_for_keyword(keyword)
            if tag is None or handling_of(tag) not in _OPENABLE:
                msg = f"safeAttributes: {keyword} is no attribute that may be opened"
                raise ValueError(msg)
        if strange := sorted(set(self.ocr) - MODALITIES):
            msg = f"ocr: {strange[0]} is no modality"
            raise ValueError(msg)
        return self


NO_RULES = TagRules()
"""A dataset for which nobody declared anything."""


EVERY_MODALITY = "*"
"""In `ocr`, where a person asks for it at the keyboard; no manifest can hold it."""


def reading_all_pixels(rules: TagRules) -> TagRules:
    """The same rules, with the pixels of every image read for text, whatever it says that it is."""
    return rules.model_copy(update={"ocr": (EVERY_MODALITY,)})


class Named(Record):
    """Which dataset the manifest speaks of."""

    name: ResourceName


class Signature(Record):
    """By which key, and the signature."""

    key: Annotated[Line, Field(pattern=r"^[0-9a-f]{16}$")]
    signature: Annotated[Line, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class TagManifest(Record):
    """The file: `apiVersion`, `kind`, `metadata.name`, `spec`, and the signature."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["TagManifest"]
    metadata: Named
    spec: TagRules = TagRules()
    signed: Signature | None = None

    def content(self) -> dict[str, Any]:
        """All that a signature covers."""
        return self.model_copy(update={"signed": None}).as_plain()

    def digest(self) -> str:
        """The digest that releases record: over the content, whoever signed it."""
        return digest_of_bytes(canonical_bytes(self.content()))


def sign_manifest(manifest: TagManifest, key: Ed25519PrivateKey, key_name: str) -> TagManifest:
    """The manifest with a signature by this key in place of whatever it had."""
    made = base64.b64encode(key.sign(_CONTEXT + canonical_bytes(manifest.content()))).decode()
    return manifest.model_copy(update={"signed": Signature(key=key_name, signature=made)})


def check_manifest(manifest: TagManifest, keys: dict[str, Ed25519PublicKey]) -> None:
    """Raise `TREError(EvidenceUnverified)` unless a configured key signed exactly this content."""
    name, signed = manifest.metadata.name, manifest.signed
    if signed is None or signed.key not in keys:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The tag manifest of {name!r} carries no signature by a key that is configured here.",
            why="It is not signed." if signed is None else f"It was signed with key {signed.key}.",
            remedy="Have the data manager sign it: `tre dataset sign-manifest FILE`.",
        )
    try:
        keys[signed.key].verify(base64.b64decode(signed.signature), _CONTEXT + canonical_bytes(manifest.content()))
    except InvalidSignature as error:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The tag manifest of {name!r} was changed after it was signed.",
            why="The signature is over something else.",
            remedy="Have the data manager sign it as it is now.",
        ) from error
