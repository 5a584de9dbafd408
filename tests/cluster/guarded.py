"""Grants' namespaces on a real API server, each with all guards but some: where rows of the forbidden table are tried.

A variant is the set of guards that it lacks. Rules are left out of a copy of their policy that is bound to the
variant's namespace alone, so all variants are in force side by side, and nothing else on the cluster is touched.
The controller is a service account with the controller's own role and nothing more.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import yaml

from tests.cluster.harness.basics import CHECKOUT, wait_until
from tests.cluster.harness.client import MERGE, ApiError, Client
from tests.support import kubernetes as given
from tests.support.forbidden import COLLECTIONS, Object, Row, Scene

sys.path.insert(0, str(CHECKOUT / "tools"))
import guards

__all__ = ["Ground", "Variant", "guards"]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
RUN, WITHOUT = "tests.tre.research/run", "tests.tre.research/without"
STRATEGIC = "application/strategic-merge-patch+json"
ON_RUNNING_PODS = ("tre-reach/", "tre-pods/writer", "tre-pods/image-digest")
PROFILE = "pod-security.kubernetes.io/"
Variant = frozenset[str]


@dataclass
class As(Client):
    """The administrator's connection, used as somebody else."""

    user: str = ""

    def _authority(self) -> dict[str, str]:
        found = super()._authority()
        return found | {"Impersonate-User": self.user} if self.user else found


@dataclass
class Ground:
    """Everything that was made for one run of the tests."""

    client: Client
    token: str
    scenes: dict[Variant, Scene] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    in_force: set[Variant] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._controller = As(self.client.server, self.client.tls, self.client.token, user=self.controller_name)

    @property
    def controller_name(self) -> str:
        """The controller's user for the API server."""
        return f"system:serviceaccount:tre-test-{self.token}:tre-controller"

    def someone(self, who: str) -> Client:
        """The controller or the administrator."""
        return self.client if who == "administrator" else self._controller

    def make(self, path: str, content: Object) -> None:
        """Create something cluster-wide that is removed at the end."""
        self.client.create(path, content)
        self.made.append(f"{path}/{content['metadata']['name']}")

    def clear(self) -> None:
        """Remove everything, the guards first: they would protect the rest."""
        for path in reversed(self.made):
            self.client.delete(path)
        self._controller.close()
        for scene in self.scenes.values():
            pods = COLLECTIONS["Pod"].format(ns=scene.namespace)
            for pod in self.client.get(pods)["items"]:
                path = f"{pods}/{pod['metadata']['name']}"
                wait_until(partial(self._let_go, path), f"{path} should be free to go: a removed guard acts a while")

    def _let_go(self, pod: str) -> bool:
        """Take off the finalizer that keeps a pod until it is proven dead."""
        try:
            self.client.request("PATCH", pod, {"metadata": {"finalizers": None}}, MERGE)
        except ApiError as error:
            if error.code != 403:
                raise
            return False
        return True

    # --- making

    def install_roles(self) -> None:
        """The roles as they are shipped, under names of this run's own."""
        for one in yaml.safe_load_all((guards.CHECKOUT / "policies" / "kubernetes" / "roles.yaml").read_text()):
            one["metadata"]["name"] += f"-{self.token}"
            if one["kind"] == "ClusterRoleBinding":
                one["roleRef"]["name"] += f"-{self.token}"
                one["subjects"][0]["namespace"] = f"tre-test-{self.token}"
            self.make(f"{RBAC}/{one['kind'].lower()}s", one)

    def furnish(self, variant: Variant, number: int) -> None:
        """A namespace with everything that a grant's has, but for what the variant lacks."""
        moment = given.moment(datetime.now(UTC))
        scene = Scene.of(f"{self.token}-{number}", moment)
        marks = {RUN: self.token, WITHOUT: str(number)}
        for one in scene.objects.values():
            one["metadata"]["labels"] = one["metadata"]["labels"] | marks
        if "restricted" in variant:
            labels = scene.objects["namespace"]["metadata"]["labels"]
            scene.objects["namespace"]["metadata"]["labels"] = {
                key: value for key, value in labels.items() if not key.startswith(PROFILE)
            }
        self.scenes[variant] = scene
        controller = self.someone("controller")
        for name, one in scene.objects.items():
            kind = one["kind"]
            lacking = f"quota:{name}" in variant or (kind == "LimitRange" and "limits" in variant)
            if lacking or kind in ("PersistentVolumeClaim", "Secret", "ConfigMap", "Pod"):
                continue
            if kind == "PersistentVolume" and (name != "volume" or not self.concerns(variant, "tre-volumes")):
                continue
            path = COLLECTIONS[kind].format(ns=scene.namespace)
            if kind in ("Namespace", "PersistentVolume"):
                self.made.append(f"{path}/{one['metadata']['name']}")
            controller.create(path, one)

    @staticmethod
    def concerns(variant: Variant, guard: str) -> bool:
        """Whether rows about a guard are tried in this variant."""
        return not variant or any(one.startswith(guard) for one in variant)

    def start_pods(self) -> None:
        """A pod where rows need one that is there, once the quotas count; without a node it waits for ever."""
        for variant, scene in self.scenes.items():
            quotas = COLLECTIONS["ResourceQuota"].format(ns=scene.namespace)

            def counted(path: str = quotas) -> bool:
                return all("hard" in one["status"] for one in self.client.get(path)["items"])

            wait_until(counted, "quotas should count", 60, 0.05)
            if not any(self.concerns(variant, guard) for guard in ON_RUNNING_PODS):
                continue
            self.someone("controller").create(COLLECTIONS["Pod"].format(ns=scene.namespace), scene.running)

    def install_guards(self) -> None:
        """Each policy whole for all but the variants that lack a rule of it, and a copy for each of those."""
        numbers = {variant: str(number) for number, variant in enumerate(self.scenes)}
        for guard in guards.load():
            own = {guards.identifier(guard, rule) for rule in guard.rules}
            lacking = {variant: number for variant, number in numbers.items() if variant & own}
            whole = [{"key": RUN, "operator": "In", "values": [self.token]}]
            if lacking:
                whole.append({"key": WITHOUT, "operator": "NotIn", "values": sorted(lacking.values())})
            self._install(guard, f"-{self.token}", frozenset(), whole)
            for variant, number in lacking.items():
                only = [{"key": RUN, "operator": "In", "values": [self.token]}]
                only.append({"key": WITHOUT, "operator": "In", "values": [number]})
                self._install(guard, f"-{self.token}-{number}", variant & own, only)

    def _install(self, guard: guards.Guard, suffix: str, without: Variant, where: list[Object]) -> None:
        selector = "objectSelector" if guard.name == "tre-volumes" else "namespaceSelector"
        bound = {selector: {"matchExpressions": where}}
        rendering = guards.Rendering(self.controller_name, suffix, without, bound)
        self.make(f"{ADMISSION}/validatingadmissionpolicies", guards.policy(guard, rendering))
        self.make(f"{ADMISSION}/validatingadmissionpolicybindings", guards.binding(guard, rendering))

    # --- trying

    def refusal(self, row: Row, variant: Variant) -> str:
        """Why this is refused where some guards are lacking; empty where it is admitted. Nothing is changed."""
        scene, who = self.scenes[variant], self.someone(row.by)
        try:
            self._attempt(row, scene, who)
        except ApiError as error:
            # Past the guards a connection fails for want of a node, and a name may be taken: those are no refusals.
            passed = error.reason == "AlreadyExists" or (row.act == "connect" and error.code != 403)
            return "" if passed else str(error)
        return ""

    def _attempt(self, row: Row, scene: Scene, who: Client) -> None:
        content: Any = (
            None if row.act == "connect" else row.changed(scene.objects, scene.pod) if row.what else row.object
        )
        path = self._path(row, scene, content)
        match row.act:
            case "connect":
                who.request("POST" if "/proxy" not in path else "GET", path)
            case "create":
                who.create(f"{path}?dryRun=All", content)
            case "update":
                patch = row.patch(scene.objects, scene.pod)
                who.request("PATCH", f"{path}?dryRun=All", patch, STRATEGIC if row.path else MERGE)
            case "delete":
                who.request("DELETE", path, {"dryRun": ["All"]})  # beside a body the query would count for nothing

    def _path(self, row: Row, scene: Scene, content: Any) -> str:
        running = scene.running["metadata"]["name"]
        if row.path:
            return f"{row.api}/namespaces/{scene.namespace}/{row.path.replace('{pod}', running)}"
        kind = scene.objects[row.what]["kind"]
        collection = COLLECTIONS[kind].format(ns=scene.namespace)
        name = running if row.what == "pod" else scene.objects[row.what]["metadata"]["name"]
        return collection if row.act == "create" else f"{collection}/{name}"
