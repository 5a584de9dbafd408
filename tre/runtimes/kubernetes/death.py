"""Whether a run is dead: asked of the API server anew, and believed of the node's agent alone.

Guarantees: dead means that the kubelet of the run's node said of every container that it terminated, or that no node
ever had the pod, or that it was withdrawn before it could begin (`marks`). A pod that was deleted by force, whose node
does not report, or that vanished without its finalizer having been taken off by us, is not dead, and the proof says
which node to look at, and whether anybody is left to ask.

Does not guarantee: that a kubelet tells the truth; whoever holds a node holds what runs on it.

Threat: an object that is gone while its processes live on, on a machine that lost its network.
"""

from __future__ import annotations

from datetime import datetime

from tre.cluster.protocol import ClusterClient, Key
from tre.domain import names
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.kubernetes.kinds import CONFIG_MAP, NODE, POD, of_cluster
from tre.runtimes.kubernetes.marks import WITHDRAWN, mark_of
from tre.runtimes.kubernetes.pods import Pod
from tre.runtimes.protocol import DeathProof


def proof_of(client: ClusterClient, plan: WorkspacePlan, known_node: str | None, at: datetime) -> DeathProof:
    """Look for a plan's run. `known_node` is where it was last seen, if it was ever seen and not yet forgotten."""
    key = Key(names.grant_namespace(plan.grant), plan.identity)
    item = client.get(POD, key)
    if item is None:
        missed, lost = _vanished(client, key, known_node)
        return DeathProof(identity=plan.identity, at=at, unproven=missed, beyond_reach=lost)
    pod = Pod.of(item)
    if pod is None or pod.plan != plan:
        return DeathProof(identity=plan.identity, at=at, unproven=("a pod of this name runs something else",))
    running = pod.still_runs()
    silent = _silence(client, pod.node) if running and pod.node else ()
    lost = pod.is_deleted and bool(silent)
    return DeathProof(identity=plan.identity, at=at, unproven=(*running, *silent), beyond_reach=lost)


def _vanished(client: ClusterClient, key: Key, known_node: str | None) -> tuple[tuple[str, ...], bool]:
    """What is missed where there is no pod, and whether nobody is left to ask.

    Nothing is missed where none was ever asked for, or where it was withdrawn before anybody heard of it: the second
    look comes after its keys were deleted, so it finds whatever could have begun with them.
    """
    mark = mark_of(client.get(CONFIG_MAP, key))
    if known_node is None and (mark is None or (mark == WITHDRAWN and client.get(POD, key) is None)):
        return (), False
    where = f"look at node {known_node}" if known_node else "look at every node"
    silent = _silence(client, known_node) if known_node else ()
    missed = f"the pod is gone and nobody said that it was dead: {where}"
    return (missed, *silent), bool(silent) or known_node is None


def _silence(client: ClusterClient, name: str) -> tuple[str, ...]:
    """What to say of a node that does not report."""
    node = client.get(NODE, of_cluster(name))
    if node is None:
        return (f"node {name} is no longer part of the cluster",)
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    if ready is not None and ready["status"] == "True":
        return ()
    since = "" if ready is None else f" since {ready.get('lastTransitionTime', '')}"
    return (f"node {name} does not report{since}",)
