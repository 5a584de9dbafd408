"""The configuration that JupyterHub runs with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tre.domain.errors import Reason, TREError
from tre.domain.names import hub_user_name
from tre.hub.authenticators import LocalAuthenticator, OidcAuthenticator, client_address
from tre.hub.config import hub_config, roles, security_headers
from tre.hub.pages import HUB_NAME
from tre.system import hub_keys as keys
from tre.system.layout import Layout
from tre.system.settings import Settings

OIDC = {
    "issuer": "https://idp.example",
    "clientId": "tre-hub",
    "authorizeUrl": "https://idp.example/auth",
    "tokenUrl": "https://idp.example/token",
    "userinfoUrl": "https://idp.example/me",
}
MAY_NOT = ("admin", "shutdown", "tokens", "shares", "servers!", "proxy", "groups!", "delete:users", "inherit", "self")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "keys").mkdir()
    made = Layout(tmp_path)
    keys.make_keys(made)
    return made


def with_provider(**changes: Any) -> Settings:
    return Settings.model_validate({"auth": "oidc", "oidc": OIDC | changes})


def write_client_secret(layout: Layout) -> None:
    path = layout.keys / keys.OIDC_CLIENT_SECRET
    path.write_text("from the provider\n")
    path.chmod(0o600)


def test_the_hub_stops_nothing_by_itself(layout: Layout) -> None:
    config = hub_config(Settings(), layout)
    assert config.JupyterHub.cleanup_servers is False
    assert config.TreSpawner.consecutive_failure_limit == 0
    assert config.TreSpawner.own_deadline < config.TreSpawner.start_timeout
    for never in ("shutdown_on_logout", "delete_invalid_users", "admin_users", "admin_access"):
        assert never not in config.JupyterHub
        assert never not in config.Authenticator


def test_roles_hold_the_least() -> None:
    for role in roles():
        for scope in role["scopes"]:
            assert not scope.startswith(MAY_NOT), scope
    [controller] = [role for role in roles() if role["name"] == "controller"]
    limited = [scope for scope in controller["scopes"] if scope not in {"read:hub", "custom:tre:mirror"}]
    assert all(scope.endswith("!group=tre-researchers") for scope in limited)
    [people] = [role for role in roles() if role["name"] == "user"]
    assert all(scope.endswith(("!user", "!service=enter")) for scope in people["scopes"])


def test_sign_ins_are_short_and_narrow(layout: Layout) -> None:
    hub = hub_config(Settings(), layout).JupyterHub
    assert hub.cookie_max_age_days * 24 * 60 == 15
    assert hub.cookie_host_prefix_enabled
    assert hub.tornado_settings["cookie_options"]["Secure"]
    assert hub.oauth_require_pkce
    assert hub.oauth_token_expires_in == hub.token_expires_in_max_seconds == 300


def test_no_secret_but_in_the_configuration(layout: Layout) -> None:
    [controller, enter] = hub_config(Settings(), layout).JupyterHub.services
    assert controller["api_token"] == keys.read_key(layout, keys.CONTROLLER_TOKEN)
    assert enter["api_token"] == keys.read_key(layout, keys.OAUTH_SECRET)
    assert enter["oauth_redirect_uri"] == "http://enter.tre.localhost:8000/oauth_callback"
    assert controller["api_token"] != enter["api_token"]


@pytest.mark.parametrize("name", keys.MADE_HERE)
def test_a_missing_secret_stops_it(layout: Layout, name: str) -> None:
    assert hub_config(Settings(), layout)
    (layout.keys / name).unlink()
    with pytest.raises(TREError) as caught:
        hub_config(Settings(), layout)
    assert caught.value.reason is Reason.SetupIncomplete


def test_ways_to_sign_in(layout: Layout) -> None:
    assert hub_config(Settings(), layout).JupyterHub.authenticator_class is LocalAuthenticator
    write_client_secret(layout)
    config = hub_config(with_provider(), layout)
    assert config.JupyterHub.authenticator_class is OidcAuthenticator
    assert config.OidcAuthenticator.enable_pkce
    assert config.OidcAuthenticator.client_secret == "from the provider"
    assert "extra_authorize_params" not in config.OidcAuthenticator
    demanding = hub_config(with_provider(requireMfa=True), layout).OidcAuthenticator
    assert demanding.extra_authorize_params == {"acr_values": "https://refeds.org/profile/mfa"}


def test_a_provider_needs_its_secret(layout: Layout) -> None:
    with pytest.raises(TREError):
        hub_config(with_provider(), layout)


@pytest.mark.parametrize("name", ["authorizeUrl", "tokenUrl", "userinfoUrl"])
@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://idp.example/x", True),
        ("http://127.0.0.1:9000/x", True),
        ("http://idp.example/x", False),
        ("http://127.0.0.1.evil.example/x", False),
        ("http://localhost@evil.example/x", False),
        ("ftp://127.0.0.1/x", False),
        ("idp.example/x", False),
    ],
)
def test_the_provider_is_spoken_to_over_tls(layout: Layout, name: str, url: str, good: bool) -> None:
    write_client_secret(layout)
    settings = with_provider(**{name: url})
    if good:
        assert hub_config(settings, layout)
    else:
        with pytest.raises(TREError) as caught:
            hub_config(settings, layout)
        assert caught.value.reason is Reason.BadInput


def test_the_policy_names_only_our_hosts() -> None:
    policy = security_headers(Settings())["Content-Security-Policy"]
    assert "script-src" not in policy
    form = next(part for part in policy.split("; ") if part.startswith("form-action"))
    assert form.split()[1:] == [
        "'self'",
        "http://enter.tre.localhost:8000",
        "http://desk.tre.localhost:8000",
        "http://*.open.tre.localhost:8000",
    ]


@given(st.text(min_size=1, max_size=255), st.text(min_size=1, max_size=255))
def test_every_person_has_a_name_that_fits_the_narrow_door(issuer: str, subject: str) -> None:
    try:
        name = hub_user_name(issuer, subject)
    except UnicodeEncodeError:
        return  # lone surrogates never pass a record
    assert HUB_NAME.fullmatch(name)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_nothing_a_client_writes_moves_the_address(forged: str) -> None:
    headers = HTTPHeaders({"X-Real-Ip": "203.0.113.1", "X-Forwarded-For": f"{forged}, 192.0.2.7"})
    assert client_address(headers) == "192.0.2.7"


def run(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tre.hub", "--root", str(root)],
        env={"PATH": os.environ["PATH"]} | environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_program_says_what_is_missing(tmp_path: Path) -> None:
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "Run `tre init` first" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_of_a_sign_in_nothing_is_kept_unless_it_is_asked_for(layout: Layout) -> None:
    write_client_secret(layout)
    for settings in (Settings(), with_provider()):
        config = hub_config(settings, layout)
        assert config.Authenticator.enable_auth_state is False
        assert config.Authenticator.auth_refresh_age == 0
        assert "ask_again_seconds" not in config.OidcAuthenticator
    local = Settings(oidc=with_provider(recheck={}, endSessionUrl="https://idp.example/end").oidc)
    assert hub_config(local, layout).Authenticator.enable_auth_state is False  # local accounts have no provider


def test_asking_again_takes_tokens_and_a_key_of_its_own(layout: Layout) -> None:
    write_client_secret(layout)
    config = hub_config(with_provider(recheck={"everySeconds": 60}), layout)
    assert config.Authenticator.enable_auth_state is True
    assert config.CryptKeeper["keys"] == [bytes.fromhex(keys.read_key(layout, keys.TOKENS_KEY))]
    oidc = config.OidcAuthenticator
    assert (oidc.ask_again_seconds, oidc.scope[-1]) == (60.0, "offline_access")
    assert oidc.extra_authorize_params == {"prompt": "consent"}
    bound = hub_config(with_provider(recheck={"offlineAccess": False}, requireMfa=True), layout).OidcAuthenticator
    assert "offline_access" not in bound.scope
    assert bound.extra_authorize_params == {"acr_values": "https://refeds.org/profile/mfa"}
    assert "end_session_url" not in bound


def test_signing_out_at_the_provider_is_over_tls(layout: Layout) -> None:
    write_client_secret(layout)
    config = hub_config(with_provider(endSessionUrl="https://idp.example/end"), layout)
    assert config.Authenticator.enable_auth_state is True
    assert config.OidcAuthenticator.end_session_url == "https://idp.example/end"
    assert config.OidcAuthenticator.signed_out_url == "http://hub.tre.localhost:8000/hub/logout"
    with pytest.raises(TREError):
        hub_config(with_provider(endSessionUrl="http://idp.example/end"), layout)


@pytest.mark.parametrize(("every", "stale", "good"), [(600, 1200, True), (600, 1199, False), (0, 60, False)])
def test_one_answer_that_was_missed_ends_nobodys_work(every: int, stale: int, good: bool) -> None:
    recheck = {"everySeconds": every, "staleSeconds": stale}
    if good:
        found = with_provider(recheck=recheck).oidc
        assert found is not None
        assert found.recheck is not None
        assert found.recheck.fresh_seconds == 2 * every
    else:
        with pytest.raises(ValueError, match=r"everySeconds"):
            with_provider(recheck=recheck)
