"""The runtime of a cluster, as the controller uses it: pods, their doors, and the word of their nodes.

Guarantees: the runtime protocol's (`tre.runtimes.protocol`). A run is Ready only when its door has proven isolation
and the controller reached the same addresses within the same minute; a door that loses its proof has cut everybody
off by itself, and its run is ended here. What is observed comes from a cache that a watch keeps; whether a run is dead
is asked anew. A controller without memory finds every run again: what it must know stands on the pods.

Does not guarantee: that an earlier end is told to the first process: no way leads there. The cluster's own deadline of
the pod is lowered instead, which holds with every service of ours dead, within a second or two.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Collection
from datetime import datetime
from typing import NamedTuple

import structlog

from tre.cluster.protocol import ClusterClient, ClusterError, Deletion, Key, Preconditions, Selector, key_of, version_of
from tre.cluster.watch import Watcher
from tre.domain.clock import Clock
from tre.domain.costs.meters import Used
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.domain.workspaces.routes import Door
from tre.runtimes.kubernetes.clearing import Clearer
from tre.runtimes.kubernetes.control import Controls
from tre.runtimes.kubernetes.death import proof_of
from tre.runtimes.kubernetes.kinds import POD
from tre.runtimes.kubernetes.looking import Looker
from tre.runtimes.kubernetes.pods import Ending, Pod, began_at, ended_at, ending_of, trouble_of
from tre.runtimes.kubernetes.render.grant import moment as as_moment
from tre.runtimes.kubernetes.render.vocabulary import (
    CERTIFICATE_ANNOTATION,
    DOOR_PORT,
    ENDING_ANNOTATION,
    GRACE_SECONDS,
    MANAGED_BY,
    RUN_END_ANNOTATION,
    WORKSPACE_LABEL,
)
from tre.runtimes.kubernetes.starting import Places, Starter, Terms
from tre.runtimes.protocol import DeathProof, Observation, RunPhase

log = structlog.get_logger()

_OURS = Selector(labels=",".join(f"{name}={value}" for name, value in MANAGED_BY.items()))
_MEANS = {
    "memory": "limit of the container",
    "cpu": "limit of the container",
    "processes": "limit of the user (RLIMIT_NPROC), and the node's limit for pods",
    "home": "the volume's own quota",
}


class _Seen(NamedTuple):
    """What came of looking at one version of a pod; no run where it was forgotten."""

    version: int
    uid: str
    run: Observation | None
    is_settled: bool = False


class KubernetesRuntime:
    """Workspaces in pods of a cluster."""

    def __init__(
        self,
        client: ClusterClient,
        terms: Terms,
        places: Places,
        clock: Clock,
        controls: Controls | None = None,
    ) -> None:
        self._client, self._clock = client, clock
        self._controls = controls or Controls(terms.addresses, clock)
        self._starter = Starter(client, terms, places, clock, self._controls)
        self._places = places
        self._looker = Looker(client, self._controls, clock)
        self._clearer = Clearer(client, clock)
        self._told: Callable[[], None] = lambda: None
        self._refused: dict[str, Observation] = {}
        self._nodes: dict[str, str] = {}
        self._forgotten: set[str] = set()
        self._settled: dict[Key, _Seen] = {}
        self.watcher = Watcher(client, POD, "", lambda _key: self._told(), clock, _OURS)

    def watch(self, stop: threading.Event, tell: Callable[[], None]) -> threading.Thread:
        """Keep the cache of pods and the control fresh until told to stop; `tell` is called when something changed."""
        self._told = tell
        self.watcher.step()
        threading.Thread(target=self._controls.keep, args=(stop,), name="keep-control", daemon=True).start()
        thread = threading.Thread(target=self.watcher.run, args=(stop,), name="watch-pods", daemon=True)
        thread.start()
        return thread

    # --- the protocol

    def start(self, plan: WorkspacePlan) -> None:
        """Make what is missing of a run; what can never be made is observed as ended, with its reason."""
        self.begin(plan)

    def end(self, identity: str, reason: Reason) -> None:
        """Delete the run's pod, with the one second that its first process needs at most."""
        pod = self._find(identity)
        if pod is not None:
            self._end(pod, Ending(reason, ""))
        elif identity not in self._nodes:
            self._starter.marks.withdraw(identity)

    def shorten(self, identity: str, end: datetime) -> None:
        """Lower the pod's deadline, which its node holds."""
        pod = self._find(identity)
        if pod is None or pod.has_ended or pod.is_deleted or end >= pod.end:
            return
        began = pod.status.get("startTime")
        since = self._starter.server_now() if began is None else datetime.fromisoformat(began)
        seconds = math.floor((end - since).total_seconds())
        if seconds < 1 or end <= self._starter.server_now():
            self._end(pod, Ending(Reason.DeadlineReached, "The run's end was reached."))
            return
        change = {
            "metadata": {"annotations": {RUN_END_ANNOTATION: end.isoformat()}},
            "spec": {"activeDeadlineSeconds": min(seconds, pod.item["spec"]["activeDeadlineSeconds"])},
        }
        self._took(self._client.patch(POD, key_of(pod.item), change))
        self._clearer.lower_end(self._places(pod.plan.grant).namespace, as_moment(end))

    def observe(self) -> tuple[Observation, ...]:
        """Every run's pod. Raises `TREError(ServiceUnavailable)` until the cluster was once seen whole."""
        cache = self.watcher.cache
        if cache.confirmed_at is None:
            raise TREError(
                Reason.ServiceUnavailable,
                "It is not known yet what runs on the cluster.",
                why=self.watcher.trouble or "",
                remedy="It is tried again by itself.",
            )
        before, self._settled = self._settled, {}
        found: dict[str, Observation] = {}
        shown: set[str] = set()
        for key in sorted(cache.keys()):
            kept = before.get(key)
            if kept is None or kept.version != cache.version_of(key):
                kept = self._look_at(key)
            if kept is None:
                continue
            shown.add(kept.uid)
            if kept.run is None or kept.uid in self._forgotten:
                continue
            found[kept.run.identity] = kept.run
            if kept.is_settled:
                self._settled[key] = kept
        self._forgotten &= shown  # what the watch still shows of them
        refused = {name: one for name, one in self._refused.copy().items() if name not in found}
        return tuple((found | refused).values())

    def verify_dead(self, plan: WorkspacePlan) -> DeathProof:
        """Ask the API server anew what the run's node says."""
        return proof_of(self._client, plan, self._nodes.get(plan.identity), self._clock.now())

    def count_stale_readers(self, plan: WorkspacePlan) -> int | None:
        """Nobody of ours looks into a pod's processes from outside: the run has to begin anew."""
        del plan
        return None

    def used(self, identities: Collection[str]) -> dict[str, Used]:
        """Unknown: a pod's counters are its node's, and whoever may ask nodes may do anything on them."""
        del identities
        return {}

    def forget(self, identity: str, *, vouched: bool = False) -> None:
        """Take the finalizer off, and remove what the run was made of."""
        self._refused.pop(identity, None)
        pod = self._find(identity)
        if pod is not None:
            proof = self.verify_dead(pod.plan)
            if not (proof.dead or (vouched and proof.beyond_reach)):
                raise TREError(
                    Reason.Conflict, f"{identity} is not dead.", why="; ".join(proof.unproven), remedy="End it first."
                )
        elif identity in self._nodes and not vouched:
            raise TREError(
                Reason.Conflict,
                f"{identity} vanished without having been proven dead.",
                why=f"It was last seen on node {self._nodes[identity]}.",
                remedy="See to it that the node is off, then say so by `tre workspace confirm-dead`.",
            )
        self._clearer.clear(identity, pod)
        if pod is not None:
            self._forgotten.add(pod.item["metadata"]["uid"])
        self._nodes.pop(identity, None)
        self._looker.forget(identity)
        self._starter.marks.forget(identity)

    def clear_grant(self, grant: str) -> bool:
        """Remove a closed grant's namespace; `False` while a run is left in it."""
        return self._clearer.clear_namespace(self._places(grant).namespace)

    # --- what goes on beside the loop (`tre.runtimes.kubernetes.crew`), in any thread

    def begin(self, plan: WorkspacePlan, check: Callable[[], None] = lambda: None) -> bool:
        """Make what is missing of a run; returns whether its pod is there. `check` raises where it is to end."""
        try:
            is_there = self._starter.start(plan, check)
        except TREError as error:
            if not _is_passing(error):
                self._refused[plan.identity] = self._refusal(plan, error)
                self._told()
            raise
        self._refused.pop(plan.identity, None)
        return is_there

    def prepare(self, grant: str) -> None:
        """Make everything that a grant's runs live among, so that no click waits for it. Raises `TREError`."""
        self._starter.prepare(self._places(grant))

    # --- parts

    def _look_at(self, key: Key) -> _Seen | None:
        """What a pod in the cache says; nothing else is new of it until another version of it is there, once it is
        settled: it is Ready, and its proof stands on it."""
        item = self.watcher.cache.get(key)
        pod = None if item is None else Pod.of(item)
        if item is None or pod is None:
            return None
        uid = item["metadata"]["uid"]
        if uid in self._forgotten:
            return _Seen(version_of(item), uid, None)
        if pod.node:
            self._nodes[pod.plan.identity] = pod.node
            self._starter.marks.see(pod)
        run = self._observed(pod)
        settled = run.phase is RunPhase.Ready and pod.is_ready and self._looker.is_settled(pod)
        return _Seen(version_of(item), uid, run, settled)

    def _observed(self, pod: Pod) -> Observation:
        proof, failure = (None, "") if pod.has_ended else self._looker.isolation(pod)
        if failure:
            self._give_up(pod, Ending(Reason.IsolationFailed, f"The isolation probe failed: {failure}."))
        trouble = None if pod.has_ended or pod.is_deleted or proof else self._trouble(pod)
        content: dict[str, object] = {"phase": _phase(pod, proof), "at": self._clock.now()}
        if pod.has_ended:
            reason, detail = ending_of(pod)
            content |= {"reason": reason, "detail": detail, "at": ended_at(pod) or self._clock.now()}
        elif trouble is not None:
            content |= {"detail": trouble.detail}
        if content["phase"] is RunPhase.Ready:
            content["door"] = _door(pod)
        return Observation.model_validate(
            content
            | {
                "identity": pod.plan.identity,
                "plan": pod.plan,
                "end": pod.end,
                "began_at": began_at(pod),
                "ended_at": ended_at(pod) if pod.has_ended else None,
                "means": _MEANS if pod.node else {},
                "isolation": proof or ({"proven": False, "summary": failure} if failure else None),
            }
        )

    def _trouble(self, pod: Pod) -> Ending | None:
        """What holds a start up; for too long, and it is given up."""
        trouble, too_long = trouble_of(pod, self._starter.server_now())
        if trouble is not None and too_long:
            self._give_up(pod, trouble)
        return trouble

    def _give_up(self, pod: Pod, ending: Ending) -> None:
        """End a run while looking; where that fails now, the next look tries again."""
        try:
            self._end(pod, ending)
        except TREError as error:
            log.warning("run-not-ended", identity=pod.plan.identity, reason=ending.reason.value, error=str(error))

    def _end(self, pod: Pod, ending: Ending) -> None:
        """Delete first, write the reason then: nothing may delay the end. Whatever was written first stays."""
        if pod.is_deleted or (pod.has_ended and ENDING_ANNOTATION in pod.annotations):
            return
        key, uid = key_of(pod.item), pod.item["metadata"]["uid"]
        self._client.delete(POD, key, Deletion(Preconditions(uid=uid), grace_seconds=GRACE_SECONDS))
        if pod.has_ended or ENDING_ANNOTATION in pod.annotations:
            return
        written = json.dumps({"reason": ending.reason.value, "detail": ending.detail})
        try:
            self._took(self._client.patch(POD, key, {"metadata": {"annotations": {ENDING_ANNOTATION: written}}}))
        except ClusterError as error:
            log.warning("ending-not-written", identity=key.name, reason=ending.reason.value, error=str(error))

    def _took(self, item: dict[str, object]) -> None:
        """One's own write is seen before the watch brings it."""
        self.watcher.cache.wrote(item)

    def _find(self, identity: str) -> Pod | None:
        """A run's pod as it is now, wherever it is."""
        known = [key for key in sorted(self.watcher.cache.keys()) if key.name == identity]
        item = self._client.get(POD, known[0]) if known else self._listed(identity)
        return None if item is None else Pod.of(item)

    def _listed(self, identity: str) -> dict[str, object] | None:
        workspace = identity.rpartition("-")[0]
        found = self._client.list(POD, "", Selector(labels=f"{WORKSPACE_LABEL}={workspace}")).items
        return next((one for one in found if one["metadata"]["name"] == identity), None)

    def _refusal(self, plan: WorkspacePlan, error: TREError) -> Observation:
        return Observation(
            identity=plan.identity,
            plan=plan,
            phase=RunPhase.Ended,
            at=self._clock.now(),
            reason=error.reason,
            detail=" ".join(f"{error.what} [{error.why}]".split())[:800],
            end=plan.end,
        )


def _phase(pod: Pod, proof: dict[str, object] | None) -> RunPhase:
    if pod.has_ended:
        return RunPhase.Ended
    if proof is None or pod.is_deleted:
        return RunPhase.Starting
    # Once let in, a person stays in: what a door loses is the proof, and that ends the run.
    return RunPhase.Ready if proof.get("served") else RunPhase.Proven


def _door(pod: Pod) -> Door:
    return Door(address=pod.status["podIP"], port=DOOR_PORT, certificate=pod.annotations[CERTIFICATE_ANNOTATION])


def _is_passing(error: TREError) -> bool:
    """Whether trying again may help."""
    return error.reason in {
        Reason.ServiceUnavailable,
        Reason.RateLimited,
        Reason.LeadershipLost,
        Reason.Conflict,
        Reason.AlreadyExists,
        Reason.ClockOutOfStep,
        Reason.Requested,
    } or (isinstance(error, ClusterError) and error.code in {0, 404, 409, 429, 500, 503})


__all__ = ["Key", "KubernetesRuntime", "Terms"]
