"""The cluster as the controller works with it: its client, its lease, and its resources as a source of grants.

Guarantees: everything that concerns the cluster is built here and nowhere else; every write to it goes through the
fence of leadership; the elector has a connection of its own, whose calls end well before it tries again.

Does not guarantee: anything while no API server answers. Endings that the record decides do not wait for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from tre.cluster.events import Recorder
from tre.cluster.lease import Elector, FencedClient, LeaseTerms
from tre.cluster.protocol import ClusterClient, ClusterError, Key
from tre.controller.context import CLOCK_TOLERANCE, Context
from tre.controller.grant_checks import CheckTerms, problems_of
from tre.controller.sign import Sign
from tre.domain.clock import Clock
from tre.domain.errors import TREError
from tre.domain.grants.models import AccessGrant
from tre.runtimes.kubernetes.settings import ClusterSettings, load_cluster
from tre.sources.kubernetes.door import Checks, DoorTerms
from tre.sources.kubernetes.service import KubernetesSource, SourceTerms
from tre.sources.signed import load_signers
from tre.system.layout import Layout
from tre.system.settings import Settings

if TYPE_CHECKING:
    from tre.cluster.client import KubernetesClient

COMPONENT = "tre.research/controller"
OLDEST = (1, 35)
"""The oldest Kubernetes in which everything holds that the guards rest on."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Cluster:
    """One cluster, and two connections to it: `electing` is the elector's."""

    settings: ClusterSettings
    client: KubernetesClient
    electing: KubernetesClient

    def elector(self, identity: str, clock: Clock) -> Elector:
        """Tries for the cluster's lease in this name."""
        key = Key(self.settings.namespace, self.settings.lease)
        return Elector(self.electing, LeaseTerms(key, identity), clock)

    def fenced(self, check: Callable[[], None]) -> ClusterClient:
        """The client that writes only while `check` does not raise."""
        return FencedClient(self.client, check)

    def sign(self, check: Callable[[], None]) -> Sign:
        """By which services find this controller; in a cluster a pod's host name is the pod's."""
        return Sign(self.fenced(check), Key(self.settings.namespace, socket.gethostname()))

    def close(self) -> None:
        """Close every connection."""
        self.client.close()
        self.electing.close()


def open_cluster(layout: Layout, settings: Settings) -> Cluster | None:
    """The cluster of `cluster.yaml`; `None` on one machine.

    Raises `TREError(SetupIncomplete)`, also where the cluster is older than what is supported. One that does not answer
    now is not refused: without its lease this controller leads nothing.
    """
    if settings.runtime != "kubernetes":
        return None
    from tre.cluster.client import Limits, check_version, connect  # noqa: PLC0415 - one machine never reads its library

    found = load_cluster(layout)
    kubeconfig = None if found.kubeconfig is None else layout.root / found.kubeconfig
    cluster = Cluster(found, connect(kubeconfig), connect(kubeconfig, Limits(connect=1.0, read=2.0, write=2.0)))
    try:
        check_version(cluster.electing, OLDEST)
    except ClusterError as error:
        log.warning("cluster-version-unknown", error=str(error))
    except TREError:
        cluster.close()
        raise
    return cluster


def source_of(context: Context, cluster: Cluster, check_leading: Callable[[], None], instance: str) -> KubernetesSource:
    """The cluster's resources as door and window; `instance` names this controller in its Events."""
    from tre.cluster.client import check_skew  # noqa: PLC0415 - as above

    client, signers = cluster.fenced(check_leading), context.layout.keys / "grant-signers"

    def check_clock() -> None:
        context.check_granting()
        check_skew(client, CLOCK_TOLERANCE.total_seconds())

    door = DoorTerms(
        database=context.database,
        clock=context.clock,
        signers=lambda: load_signers(signers),
        checks=checks_of(context),
        staleness=timedelta(minutes=cluster.settings.staleness_minutes),
        check_clock=check_clock,
        check_leading=check_leading,
        verified=context.verified,
    )
    recorder = Recorder(client, COMPONENT, instance, context.clock)
    return KubernetesSource(SourceTerms(client, cluster.settings.namespace, door, recorder))


def checks_of(context: Context) -> Checks:
    """What a file is asked, too, but for plans of slices: the data is the storekeeper's to read, not the controller's.

    Where a slice cannot be built the grant waits, and says why.
    """
    terms = CheckTerms(context.layout, context.settings, context.clock)

    def check(connection: Connection, grant: AccessGrant) -> Iterator[TREError]:
        return (problem.as_error() for problem in problems_of(terms, connection, grant))

    return check
