"""How each part of the cluster is called: pure functions from the order to command lines.

Guarantees: nothing is started here. Every part listens inside the cluster's own network namespace or on this
machine's loopback only; etcd, which asks nobody for a password, listens on unix sockets only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.cluster.harness import layout as places
from tests.cluster.harness.layout import Layout, Tier
from tests.cluster.harness.order import Order

FAST_CLIENT = ("--kube-api-qps=500", "--kube-api-burst=1000")  # with 20 queries a second a start takes twice as long


@dataclass(frozen=True)
class Part:
    """One process of the cluster."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    comes_back: bool = False  # it gives up where the API server is away for long: a real node starts it again


def etcd(where: Layout, order: Order) -> Part:
    """The store; a crash of the machine may lose it, a crash of etcd does not."""
    client, peer = f"unix://{where.state}/etcd.sock", f"unix://{where.state}/peer.sock"
    flags = (
        "--name=e0",
        f"--data-dir={where.state}/etcd",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=e0={peer}",
        "--log-level=warn",
    )
    return Part("etcd", (order.binary("kubernetes", "etcd"), *flags))


def api_server(where: Layout, order: Order) -> Part:
    """The API server: no anonymous access, node and RBAC authorisation, static admission policies."""
    pki, on_node = where.pki, order.tier is Tier.node
    address = places.NODE_ADDRESSES[0] if on_node else "127.0.0.1"
    flags = [
        f"--etcd-servers=unix://{where.state}/etcd.sock",
        f"--secure-port={where.port_in_cluster(order.tier, order.port)}",
        f"--bind-address={'::' if on_node else '127.0.0.1'}",
        f"--advertise-address={address}",
        f"--service-cluster-ip-range={','.join(places.SERVICE_RANGES if on_node else places.SERVICE_RANGES[:1])}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        "--enable-admission-plugins=NodeRestriction",
        f"--admission-control-config-file={where.etc}/admission.yaml",
    ]
    if not on_node:
        flags.append("--endpoint-reconciler-type=none")  # 127.0.0.1 may not stand in an Endpoints object
    return Part("kube-apiserver", (order.binary("kubernetes", "kube-apiserver"), *flags))


def _client_of(where: Layout, user: str) -> tuple[str, ...]:
    path = where.inner_kubeconfig(user)
    names = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return (*(f"--{name}={path}" for name in names), "--leader-elect=false", "--secure-port=0", *FAST_CLIENT)


def controller_manager(where: Layout, order: Order) -> Part:
    """Service accounts, namespaces' end, volumes' binding, garbage collection."""
    pki = where.pki
    flags = (
        *_client_of(where, "controller-manager"),
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={','.join(places.POD_RANGES)}",
        f"--service-cluster-ip-range={','.join(places.SERVICE_RANGES)}",
    )
    command = (order.binary("kubernetes", "kube-controller-manager"), *flags)
    return Part("kube-controller-manager", command, comes_back=True)


def scheduler(where: Layout, order: Order) -> Part:
    """The scheduler."""
    command = (order.binary("kubernetes", "kube-scheduler"), *_client_of(where, "scheduler"))
    return Part("kube-scheduler", command, comes_back=True)


def kwok(where: Layout, order: Order) -> Part:
    """Fake nodes (those with the annotation kwok.x-k8s.io/node=fake); started by tests of scale only."""
    flags = (
        f"--kubeconfig={where.inner_kubeconfig('kwok')}",
        f"--config={order.binary('kwok', 'stages.yaml')}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
    )
    return Part("kwok", (order.binary("kwok", "kwok"), *flags))


def containerd(where: Layout, order: Order) -> Part:
    """The container runtime; its shim and runc are found by the configuration and the path."""
    path = f"{order.folders['containerd']}:/usr/sbin:/usr/bin:/sbin:/bin"
    command = (order.binary("containerd", "containerd"), "--config", f"{where.etc}/containerd.toml")
    return Part("containerd", command, {"PATH": path})


def kubelet(where: Layout, order: Order) -> Part:
    """The node's agent, which sees the machine-wide settings that it wants instead of setting them."""
    flags = (
        f"--config={where.etc}/kubelet.yaml",
        f"--kubeconfig={where.inner_kubeconfig('node')}",
        f"--hostname-override={places.NODE}",
        f"--node-ip={','.join(places.NODE_ADDRESSES)}",
        f"--root-dir={where.state}/kubelet",
        "--v=2",
    )
    wrapper = ("/bin/sh", f"{where.etc}/with-own-sysctls.sh")
    return Part("kubelet", (*wrapper, order.binary("kubernetes", "kubelet"), *flags))


def proxy(where: Layout, order: Order) -> Part:
    """Services' addresses by nftables."""
    flags = (
        f"--kubeconfig={where.inner_kubeconfig('proxy')}",
        f"--hostname-override={places.NODE}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={','.join(places.POD_RANGES)}",
        "--bind-address-hard-fail=false",
        "--metrics-bind-address=127.0.0.1:10249",
        "--conntrack-max-per-core=0",  # that setting belongs to the whole machine
    )
    return Part("kube-proxy", (order.binary("kubernetes", "kube-proxy"), *flags))


def policy_engine(where: Layout, order: Order) -> Part:
    """The tests' own enforcement of NetworkPolicy."""
    files = (str(where.inner_kubeconfig("policy-engine")), str(where.engine_mode), str(where.engine_applied))
    return Part("policy-engine", (sys.executable, "-m", "tests.cluster.policyengine", *files))


# Parts that a test may ask for; a cluster without them is whole.
ON_DEMAND = {"kwok": kwok}
