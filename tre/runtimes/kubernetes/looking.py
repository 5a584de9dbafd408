"""Looking at doors: when a log is worth reading, and what is kept of it.

Guarantees: a log is read only while a run starts, and when its door stops being ready: runs that go well cost no
request. A proof that was found is written onto the pod, so that the next controller need not find it again.

Does not guarantee: that a loss is seen by this alone at once: the door itself has cut everybody off by then.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import structlog

from tre.cluster.protocol import ClusterClient, ClusterError, key_of
from tre.domain.clock import Clock
from tre.runtimes.kubernetes import evidence
from tre.runtimes.kubernetes.control import Controls
from tre.runtimes.kubernetes.kinds import POD
from tre.runtimes.kubernetes.pods import Pod
from tre.runtimes.kubernetes.render.vocabulary import DOOR_CONTAINER, ISOLATION_ANNOTATION

log = structlog.get_logger()

AGAIN = timedelta(milliseconds=250)
AGAIN_WHEN_SERVED = timedelta(seconds=2)

Proof = dict[str, object]


class Looker:
    """What doors said, by run."""

    def __init__(self, client: ClusterClient, controls: Controls, clock: Clock) -> None:
        self._client, self._controls, self._clock = client, controls, clock
        self._proofs: dict[str, Proof] = {}
        self._read_at: dict[str, datetime] = {}

    def forget(self, identity: str) -> None:
        """The run is no more."""
        self._proofs.pop(identity, None)
        self._read_at.pop(identity, None)

    def is_settled(self, pod: Pod) -> bool:
        """Whether nothing is to be looked for until the pod's object changes: its proof stands on it, its door runs."""
        proof = _written(pod)
        return proof is not None and bool(proof.get("served")) and "running" in pod.container(DOOR_CONTAINER)

    def isolation(self, pod: Pod) -> tuple[Proof | None, str]:
        """The proof so far, with `served` once a person could be let in; or the failure."""
        identity = pod.plan.identity
        proof = self._proofs.get(identity) or _written(pod)
        if pod.is_deleted or "running" not in pod.container(DOOR_CONTAINER):
            return proof, ""
        if proof is not None and proof.get("served") and pod.is_ready:
            return proof, ""
        found = self._read(pod, AGAIN if proof is None or not proof.get("served") else AGAIN_WHEN_SERVED)
        if found is not None and found.failure:
            return proof, found.failure
        if proof is None and found is not None and found.complete:
            proof = found.proof(self._controls)
            if proof is None:
                self._controls.begin()
        answers = pod.is_ready or (found is not None and found.answers)
        if proof is not None and answers and not proof.get("served"):
            proof = proof | {"served": True}
            self._write(pod, proof)
        if proof is not None:
            self._proofs[identity] = proof
        return proof, ""

    def _read(self, pod: Pod, again: timedelta) -> evidence.Evidence | None:
        now, identity = self._clock.now(), pod.plan.identity
        before = self._read_at.get(identity)
        if before is not None and now - before < again:
            return None
        self._read_at[identity] = now
        try:
            return evidence.read(self._client.log(key_of(pod.item), DOOR_CONTAINER, evidence.LINES))
        except ClusterError as error:  # the node does not answer, or the container is not that far
            log.info("door-not-heard", identity=identity, error=str(error))
            return None

    def _write(self, pod: Pod, proof: Proof) -> None:
        change = {"metadata": {"annotations": {ISOLATION_ANNOTATION: json.dumps(proof, sort_keys=True)}}}
        try:
            self._client.patch(POD, key_of(pod.item), change)
        except ClusterError as error:  # the next controller reads the log again
            log.warning("proof-not-written", identity=pod.plan.identity, error=str(error))


def _written(pod: Pod) -> Proof | None:
    text = pod.annotations.get(ISOLATION_ANNOTATION)
    found: Proof | None = None if text is None else json.loads(text)
    return found
