"""What an operator says of the cluster: one file, `cluster.yaml`, beside `tre.yaml`.

Guarantees: read strictly, as every file of settings; nothing in it is a secret. What a renderer needs is here
(`ClusterFacts`), and what the programs need to find the cluster and to try whether it keeps workspaces closed.

Does not guarantee: that it is true of the cluster. `doctor` and the isolation probe find that out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes.render.facts import ClusterFacts, Label
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.system.layout import Layout
from tre.system.resources import read_record

CLUSTER_FILE = "cluster.yaml"


class ClusterSettings(ClusterFacts):
    """Everything an operator says of the cluster."""

    namespace: Label = "tre-system"
    """The namespace of the launcher: its programs, its lease, and the only one whose resources become grants."""

    kubeconfig: Path | None = None
    """For trials from outside; in a pod there is none, and the service account's own token is used."""

    probe: Annotated[tuple[ProbeAddress, ...], Field(max_length=64)] = ()
    """What no workspace may reach: API server, kubelet, name server, metadata service, the internet; by IPv4 and IPv6.
    Each must answer the controller in the same minute, or it proves nothing."""

    staleness_minutes: Annotated[int, Field(ge=30, le=7 * 24 * 60)] = 240
    """How long access by resources of the cluster goes on when no complete list of them came; then it ends."""

    lease: Label = "tre-controller"
    """The lease by which one of several controllers leads."""

    gateway_certificate: Path = Path("keys/gateway-door.crt")
    """The one certificate that doors believe (PEM). A relative path begins at the root directory."""


def load_cluster(layout: Layout) -> ClusterSettings:
    """Read `cluster.yaml`.

    Raises `TREError(SetupIncomplete)` where there is none, `TREError(BadInput)` where it is wrong.
    """
    path = layout.root / CLUSTER_FILE
    if not path.is_file():
        raise TREError(
            Reason.SetupIncomplete,
            f"{path} does not exist.",
            why="tre.yaml says that workspaces run on a cluster, and nothing says what the cluster is.",
            remedy="Describe the cluster there, as docs/reference/settings.md says.",
        )
    return read_record(ClusterSettings, path)
