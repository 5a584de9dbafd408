"""Real controller processes on one record and one cluster, as the tests make them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from tests.cluster.harness.basics import BUSY
from tests.support.databases import Postgres, name_of
from tre.cli.trial.controller_site import ControllerSite, SiteTerms
from tre.store.tables.audit import audit_events


def make_site(postgres: Postgres, kubeconfig: Path, namespace: str, path: Path, *settings: str) -> ControllerSite:
    """A record on the tests' own server, and a namespace of a cluster."""
    url = postgres.server.setting(name_of(postgres.empty(path)))
    site = ControllerSite(SiteTerms(url, kubeconfig, namespace), path, *settings)
    site.patience = BUSY
    return site


def events(site: ControllerSite, kind: str) -> list[str]:
    """What every event of a kind is about, in order."""
    query = select(audit_events.c.object).where(audit_events.c.kind == kind).order_by(audit_events.c.number)
    with site.database.read() as connection:
        return list(connection.execute(query).scalars())
