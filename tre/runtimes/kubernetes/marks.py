"""What a run's instruction remembers of its pod: asked for, made, or withdrawn before it could begin.

Guarantees: a pod that was asked for, and of which nobody ever heard that it was made, can be withdrawn. Its keys are
deleted first: a pod cannot begin without them (its volume is not optional), and nobody makes them again, for a run's
name is given once. So a pod that an earlier controller's request may yet bring about stays without a container, and a
look after that finds whatever could have begun. The mark is changed only from what was read.

Does not guarantee: that nobody took a pod away by hand in the moment between its making and the mark of it.

Threat: a controller that ended between two writes, and a workspace that could never be called dead; and the opposite, a
pod that vanished and is called never begun.
"""

from __future__ import annotations

import structlog

from tre.cluster.protocol import ClusterClient, Key, Object, Selector, key_of
from tre.domain.errors import TREError
from tre.runtimes.kubernetes.kinds import CONFIG_MAP, SECRET
from tre.runtimes.kubernetes.pods import Pod
from tre.runtimes.kubernetes.render.vocabulary import ASKED_ANNOTATION, ISOLATION_ANNOTATION, WORKSPACE_LABEL

log = structlog.get_logger()

ASKED, WITHDRAWN = "true", "withdrawn"
"""Any other value is the identity of the pod that was made."""


def mark_of(instruction: Object | None) -> str | None:
    """What an instruction says; `None` where no pod was ever asked for."""
    if instruction is None:
        return None
    found: str | None = (instruction["metadata"].get("annotations") or {}).get(ASKED_ANNOTATION)
    return found


class Marks:
    """Writes them; `acknowledged` and `settled` are remembered, so that runs which go well cost no more requests."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._acknowledged: set[str] = set()
        self._settled: set[str] = set()

    def ask(self, key: Key) -> None:
        """From here on a run without a pod is one whose pod is missed."""
        self._write(key, ASKED)

    def take_back(self, key: Key) -> None:
        """The API server refused the pod: there surely is none."""
        self._write(key, None)

    def acknowledge(self, key: Key, uid: str) -> None:
        """The pod is there. Where that cannot be written now, it is when the pod is looked at next."""
        try:
            self._write(key, uid)
        except TREError as error:
            log.warning("pod-not-acknowledged", identity=key.name, error=str(error))
        else:
            self._acknowledged.add(key.name)

    def see(self, pod: Pod) -> None:
        """A pod that has a node: if nobody wrote down that it was made, it is written down now."""
        key = key_of(pod.item)
        if key.name not in self._acknowledged and ISOLATION_ANNOTATION not in pod.annotations:
            self.acknowledge(key, pod.item["metadata"]["uid"])

    def withdraw(self, identity: str) -> None:
        """See to it that a pod which was asked for, and never heard of, can no longer begin. Raises `ClusterError`."""
        if identity in self._settled:
            return
        instruction = self._instruction(identity)
        if instruction is not None and mark_of(instruction) == ASKED:
            key, version = key_of(instruction), instruction["metadata"]["resourceVersion"]
            self._client.delete(SECRET, Key(key.namespace, f"{identity}-door"))
            change = {"metadata": {"resourceVersion": version, "annotations": {ASKED_ANNOTATION: WITHDRAWN}}}
            self._client.patch(CONFIG_MAP, key, change)
            log.warning("pod-withdrawn", identity=identity)
        self._settled.add(identity)

    def forget(self, identity: str) -> None:
        """The run is no more."""
        self._acknowledged.discard(identity)
        self._settled.discard(identity)

    def _write(self, key: Key, mark: str | None) -> None:
        self._client.patch(CONFIG_MAP, key, {"metadata": {"annotations": {ASKED_ANNOTATION: mark}}})

    def _instruction(self, identity: str) -> Object | None:
        of_workspace = Selector(labels=f"{WORKSPACE_LABEL}={identity.rpartition('-')[0]}")
        found = self._client.list(CONFIG_MAP, "", of_workspace).items
        return next((one for one in found if one["metadata"]["name"] == identity), None)
