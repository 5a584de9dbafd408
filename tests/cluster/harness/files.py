"""The configuration files of the cluster's parts: pure functions to texts.

Guarantees: two nodes on one machine share no control group, no address and no path.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.cluster.harness import layout as places
from tests.cluster.harness.images import PAUSE
from tests.cluster.harness.layout import Layout
from tests.cluster.harness.order import Order

# What the kubelet insists on, machine-wide; it gets to see these values and never sets them.
KUBELET_SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def admission(where: Layout) -> str:
    """Admission policies of both kinds can be put into files; none is there at the start."""

    def plugin(kind: str) -> dict[str, Any]:
        version = "apiserver.config.k8s.io/v1"
        folder = str(where.static_policies / kind.lower())
        content = {"apiVersion": version, "kind": f"{kind}AdmissionPolicyConfiguration", "staticManifestsDir": folder}
        return {"name": f"{kind}AdmissionPolicy", "configuration": content}

    return yaml.safe_dump(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [plugin("Validating"), plugin("Mutating")],
        }
    )


def kubelet(where: Layout) -> str:
    """The node's agent; on control groups of version 1 it starts only if told that this is meant."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{where.token}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            "containerRuntimeEndpoint": f"unix://{places.CONTAINERD_SOCKET}",
            "staticPodPath": "",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{where.pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{where.pki}/kubelet-server.crt",
            "tlsPrivateKeyFile": f"{where.pki}/kubelet-server.key",
            "address": "::",
            "readOnlyPort": 0,
            "clusterDNS": ["10.96.0.10"],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{where.etc}/resolv.conf",
            "failSwapOn": False,
            "localStorageCapacityIsolation": True,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "podPidsLimit": 512,
            "maxPods": 110,
            "nodeStatusUpdateFrequency": "10s",
            "syncFrequency": "10s",
            "podLogsDir": f"{where.logs}/pods",
            "volumePluginDir": f"{where.state}/volume-plugins",
        }
    )


def containerd(where: Layout, order: Order) -> str:
    """The container runtime: overlay file systems below the state, everything that runs in the cluster's own /run.

    `restrict_oom_score_adj`: without CAP_SYS_RESOURCE no process may make itself less likely to be killed, which
    the sandbox would ask for and fail.
    """
    cni = order.folders["cni"]
    return f"""version = 3
root = "{where.state}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.nri.v1.nri"]
[grpc]
  address = "{places.CONTAINERD_SOCKET}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{PAUSE}"
[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{cni}", "{where.etc}/cni-plugins"]
    conf_dir = "{where.etc}/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "{order.binary("runc", "runc")}"
        SystemdCgroup = false
"""


def network(where: Layout) -> str:
    """A routed pair of interfaces for each pod, IPv4 and IPv6: every packet between pods is forwarded, so filtered."""
    ranges = [[{"subnet": subnet}] for subnet in places.NODE_POD_RANGES]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    addresses = {"type": "host-local", "dataDir": f"{where.state}/addresses", "ranges": ranges, "routes": routes}
    pair = {"type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": addresses}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "prepare-ipv6"}, pair]})


# A new IPv6 address waits a second or two for others to claim it; nobody else is on a pair of our own.
PREPARE_IPV6 = """#!/bin/sh
set -eu
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' ;;
ADD)
  nsenter --net="$CNI_NETNS" sh -c 'for f in all default; do echo 0 >/proc/sys/net/ipv6/conf/$f/accept_dad; done'
  echo '{"cniVersion":"1.0.0","interfaces":[],"ips":[]}' ;;
esac
"""


def own_sysctls_script(where: Layout) -> str:
    """Starts the kubelet in a mount namespace where machine-wide settings already have the values that it wants.

    So it changes nothing of the machine, and nothing need be put back, whatever kills it. Mounts of pods still
    reach the runtime: only /proc is cut off from the others.
    """
    lines = ["#!/bin/sh", "set -eu", 'if [ -z "${INNER:-}" ]; then']
    lines += ['  INNER=1 exec unshare --mount --propagation unchanged /bin/sh "$0" "$@"', "fi"]
    lines += ["mount --make-rprivate /proc"]
    lines += [f"mount --bind {where.etc}/sysctl/{flat(name)} /proc/sys/{name}" for name in KUBELET_SYSCTLS]
    return "\n".join([*lines, 'exec "$@"', ""])


def flat(name: str) -> str:
    """A setting's name without slashes."""
    return name.replace("/", ".")


def write_all(where: Layout, order: Order) -> None:
    """Every file of a node, and what the API server alone needs."""
    (where.etc / "admission.yaml").write_text(admission(where))
    for kind in ("validating", "mutating"):
        (where.static_policies / kind).mkdir(parents=True)
    if "cni" not in order.folders:
        return
    (where.etc / "kubelet.yaml").write_text(kubelet(where))
    (where.etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (where.etc / "containerd.toml").write_text(containerd(where, order))
    (where.etc / "with-own-sysctls.sh").write_text(own_sysctls_script(where))
    for folder in ("cni", "cni-plugins", "sysctl"):
        (where.etc / folder).mkdir()
    (where.etc / "cni" / "10-pods.conflist").write_text(network(where))
    plugin = where.etc / "cni-plugins" / "prepare-ipv6"
    plugin.write_text(PREPARE_IPV6)
    plugin.chmod(0o755)
    for name, value in KUBELET_SYSCTLS.items():
        (where.etc / "sysctl" / flat(name)).write_text(f"{value}\n")
