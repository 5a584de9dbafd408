"""Many grants at once, on both sides as a controller would have left them, and some people at work.

What a controller does one by one is written here in large pieces, by the same functions: what is measured afterwards
is a real controller's look at it, and whatever this got wrong that controller would put right, at a cost that shows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tests.cluster.controllers import DIGEST, ControllerSite
from tests.cluster.harness.basics import wait_until
from tests.support.factories import ALICE
from tre.cluster.client import KubernetesClient
from tre.cluster.conditions import Condition
from tre.cluster.protocol import Key, Object, Selector, key_of
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
from tre.domain.workspaces.models import Mount, MountKind, Workspace, WorkspacePlan
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.runtimes.kubernetes.kinds import POD
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
MEMBER = [{"subject": ALICE.as_plain(), "role": "lead"}]
_CONDITIONS = ("EvidenceVerified", "PlanCovered", "SlicesReady", "MembersSeen")


def names_of(site: ControllerSite, count: int, word: str = "n") -> list[str]:
    """Names that no other test on this cluster uses."""
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
                    change, name, one.name, SliceState.Ready, Reason.Entitled, data_group=60100, **built
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
    runtime = runs_of(RunTerms(layout, settings, site.database, SystemClock(), lambda: None), cluster).runtime

    def start(plan: WorkspacePlan) -> None:
        key = Key(grant_namespace(plan.grant), plan.identity)
        while cluster.client.get(POD, key) is None:
            runtime.start(plan)
            threading.Event().wait(0.05)

    with ThreadPoolExecutor(WRITERS) as pool, Node(cluster.client) as node:
        for begin in range(0, len(names), TOGETHER):
            plans = _begun(site, layout, names[begin : begin + TOGETHER])
            list(pool.map(start, plans))
            wait_until(partial(node.has_proven, begin + len(plans)), "their doors should speak", 120, 0.2)
            _running(site, plans)
    cluster.close()
    layout.root.unlink()


def _begun(site: ControllerSite, layout: Layout, names: Sequence[str]) -> list[WorkspacePlan]:
    now, plans = SystemClock().now(), []
    spaces = {Workspace.name_for(name, ALICE): name for name in names}
    with site.database.change(*(site.event("workspace.starting", f"workspace/{one}") for one in spaces)) as change:
        for workspace, grant in spaces.items():
            uid = workspaces.allocate_uid(change, workspace, 70000, 99999, now)
            plans.append(_plan(layout, grant, workspace, uid, now))
            workspaces.want(change, workspace, Wanted.Running)
            workspaces.begin_start(change, plans[-1], now)
    return plans


def _running(site: ControllerSite, plans: Sequence[WorkspacePlan]) -> None:
    now = SystemClock().now()
    events = [site.event("workspace.running", f"workspace/{plan.workspace}") for plan in plans]
    with site.database.change(*events) as change:
        for plan in plans:
            workspaces.set_phase(change, plan.workspace, WorkspacePhase.Running, Reason.Entitled, now)


def _plan(layout: Layout, grant: str, workspace: str, uid: int, now: datetime) -> WorkspacePlan:
    own = {
        MountKind.home: layout.homes / workspace,
        MountKind.shared: layout.shared / grant,
        MountKind.outbox: layout.outboxes / workspace,
        MountKind.inbox: layout.inboxes / workspace,
    }
    data = Mount(
        kind=MountKind.slice, source=str(layout.slices / slice_id(grant, "cxr")), target="/data/cxr", name="cxr"
    )
    return WorkspacePlan(
        workspace=workspace,
        instance=1,
        grant=grant,
        subject=ALICE,
        uid=uid,
        data_groups=(60100,),
        mounts=(data, *(Mount(kind=kind, source=str(path), target=TARGETS[kind]) for kind, path in own.items())),
        end=now + timedelta(hours=10),
        cap_seconds=36_000,
    )


class Node:
    """In the place of the doors on fake nodes: says of every pod that it is isolated and that its server answers."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.proven: set[str] = set()

    def __enter__(self) -> Node:
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
                for pod in page.items:
                    if "podIP" in pod["status"] and pod["metadata"]["uid"] not in self.proven:
                        self._client.patch(POD, key_of(pod), proven)
                        self.proven.add(pod["metadata"]["uid"])
