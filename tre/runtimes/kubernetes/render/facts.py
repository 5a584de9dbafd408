"""What the renderer must know of a cluster, and nothing that changes while it runs: one strict record.

Guarantees: images are named by digest; a storage area either holds a path or the renderer refuses it; whatever a
cluster may lack is written down here, so that a rendered pod asks for nothing that the cluster does not offer.

Does not guarantee: that the cluster really offers it. `doctor` asks the cluster, and a pod that asks for too much
fails with a reason of the cluster's own.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tre.domain.model import Line, Record, UtcTime
from tre.domain.workspaces.models import AbsolutePath


def _by_digest(text: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}", text) is None:
        msg = "an image is named by its digest (NAME@sha256:…): who can move a tag would choose what runs"
        raise ValueError(msg)
    return text


ImageByDigest = Annotated[Line, AfterValidator(_by_digest)]
Label = Annotated[Line, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

IN_POD_LIMIT = 65536
"""A user namespace of a pod holds the numbers below this one (KEP-127)."""


class Images(Record):
    """The two programs of a pod. The first process of `workspace` is ours, and so is all of `door`.

    `built_at` says when the older of the two was built: the operator's word, since no rule of a cluster can read it
    from an image.
    """

    workspace: ImageByDigest
    door: ImageByDigest
    built_at: UtcTime | None = None


class HostPath(Record):
    """A directory of every node, for one node or for a file system that all nodes mount themselves."""

    kind: Literal["hostPath"] = "hostPath"
    path: AbsolutePath


class Nfs(Record):
    """An export that the kubelet mounts; pods never reach the server."""

    kind: Literal["nfs"] = "nfs"
    server: Line
    path: AbsolutePath
    mount_options: tuple[Line, ...] = ("nfsvers=4.2", "nosuid", "nodev")


class Csi(Record):
    """A driver. `{path}` in the handle and in an attribute stands for the directory below the area."""

    kind: Literal["csi"] = "csi"
    driver: Line
    handle: Annotated[Line, Field(pattern=r"\{path\}")]
    attributes: dict[str, Line] = {}
    mount_options: tuple[Line, ...] = ()


class StorageArea(Record):
    """Where directories of the storekeeper's are found by a node.

    `mounted_at` is the area as the storekeeper (and so a plan) names it; `idmapped` whether its file system lets a
    pod have a user namespace (ext4, xfs, btrfs, tmpfs; not NFS).
    """

    mounted_at: AbsolutePath
    volume: HostPath | Nfs | Csi
    idmapped: bool = False


class Gateway(Record):
    """Who alone may knock at a door: pods with all these labels in this namespace."""

    namespace: Label
    pod_labels: Annotated[dict[str, str], Field(min_length=1)]


class RecursiveReadOnly(StrEnum):
    """How a read-only mount covers what is mounted below it; gVisor needs `IfPossible`."""

    Enabled = "Enabled"
    IfPossible = "IfPossible"


class PodProfile(Record):
    """What a size of workspace asks of the cluster beyond its limits.

    `extended` are further resources; GPUs that the profile of `tre.yaml` counts are `gpu_resource`. `user_namespace` is
    given where the cluster and every volume allow it; false leaves it out, for drivers that cannot.
    """

    runtime_class: Label | None = None
    extended: dict[str, Annotated[int, Field(ge=1)]] = {}
    node_labels: dict[str, str] = {}
    tolerated_taint: Line | None = None
    recursive_read_only: RecursiveReadOnly = RecursiveReadOnly.Enabled
    user_namespace: bool = True


class ClusterFacts(Record):
    """One cluster: what its operators decided and what it offers.

    `cpu_request_millis` is small on purpose: requests reserve, limits bound. `pod_security_version` pins the rules
    of the restricted profile, so that an upgrade of the cluster cannot change them under us. `interpreter` is the
    Python of the workspace's image that runs the first process, `door_interpreter` the one of the door's image that
    knows this program; `gpu_resource` is what one GPU is called; `maximum_image_age_days` is how long after it was
    built an image may be started; `x86` says whether nodes have 32-bit calls, which the seal is then tried against.
    """

    images: Images
    areas: Annotated[tuple[StorageArea, ...], Field(min_length=1)]
    gateway: Gateway
    profiles: Annotated[dict[str, PodProfile], Field(min_length=1)]
    user_namespaces: bool = True
    pod_security_version: Annotated[Line, Field(pattern=r"^v1\.[0-9]{2}$")] = "v1.35"
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    interpreter: AbsolutePath = "/usr/bin/python3"
    door_interpreter: AbsolutePath = "/usr/bin/python3"
    maximum_image_age_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    x86: bool = True
    door_uid: Annotated[int, Field(ge=1000, lt=IN_POD_LIMIT)] = 64000
    cpu_request_millis: Annotated[int, Field(ge=1)] = 50
    gpu_resource: Annotated[Line, Field(pattern=r"^[a-z0-9.-]+/[a-zA-Z0-9._-]+$")] = "nvidia.com/gpu"

    @model_validator(mode="after")
    def _age_known(self) -> ClusterFacts:
        if self.maximum_image_age_days is not None and self.images.built_at is None:
            msg = "maximumImageAgeDays is given, and images.builtAt does not say when the images were built"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _areas_apart(self) -> ClusterFacts:
        roots = [area.mounted_at for area in self.areas]
        for number, root in enumerate(roots):
            others = roots[:number] + roots[number + 1 :]
            if any(f"{other}/".startswith(f"{root}/") for other in others):
                msg = f"area {root} holds another area"
                raise ValueError(msg)
        return self
