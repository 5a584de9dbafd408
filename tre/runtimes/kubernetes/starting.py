"""Making what a run needs, in the order of safety; repeatable, and never half done without being completed.

Guarantees: whatever exists is kept or completed, and the pod comes last, so nothing runs before network policies and
quotas are in force; a run has one pod. Where something is not there yet (a quota that does not count, a namespace
that is going, a control that runs) it returns, and is called again: it never waits. The door's keys are made anew
until there is a pod that uses them, because nobody can read them back.

Does not guarantee: that network policies are in force before the pod; there is no way to know. Its door finds out.

Threat: a run under an end that was longer before; a pod beside a namespace whose guards are not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from tre.cluster.protocol import ClusterClient, ClusterError, Deletion, Key, Kind, Object, Preconditions, key_of
from tre.domain import names
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.kubernetes.control import Controls
from tre.runtimes.kubernetes.keys import self_signed
from tre.runtimes.kubernetes.kinds import CONFIG_MAP, NAMESPACE, POD, QUOTA, SECRET, kind_of, of_cluster
from tre.runtimes.kubernetes.marks import Marks
from tre.runtimes.kubernetes.pods import moment
from tre.runtimes.kubernetes.render.facts import ClusterFacts
from tre.runtimes.kubernetes.render.grant import GrantPlace, objects_for_grant
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.runtimes.kubernetes.render.vocabulary import END_ANNOTATION, GRANT_ANNOTATION
from tre.runtimes.kubernetes.render.workspace import Keys, Moment, check_plan, deadline_seconds, objects_for_workspace

HANDS = 10
"""Requests at once for volumes and claims: a run has about five of each."""

Check = Callable[[], None]
Places = Callable[[str], GrantPlace]
"""What a grant's namespace follows from, by the grant's name."""


@dataclass(frozen=True)
class Terms:
    """What runs of a cluster have in common; `gateway_certificate` (PEM) is whom doors let in.

    `check_rights` raises where the launcher may not do what a run needs.
    """

    facts: ClusterFacts
    addresses: tuple[ProbeAddress, ...]
    gateway_certificate: str
    check_rights: Callable[[], None] = lambda: None


class Starter:
    """Makes runs."""

    def __init__(self, client: ClusterClient, terms: Terms, places: Places, clock: Clock, controls: Controls) -> None:
        self._client, self._terms, self._places, self._clock = client, terms, places, clock
        self._controls = controls
        self._hands = ThreadPoolExecutor(HANDS, "make")
        self.marks = Marks(client)

    def server_now(self) -> datetime:
        """The API server's time, by which its guards go."""
        return self._clock.now() + timedelta(seconds=self._client.skew())

    def start(self, plan: WorkspacePlan, check: Check = lambda: None) -> bool:
        """Make what is missing of a run, as far as it goes now; returns whether its pod is there.

        `check` is asked before every step. Raises `TREError`, and whatever `check` raises.
        """
        try:
            return self._start(plan, check)
        except ClusterError as error:
            raise (forbidden(error) if error.code in {401, 403} else error) from error

    def prepare(self, place: GrantPlace) -> None:
        """Make everything that a grant's runs live among, as far as it goes now. Raises `TREError`."""
        self._terms.check_rights()
        self._make_place(place, place.end, lambda: None)

    def _start(self, plan: WorkspacePlan, check: Check) -> bool:
        pod = Key(names.grant_namespace(plan.grant), plan.identity)
        if self._client.get(POD, pod) is not None:
            return True
        deadline_seconds(plan, self.server_now())
        check_plan(plan, self._terms.facts, self.server_now())
        control = self._controls.fresh()
        if control is not None:
            self._controls.check(control)
        self._terms.check_rights()
        place = self._places(plan.grant)
        if not self._make_place(place, min(plan.end, place.end), check) or control is None:
            return False
        pair = self_signed(plan.identity, self.server_now(), plan.end)
        keys = Keys(pair.certificate, pair.key, self._terms.gateway_certificate)
        moment = Moment(self.server_now(), keys, self._terms.addresses, control.answered)
        self._make_run(objects_for_workspace(plan, self._terms.facts, moment), check)
        return True

    def _make_place(self, place: GrantPlace, until: datetime, check: Check) -> bool:
        """Whether everything that a grant's runs until then live among is there and in force."""
        found = self._client.get(NAMESPACE, of_cluster(place.namespace))
        if found is not None:
            if "deletionTimestamp" in found["metadata"]:
                return False
            _check_ours(found, place)
            end = moment(found["metadata"]["annotations"][END_ANNOTATION])
            if end < until.replace(microsecond=0):
                check()
                self._replace_place(place, found)
                return False
            place = place.model_copy(update={"end": min(end, place.end)})
        counting = True
        for one in objects_for_grant(place, self._terms.facts):
            check()
            made = self._client.apply(kind_of(one), one)
            counting &= kind_of(one) != QUOTA or "hard" in (made.get("status") or {})
        return counting

    def _replace_place(self, place: GrantPlace, found: Object) -> None:
        """A renewed grant gets a new namespace, since the end of one only falls; another start may have made it."""
        running = self._client.list(POD, place.namespace).items
        if running:
            raise TREError(
                Reason.Conflict,
                "The approval was extended, and somebody still works under the earlier end.",
                why=f"The end of namespace {place.namespace} can only fall, and {len(running)} run(s) are in it.",
                remedy="Start again when every workspace of the project has been stopped.",
            )
        this_one = Deletion(Preconditions(uid=found["metadata"]["uid"]))
        self._client.delete(NAMESPACE, of_cluster(place.namespace), this_one)

    def _make_run(self, objects: list[Object], check: Check) -> None:
        *others, instruction, pod = objects
        for kind, alike in groupby(others, kind_of):
            check()
            if kind == SECRET:
                for one in alike:
                    self._make_anew(SECRET, one)
            else:
                self._make_together(kind, alike)
        check()
        self._make_anew(CONFIG_MAP, instruction)
        key = key_of(instruction)
        check()
        self.marks.ask(key)
        try:
            made = self._client.create(POD, pod)
        except ClusterError as error:
            if error.reason is Reason.AlreadyExists:
                return
            if 400 <= error.code < 500:  # any other answer, or none, leaves open whether it was made
                self.marks.take_back(key)
            raise refused(error) from error
        self.marks.acknowledge(key, made["metadata"]["uid"])

    def _make_together(self, kind: Kind, objects: Iterable[Object]) -> None:
        """Those of one kind do not need each other; when this returns or raises, no request is under way."""
        made = [self._hands.submit(self._client.apply, kind, one) for one in objects]
        wait(made)
        for one in made:
            one.result()

    def _make_anew(self, kind: Kind, item: Object) -> None:
        """There is no pod, so nothing uses the one that may be there, and it cannot be changed."""
        self._client.delete(kind, key_of(item))
        self._client.create(kind, item)


def _check_ours(namespace: Object, place: GrantPlace) -> None:
    """A namespace that somebody else made, or that another grant's name led to, is left as it is."""
    annotations = namespace["metadata"].get("annotations") or {}
    owner = annotations.get(GRANT_ANNOTATION)
    if owner == place.grant and END_ANNOTATION in annotations:
        return
    raise TREError(
        Reason.SetupIncomplete,
        "The place of this project in the cluster is taken by something else.",
        why=f"Namespace {place.namespace} is {'of the grant ' + owner if owner else 'none that the launcher made'}.",
        remedy="Look at that namespace; once nothing is in it that is needed, delete it and start again.",
    )


def forbidden(error: ClusterError) -> TREError:
    """The API server denied a right: the researcher can do nothing, and the operators are told the verb."""
    return TREError(
        Reason.NotPermitted,
        "The cluster denies the launcher a right that a workspace needs.",
        why=error.why,
        remedy="Give it back; `tre cluster rights` lists what is missing.",
    )


def refused(error: ClusterError) -> TREError:
    """Why the API server did not take a pod, in words for people."""
    if "exceeded quota" in error.why:
        return TREError(
            Reason.Conflict,
            "All places of this project are taken.",
            why=error.why,
            remedy="It is tried again by itself, when a workspace of the project has been stopped.",
        )
    if error.code in {403, 422}:
        return TREError(
            Reason.NotPermitted,
            "The cluster's rules refuse this workspace.",
            why=error.why,
            remedy="Show this to the operators: a rule of the cluster and the launcher disagree.",
        )
    return error
