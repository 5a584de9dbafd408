"""From a plan's mounts to volumes of the cluster: static and bound before anybody can claim them. Pure data.

Guarantees: each mount has a volume and a claim of its own, each naming the other, without a storage class, so that
no other claim takes it and no provisioner answers; deleting them deletes no file (`Retain`). What is read-only is
so three times: in the volume where its kind can say it, in the claim's use, and in the mount with all below it.

Does not guarantee: anything about the storage itself. Access modes enforce nothing by themselves.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import Mount, WorkspacePlan
from tre.runtimes.kubernetes.render.facts import ClusterFacts, Csi, HostPath, Nfs, PodProfile, StorageArea
from tre.runtimes.kubernetes.render.grant import labels
from tre.runtimes.kubernetes.render.vocabulary import WORKSPACE_LABEL, Object

NOMINAL_SIZE = "1Gi"
"""A volume must have a size; of a directory it means nothing, and the claim asks for the same."""


@dataclass(frozen=True)
class Placed:
    """One mount with its place in the cluster: a volume's name, and the directory below its area."""

    mount: Mount
    area: StorageArea
    below: str

    @property
    def volume(self) -> str:
        """Its name inside the pod."""
        return names.volume_name(self.mount.kind.value, self.mount.name)


def place(plan: WorkspacePlan, facts: ClusterFacts) -> tuple[Placed, ...]:
    """Find each mount's area; raises `TREError(SetupIncomplete)` where the cluster has none for it."""
    return tuple(_place(mount, facts) for mount in plan.mounts)


def _place(mount: Mount, facts: ClusterFacts) -> Placed:
    for area in facts.areas:
        below = posixpath.relpath(mount.source, area.mounted_at)
        if below != ".." and not below.startswith("../"):
            return Placed(mount, area, below)
    raise TREError(
        Reason.SetupIncomplete,
        f"No storage area of the cluster holds {mount.source}.",
        why="A pod can only mount what its node finds, and only below an area that operators named.",
        remedy=f"Add an area to the cluster's settings; known are {', '.join(a.mounted_at for a in facts.areas)}.",
    )


def volume_objects(plan: WorkspacePlan, namespace: str, placed: tuple[Placed, ...]) -> list[Object]:
    """The volumes, then the claims that they are bound to."""
    return [_volume(plan, namespace, one) for one in placed] + [_claim(plan, namespace, one) for one in placed]


def pod_volume(plan: WorkspacePlan, placed: Placed) -> Object:
    """The claim as the pod uses it."""
    claim = {"claimName": claim_name(plan, placed), "readOnly": placed.mount.read_only}
    return {"name": placed.volume, "persistentVolumeClaim": claim}


def pod_mount(placed: Placed, profile: PodProfile) -> Object:
    """The mount in the workspace's container; nothing mounted later on the node is ever seen in it."""
    mount: Object = {
        "name": placed.volume,
        "mountPath": placed.mount.target,
        "readOnly": placed.mount.read_only,
        "mountPropagation": "None",
    }
    if placed.mount.read_only:
        mount["recursiveReadOnly"] = profile.recursive_read_only.value
    return mount


def claim_name(plan: WorkspacePlan, placed: Placed) -> str:
    """The pod's name and the volume's: a guard compares it, so a pod can use no other claim than its own."""
    return f"{plan.identity}-{placed.volume}"


def volume_object_name(plan: WorkspacePlan, placed: Placed) -> str:
    """The cluster-wide name of the volume."""
    return f"tre-{claim_name(plan, placed)}"


def _labels(plan: WorkspacePlan) -> dict[str, str]:
    return labels(plan.grant) | {WORKSPACE_LABEL: plan.workspace}


def _modes(placed: Placed) -> list[str]:
    return ["ReadOnlyMany" if placed.mount.read_only else "ReadWriteMany"]


def _volume(plan: WorkspacePlan, namespace: str, placed: Placed) -> Object:
    spec: Object = {
        "capacity": {"storage": NOMINAL_SIZE},
        "accessModes": _modes(placed),
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "volumeMode": "Filesystem",
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": namespace,
            "name": claim_name(plan, placed),
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_object_name(plan, placed), "labels": _labels(plan)},
        "spec": spec | _source(volume_object_name(plan, placed), placed),
    }


def _source(name: str, placed: Placed) -> Object:
    """Where the directory is, in the words of its kind of storage."""
    read_only = placed.mount.read_only
    match placed.area.volume:
        case HostPath(path=path):
            # Must be there already: a directory that the kubelet makes would be root's, and empty.
            return {"hostPath": {"path": posixpath.normpath(f"{path}/{placed.below}"), "type": "Directory"}}
        case Nfs() as nfs:
            path = posixpath.normpath(f"{nfs.path}/{placed.below}")
            source: Object = {"nfs": {"server": nfs.server, "path": path, "readOnly": read_only}}
            return source | _options(nfs.mount_options, read_only)
        case Csi() as csi:
            attributes = {key: text.replace("{path}", placed.below) for key, text in csi.attributes.items()}
            # Unique for each volume: two volumes with one handle are one volume to a node.
            handle = f"{csi.handle.replace('{path}', placed.below)}#{name}"
            source = {"driver": csi.driver, "volumeHandle": handle, "readOnly": read_only}
            if attributes:
                source["volumeAttributes"] = attributes
            return {"csi": source} | _options(csi.mount_options, read_only)


def _options(options: tuple[str, ...], read_only: bool) -> Object:
    given = [*options, *(["ro", "noexec"] if read_only else [])]
    return {"mountOptions": given} if given else {}


def _claim(plan: WorkspacePlan, namespace: str, placed: Placed) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim_name(plan, placed), "namespace": namespace, "labels": _labels(plan)},
        "spec": {
            "accessModes": _modes(placed),
            "storageClassName": "",
            "volumeMode": "Filesystem",
            "volumeName": volume_object_name(plan, placed),
            "resources": {"requests": {"storage": NOMINAL_SIZE}},
        },
    }
