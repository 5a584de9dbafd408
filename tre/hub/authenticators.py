"""Signing in: by local account through the portal, or by the organisation's identity provider.

Guarantees: both ways end in the same name, derived from issuer and subject by one function, and in the one group
that the controller's role is limited to; nobody is ever an administrator of the Hub; whatever the portal does not
clearly confirm is refused. Messages say the same for an unknown name and a wrong password.

Does not guarantee: rights. Who may enter a workspace or a page is decided by the record, at each request.

Threat: password guessing under a forged client address; a person becoming another through letter case, an e-mail
address or a look-alike name; a portal that is down and lets people in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from oauthenticator.generic import GenericOAuthenticator
from tornado import web
from tornado.httpclient import HTTPClientError
from traitlets import Bool, Unicode

from tre.domain.errors import Reason, TREError
from tre.domain.names import hub_user_name
from tre.hub.oidc_claims import Expected, Vouched, read_id_token, read_person
from tre.hub.portal import PortalInternal, RateLimitedError, SignedIn

RESEARCHERS = "tre-researchers"
"""The Hub group of everybody; the controller's scopes are limited to it."""

UNKNOWN_ADDRESS = "unknown"

_STATUS = {
    Reason.LoginFailed: 403,
    Reason.SecondFactorRequired: 403,
    Reason.RateLimited: 429,
}
_UNAVAILABLE = TREError(
    Reason.ServiceUnavailable,
    "Sign-in is not available at the moment.",
    remedy="Try again in a few minutes; tell an operator if it stays.",
)
"""What people read when a service of ours failed; the log says which and why."""


class SignInRefused(web.HTTPError):
    """A refusal whose words are shown to the person, without a trace of why in the log's error text."""

    def __init__(self, error: TREError) -> None:
        super().__init__(_STATUS.get(error.reason, 503), "%s", error.reason.value)
        shown = error if error.reason in _STATUS else _UNAVAILABLE
        self.jupyterhub_message = " ".join(part for part in (shown.what, shown.remedy) if part)
        self.headers: dict[str, str] = {}
        if isinstance(error, RateLimitedError):
            self.headers["Retry-After"] = str(error.retry_after)


def client_address(headers: Mapping[str, str]) -> str:
    """Where a request came from, in the gateway's words: the last entry of `X-Forwarded-For`.

    Only the gateway reaches the Hub's socket and it adds its entry last, so whatever a client wrote comes before.
    `remote_ip` will not do: tornado lets an `X-Real-Ip` header, which anybody can send, overrule it.
    """
    last = headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return UNKNOWN_ADDRESS


def auth_model(person: SignedIn) -> dict[str, Any]:
    """What JupyterHub keeps of a person: a name, a group, and what the screen calls them."""
    return {
        "name": person.hub_name,
        "admin": False,
        "groups": [RESEARCHERS],
        "auth_state": None,
        "user_info": {"display_name": person.display_name},
    }


class LocalAuthenticator(Authenticator):  # type: ignore[misc]  # JupyterHub carries no types
    """Local accounts of one machine: the portal checks the password, this class forgets it."""

    portal_socket = Unicode("", help="The unix socket of the portal's internal interface.", config=True)

    async def authenticate(self, handler: web.RequestHandler, data: dict[str, str]) -> dict[str, Any]:
        """Ask the portal. Raises `SignInRefused`, which the sign-in page shows above its form."""
        portal = PortalInternal(Path(self.portal_socket))
        address = client_address(handler.request.headers)
        try:
            person = await portal.login(data.get("username", ""), data.get("password", ""), address)
        except TREError as error:
            self.log.warning("Sign-in from %s refused: %s %s", address, error.reason.value, error.why)
            raise SignInRefused(error) from error
        return auth_model(person)


class OidcAuthenticator(GenericOAuthenticator):  # type: ignore[misc]  # oauthenticator carries no types
    """Sign-in by OpenID Connect with PKCE; the Hub is the provider's only client."""

    portal_socket = Unicode("", help="The unix socket of the portal's internal interface.", config=True)
    issuer = Unicode("", help="The issuer, compared exactly.", config=True)
    groups_claim = Unicode("groups", help="The claim that lists a person's groups.", config=True)
    require_mfa = Bool(False, help="Whether a second factor must have been reported.", config=True)

    @property
    def expected(self) -> Expected:
        """What a token must say to be ours."""
        return Expected(str(self.issuer), str(self.client_id), bool(self.require_mfa))

    async def httpfetch(self, url: str, *args: Any, **kwargs: Any) -> Any:
        """A request to the provider. Raises `SignInRefused` where it fails, with words instead of a traceback."""
        try:
            return await super().httpfetch(url, *args, **kwargs)
        except (HTTPClientError, OSError, ValueError) as error:
            self.log.warning("The identity provider failed: %s: %s", type(error).__name__, error)
            raise SignInRefused(_UNAVAILABLE) from error

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """The person behind a token, from the ID token and the userinfo answer together."""
        try:
            claims = read_id_token(token_info.get("id_token"), self.expected)
            userinfo = await super().token_to_user(token_info)
            if not isinstance(userinfo, dict):
                raise TREError(Reason.LoginFailed, "Sign-in failed.", why="The userinfo answer is no object.")
            vouched = read_person(claims, userinfo, str(self.groups_claim), self.expected)
        except TREError as error:
            self.log.warning("Sign-in by the provider refused: %s %s", error.reason.value, error.why)
            raise SignInRefused(error) from error
        return {"sub": vouched.subject.id, "vouched": vouched}

    def user_info_to_username(self, user_info: dict[str, Any]) -> str:
        """The Hub's name for a person: from issuer and subject, never from a name that can change."""
        return hub_user_name(str(self.issuer), user_info["sub"])

    async def update_auth_model(self, auth_model_of_provider: dict[str, Any]) -> dict[str, Any]:
        """Tell the portal who signed in; keep none of the provider's tokens."""
        vouched: Vouched = auth_model_of_provider["auth_state"][self.user_auth_state_key]["vouched"]
        portal = PortalInternal(Path(self.portal_socket))
        try:
            person = await portal.person(vouched.subject, vouched.display_name, vouched.groups)
        except TREError as error:
            self.log.warning("The portal did not take in a person: %s %s", error.reason.value, error.why)
            raise SignInRefused(error) from error
        return auth_model(person)

    async def get_user_groups(self, _auth_state: object) -> set[str]:
        """The one group; the provider's groups become roles in the portal, nothing in the Hub."""
        return {RESEARCHERS}
