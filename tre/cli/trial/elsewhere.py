"""A small REMS as a source of an installation to try things on: template signed, key and secrets in place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import yaml

from tre.cli.signing import load_key
from tre.cli.trial.rems import KEY, Approved, SmallRems, Target, tell
from tre.cli.trial.world import World
from tre.domain.entitlement import is_entitled
from tre.domain.grants.models import AccessGrantSpec, Member
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.domain.sources.grants import everybody_of, grant_name
from tre.domain.sources.policy import SECRET_HEADER, secret_digest
from tre.sources.signed import sign
from tre.store import grants
from tre.system.files import write_atomically

NAME, RESOURCE = "rems", "urn:nhs:nccid-cxr"
EVENTS, PUSHES = "events-secret-of-a-trial-installation", "pushes-secret-of-a-trial-installation"


@dataclass(frozen=True)
class Elsewhere:
    """An installation and the REMS that it follows."""

    world: World
    rems: SmallRems

    def follow(self) -> None:
        """Let the installation follow it: what an operator writes, and an approving body signs."""
        layout, template = self.world.here.layout, self.world.template
        approval = template.spec.approval.model_copy(update={"reference": RESOURCE})
        changes = {"approval": approval, "members": (Member(subject=everybody_of(NAME)),)}
        spec = AccessGrantSpec.model_validate(dict(template.spec) | changes)
        metadata = template.metadata.model_copy(update={"name": "template-cxr"})
        signed = sign(template.model_copy(update={"metadata": metadata, "spec": spec}), load_key(layout.grant_key))
        directory = layout.root / "policies" / "sources"
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "cxr.yaml", yaml.safe_dump(signed.as_plain()).encode(), mode=0o644)
        write_atomically(layout.source_secrets / f"{NAME}.key", KEY.encode(), mode=0o600)
        source = {
            "name": NAME,
            "address": self.rems.address,
            "apiUser": "tre-robot",
            "issuer": LOCAL_ISSUER,
            "templates": ["policies/sources/cxr.yaml"],
            "eventsSecret": secret_digest(EVENTS),
            "entitlementsSecret": secret_digest(PUSHES),
        }
        head = {"apiVersion": "tre.research/v1alpha1", "kind": "SourcePolicy", "metadata": {"name": "sources"}}
        text = yaml.safe_dump(head | {"spec": {"rems": [source]}})
        write_atomically(layout.root / "policies" / "sources.yaml", text.encode(), mode=0o644)
        self.world.give_to_the_controller(layout.source_secrets / f"{NAME}.key")

    def approve(self, application: int, *users: str) -> str:
        """Approve an application in the REMS; the name that its grant will have."""
        now = self.world.here.clock.now()
        self.rems.applications[application] = Approved(list(users), [RESOURCE], now - timedelta(hours=1))
        return grant_name(NAME, (application, RESOURCE), 1)

    def event(self, kind: str, application: int) -> int:
        """Have the REMS tell of an event; returns the status that it was answered with."""
        target = self._target(f"/rems/{NAME}/events", {SECRET_HEADER: EVENTS})
        return tell(target, "PUT", self.rems.event(kind, application))

    def added(self, application: int, user: str) -> int:
        """Have the REMS push an entitlement."""
        return tell(
            self._target(f"/rems/{NAME}/{PUSHES}/add"), "POST", self.rems.push(application, user, RESOURCE, None)
        )

    def lets_in(self, grant: str, user: str) -> bool:
        """Whether the record lets a person into a grant now."""
        here = self.world.here
        with here.database.read() as connection:
            found = grants.get(connection, grant)
        subject = Subject(issuer=LOCAL_ISSUER, id=user)
        return found is not None and bool(is_entitled(found, subject, here.clock.now()))

    def _target(self, path: str, headers: dict[str, str] | None = None) -> Target:
        settings = self.world.settings
        return Target(settings.listen_port, urlsplit(settings.origin("sources")).netloc, path, headers or {})
