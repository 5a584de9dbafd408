"""What the controller must be allowed in a cluster, asked of the cluster itself.

Guarantees: the answer is the API server's own (a SelfSubjectAccessReview for each verb), so it holds whatever roles,
bindings or other authorisers a site has; what is missing is named as RBAC names it. Nothing is begun while anything is
missing, so a namespace is never left half made for want of a right.

Does not guarantee: that what is allowed now is allowed in an hour. A refusal then names its verb by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tre.cluster.protocol import ClusterClient, Kind, Object
from tre.domain.errors import Reason, TREError

REVIEW = Kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)
REVIEW_OF_OTHERS = Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)

_KEPT = ("get", "list", "watch", "create", "patch", "delete")
_READ = ("get", "list", "watch")
_OBJECTS = (
    "namespaces", "pods", "configmaps", "serviceaccounts", "resourcequotas", "limitranges", "persistentvolumeclaims",
    "persistentvolumes",
)  # fmt: skip
_NEEDED: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("", _OBJECTS, _KEPT),
    ("", ("secrets",), ("create", "delete")),
    ("", ("pods/log",), ("get",)),
    ("", ("nodes",), ("get",)),
    ("networking.k8s.io", ("networkpolicies",), ("create", "patch")),
    ("events.k8s.io", ("events",), ("create", "patch")),
    ("tre.research", ("accessgrants", "workspaces", "datasets"), _READ),
    ("tre.research", ("accessgrants/status", "workspaces/status", "datasets/status"), ("patch",)),
    ("tre.research", ("workspaces",), ("create", "patch", "delete")),
    ("tre.research", ("accessgrants",), ("patch",)),
)
_LEASE = ("coordination.k8s.io", ("leases",), ("get", "create", "patch"))
"""In the launcher's own namespace only."""


class Right(NamedTuple):
    """One verb on one resource (`pods/log`), in one namespace or, with an empty one, everywhere."""

    group: str
    resource: str
    verb: str
    namespace: str = ""

    def __str__(self) -> str:
        """As people say it: `create pods`, `get leases.coordination.k8s.io in tre-system`."""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}{where}"


def needed(namespace: str) -> Iterator[Right]:
    """Every right that the controller needs, with the launcher's own namespace."""
    for group, resources, verbs in _NEEDED:
        yield from (Right(group, resource, verb) for resource in resources for verb in verbs)
    group, resources, verbs = _LEASE
    yield from (Right(group, resource, verb, namespace) for resource in resources for verb in verbs)


def missing(client: ClusterClient, namespace: str) -> tuple[Right, ...]:
    """The rights that the API server denies this client. Raises `ClusterError`."""
    return tuple(right for right in needed(namespace) if not _has(client, right))


def missing_of(client: ClusterClient, namespace: str, account: str) -> tuple[Right, ...]:
    """The rights that the API server denies a service account of a namespace, as whoever may ask that.

    Raises `ClusterError(NotPermitted)` for somebody who may ask about themselves alone.
    """
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    whom = {"user": f"system:serviceaccount:{namespace}:{account}", "groups": groups}
    return tuple(right for right in needed(namespace) if not _has(client, right, REVIEW_OF_OTHERS, whom))


def _has(client: ClusterClient, right: Right, review: Kind = REVIEW, whom: Object | None = None) -> bool:
    resource, _, subresource = right.resource.partition("/")
    asked = {"group": right.group, "resource": resource, "subresource": subresource, "verb": right.verb}
    answer = client.create(
        review,
        {
            "apiVersion": review.api_version,
            "kind": review.kind,
            "metadata": {"name": ""},
            "spec": {"resourceAttributes": asked | {"namespace": right.namespace}} | (whom or {}),
        },
    )
    return (answer.get("status") or {}).get("allowed") is True


class RightsCheck:
    """Asked before a run is begun: costs its requests once, and again only while something is missing."""

    def __init__(self, client: ClusterClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self._complete = False

    def __call__(self) -> None:
        """Raise `TREError(SetupIncomplete)` naming every right that is missing."""
        if self._complete:
            return
        lacking = missing(self._client, self._namespace)
        if lacking:
            raise lacks(lacking)
        self._complete = True


def lacks(rights: tuple[Right, ...]) -> TREError:
    """What to say of rights that are missing."""
    return TREError(
        Reason.SetupIncomplete,
        "The launcher lacks rights in the cluster, so nothing was begun.",
        why=f"Its account may not {', '.join(map(str, rights))}.",
        remedy="Give it the ClusterRole tre-controller as the chart has it; `tre cluster rights` asks again.",
    )
