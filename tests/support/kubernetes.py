"""A grant, a plan and a cluster to render for: valid as they come, changed one thing at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import kubernetes_validate

from tre.domain import names
from tre.domain.people import Subject
from tre.domain.workspaces.models import Limits, Mount, MountKind, WorkspacePlan
from tre.runtimes.kubernetes.render.facts import (
    ClusterFacts,
    Csi,
    Gateway,
    HostPath,
    Images,
    Nfs,
    PodProfile,
    RecursiveReadOnly,
    StorageArea,
)
from tre.runtimes.kubernetes.render.grant import GrantPlace
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.runtimes.kubernetes.render.workspace import Keys, Moment

GRANT = "nccid-00123"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
END = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
GRANT_END = datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC)
WORKSPACE = names.workspace_name(GRANT, "local", "alice")
IMAGES = Images(
    workspace=f"registry.example/workspace@sha256:{'a1' * 32}",
    door=f"registry.example/tre@sha256:{'b2' * 32}",
    built_at=datetime(2026, 11, 1, tzinfo=UTC),
)
LIMITS = Limits(memory_bytes=2**30, cpu_millis=1000)
KEYS = Keys(certificate="CERTIFICATE", key="KEY", gateway="GATEWAY")
ADDRESSES = (
    ProbeAddress(name="API server", address="10.96.0.1", port=443),
    ProbeAddress(name="name server", address="10.96.0.10", port=53, kind="dns"),
)
ANSWERED = frozenset({"tcp API server 10.96.0.1 443"})

MOUNTS = (
    Mount(kind=MountKind.slice, name="cxr", source="/srv/tre/data/slices/s-1", target="/data/cxr"),
    Mount(kind=MountKind.home, source=f"/srv/tre/work/homes/{WORKSPACE}", target="/home/researcher"),
    Mount(kind=MountKind.shared, source="/srv/tre/work/shared/nccid-00123", target="/shared"),
    Mount(kind=MountKind.outbox, source=f"/srv/tre/work/outbox/{WORKSPACE}", target="/outbox"),
    Mount(kind=MountKind.inbox, source=f"/srv/tre/work/inbox/{WORKSPACE}", target="/inbox"),
)


def plan(**changes: Any) -> WorkspacePlan:
    """A plan with every kind of mount."""
    content: dict[str, Any] = {
        "workspace": WORKSPACE,
        "instance": 3,
        "grant": GRANT,
        "subject": Subject(issuer="local", id="alice"),
        "uid": 20001,
        "data_groups": (30002, 30001),
        "mounts": MOUNTS,
        "limits": LIMITS,
        "end": END,
        "cap_seconds": 8 * 3600,
    }
    return WorkspacePlan(**content | changes)


def moment(now: datetime = NOW) -> Moment:
    """A start at some time, of which one address answered the controller."""
    return Moment(now, KEYS, ADDRESSES, ANSWERED)


def place(**changes: Any) -> GrantPlace:
    """The plan's grant."""
    return GrantPlace(**{"grant": GRANT, "end": GRANT_END, "members": 2, "limits": LIMITS} | changes)


def facts(**changes: Any) -> ClusterFacts:
    """One node's directories, on a file system that knows user namespaces."""
    content: dict[str, Any] = {
        "images": IMAGES,
        "areas": (
            StorageArea(mounted_at="/srv/tre/data", volume=HostPath(path="/mnt/tre/data"), idmapped=True),
            StorageArea(mounted_at="/srv/tre/work", volume=HostPath(path="/mnt/tre/work"), idmapped=True),
        ),
        "maximum_image_age_days": 3650,
        "gateway": Gateway(namespace="tre-system", pod_labels={"app.kubernetes.io/component": "gateway"}),
        "profiles": {
            "small": PodProfile(),
            "gpu": PodProfile(
                runtime_class="gvisor",
                extended={"nvidia.com/gpu": 1},
                node_labels={"tre.research/nodes": "gpu"},
                tolerated_taint="tre.research/workspaces",
                recursive_read_only=RecursiveReadOnly.IfPossible,
                user_namespace=False,
            ),
        },
    }
    return ClusterFacts(**content | changes)


def nfs_and_csi() -> ClusterFacts:
    """Slices on a file server, everything else on a driver's volumes."""
    csi = Csi(driver="csi.example", handle="tre-work/{path}", attributes={"subdir": "work/{path}"})
    return facts(
        areas=(
            StorageArea(mounted_at="/srv/tre/data", volume=Nfs(server="files.example", path="/export/tre")),
            StorageArea(mounted_at="/srv/tre/work", volume=csi, idmapped=True),
        )
    )


def misfit(one: dict[str, Any], version: str) -> str:
    """What the schema of a version says against an object; nothing where it fits."""
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return ""
