"""Removing what a run was made of, once it was proven dead, and a grant's namespace once nothing runs in it.

Guarantees: the pod's object goes first, by taking off the finalizer that kept it; the instruction goes last, since it
says that there was a pod. Deleting a volume deletes no file. Each step may be repeated.

Does not guarantee: that it was proven; the runtime asks before.
"""

from __future__ import annotations

from datetime import datetime

from tre.cluster.protocol import ClusterClient, ClusterError, Deletion, Key, Kind, Preconditions, Selector, key_of
from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.runtimes.kubernetes.kinds import CLAIM, CONFIG_MAP, NAMESPACE, POD, SECRET, VOLUME, of_cluster
from tre.runtimes.kubernetes.pods import Pod
from tre.runtimes.kubernetes.render.vocabulary import END_ANNOTATION, WORKSPACE_LABEL


class Clearer:
    """Removes."""

    def __init__(self, client: ClusterClient, clock: Clock) -> None:
        self._client, self._clock = client, clock

    def clear(self, identity: str, pod: Pod | None) -> None:
        """Remove every object of a run."""
        if pod is not None:
            self._release(pod)
        of_workspace = Selector(labels=f"{WORKSPACE_LABEL}={identity.rpartition('-')[0]}")
        for kind in (CLAIM, VOLUME):
            for item in self._client.list(kind, "", of_workspace).items:
                if _belongs(item["metadata"]["name"], identity, kind):
                    self._client.delete(kind, key_of(item))
        instructions = self._client.list(CONFIG_MAP, "", of_workspace).items
        for item in (one for one in instructions if one["metadata"]["name"] == identity):
            key = key_of(item)
            self._client.delete(SECRET, Key(key.namespace, f"{identity}-door"))
            self._client.delete(CONFIG_MAP, key)

    def _release(self, pod: Pod) -> None:
        """Delete the object and take off our finalizer, from exactly the pod that was proven dead."""
        key, uid = key_of(pod.item), pod.item["metadata"]["uid"]
        self._client.delete(POD, key, Deletion(Preconditions(uid=uid), grace_seconds=0))
        try:
            self._client.patch(POD, key, {"metadata": {"uid": uid, "finalizers": None}})
        except ClusterError as error:
            if error.reason is not Reason.ObjectNotFound:
                raise

    def lower_end(self, namespace: str, end: str) -> None:
        """Bring a namespace's end forward, for pods that are made after this one."""
        found = self._client.get(NAMESPACE, of_cluster(namespace))
        if found is None:
            return
        until = found["metadata"]["annotations"][END_ANNOTATION]
        if datetime.fromisoformat(end) < datetime.fromisoformat(until):
            self._client.patch(NAMESPACE, of_cluster(namespace), {"metadata": {"annotations": {END_ANNOTATION: end}}})

    def clear_namespace(self, namespace: str) -> bool:
        """Delete a namespace in which nothing is left; whether nothing was."""
        if self._client.list(POD, namespace).items:
            return False
        self._client.delete(NAMESPACE, of_cluster(namespace))
        return True


def _belongs(name: str, identity: str, kind: Kind) -> bool:
    prefix = "tre-" if kind == VOLUME else ""
    return name.startswith(f"{prefix}{identity}-")
