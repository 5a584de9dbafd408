"""What the launcher takes for granted of a cluster, asked of its API server.

Guarantees: nothing is made or changed there (a review of access is an answer, not an object). Each judgement is a plain
function of the objects that were read. What this account may not read is `weak`, never good.

Does not guarantee: that network policies are enforced: the isolation probe of every run finds that out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from tre.cli.cluster_keys import FRONT, SPECS
from tre.cli.doctor.finding import Check, Field, Place, Seen, State, bad, good, judged, weak
from tre.cluster.protocol import ClusterClient, ClusterError, Key, Kind, Object, Selector
from tre.controller.cluster import OLDEST
from tre.domain.errors import Reason
from tre.runtimes.kubernetes.kinds import CLAIM, CONFIG_MAP, NAMESPACE, NODE, POD, QUOTA, SECRET, VOLUME
from tre.runtimes.kubernetes.render.vocabulary import END_ANNOTATION, GRANT_LABEL, WORKSPACE_LABEL
from tre.runtimes.kubernetes.rights import missing, missing_of
from tre.runtimes.kubernetes.settings import ClusterSettings
from tre.system.resources import read_text

GUARD = Kind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False)
BINDING = Kind(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", False
)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
RUNTIME_CLASS = Kind("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False)

GUARDS = ("tre-namespaces", "tre-pods", "tre-reach", "tre-volumes", "tre-writes")
SECONDS = 20.0
MOST_SKEW = 30.0
OVERDUE = timedelta(minutes=5)
ACCOUNT = "tre-controller"
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_OVER = {"Succeeded", "Failed"}
_UPGRADE = "`helm upgrade` with the chart's own values puts it back; find out who took it away."


class Client(ClusterClient, Protocol):
    """An API server that also tells its version."""

    def version(self) -> tuple[int, int]:
        """Which Kubernetes it is."""
        ...


@dataclass(frozen=True)
class View:
    """One cluster as the doctor sees it: through which client, in which namespace, at which moment."""

    client: Client
    namespace: str
    now: datetime

    def all(self, kind: Kind, namespace: str = "", labels: str = "") -> list[Object]:
        """Every object of a kind. Raises `ClusterError`."""
        return self.client.list(kind, namespace, Selector(labels=labels)).items

    def settings(self) -> ClusterSettings:
        """What the chart says of the cluster. Raises `TREError`."""
        found = self.client.get(CONFIG_MAP, Key(self.namespace, "tre-settings")) or {}
        return read_text(ClusterSettings, (found.get("data") or {}).get("cluster.yaml", "")).record


def _name(item: Object) -> str:
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _version(view: View) -> Seen:
    found = view.client.version()
    words = f"Kubernetes {found[0]}.{found[1]}"
    if found < OLDEST:
        return bad(f"{words}; {OLDEST[0]}.{OLDEST[1]} is the oldest supported one", "Upgrade the cluster.")
    return good(words)


def _clock(view: View) -> Seen:
    view.client.get(NAMESPACE, Key("", view.namespace))
    skew = view.client.skew()
    if abs(skew) > MOST_SKEW:
        return bad(f"the API server's clock differs by {skew:+.0f} s", "Run a time service on every machine.")
    return good(f"differs by {abs(skew):.1f} s at most")


def _rights(view: View) -> Seen:
    """Asked of the controller's account where that may be asked, else of the account that asks."""
    try:
        lacking, whose = missing_of(view.client, view.namespace, ACCOUNT), f"the account {ACCOUNT}"
    except ClusterError as error:
        if error.reason is not Reason.NotPermitted:
            raise
        lacking, whose = missing(view.client, view.namespace), "this account"
    wrong = [f"{whose} may not {right}" for right in lacking]
    return judged(wrong, f"{whose} may all that the controller needs", "Give it the ClusterRole tre-controller.")


def _guards(view: View) -> Seen:
    return judge_guards(view.all(GUARD), view.all(BINDING))


def judge_guards(policies: Iterable[Object], bindings: Iterable[Object]) -> Seen:
    """Each policy is there, fails closed, and a binding of its own denies."""
    fails = {item["metadata"]["name"]: item["spec"].get("failurePolicy", "Fail") for item in policies}
    actions = {item["spec"]["policyName"]: item["spec"].get("validationActions", ()) for item in bindings}
    wrong = [f"{name} is missing" for name in GUARDS if name not in fails]
    wrong += [f"{name} lets through what it cannot judge" for name in GUARDS if fails.get(name, "Fail") != "Fail"]
    wrong += [f"{name} denies nothing" for name in GUARDS if name in fails and "Deny" not in actions.get(name, ())]
    return judged(wrong, f"{len(GUARDS)} policies, each in force", _UPGRADE)


def _closed(view: View) -> Seen:
    grants = [item["metadata"]["name"] for item in view.all(NAMESPACE, labels=GRANT_LABEL)]
    return judge_closed([view.namespace, *grants], view.all(NETWORK_POLICY))


def judge_closed(namespaces: Sequence[str], policies: Iterable[Object]) -> Seen:
    """In each namespace a network policy is about every pod, in both directions, and allows nothing by itself."""
    shut = {item["metadata"]["namespace"] for item in policies if _denies_all(item["spec"])}
    wrong = [f"{name} has no policy that denies everything" for name in namespaces if name not in shut]
    return judged(wrong, f"{len(namespaces)} namespaces, each closed unless something is allowed", _UPGRADE)


def _denies_all(spec: Object) -> bool:
    about_all = not any((spec.get("podSelector") or {}).values())
    both = {"Ingress", "Egress"} <= set(spec.get("policyTypes", ()))
    return about_all and both and not spec.get("ingress") and not spec.get("egress")


def _restricted(view: View) -> Seen:
    return judge_restricted(view.all(NAMESPACE, labels=GRANT_LABEL))


def judge_restricted(namespaces: Sequence[Object]) -> Seen:
    """Pod Security keeps namespaces of grants to its restricted profile."""
    label = "pod-security.kubernetes.io/enforce"
    labels = {_name(item): item["metadata"].get("labels", {}) for item in namespaces}
    wrong = [
        f"{name} is not kept to the restricted profile"
        for name, found in labels.items()
        if found.get(label) != "restricted"
    ]
    return judged(wrong, f"{len(namespaces)} namespaces of grants, each restricted", _UPGRADE)


def _secrets(view: View) -> Seen:
    there = {item["metadata"]["name"] for item in view.all(SECRET, view.namespace)}
    missing_ones = [f"{spec.name} is missing" for spec in SPECS if spec.name not in there and spec is not FRONT]
    remedy = "`helm upgrade` runs the job that makes them. A key of the log that was lost is in your backup of Secrets."
    return judged(missing_ones, f"{len(SPECS)} Secrets", remedy)


def _volumes(view: View) -> Seen:
    return judge_volumes(view.all(CLAIM, view.namespace), view.all(VOLUME, labels=WORKSPACE_LABEL))


def judge_volumes(claims: Sequence[Object], volumes: Sequence[Object]) -> Seen:
    """The launcher's claims are bound, and no workspace's volume is left without one."""
    loose = [f"{_name(item)} is {_phase(item)}" for item in claims if _phase(item) != "Bound"]
    if loose or not claims:
        words = "; ".join(loose) or "the launcher has no volume"
        return bad(words, "`kubectl -n tre-system describe pvc` says why; the chart's values name the storage.")
    left = [f"{_name(item)} is {_phase(item)}" for item in volumes if _phase(item) in {"Released", "Failed"}]
    remedy = "`kubectl delete pv NAME` takes away the object; no file goes with it."
    return judged(left, f"{len(claims)} claims, each bound", remedy, State.weak)


def _phase(item: Object) -> str:
    return str((item.get("status") or {}).get("phase", "without a state"))


def _runtimes(view: View) -> Seen:
    wanted = {
        name: profile.runtime_class for name, profile in view.settings().profiles.items() if profile.runtime_class
    }
    if not wanted:
        return good("no profile asks for one")
    there = {item["metadata"]["name"] for item in view.all(RUNTIME_CLASS)}
    wrong = [
        f"profile {name} asks for {wanted[name]}, which is not there" for name in wanted if wanted[name] not in there
    ]
    return judged(
        wrong, f"{', '.join(sorted(set(wanted.values())))}", "Install it, or change the profile's runtimeClass."
    )


def _nodes(view: View) -> Seen:
    facts = view.settings()
    needs_users = facts.user_namespaces and any(profile.user_namespace for profile in facts.profiles.values())
    return judge_nodes(view.all(NODE), user_namespaces=needs_users)


def judge_nodes(nodes: Sequence[Object], *, user_namespaces: bool) -> Seen:
    """Nodes are ready, and the runtime of each says that it can what pods ask for."""
    wrong = [f"{_name(item)} is not ready" for item in nodes if not _is_ready(item)]
    for item in nodes:
        features = [one.get("features") or {} for one in (item.get("status") or {}).get("runtimeHandlers") or ()]
        if user_namespaces and not any(one.get("userNamespaces") for one in features):
            wrong.append(f"{_name(item)} gives pods no user namespace")
        if not any(one.get("recursiveReadOnlyMounts") for one in features):
            wrong.append(f"{_name(item)} cannot mount read-only throughout")
    if not nodes:
        return bad("there is no node", "Add one.")
    remedy = "Update its kernel (6.3) and runtime (containerd 2, CRI-O 1.25); or set userNamespaces in cluster.yaml."
    return judged(wrong, f"{len(nodes)} nodes, each with what pods need", remedy)


def _is_ready(item: Object) -> bool:
    found = (item.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)


def _programs(view: View) -> Seen:
    pods = [item for item in view.all(POD, view.namespace) if _phase(item) not in _OVER]
    wrong = [f"{item['metadata']['name']} is not ready" for item in pods if not _is_ready(item)]
    remedy = f"`kubectl -n {view.namespace} describe pod NAME` and `kubectl logs` say why."
    return judged(wrong, f"{len(pods)} pods, each ready", remedy) if pods else bad("none of the launcher runs", remedy)


def _images(view: View) -> Seen:
    return judge_images(view.all(POD, labels=WORKSPACE_LABEL), view.all(POD, view.namespace))


def judge_images(workspaces: Sequence[Object], programs: Sequence[Object]) -> Seen:
    """An image that is named by a tag is whatever somebody moves the tag to."""
    remedy = "Name it as NAME@sha256:… in the chart's values (images.…)."
    loose = _by_tag(workspaces)
    if loose:
        return bad("; ".join(loose[:5]), remedy)
    return judged(_by_tag(programs), "each is named by its digest", remedy, State.weak)


def _by_tag(pods: Sequence[Object]) -> list[str]:
    images = {
        container["image"]
        for item in pods
        for container in (*item["spec"].get("initContainers", ()), *item["spec"].get("containers", ()))
    }
    return [f"{image} is named by a tag" for image in sorted(images) if not _DIGEST.search(image)]


def _quotas(view: View) -> Seen:
    return judge_quotas([item for item in view.all(QUOTA) if not _is_ours(item)])


def _is_ours(item: Object) -> bool:
    """Quotas of grants' namespaces are as large as what may be in them: full is usual there."""
    return GRANT_LABEL in (item["metadata"].get("labels") or {})


def judge_quotas(quotas: Sequence[Object]) -> Seen:
    """A site's quota that is used up lets no further pod begin."""
    wrong = []
    for item in quotas:
        status = item.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        wrong += [
            f"{_name(item)}: all of {what} is used ({used.get(what)})"
            for what in hard
            if _full(hard[what], used.get(what))
        ]
    return judged(
        wrong, f"{len(quotas)} quotas, each with room", "End what is not needed, or raise the quota.", State.weak
    )


def _full(hard: Any, used: Any) -> bool:
    return str(hard) not in {"0", "None"} and str(hard) == str(used)


def _orphans(view: View) -> Seen:
    return judge_orphans(view.all(NAMESPACE, labels=GRANT_LABEL), view.all(POD, labels=WORKSPACE_LABEL), view.now)


def judge_orphans(namespaces: Sequence[Object], pods: Sequence[Object], now: datetime) -> Seen:
    """Pods that go on after their grant's end, and namespaces of grants that ended."""
    ended = {item["metadata"]["name"] for item in namespaces if _ended(item, now)}
    lives = [_name(item) for item in pods if _phase(item) not in _OVER]
    known = {item["metadata"]["name"] for item in namespaces}
    late = [f"{name} lives, and its grant has ended" for name in lives if name.partition("/")[0] in ended]
    late += [f"{name} lives in no namespace of a grant" for name in lives if name.partition("/")[0] not in known]
    if late:
        return bad("; ".join(late[:5]), "`tre workspace verify` in the shell pod; `tre halt`. Is the controller alive?")
    with_pods = {item["metadata"]["namespace"] for item in pods}
    empty = [f"{name} is left" for name in sorted(ended - with_pods)]
    remedy = "The controller removes it; if it stays, `kubectl describe namespace` names what holds it."
    return judged(empty, f"{len(lives)} workspaces live, each within its grant's time", remedy, State.weak)


def _ended(item: Object, now: datetime) -> bool:
    end = (item["metadata"].get("annotations") or {}).get(END_ANNOTATION)
    return end is None or datetime.fromisoformat(end) + OVERDUE < now


class ClusterCheck(NamedTuple):
    """Something to look at: its name, what rests on it, and how."""

    what: str
    means: str
    look: Callable[[View], Seen]


CHECKS = (
    ClusterCheck("API server", "Older ones do not have all that keeps workspaces closed.", _version),
    ClusterCheck("API server's clock", "Access ends by the clock.", _clock),
    ClusterCheck("rights of the controller", "Nothing is begun while a right is missing.", _rights),
    ClusterCheck("admission policies", "They refuse pods and writes that would open a workspace.", _guards),
    ClusterCheck("default deny", "Without it a pod reaches the network until a policy says otherwise.", _closed),
    ClusterCheck("pod security", "It refuses pods with rights over their node.", _restricted),
    ClusterCheck("secrets", "A program whose key is missing does not start.", _secrets),
    ClusterCheck("volumes", "Data and homes lie there.", _volumes),
    ClusterCheck("runtime classes", "A pod that asks for one that is not there never starts.", _runtimes),
    ClusterCheck("nodes", "User namespaces and read-only mounts are the node's to give.", _nodes),
    ClusterCheck("pods of the launcher", "What is not ready does not serve.", _programs),
    ClusterCheck("images", "Who can move a tag chooses what runs.", _images),
    ClusterCheck("quotas", "What is used up lets no further workspace begin.", _quotas),
    ClusterCheck("ended workspaces", "A pod that goes on after its time is access without approval.", _orphans),
)
"""What `tre cluster doctor` looks at."""


def field_of(view: View) -> Field:
    """The checks, bound to one cluster."""
    return Field("Cluster", tuple(Check(one.what, one.means, _bound(one, view)) for one in CHECKS))


def _bound(check: ClusterCheck, view: View) -> Callable[[Place], Seen]:
    def look(_place: Place) -> Seen:
        try:
            return check.look(view)
        except ClusterError as error:
            if error.reason is not Reason.NotPermitted:
                raise
            return weak(
                f"not looked at: {error.why or error.what}", "Ask as somebody who may read it (`kubectl auth can-i`)."
            )

    return look
