"""What the launcher asks of a Kubernetes API server: a few verbs over plain JSON.

Guarantees: two implementations, the official client's connection and one in memory, pass one contract suite
(`tests/contract/test_cluster_client.py`). Objects are plain values: a field that this program does not know survives,
and none is invented. Whatever goes wrong is a `ClusterError` with a reason, and every call has a time limit.

Does not guarantee: that an object is as it was a moment ago. Who decides on what was read passes preconditions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from tre.domain.errors import Reason, TREError

Object = dict[str, Any]
"""An object of the API as JSON has it."""

PAGE = 500
"""How many objects of a list are in memory at a time."""

MANAGER = "tre-controller"
"""The one field manager of what the launcher wants of objects."""

STATUS_MANAGER = "tre-status"
"""The one field manager of what it reports in their status."""


class Key(NamedTuple):
    """Which object of a kind; the namespace is empty for kinds of the whole cluster."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Kind:
    """A kind of the API and where it is found."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As it stands in an object."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, key: Key, subresource: str = "") -> str:
        """Where an object, or with an empty name a collection, is found."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(["namespaces", key.namespace] if self.namespaced and key.namespace else []), self.plural]
        return "/".join([*parts, *(part for part in (key.name, subresource) if part)])


def key_of(item: Object) -> Key:
    """Which object this is."""
    metadata = item["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def version_of(item: Object) -> int:
    """The resource version, which can be compared since Kubernetes 1.35 (KEP-5504)."""
    return int(item["metadata"]["resourceVersion"])


@dataclass(frozen=True)
class Selector:
    """Which objects of a collection: by labels and by fields, as `kubectl` takes them."""

    labels: str = ""
    fields: str = ""


EVERYTHING = Selector()


@dataclass(frozen=True)
class Listing:
    """A collection at one moment."""

    items: list[Object]
    version: int


class EventType(StrEnum):
    """What a line of a watch says of its object; `BOOKMARK` says only how far the watch has come."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class WatchEvent(NamedTuple):
    """One line of a watch."""

    type: EventType
    object: Object


@dataclass(frozen=True)
class Preconditions:
    """What must still be true of an object that is to be deleted."""

    uid: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Deletion:
    """How an object is deleted: if what still holds, and with how many seconds of grace."""

    preconditions: Preconditions = field(default_factory=Preconditions)
    grace_seconds: int | None = None


PLAINLY = Deletion()


class ClusterError(TREError):
    """The API server refused or did not answer; `code` is its answer's, 0 where there was none."""

    def __init__(self, reason: Reason, what: str, *, why: str = "", code: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(reason, what, why=why, remedy=_REMEDIES.get(reason, ""))
        self.code = code
        self.retry_after = retry_after


class WatchExpiredError(ClusterError):
    """The history that a watch or a page was to go on from is gone: list anew."""


_REMEDIES = {
    Reason.NotPermitted: "Give the controller's service account this verb; `tre cluster rights` lists what is missing.",
    Reason.ServiceUnavailable: "It is tried again by itself. See whether the API server answers.",
    Reason.RateLimited: "It is tried again by itself, later each time.",
}

REASONS = {
    400: Reason.BadInput,
    401: Reason.NotPermitted,
    403: Reason.NotPermitted,
    404: Reason.ObjectNotFound,
    409: Reason.Conflict,
    410: Reason.StreamStale,
    413: Reason.BadInput,
    422: Reason.BadInput,
    429: Reason.RateLimited,
}
"""The launcher's word for each refusal; every other one is `ServiceUnavailable`."""


def refusal_of(code: int, status: Object, what: str, retry_after: float = 0.0) -> ClusterError:
    """The error for an answer of the API server: its code, and the `Status` that it sent."""
    reason = REASONS.get(code, Reason.ServiceUnavailable)
    if status.get("reason") == "AlreadyExists":
        reason = Reason.AlreadyExists
    made = WatchExpiredError if code == 410 else ClusterError
    return made(reason, what, why=str(status.get("message", "")), code=code, retry_after=retry_after)


class ClusterClient(Protocol):
    """An API server as one user. Every method raises `ClusterError`; it may be used by many threads."""

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object; `None` where there is none."""
        ...

    def list(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Listing:
        """A whole collection at one moment."""
        ...

    def pages(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Iterator[Listing]:
        """The same in pages, for who need not hold all of it; of one moment, whose version the last page tells."""
        ...

    def watch(
        self, kind: Kind, namespace: str, version: int, selector: Selector = EVERYTHING
    ) -> contextlib.AbstractContextManager[Iterator[WatchEvent]]:
        """Changes after a version, until the server ends the stream.

        Raises `WatchExpiredError` where the server no longer knows what came after that version, and
        `ClusterError(ServiceUnavailable)` where nothing, no bookmark either, came for longer than it may take.
        """
        ...

    def create(self, kind: Kind, item: Object) -> Object:
        """A new object. Raises `ClusterError(AlreadyExists)`."""
        ...

    def apply(self, kind: Kind, item: Object, manager: str = MANAGER) -> Object:
        """What the launcher wants of an object, made if it is not there; what another manager set here is taken over.

        A `resourceVersion` in it is a precondition: `ClusterError(Conflict)` where the object has another.
        """
        ...

    def apply_status(self, kind: Kind, item: Object) -> Object:
        """What the launcher reports of an object that is there. Raises `ClusterError(ObjectNotFound)`."""
        ...

    def patch(self, kind: Kind, key: Key, change: Object) -> Object:
        """Change just these fields, `None` takes one off (RFC 7396). Raises `ClusterError(ObjectNotFound)`.

        For what `apply` cannot say: taking off a finalizer, changing one field of an object whose others are fixed.
        """
        ...

    def log(self, key: Key, container: str, lines: int) -> str:
        """The last lines that a container of a pod printed. Raises `ClusterError(BadInput)` where it never ran."""
        ...

    def delete(self, kind: Kind, key: Key, how: Deletion = PLAINLY) -> bool:
        """Ask for an object's deletion; `False` where it is gone already. Raises `ClusterError(Conflict)`."""
        ...

    def skew(self) -> float:
        """By how many seconds the server's clock is surely ahead (or, negative, behind) of ours, as last seen."""
        ...
