"""Which runtime this controller works with, and what only a cluster's needs: a watch, and namespaces to clear.

Guarantees: it is chosen here and nowhere else, by `runtime` in `tre.yaml`; a cluster's writes only while this
controller leads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tre.controller.cluster import Cluster
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.grants.policies import effective_end
from tre.runtimes.bubblewrap.runtime import BubblewrapRuntime
from tre.runtimes.kubernetes.crew import Crew
from tre.runtimes.kubernetes.render.grant import GrantPlace
from tre.runtimes.kubernetes.rights import RightsCheck
from tre.runtimes.kubernetes.runtime import KubernetesRuntime
from tre.runtimes.kubernetes.starting import Places, Terms
from tre.runtimes.protocol import Runtime
from tre.store import grants
from tre.store.database import Database
from tre.system.environment import identity_of
from tre.system.layout import Layout
from tre.system.paths import workspace_environment
from tre.system.room import limits_of
from tre.system.settings import Settings

Watch = Callable[[threading.Event, Callable[[], None]], object]


@dataclass(frozen=True)
class Runs:
    """The runtime; `watch` begins to tell of its changes until told to stop; `prepare_grant` has made, beside, what a
    grant's runs live among; `clear_grant` removes what is left of a grant whose runs are all dead, and says whether
    nothing is; after `close` nothing is begun."""

    runtime: Runtime
    watch: Watch = lambda _stop, _tell: None
    prepare_grant: Callable[[str], None] = lambda _grant: None
    clear_grant: Callable[[str], bool] = lambda _grant: True
    close: Callable[[], None] = lambda: None
    environment: Callable[[], str | None] = lambda: None
    """The programs that a run would begin with now."""


@dataclass(frozen=True)
class RunTerms:
    """What a cluster's runtime is made from; `check_leading` raises where nothing may be written."""

    layout: Layout
    settings: Settings
    database: Database
    clock: Clock
    check_leading: Callable[[], None]


def runs_of(terms: RunTerms, cluster: Cluster | None) -> Runs:
    """Sandboxes of this machine, or pods of a cluster. Raises `TREError(SetupIncomplete)`."""
    if cluster is None:
        return Runs(BubblewrapRuntime(terms.layout), environment=lambda: environment_of(terms.settings))
    found = cluster.settings
    client = cluster.fenced(terms.check_leading)
    rights = RightsCheck(client, found.namespace)
    common = Terms(found, found.probe, _certificate(terms.layout, cluster), rights)
    runtime = KubernetesRuntime(client, common, places_of(terms), terms.clock)
    crew = Crew(runtime)
    return Runs(crew, runtime.watch, crew.prepare, runtime.clear_grant, crew.close, lambda: found.images.workspace)


def environment_of(settings: Settings) -> str | None:
    """Which environment of this machine it is; `None` where there is none, and a start says so."""
    try:
        return identity_of(workspace_environment(settings))
    except TREError:
        return None


def places_of(terms: RunTerms) -> Places:
    """What a grant's namespace follows from, as the record has it now."""

    def place(name: str) -> GrantPlace:
        with terms.database.read() as connection:
            spec = grants.require(connection, name).spec
        limits = limits_of(terms.settings, spec.workspace.profile)
        return GrantPlace(grant=name, end=effective_end(spec).at, members=len(spec.members), limits=limits)

    return place


def _certificate(layout: Layout, cluster: Cluster) -> str:
    path = layout.root / cluster.settings.gateway_certificate
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise TREError(
            Reason.SetupIncomplete,
            f"The gateway's certificate for doors cannot be read: {path}.",
            why=f"{error}.",
            remedy="Make it, with its key for the gateway alone, and name it under gatewayCertificate in cluster.yaml.",
        ) from error
