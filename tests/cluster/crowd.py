"""Many grants at once, on both sides as a controller would have left them, and some people at work.

What a controller does one by one is written here in large pieces, by the same functions: what is measured afterwards
is a real controller's look at it, and whatever this got wrong that controller would put right, at a cost that shows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from tests.cluster.controllers import DIGEST, ControllerSite
from tests.support.factories import ALICE
from tre.cluster.client import KubernetesClient
from tre.cluster.conditions import Condition
from tre.cluster.protocol import Object, Selector, key_of
from tre.cluster.resources import ACCESS_GRANT, FINALIZER, WORKSPACE
from tre.controller.conditions import Finding, merged
from tre.domain.canonical import digest
from tre.domain.errors import Reason
from tre.domain.grants.models import AccessGrant
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.runtimes.kubernetes.kinds import POD
from tre.runtimes.kubernetes.render.vocabulary import GRANT_LABEL, ISOLATION_ANNOTATION
from tre.sources.admission import admit
from tre.sources.kubernetes import window
from tre.sources.kubernetes.door import SOURCE, Verdict
from tre.store import grant_slices, grant_sources, grants, overview, workspaces
from tre.store.grant_slices import SliceState
from tre.system.clock import SystemClock

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
            made = client.apply(ACCESS_GRANT, content | {"metadata": metadata})
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
        part = overview.part(connection, first[:-1], 2 * TOGETHER)
    good = Verdict(
        Condition("Accepted", True, Reason.Entitled), Condition("EvidenceVerified", True, Reason.Entitled), True
    )
    tasks: list[Callable[[], object]] = []
    for seen in (one for one in part.found if one.grant.name in made):
        item = made[seen.grant.name]
        view = window.GrantView(seen.grant, seen.conditions, seen.slices, seen.workspaces)
        status = {"status": window.grant_status(item, good, view, now)}
        metadata = {key: item["metadata"][key] for key in ("name", "namespace")}
        head = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}
        tasks.append(partial(client.apply_status, ACCESS_GRANT, head | status))
        tasks += [partial(_mirror, client, *window.workspace_objects(one, site.namespace)) for one in seen.workspaces]
    return tasks


def _mirror(client: KubernetesClient, spec: Object, status: Object) -> None:
    client.apply(WORKSPACE, spec)
    client.apply_status(WORKSPACE, status)


def put_to_work(site: ControllerSite, names: Sequence[str]) -> None:
    """Somebody opens the notebook of each of these projects."""
    found = [Workspace.name_for(name, ALICE) for name in names]
    for start in range(0, len(found), TOGETHER):
        some = found[start : start + TOGETHER]
        with site.database.change(*(site.event("workspace.wanted", f"workspace/{one}") for one in some)) as change:
            for one in some:
                workspaces.want(change, one, Wanted.Running)


class Node:
    """In the place of the doors on fake nodes: says of every pod that it is isolated and that its server answers."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._done: set[str] = set()

    def __enter__(self) -> Node:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30.0)

    def _run(self) -> None:
        proven = {"metadata": {"annotations": {ISOLATION_ANNOTATION: json.dumps({"proven": True, "served": True})}}}
        while not self._stop.wait(1.0):
            for page in self._client.pages(POD, "", Selector(labels=GRANT_LABEL)):
                for pod in page.items:
                    if "podIP" in pod["status"] and pod["metadata"]["uid"] not in self._done:
                        self._client.patch(POD, key_of(pod), proven)
                        self._done.add(pod["metadata"]["uid"])
