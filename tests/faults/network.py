"""An installation that needs others: its record is on a server, and people sign in at a provider; lines can be cut."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.contract.oidc_world import CLIENT, a_running_provider, provider_settings, write_client_secret
from tests.faults.line import Line, tcp, unix
from tests.faults.site import FaultWorld
from tests.support.postgres import PostgresServer
from tre.cli.trial.browser import Browser, Page, origin_of
from tre.cli.trial.world import PEOPLE
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.domain.people import Subject
from tre.system.hub_keys import OIDC_CLIENT_SECRET
from tre.system.installation import Owners, own_secret

BASE = "tre.localhost"


class NetworkWorld(FaultWorld):
    """Such an installation. Browsers reach the provider by a way of their own, as they do outside of a hospital."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._others = contextlib.ExitStack()

    def _init(self, port: int) -> None:
        server = PostgresServer()
        self._others.callback(server.close)
        self.record_line = Line(unix(f"{server.place}/socket/.s.PGSQL.5432"))
        self._others.callback(self.record_line.close)
        hub = f"http://hub.{BASE}:{port}"
        client = CLIENT | {"redirect": f"{hub}/hub/oauth_callback", "signedOut": f"{hub}/hub/logout"}
        people = {name: _known(name, role) for name, role in PEOPLE.items()}
        self.issuer = self._others.enter_context(a_running_provider(people, client)).issuer
        self.provider_line = Line(tcp(urlsplit(self.issuer).port or 0))
        self._others.callback(self.provider_line.close)
        address = f"postgresql://127.0.0.1:{self.record_line.port}/{server.make()}?sslmode=disable"
        settings = {"base": BASE, "listenPort": port, "databaseUrl": address} | self._sign_in_settings()
        self.root.mkdir(mode=0o711)
        (self.root / "tre.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        super()._init(port)

    def _sign_in_settings(self) -> dict[str, Any]:
        settings = provider_settings(self.issuer)
        behind = f"http://127.0.0.1:{self.provider_line.port}"
        for key in ("tokenUrl", "userinfoUrl"):
            settings["oidc"][key] = settings["oidc"][key].replace(self.issuer, behind)
        return settings

    def _add_accounts(self) -> None:
        """None: the provider knows who there is. Its client's secret is what an operator puts down instead."""
        write_client_secret(self.root)
        own_secret(self.root / "keys" / OIDC_CLIENT_SECRET, Owners.of(self.settings).uid("hub"))

    def _planned(self) -> AccessGrant:
        planned = super()._planned()
        members = [
            one.model_copy(update={"subject": Subject(issuer=self.issuer, id=one.subject.id)})
            for one in planned.spec.members
        ]
        return planned.model_copy(update={"spec": planned.spec.model_copy(update={"members": tuple(members)})})

    async def sign_in_as(self, browser: Browser, name: str) -> Page:
        """By the provider's form and back. Raises `TREError(LoginFailed)`."""
        page = await self.way_in(browser, name)
        if origin_of(page.url) != origin_of(self.desk):
            raise TREError(Reason.LoginFailed, f"{name} could not sign in.", why=f"It ended at {page.url}.")
        return page

    async def way_in(self, browser: Browser, name: str) -> Page:
        """The same, wherever it ends."""
        page = await browser.get(self.desk + "/")
        if origin_of(page.url) == self.issuer:
            page = await browser.submit(page, page.form("/interaction/"), person=name)
        return page

    def stop(self) -> None:
        """End everything, those others last."""
        try:
            super().stop()
        finally:
            self._others.close()


def _known(name: str, role: str) -> dict[str, Any]:
    return {"name": name.title(), "groups": [f"tre-{role}s"], "amr": ["pwd"], "acr": "1"}
