"""Mail server, identity provider, certificate: real servers that answer well, badly, or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.mail_server import Mailbox, bad_server, free_port, good_server, pair_in
from tests.unit.cli.doctor.conftest import Patient
from tre.cli.doctor.doors import fetch
from tre.system.mail_settings import MailSettings
from tre.system.settings import OidcSettings

pytestmark = pytest.mark.enable_socket


class Provider:
    """What an identity provider says of itself; a test changes a word of it."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.said: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/me",
            "jwks_uri": f"{self.issuer}/keys",
        }
        self.keys: Any = {"keys": [{"kty": "EC"}]}
        self.status, self.headers = 200, {"Date": format_datetime(datetime.now(UTC), usegmt=True)}

    @property
    def settings(self) -> OidcSettings:
        names = {"authorize_url": "auth", "token_url": "token", "userinfo_url": "me"}
        return OidcSettings(
            issuer=self.issuer, client_id="tre", **{name: f"{self.issuer}/{path}" for name, path in names.items()}
        )


@contextmanager
def serving() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(provider.keys if self.path == "/keys" else provider.said).encode()
            self.send_response_only(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def provider(patient: Patient) -> Iterator[Provider]:
    secret = patient.layout.keys / "oidc-client-secret"
    secret.write_text("a secret of the provider\n")
    secret.chmod(0o600)
    with serving() as found:
        yield found


def asked(patient: Patient, provider: Provider) -> tuple[str, str]:
    found = patient.said("identity provider", auth="oidc", oidc=provider.settings)
    assert "a secret of the provider" not in str(found)
    return str(found.state), found.detail


def test_a_provider_that_is_what_the_settings_say_is_good(patient: Patient, provider: Provider) -> None:
    assert asked(patient, provider)[0] == "good"
    assert patient.state("identity provider") == "weak", "accounts of our own have no second factor"


@pytest.mark.parametrize("name", ["issuer", "token_endpoint", "userinfo_endpoint", "authorization_endpoint"])
def test_a_provider_that_calls_itself_otherwise_is_bad(patient: Patient, provider: Provider, name: str) -> None:
    provider.said[name] = "https://elsewhere.example\x1b[2J"
    state, detail = asked(patient, provider)
    assert (state, "elsewhere.example" in detail) == ("bad", True)
    assert "\x1b" not in detail


def test_a_provider_without_keys_or_with_another_time_is_bad(patient: Patient, provider: Provider) -> None:
    provider.keys = {"keys": []}
    assert "publishes no keys" in asked(patient, provider)[1]
    provider.keys = {"keys": [{}]}
    provider.headers["Date"] = format_datetime(datetime.now(UTC) - timedelta(minutes=5), usegmt=True)
    assert "its clock differs by" in asked(patient, provider)[1]


def test_a_provider_that_answers_nonsense_or_sends_elsewhere_is_bad(patient: Patient, provider: Provider) -> None:
    provider.keys = [1]
    assert asked(patient, provider)[0] == "bad"
    provider.said["jwks_uri"] = "file:///etc/passwd"
    state, detail = asked(patient, provider)
    assert (state, "no address of the web" in detail) == ("bad", True)
    provider.status, provider.headers["Location"] = 302, "http://127.0.0.1:1/"
    state, detail = asked(patient, provider)
    assert (state, "302" in detail) == ("bad", True)


def test_a_provider_that_is_not_there_is_bad(patient: Patient, provider: Provider) -> None:
    gone = provider.settings.model_copy(update={"issuer": f"http://127.0.0.1:{free_port()}"})
    assert patient.state("identity provider", auth="oidc", oidc=gone) == "bad"
    (patient.layout.keys / "oidc-client-secret").chmod(0o644)
    found = patient.said("identity provider", auth="oidc", oidc=provider.settings)
    assert (found.state, "open to every user" in found.detail) == ("bad", True)


def test_only_addresses_of_the_web_are_fetched() -> None:
    with pytest.raises(ValueError, match="no address of the web"):
        fetch("ftp://example.org/x")


def mail(port: int, **more: Any) -> MailSettings:
    return MailSettings(host="localhost", port=port, sender="tre@example.org", **more)


def test_a_mail_server_that_does_not_offer_what_is_demanded_is_bad(patient: Patient, tmp_path: Path) -> None:
    assert patient.state("mail server") == "weak"
    pair = pair_in(tmp_path)
    with good_server(Mailbox(), tls_context=pair.context) as port:
        assert patient.state("mail server", mail=mail(port, authorities=pair.certificate)) == "good"
        assert patient.state("mail server", mail=mail(port)) == "bad", "nobody vouches for its certificate"
    with good_server(Mailbox()) as port:
        assert patient.state("mail server", mail=mail(port, security="none")) == "good"
        found = patient.said("mail server", mail=mail(port))
        assert (found.state, bool(found.remedy)) == ("bad", True)
    assert patient.state("mail server", mail=mail(free_port())) == "bad"


def test_a_mail_server_that_hangs_keeps_nobody(patient: Patient) -> None:
    with bad_server(lambda found: found.recv(1) and None) as port:
        found = patient.said("mail server", mail=mail(port, timeout_seconds=1))
    assert found.state == "bad"


def test_plain_http_under_a_name_that_others_know_is_weak(patient: Patient) -> None:
    assert patient.state("certificate") == "good"
    assert patient.state("certificate", base="tre.example.org") == "weak"
