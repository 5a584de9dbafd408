"""A cluster to spare, with simulated nodes, for as long as something is measured on it.

Guarantees: what cannot work is said before anything is made: no API server, kinds that it does not know, a database
that is not empty. A cluster on which a launcher has pods is refused, since the controllers that are measured would end
what they do not know. What was made on the cluster is removed at the end; the database stays, filled.

Does not guarantee: that kwok simulates the node; that is seen, and said, when the first pods do not run.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from tre.cli.trial.controller_site import ControllerSite, SiteTerms
from tre.cli.trial.crowd import clear, make_node
from tre.cli.trial.waiting import wait_until
from tre.cluster.client import KubernetesClient, Limits, connect
from tre.cluster.protocol import ClusterError, Key, Selector
from tre.cluster.resources import ACCESS_GRANT
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record
from tre.runtimes.kubernetes.kinds import NAMESPACE, NODE, POD
from tre.runtimes.kubernetes.render.vocabulary import MANAGED_BY
from tre.store.database import Database
from tre.store.postgres import url_for
from tre.store.roles import Role
from tre.store.schema import refuse_newer
from tre.system.layout import Layout
from tre.system.settings import DatabaseUrl, Settings

_OURS = Selector(labels=",".join(f"{name}={value}" for name, value in MANAGED_BY.items()))


class SimulatedSite(Record):
    """What the benchmark of a controller needs to know, from one file."""

    kubeconfig: Path
    """Of a cluster to spare, where kwok simulates nodes that carry its annotation and the chart's kinds are known."""

    database_url: DatabaseUrl
    """An empty database on PostgreSQL, as `databaseUrl` in `tre.yaml` names it (docs/postgresql.md)."""

    grants: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    live: Annotated[int, Field(ge=1, le=10_000)] = 1_000


PATIENT = Limits(write=60.0)
"""As patient as a person: the server may be busy with what is measured."""


@contextmanager
def simulated(site: SimulatedSite) -> Iterator[tuple[ControllerSite, KubernetesClient]]:
    """A record and a namespace on it, with a node for any number of pods. Raises `TREError` where that cannot be."""
    with closing(connect(site.kubeconfig, PATIENT)) as client:
        refuse_what_cannot_work(site, client)
        name = f"tre-bench-{secrets.token_hex(4)}"
        client.create(NAMESPACE, {"metadata": {"name": name}})
        try:
            make_node(client, name)
            with _site(site, client, name) as made:
                yield made, client
        finally:
            client.delete(NODE, Key("", name))
            client.delete(NAMESPACE, Key("", name))


@contextmanager
def _site(site: SimulatedSite, client: KubernetesClient, namespace: str) -> Iterator[ControllerSite]:
    terms = SiteTerms(site.database_url, site.kubeconfig, namespace)
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as path:
        made = ControllerSite(terms, Path(path), "startTimeoutSeconds: 600")
        try:
            yield made
        finally:
            made.close()
            clear(made, client)


def refuse_what_cannot_work(site: SimulatedSite, client: KubernetesClient) -> None:
    """Raise `TREError` unless the cluster and the database are there, and are to spare."""
    if present := len(client.list(POD, "", _OURS).items):
        raise TREError(
            Reason.Conflict,
            f"{present} pods of a launcher run on this cluster.",
            why="The controllers that are measured would end them: they are in no record that these know.",
            remedy="Measure on a cluster to spare.",
        )
    wait_until(lambda: _lists_grants(client), "The API server did not list grants", 30.0, 0.5)
    _refuse_filled(site.database_url)


def _lists_grants(client: KubernetesClient) -> bool:
    """Whether it does by now: a kind that it was told of a moment ago takes it a moment."""
    try:
        client.list(ACCESS_GRANT)
    except ClusterError as error:
        if error.reason is Reason.RateLimited:
            return False
        if error.code != 404:
            raise
        raise TREError(
            Reason.SetupIncomplete,
            "The cluster does not know what an AccessGrant is.",
            why="The chart's definitions are not installed there.",
            remedy="Run `kubectl apply -f helm/tre/crds/` for this cluster.",
        ) from error
    return True


def _refuse_filled(url: str) -> None:
    settings = Settings.model_validate({"databaseUrl": url})
    database = Database(url_for(Layout(Path("/nonexistent")), settings, Role.owner))
    try:
        with database.read() as connection:
            revision = refuse_newer(connection)
    except SQLAlchemyError as error:
        raise TREError(
            Reason.ServiceUnavailable,
            "The database cannot be read.",
            why=str(error).partition("\n")[0],
            remedy="See docs/postgresql.md for what a server needs.",
        ) from error
    finally:
        database.close()
    if revision is not None:
        raise TREError(
            Reason.Conflict,
            "The database is not empty.",
            why="Ten thousand grants that nobody approved do not belong into a record.",
            remedy="Name an empty database, and drop it afterwards.",
        )
