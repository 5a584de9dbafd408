"""Many grants at once, on both sides as a controller would have left them, and some people at work on simulated nodes.

Guarantees: what a controller does one by one is written here in large pieces, by the same functions: what is measured
afterwards is a real controller's look at it, and whatever this got wrong that controller would put right, at a cost
that shows. What was made on the cluster can be taken away again, and nothing else is touched.

Does not guarantee: that anything runs. Nodes and pods are simulated (kwok): the API server alone believes in them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from tre.cli.trial.controller_site import DATA_GROUP, DIGEST, PEOPLE, ControllerSite
from tre.cli.trial.waiting import wait_until
from tre.cluster.client import KubernetesClient
from tre.cluster.conditions import Condition
from tre.cluster.protocol import Deletion, Key, Object, Selector, key_of
from tre.cluster.resources import ACCESS_GRANT, FINALIZER, WORKSPACE
from tre.controller.cluster import open_cluster
from tre.controller.conditions import Finding, merged
from tre.controller.plans import TARGETS
from tre.controller.runtimes import RunTerms, runs_of
from tre.domain.canonical import digest
from tre.domain.errors import Reason
from tre.domain.grants.models import AccessGrant
from tre.domain.grants.states import GrantPhase
from tre.domain.names import grant_namespace, slice_id
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.domain.workspaces.models import Mount, MountKind, Workspace, WorkspacePlan
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.runtimes.kubernetes.kinds import NAMESPACE, NODE, POD, VOLUME
from tre.runtimes.kubernetes.render.grant import labels
from tre.runtimes.kubernetes.render.vocabulary import GRANT_LABEL, ISOLATION_ANNOTATION
from tre.sources.admission import admit
from tre.sources.kubernetes import window
from tre.sources.kubernetes.door import SOURCE, Verdict
from tre.store import grant_slices, grant_sources, grants, outlines, workspaces
from tre.store.grant_slices import SliceState
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import load_settings

WRITERS = 8
TOGETHER = 200
ONE = Subject(issuer=LOCAL_ISSUER, id=PEOPLE[0])
MEMBER = [{"subject": ONE.as_plain(), "role": "lead"}]
"""Each of these grants has one member, the same person."""

FAKE = {"kwok.x-k8s.io/node": "fake"}
"""What kwok simulates a node by."""

VAST = {"cpu": "100k", "memory": "1Pi", "ephemeral-storage": "1Pi", "pods": "1M"}
AT_ONCE = Deletion(grace_seconds=0)
_NOBODY_SIMULATES = "No pod of these ran, as if kwok did not simulate their node,"
_CONDITIONS = ("EvidenceVerified", "PlanCovered", "SlicesReady", "MembersSeen")


def names_of(site: ControllerSite, count: int, word: str = "n") -> list[str]:
    """Names that nobody else on this cluster uses."""
    return [f"{site.namespace[-8:]}-{word}{number:05}" for number in range(count)]


def fill(site: ControllerSite, client: KubernetesClient, names: Sequence[str]) -> None:
    """Grants in force, as resources and in the record, and what kubectl shows of them."""
    with ThreadPoolExecutor(WRITERS) as pool:

        def make(name: str) -> tuple[AccessGrant, Object]:
            content = site.resource(name, members=MEMBER)
            metadata = content["metadata"] | {"finalizers": [FINALIZER]}
            made = client.create(ACCESS_GRANT, content | {"metadata": metadata})
            plain = {key: value for key, value in content.items() if key != "metadata"}
            return AccessGrant.model_validate(plain | {"metadata": {"name": name}}), made

        for start in range(0, len(names), TOGETHER):
            made = list(pool.map(make, names[start : start + TOGETHER]))
            _record(site, made)
            list(pool.map(lambda task: task(), _shown(site, client, {g.metadata.name: o for g, o in made})))


def _record(site: ControllerSite, made: Sequence[tuple[AccessGrant, Object]]) -> None:
    now = SystemClock().now()
    events = [
        site.event(
            grant_sources.APPLIED,
            f"grant/{grant.metadata.name}",
            uid=item["metadata"]["uid"],
            generation=int(item["metadata"]["generation"]),
            digest=digest(grant.signed_content()),
        )
        for grant, item in made
    ]
    conditions = merged([], [Finding(kind, True, Reason.Entitled) for kind in _CONDITIONS], 1, now)
    built: dict[str, Any] = {"plan_digest": DIGEST, "content_digest": DIGEST, "manifest_version": 1, "files": 7}
    with site.database.change(*events) as change:
        for grant, _item in made:
            name = grant.metadata.name
            admit(change, grant, SOURCE, now, verified=True)
            for one in grant.spec.slices:
                grant_slices.set_state(
                    change, name, one.name, SliceState.Ready, Reason.Entitled, data_group=DATA_GROUP, **built
                )
            grants.set_phase(change, name, GrantPhase.Active, now)
            grants.set_conditions(change, name, conditions)
        grant_sources.confirm(change, [grant.metadata.name for grant, _item in made], now + timedelta(hours=4))


def _shown(site: ControllerSite, client: KubernetesClient, made: dict[str, Object]) -> list[Callable[[], object]]:
    now = SystemClock().now()
    with site.database.read() as connection:
        first = min(made)
        part = outlines.part(connection, first[:-1], 2 * TOGETHER)
    good = Verdict(
        Condition("Accepted", True, Reason.Entitled), Condition("EvidenceVerified", True, Reason.Entitled), True
    )
    tasks: list[Callable[[], object]] = []
    for seen in (one for one in part if one.name in made):
        item = made[seen.name]
        status = {"status": window.grant_status(item, good, seen, now)}
        metadata = {key: item["metadata"][key] for key in ("name", "namespace")}
        head = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}
        tasks.append(partial(client.apply_status, ACCESS_GRANT, head | status))
        tasks += [partial(_mirror, client, *window.workspace_objects(one, site.namespace)) for one in seen.workspaces]
    return tasks


def _mirror(client: KubernetesClient, spec: Object, status: Object) -> None:
    client.create(WORKSPACE, spec)
    client.apply_status(WORKSPACE, status)


def put_to_work(site: ControllerSite, names: Sequence[str]) -> None:
    """Somebody works in each of these projects: what they run in is made by the runtime, and the record says so."""
    layout = Layout(site.path / "replica-0")  # as the first controller will name it
    layout.root.symlink_to(site.root)
    settings = load_settings(layout.root)
    cluster = open_cluster(layout, settings)
    assert cluster is not None
    runs = runs_of(RunTerms(layout, settings, site.database, SystemClock(), lambda: None), cluster)

    def start(plan: WorkspacePlan) -> None:
        key = Key(grant_namespace(plan.grant), plan.identity)
        while cluster.client.get(POD, key) is None:
            runs.runtime.start(plan)
            threading.Event().wait(0.05)

    with ThreadPoolExecutor(WRITERS) as pool, Doors(cluster.client, marks_of(names)) as doors:
        for begin in range(0, len(names), TOGETHER):
            plans = _begun(site, layout, names[begin : begin + TOGETHER])
            list(pool.map(start, plans))
            wait_until(partial(doors.has_proven, begin + len(plans)), _NOBODY_SIMULATES, 120, 0.2)
            _running(site, plans)
    runs.close()
    cluster.close()
    layout.root.unlink()


def _begun(site: ControllerSite, layout: Layout, names: Sequence[str]) -> list[WorkspacePlan]:
    now, plans = SystemClock().now(), []
    spaces = {Workspace.name_for(name, ONE): name for name in names}
    with site.database.change(*(site.event("workspace.starting", f"workspace/{one}") for one in spaces)) as change:
        for workspace, grant in spaces.items():
            uid = workspaces.allocate_uid(change, workspace, 70000, 99999, now)
            plans.append(_plan(layout, grant, workspace, uid, site.slice_name))
            workspaces.want(change, workspace, Wanted.Running)
            workspaces.begin_start(change, plans[-1], now)
    return plans


def _running(site: ControllerSite, plans: Sequence[WorkspacePlan]) -> None:
    now = SystemClock().now()
    events = [site.event("workspace.running", f"workspace/{plan.workspace}") for plan in plans]
    with site.database.change(*events) as change:
        for plan in plans:
            workspaces.set_phase(change, plan.workspace, WorkspacePhase.Running, Reason.Entitled, now)


def _plan(layout: Layout, grant: str, workspace: str, uid: int, name: str) -> WorkspacePlan:
    own = {
        MountKind.home: layout.homes / workspace,
        MountKind.shared: layout.shared / grant,
        MountKind.outbox: layout.outboxes / workspace,
        MountKind.inbox: layout.inboxes / workspace,
    }
    source = str(layout.slices / slice_id(grant, name))
    data = Mount(kind=MountKind.slice, source=source, target=f"/data/{name}", name=name)
    return WorkspacePlan(
        workspace=workspace,
        instance=1,
        grant=grant,
        subject=ONE,
        uid=uid,
        data_groups=(DATA_GROUP,),
        mounts=(data, *(Mount(kind=kind, source=str(path), target=TARGETS[kind]) for kind, path in own.items())),
        end=SystemClock().now() + timedelta(hours=10),
        cap_seconds=36_000,
    )


class Doors:
    """In the place of the doors on fake nodes: says of every pod that it is isolated and that its server answers."""

    def __init__(self, client: KubernetesClient, marks: frozenset[str]) -> None:
        self._client, self._marks = client, marks
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.proven: set[str] = set()

    def __enter__(self) -> Doors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30.0)

    def has_proven(self, count: int) -> bool:
        """Whether so many speak by now."""
        return len(self.proven) >= count

    def _run(self) -> None:
        proven = {"metadata": {"annotations": {ISOLATION_ANNOTATION: json.dumps({"proven": True, "served": True})}}}
        while not self._stop.wait(1.0):
            for page in self._client.pages(POD, "", Selector(labels=GRANT_LABEL)):
                for pod in _ours(page.items, self._marks):
                    if "podIP" in pod["status"] and pod["metadata"]["uid"] not in self.proven:
                        self._client.patch(POD, key_of(pod), proven)
                        self.proven.add(pod["metadata"]["uid"])


def make_node(client: KubernetesClient, name: str) -> None:
    """A node on which anything fits, for kwok to simulate."""
    status = {"capacity": VAST, "allocatable": VAST}
    client.create(NODE, {"metadata": {"name": name, "annotations": FAKE, "labels": FAKE}, "status": status})


def marks_of(names: Iterable[str]) -> frozenset[str]:
    """What the objects of these grants carry on the cluster."""
    return frozenset(labels(name)[GRANT_LABEL] for name in names)


def _ours(items: Iterable[Object], marks: frozenset[str]) -> list[Object]:
    return [item for item in items if item["metadata"]["labels"].get(GRANT_LABEL) in marks]


def clear(site: ControllerSite, client: KubernetesClient) -> None:
    """The controllers are gone: take away what only they would take away, of this site's grants."""
    freed, labelled = {"metadata": {"finalizers": None}}, Selector(labels=GRANT_LABEL)
    there = [key_of(item) for page in client.pages(ACCESS_GRANT, site.namespace) for item in page.items]
    marks = marks_of(key.name for key in there)
    with ThreadPoolExecutor(WRITERS) as pool:
        pods = _ours(client.list(POD, "", labelled).items, marks)
        list(pool.map(lambda item: client.patch(POD, key_of(item), freed), pods))
        list(pool.map(lambda item: client.delete(POD, key_of(item), AT_ONCE), pods))
        list(pool.map(lambda key: client.patch(ACCESS_GRANT, key, freed), there))
        for kind in (NAMESPACE, VOLUME):
            found = _ours(client.list(kind, "", labelled).items, marks)
            list(pool.map(lambda item, kind=kind: client.delete(kind, key_of(item)), found))
