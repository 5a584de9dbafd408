"""Datasets, their releases, and slices that were built.

Guarantees: names are valid as directories; a release is named by the digest of its index, so that two releases with
one digest hold the same; what was built is recorded with the plan it came from and the digest of its content.

Does not guarantee: that the files are still there: `tre slice verify` compares.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.model import Line, Record, UtcTime
from tre.domain.slices.plan import Count, Counts, Digest
from tre.domain.slices.spec import ReleaseName, ResourceName

SLICE_ID_PATTERN = r"^s-[a-z2-7]{12}$"
"""The form that `tre.domain.names.slice_id` gives: it names a directory."""

SliceId = Annotated[Line, Field(pattern=SLICE_ID_PATTERN)]


class Dataset(Record):
    """A registered, pseudonymised collection. Whoever may read its files carries the numeric group `data_group`."""

    name: ResourceName
    title: Annotated[Line, Field(min_length=1, max_length=300)]
    data_group: Annotated[int, Field(ge=0)]
    deny_version: Count = 0
    created_at: UtcTime
    tag_manifest: Digest | None = None
    """What the data manager declared safe in its headers; its digest."""

    validation_permille: Annotated[int, Field(ge=0, le=999)] = 0
    """About so many of a thousand patients are drawn for validation; it never changes."""


class Release(Record):
    """An immutable index of a dataset's store."""

    dataset: ResourceName
    name: ReleaseName
    index_digest: Digest
    counts: Counts
    created_at: UtcTime
    gate: Digest | None = None
    """By which rules its files passed: over the edition of the rules, of the table, and the tag manifest."""

    onto: ReleaseName | None = None
    """The release that its delivery added to."""


class BuiltSlice(Record):
    """A slice that stands in the file system: `slice_id` is fixed, `content_digest` changes with each version."""

    slice_id: SliceId
    dataset: ResourceName
    release: ReleaseName
    plan_digest: Digest
    content_digest: Digest
    manifest_version: Annotated[int, Field(ge=1)]
    files: Count
    bytes: Count
    data_group: Annotated[int, Field(ge=0)]
    built_at: UtcTime
