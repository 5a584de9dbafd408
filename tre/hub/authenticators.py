"""Signing in: by local account through the portal, or by the organisation's identity provider.

Guarantees: both ways end in the same name, derived from issuer and subject by one function, and in the one group
that the controller's role is limited to; nobody is ever an administrator of the Hub; whatever the portal does not
clearly confirm is refused. Messages say the same for an unknown name and a wrong password.

Does not guarantee: rights. Who may enter a workspace or a page is decided by the record, at each request.

Threat: password guessing under a forged client address; a person becoming another through letter case, an e-mail
address or a look-alike name; a portal that is down and lets people in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jupyterhub.auth import Authenticator
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthLogoutHandler
from tornado import web
from tornado.httpclient import HTTPClientError, HTTPRequest
from traitlets import Bool, Float, Unicode

from tre.domain.desk.attempts import forwarded_address
from tre.domain.errors import Reason, TREError
from tre.domain.names import hub_user_name
from tre.domain.people import Subject
from tre.hub.oidc_claims import Expected, read_id_token, read_person
from tre.hub.portal import PortalInternal, RateLimitedError, SignedIn, Vouched
from tre.hub.provider import Again, Asked, Keep, Reply, Word, ask_again

RESEARCHERS = "tre-researchers"
"""The Hub group of everybody; the controller's scopes are limited to it."""

SUBJECT, REFRESH_TOKEN, ID_TOKEN = "subject", "refreshToken", "idToken"
"""What is kept, encrypted, of a sign-in at the provider, where the settings ask for it."""

SIGNED_OUT = "signed-out"
PATIENCE = 10.0
"""Seconds in which the provider must answer when it is asked again."""

_FORM = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}

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
    """Where a request came from, in the gateway's words.

    `remote_ip` will not do: tornado lets an `X-Real-Ip` header, which anybody can send, overrule it.
    """
    return forwarded_address(headers.get("X-Forwarded-For", ""))


def auth_model(person: SignedIn) -> dict[str, Any]:
    """What JupyterHub keeps of a person: a name, a group, and what the screen calls them."""
    return {
        "name": person.hub_name,
        "admin": False,
        "groups": [RESEARCHERS],
        "auth_state": None,
        "user_info": {"display_name": person.display_name},
    }


class ProviderLogout(OAuthLogoutHandler):  # type: ignore[misc]  # oauthenticator carries no types
    """Signing out: here, then at the provider where it has an address for it (OpenID Connect RP-Initiated Logout 1.0).

    The provider sends the browser back with the word that it was given; whoever comes with it sees the last page.
    """

    _hint: str | None = None

    async def handle_logout(self) -> None:
        """Take the ID token of the sign-in that ends, as the hint of whose it was."""
        user = self.current_user
        if self.authenticator.end_session_url and user is not None:
            self._hint = (await user.get_auth_state() or {}).get(ID_TOKEN)
        await super().handle_logout()

    async def render_logout_page(self) -> None:
        """The way to the provider, or the last page."""
        url = str(self.authenticator.end_session_url)
        if not url or self.get_query_argument("state", "") == SIGNED_OUT:
            await super().render_logout_page()
            return
        query = {
            "client_id": str(self.authenticator.client_id),
            "post_logout_redirect_uri": str(self.authenticator.signed_out_url),
            "state": SIGNED_OUT,
        }
        self.redirect(f"{url}?{urlencode(query | ({} if self._hint is None else {'id_token_hint': self._hint}))}")


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
    ask_again_seconds = Float(0.0, help="How often the provider is asked about everybody; 0: never.", config=True)
    end_session_url = Unicode("", help="Where people sign out of the provider; empty where they do not.", config=True)
    signed_out_url = Unicode("", help="Where the provider sends people back to once they signed out.", config=True)
    logout_handler = ProviderLogout

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
        """Tell the portal who signed in; keep of the provider's tokens what the settings ask for."""
        state = auth_model_of_provider["auth_state"]
        vouched: Vouched = state[self.user_auth_state_key]["vouched"]
        try:
            person = await self.portal().person(vouched)
        except TREError as error:
            self.log.warning("The portal did not take in a person: %s %s", error.reason.value, error.why)
            raise SignInRefused(error) from error
        return auth_model(person) | {"auth_state": self._kept(vouched, state)}

    def _kept(self, vouched: Vouched, state: Mapping[str, Any]) -> dict[str, str] | None:
        kept = {SUBJECT: vouched.subject.id}
        if self.ask_again_seconds and isinstance(token := state.get("refresh_token"), str):
            kept[REFRESH_TOKEN] = token
        if self.end_session_url and isinstance(token := state.get("id_token"), str):
            kept[ID_TOKEN] = token
        return kept if len(kept) > 1 else None

    def portal(self) -> PortalInternal:
        """The portal's internal interface."""
        return PortalInternal(Path(self.portal_socket))

    async def ask_again(self, subject: Subject, token: str, keep: Keep) -> Again:
        """What the provider says now of somebody who signed in before; never an exception for want of an answer."""
        asked = Asked(subject, Expected(str(self.issuer), str(self.client_id)), str(self.groups_claim))
        try:
            return await ask_again(asked, token, self._exchange, self._userinfo, keep)
        except (HTTPClientError, OSError, ValueError) as error:
            return Again(Word.unknown, why=f"{type(error).__name__}: {error}")

    async def _exchange(self, token: str) -> Reply:
        body = urlencode(self.build_refresh_token_request_params(token)).encode()
        return await self._reply(self.token_url, method="POST", body=body, headers=dict(_FORM))

    async def _userinfo(self, token: str) -> Reply:
        return await self._reply(
            self.userdata_url, headers={"Accept": "application/json", "Authorization": f"Bearer {token}"}
        )

    async def _reply(self, url: str, **more: Any) -> Reply:
        request = HTTPRequest(
            url, validate_cert=self.validate_server_cert, request_timeout=PATIENCE, connect_timeout=PATIENCE,
            follow_redirects=False, **more,
        )  # fmt: skip
        answer = await self.http_client.fetch(request, raise_error=False)
        if answer.code == 599 and answer.error is not None:
            raise answer.error
        return Reply(answer.code, answer.body or b"")

    async def get_user_groups(self, _auth_state: object) -> set[str]:
        """The one group; the provider's groups become roles in the portal, nothing in the Hub."""
        return {RESEARCHERS}
