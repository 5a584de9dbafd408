"""Settings of the identity provider."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tre.domain.model import Line, Record


class RecheckSettings(Record):
    """Asking the provider again about everybody who signed in, for as long as they have access.

    Whoever was removed there, or is in none of `allowedGroups` any more, loses every sign-in and every running
    workspace within `everySeconds` and the time of one round. The provider must give the launcher refresh tokens.
    """

    every_seconds: Annotated[int, Field(ge=1, le=86400)] = 600
    """How often each person is asked about. With the default the whole takes a quarter of an hour at most."""

    stale_seconds: Annotated[int, Field(ge=2, le=7 * 86400)] = 3600
    """How long the provider's last word counts for what runs when it does not answer. Nothing new begins, and nobody
    signs in, once two rounds were missed."""

    offline_access: bool = True
    """Whether the scope `offline_access` is asked for: tokens that outlive the person's session at the provider.
    Without it, signing out there ends what runs here."""

    @model_validator(mode="after")
    def _rounds(self) -> RecheckSettings:
        if self.stale_seconds < 2 * self.every_seconds:
            msg = "staleSeconds must be twice everySeconds or more: one answer that was missed is no reason to end work"
            raise ValueError(msg)
        return self

    @property
    def fresh_seconds(self) -> int:
        """How long the provider's last word lets anything begin."""
        return 2 * self.every_seconds


class OidcSettings(Record):
    """The identity provider, where people do not have local accounts.

    The client secret is the file `keys/oidc-client-secret`.
    """

    issuer: Line
    """Who vouches for people; compared exactly with the issuer of the grants' members."""

    client_id: Line
    """What the provider calls this launcher."""

    authorize_url: Line
    """Where the browser is sent to sign in."""

    token_url: Line
    """Where the Hub exchanges the provider's code."""

    userinfo_url: Line
    """Where the Hub asks who signed in."""

    groups_claim: Line = "groups"
    """Which claim names a person's groups; `policies/roles.yaml` turns groups into roles."""

    require_mfa: bool = False
    """Whether a second factor is demanded, by the provider's `amr` or `acr` claim."""

    allowed_groups: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    """Groups of which a person must be in one to be let in at all. Empty: whoever the provider vouches for."""

    recheck: RecheckSettings | None = None
    """Asking again after the sign-in; `recheck: {}` takes the defaults. Without it a sign-in lasts `sessionHours`."""

    end_session_url: Line | None = None
    """Where people sign out of the provider as well (its `end_session_endpoint`); without it only here. Register
    `<hub>/hub/logout` there as the address to come back to."""
