"""JupyterHub's configuration, computed from the launcher's settings.

Guarantees: roles hold the least that works (people can neither start, stop, rename, share nor mint tokens; nobody
holds `shutdown` or `admin:users`); the Hub stops nothing by itself; it listens on a unix socket only; sign-ins to
it last minutes, since it is a stepping stone to the launcher's own sessions; PKCE is required of every client; the
identity provider is spoken to over TLS.

Does not guarantee: who may reach the socket. The directory's permissions do; the gateway and the controller need it.

Threat: a Hub taken over through a browser or a leaked token, and then used to reach a workspace.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from traitlets.config import Config

from tre.domain.errors import Reason, TREError
from tre.hub.app import HERE
from tre.hub.authenticators import RESEARCHERS, LocalAuthenticator, OidcAuthenticator
from tre.hub.oidc_claims import REFEDS_MFA
from tre.hub.pages import HUB_NAME, MIRROR_SCOPE
from tre.hub.proxy import MemoryProxy
from tre.hub.spawner import TreSpawner, refuse_options
from tre.system import hub_keys as keys
from tre.system.layout import Layout
from tre.system.oidc_settings import OidcSettings
from tre.system.settings import Settings

ENTER = "enter"
ENTER_CLIENT = "service-enter"
COOKIE_MINUTES = 15
"""How long the Hub's own sign-in lasts: long enough to come back from a second factor, short after a sign-out."""

TOKEN_SECONDS = 300
"""How long the one token that `enter` gets for a code lasts; it uses it at once."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def hub_config(settings: Settings, layout: Layout) -> Config:
    """The whole configuration. Raises `TREError(SetupIncomplete | BadInput)` before anything listens."""
    config = Config()
    _addresses(config, settings, layout)
    _sign_ins(config, settings, layout)
    _clients(config, settings, layout)
    _servers(config, settings, layout)
    _authenticator(config, settings, layout)
    _pages(config, settings)
    return config


def roles() -> list[dict[str, Any]]:
    """Who may do what at the Hub; everything else is refused."""
    ours = f"!group={RESEARCHERS}"
    return [
        {
            "name": "controller",
            "services": ["controller"],
            "scopes": [
                f"list:users{ours}",
                f"read:servers{ours}",
                f"start:servers{ours}",
                f"delete:servers{ours}",
                "read:hub",
                MIRROR_SCOPE,
            ],
        },
        {
            "name": "user",
            "scopes": [
                "read:users!user",
                "read:servers!user",
                "users:activity!user",
                "access:servers!user",
                f"access:services!service={ENTER}",
            ],
        },
    ]


def _addresses(config: Config, settings: Settings, layout: Layout) -> None:
    socket = f"http+unix://{quote(str(layout.socket('hub')), safe='')}"
    hub = config.JupyterHub
    hub.hub_bind_url = socket
    hub.hub_connect_url = socket
    hub.hub_socket_mode = 0o666  # access is by the socket's directory
    hub.public_url = settings.origin("hub") + "/"
    hub.proxy_class = MemoryProxy
    hub.db_url = f"sqlite:///{layout.root / 'hub' / 'hub.sqlite'}"
    hub.upgrade_db = True
    hub.cleanup_servers = False
    hub.cleanup_proxy = False
    hub.authenticate_prometheus = True


def _sign_ins(config: Config, settings: Settings, layout: Layout) -> None:
    keys.read_key(layout, keys.COOKIE_SECRET)
    hub = config.JupyterHub
    hub.cookie_secret_file = str(layout.keys / keys.COOKIE_SECRET)
    hub.cookie_max_age_days = COOKIE_MINUTES / (24 * 60)
    hub.cookie_host_prefix_enabled = True
    hub.tornado_settings = {
        "cookie_options": {"SameSite": "Lax", "Secure": True, "expires_days": hub.cookie_max_age_days},
        "headers": security_headers(settings),
    }


def security_headers(settings: Settings) -> dict[str, str]:
    """Headers of every answer.

    A browser checks `form-action` against each redirect that follows a form, so the hosts that a sign-in passes
    through are named.
    """
    passed = (settings.origin("enter"), settings.origin("desk"), settings.origin("*.open"))
    return {
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "style-src 'self'",
                "img-src 'self'",
                f"form-action 'self' {' '.join(passed)}",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            )
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _clients(config: Config, settings: Settings, layout: Layout) -> None:
    hub = config.JupyterHub
    hub.oauth_require_pkce = True
    hub.oauth_token_expires_in = TOKEN_SECONDS
    hub.token_expires_in_max_seconds = TOKEN_SECONDS
    hub.custom_scopes = {MIRROR_SCOPE: {"description": "Make plain users of the launcher's form."}}
    hub.load_roles = roles()
    hub.services = [
        {"name": "controller", "api_token": keys.read_key(layout, keys.CONTROLLER_TOKEN), "display": False},
        {
            "name": ENTER,
            "api_token": keys.read_key(layout, keys.OAUTH_SECRET),
            "oauth_client_id": ENTER_CLIENT,
            "oauth_redirect_uri": settings.origin("enter") + "/oauth_callback",
            "oauth_no_confirm": True,
            "display": False,
        },
    ]


def _servers(config: Config, settings: Settings, layout: Layout) -> None:
    hub = config.JupyterHub
    hub.spawner_class = TreSpawner
    hub.allow_named_servers = True
    hub.concurrent_spawn_limit = 0  # a start costs the Hub nothing; capacity is the controller's business
    hub.redirect_to_server = False
    spawner = config.TreSpawner
    spawner.controller_socket = str(layout.socket("controller"))
    # The controller gives up first and says why; the Hub's own deadline only covers a controller that is gone.
    spawner.own_deadline = settings.start_seconds + 5.0
    spawner.start_timeout = settings.start_seconds + 30
    spawner.poll_interval = 30
    spawner.consecutive_failure_limit = 0
    spawner.server_token_scopes = ["users:activity!user"]
    spawner.apply_user_options = refuse_options
    spawner.progress_ready_hook = _ready_event(settings)


def _ready_event(settings: Settings) -> Any:
    def point_to_shell(spawner: TreSpawner, event: dict[str, Any]) -> dict[str, Any]:
        url = settings.origin(f"{spawner.name}.open") + "/"
        return event | {"url": url, "message": "The workspace is ready.", "html_message": "The workspace is ready."}

    return point_to_shell


def _authenticator(config: Config, settings: Settings, layout: Layout) -> None:
    common = config.Authenticator
    config.CryptKeeper.keys = [bytes.fromhex(keys.read_key(layout, keys.TOKENS_KEY))]
    common.allow_all = True  # whom the portal or the provider lets in; what they may do stands in the record
    common.allow_existing_users = False
    common.manage_groups = True
    common.enable_auth_state = False
    common.auth_refresh_age = 0  # JupyterHub's own refresh asks no rule again; ours is tre.hub.reconciliation
    common.username_pattern = rf"^{HUB_NAME.pattern}$"
    if settings.oidc is None or settings.auth == "local":
        config.JupyterHub.authenticator_class = LocalAuthenticator
        config.LocalAuthenticator.portal_socket = str(layout.socket("portal-internal"))
        return
    config.JupyterHub.authenticator_class = OidcAuthenticator
    common.enable_auth_state = settings.oidc.recheck is not None or settings.oidc.end_session_url is not None
    _oidc(config.OidcAuthenticator, settings.oidc, settings, layout)


def _oidc(config: Any, oidc: OidcSettings, settings: Settings, layout: Layout) -> None:
    for url in (oidc.authorize_url, oidc.token_url, oidc.userinfo_url):
        _check_tls(url)
    config.portal_socket = str(layout.socket("portal-internal"))
    config.issuer = oidc.issuer
    config.client_id = oidc.client_id
    config.client_secret = keys.read_secret(layout.keys / keys.OIDC_CLIENT_SECRET)
    config.authorize_url = oidc.authorize_url
    config.token_url = oidc.token_url
    config.userdata_url = oidc.userinfo_url
    config.oauth_callback_url = settings.origin("hub") + "/hub/oauth_callback"
    groups = ["groups"] if oidc.groups_claim == "groups" else []
    config.scope = ["openid", "profile", *groups, *([] if settings.mail is None else ["email"])]
    _beyond_sign_in(config, oidc, settings)
    config.groups_claim = oidc.groups_claim
    config.require_mfa = oidc.require_mfa
    extra = {"acr_values": REFEDS_MFA} if oidc.require_mfa else {}
    if oidc.recheck is not None and oidc.recheck.offline_access:
        extra["prompt"] = "consent"  # without it the scope is ignored (OpenID Connect Core 1.0, 11)
    if extra:
        config.extra_authorize_params = extra
    config.enable_pkce = True
    config.basic_auth = False
    config.validate_server_cert = True
    config.login_service = "your organisation"
    config.auto_login = True
    config.auto_login_oauth2_authorize = True


def _beyond_sign_in(config: Any, oidc: OidcSettings, settings: Settings) -> None:
    """What is kept of a sign-in, and for what: only where the settings ask for it."""
    if oidc.recheck is not None:
        config.ask_again_seconds = float(oidc.recheck.every_seconds)
        config.scope = [*config.scope, *(["offline_access"] if oidc.recheck.offline_access else [])]
    if oidc.end_session_url is not None:
        _check_tls(oidc.end_session_url)
        config.end_session_url = oidc.end_session_url
        config.signed_out_url = settings.origin("hub") + "/hub/logout"


def _check_tls(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise TREError(
            Reason.BadInput,
            f"{url} is not an https address.",
            why="The identity provider's word is worth as much as the connection to it.",
            remedy="Use the provider's https addresses in tre.yaml.",
        )


def _pages(config: Config, settings: Settings) -> None:
    hub = config.JupyterHub
    hub.default_url = settings.origin("desk") + "/"
    hub.template_paths = [str(HERE / "templates")]
    hub.template_vars = {"desk_url": settings.origin("desk") + "/", "front_url": settings.origin() + "/"}
