"""The kinds of the API that a run is made of."""

from __future__ import annotations

from tre.cluster.protocol import Key, Kind, Object

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
POD = Kind("", "v1", "Pod", "pods")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SECRET = Kind("", "v1", "Secret", "secrets")
CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
VOLUME = Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")

_ALL = (
    NAMESPACE,
    POD,
    CONFIG_MAP,
    SECRET,
    CLAIM,
    VOLUME,
    QUOTA,
    Kind("", "v1", "LimitRange", "limitranges"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
)
_BY_NAME = {kind.kind: kind for kind in _ALL}


def kind_of(item: Object) -> Kind:
    """The kind of a rendered object."""
    return _BY_NAME[item["kind"]]


def of_cluster(name: str) -> Key:
    """Which object of a kind that has no namespace."""
    return Key("", name)
