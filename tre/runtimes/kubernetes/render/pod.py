"""The pod of one run: the sealed workspace and its door. Pure data.

Guarantees: everything that the cluster would fill in by itself and that matters is written out, so that no default
of a cluster decides it. The workspace's command is our first process, its root file system is read-only, what it
may write is memory or its own volumes; the door has no data, the workspace no key; neither has a token, a
capability, a name server, or a variable that tells of the cluster.

Does not guarantee: that the node has user namespaces or a sandboxed runtime: the facts say so, and without them the
pod is rendered without.

Threat it answers: `policies/kubernetes/` says the same again, independently, and refuses a pod that differs.
"""

from __future__ import annotations

from dataclasses import dataclass

from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap.sandbox import INIT
from tre.runtimes.kubernetes.render.facts import IN_POD_LIMIT, ClusterFacts, PodProfile
from tre.runtimes.kubernetes.render.grant import DOOR_MEMORY, DOOR_MILLIS, EPHEMERAL_BYTES
from tre.runtimes.kubernetes.render.vocabulary import (
    DOOR_CONTAINER,
    DOOR_DIRECTORY,
    DOOR_INSTRUCTION_FILE,
    DOOR_OWN_DIRECTORY,
    DOOR_PORT,
    DOOR_PROGRAM,
    GRACE_SECONDS,
    HEALTH_PORT,
    INSTRUCTION_DIRECTORY,
    INSTRUCTION_FILE,
    KEYS_DIRECTORY,
    REPORT_SOCKET,
    SERVICE_ACCOUNT,
    WORKSPACE_CONTAINER,
    Object,
)
from tre.runtimes.kubernetes.render.volumes import Placed, pod_mount, pod_volume

DOOR_DIRECTORY_BYTES = 2**20


@dataclass(frozen=True)
class PodSpec:
    """Everything a pod is made of."""

    plan: WorkspacePlan
    facts: ClusterFacts
    profile: PodProfile
    placed: tuple[Placed, ...]
    seconds: int


def pod_spec(spec: PodSpec) -> Object:
    """The pod's `spec`."""
    content: Object = {
        "activeDeadlineSeconds": spec.seconds,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # No resolver: a name that is looked up is a message, and a forwarder carries it out.
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "shareProcessNamespace": False,
        "securityContext": _pod_security(spec.plan),
        "initContainers": [_door(spec)],
        "containers": [_workspace(spec)],
        "volumes": _volumes(spec),
    }
    if has_user_namespace(spec):
        content["hostUsers"] = False
    return content | _placement(spec.profile)


def has_user_namespace(spec: PodSpec) -> bool:
    """Whether the pod can have a user namespace: cluster, profile, every volume and every number allow it."""
    numbers = (spec.plan.uid, *spec.plan.data_groups)
    return (
        spec.facts.user_namespaces
        and spec.profile.user_namespace
        and all(placed.area.idmapped for placed in spec.placed)
        and max(numbers) < IN_POD_LIMIT
    )


def _pod_security(plan: WorkspacePlan) -> Object:
    """The plan's groups and no others: `Strict` keeps those out that the image's /etc/group would add.

    Never `fsGroup`: it would have the kubelet change owners and modes in the slice.
    """
    return {
        "runAsNonRoot": True,
        "runAsUser": plan.uid,
        "runAsGroup": plan.uid,
        "supplementalGroups": sorted(plan.data_groups),
        "supplementalGroupsPolicy": "Strict",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container_security() -> Object:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "procMount": "Default",
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }


def _workspace(spec: PodSpec) -> Object:
    limits = spec.plan.limits
    most = {"cpu": f"{limits.cpu_millis}m", "memory": str(limits.memory_bytes)}
    return {
        "name": WORKSPACE_CONTAINER,
        "image": spec.facts.images.workspace,
        "imagePullPolicy": spec.facts.image_pull_policy,
        "command": [spec.facts.interpreter, "-I", "-S", "-B", f"{INIT}/__main__.py"],
        "args": ["--instruction", f"{INSTRUCTION_DIRECTORY}/{INSTRUCTION_FILE}", "--report", REPORT_SOCKET],
        "workingDir": "/",
        "stdin": False,
        "tty": False,
        "terminationMessagePolicy": "File",
        "resources": _resources(most, spec.facts.cpu_request_millis, _extended(spec)),
        "securityContext": _container_security(),
        "volumeMounts": [
            _mount("instruction", INSTRUCTION_DIRECTORY, read_only=True),
            _mount("door", DOOR_DIRECTORY),
            _mount("scratch", "/tmp"),  # noqa: S108 - inside the pod
            _mount("shared-memory", "/dev/shm"),  # noqa: S108 - inside the pod
            *(pod_mount(placed, spec.profile) for placed in spec.placed),
        ],
    }


def _door(spec: PodSpec) -> Object:
    """A sidecar of Kubernetes' own: it starts before the workspace and ends after it.

    It has a user of its own, and the workspace's group, since the server's socket is open to that group. The
    workspace is started once the door's sockets are there: `postStart` returns then, and a probe would cost a second.
    """
    program = [spec.facts.door_interpreter, "-I", "-B", "-m", DOOR_PROGRAM]
    told = ["--instruction", f"{INSTRUCTION_DIRECTORY}/{DOOR_INSTRUCTION_FILE}"]
    return {
        "name": DOOR_CONTAINER,
        "image": spec.facts.images.door,
        "imagePullPolicy": spec.facts.image_pull_policy,
        "restartPolicy": "Always",
        "command": program,
        "args": ["serve", *told, "--keys", KEYS_DIRECTORY],
        "workingDir": "/",
        "ports": [{"name": "door", "containerPort": DOOR_PORT, "protocol": "TCP"}],
        "lifecycle": {"postStart": {"exec": {"command": [*program, "await", *told]}}},
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": HEALTH_PORT, "scheme": "HTTP"},
            "periodSeconds": 1,
            "timeoutSeconds": 1,
            "failureThreshold": 1,
        },
        "terminationMessagePolicy": "File",
        "resources": _resources({"cpu": f"{DOOR_MILLIS}m", "memory": DOOR_MEMORY}, 10, {}),
        "securityContext": _container_security() | {"runAsUser": spec.facts.door_uid, "runAsGroup": spec.plan.uid},
        "volumeMounts": [
            _mount("instruction", INSTRUCTION_DIRECTORY, read_only=True),
            _mount("keys", KEYS_DIRECTORY, read_only=True),
            _mount("door", DOOR_DIRECTORY),
            _mount("own", DOOR_OWN_DIRECTORY),
        ],
    }


def _resources(most: dict[str, str], request_millis: int, extended: dict[str, int]) -> Object:
    """Memory is reserved in full, since it cannot be taken back; of the processor little, since it can."""
    further = {name: str(count) for name, count in extended.items()}
    limits = most | {"ephemeral-storage": str(EPHEMERAL_BYTES)} | further
    requests = {"cpu": f"{request_millis}m", "memory": most["memory"], "ephemeral-storage": "16Mi"} | further
    return {"limits": limits, "requests": requests}


def _extended(spec: PodSpec) -> dict[str, int]:
    """What the profile asks for beyond memory and processor; its GPUs are whole ones, for this pod alone."""
    gpus = spec.plan.limits.gpus
    return spec.profile.extended | ({spec.facts.gpu_resource: gpus} if gpus else {})


def _mount(volume: str, path: str, *, read_only: bool = False) -> Object:
    return {"name": volume, "mountPath": path, "readOnly": read_only, "mountPropagation": "None"}


def _memory(name: str, size: int) -> Object:
    """Scratch space that leaves nothing on the node's disk; it counts as the container's memory."""
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}


def _volumes(spec: PodSpec) -> list[Object]:
    run, shared = spec.plan.identity, spec.plan.limits.shared_memory_bytes
    return [
        {"name": "instruction", "configMap": {"name": run, "defaultMode": 0o444, "optional": False}},
        {"name": "keys", "secret": {"secretName": f"{run}-door", "defaultMode": 0o444, "optional": False}},
        _memory("door", DOOR_DIRECTORY_BYTES),
        _memory("scratch", shared),
        _memory("shared-memory", shared),
        *(pod_volume(spec.plan, placed) for placed in spec.placed),
        _memory("own", DOOR_DIRECTORY_BYTES),
    ]


def _placement(profile: PodProfile) -> Object:
    found: Object = {}
    if profile.runtime_class is not None:
        found["runtimeClassName"] = profile.runtime_class
    if profile.node_labels:
        found["nodeSelector"] = profile.node_labels
    if profile.tolerated_taint is not None:
        found["tolerations"] = [{"key": profile.tolerated_taint, "operator": "Exists", "effect": "NoSchedule"}]
    return found
