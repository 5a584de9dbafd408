"""A real OpenID provider beside the Hub, and a client that walks the redirects between them."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from tests.contract.hub_world import HUB_HOST, REPOSITORY, Browser, Reply

NODE_TESTS = REPOSITORY / "tests" / "node"
CLIENT = {
    "id": "tre-hub",
    "secret": "a secret of the provider's client",
    "redirect": f"http://{HUB_HOST}/hub/oauth_callback",
    "signedOut": f"http://{HUB_HOST}/hub/logout",
}


def need_provider() -> None:
    """Skip, with the reason, where the provider cannot run."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: no OpenID provider to sign in with")
    if not (NODE_TESTS / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("tests/node is not built: `make setup` installs the OpenID provider")


@dataclass(frozen=True)
class Provider:
    """A running provider."""

    issuer: str
    process: subprocess.Popen[str]

    def replace_people(self, people: dict[str, dict[str, Any]]) -> None:
        """From now on the provider knows these people and nobody else."""
        connection = http.client.HTTPConnection(urlsplit(self.issuer).netloc, timeout=20)
        connection.request("POST", "/people", body=json.dumps(people))
        assert connection.getresponse().status == 200
        connection.close()

    def kill(self) -> None:
        """Nobody answers at its address any more."""
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def a_provider(people: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Run the provider; its issuer."""
    with a_running_provider(people) as provider:
        yield provider.issuer


@contextlib.contextmanager
def a_running_provider(people: dict[str, dict[str, Any]], client: dict[str, str] = CLIENT) -> Iterator[Provider]:
    """Run the provider."""
    need_provider()
    order = json.dumps({"client": client, "people": people})
    process = subprocess.Popen(
        ["node", "oidc-provider.mjs", order], cwd=NODE_TESTS, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:"), "the provider did not start"
        yield Provider(issuer, process)
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def provider_settings(issuer: str, *, require_mfa: bool = False) -> dict[str, Any]:
    """The launcher's settings for this provider."""
    return {
        "auth": "oidc",
        "oidc": {
            "issuer": issuer,
            "clientId": CLIENT["id"],
            "authorizeUrl": f"{urlsplit(issuer).scheme}://{urlsplit(issuer).netloc}/auth",
            "tokenUrl": f"{urlsplit(issuer).scheme}://{urlsplit(issuer).netloc}/token",
            "userinfoUrl": f"{urlsplit(issuer).scheme}://{urlsplit(issuer).netloc}/me",
            "requireMfa": require_mfa,
        },
    }


def write_client_secret(root: Path) -> None:
    """What an operator does with the secret that the provider gave out."""
    path = root / "keys" / "oidc-client-secret"
    path.write_text(CLIENT["secret"] + "\n")
    path.chmod(0o600)


@dataclass
class Walker:
    """Follows redirects between the Hub (on its socket) and the provider (on its port); stops at any other host."""

    hub: Browser
    provider_cookies: dict[str, str] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)

    def walk(self, url: str) -> tuple[str, Reply | None]:
        """Where the redirects end, and the answer there; no answer where the host is neither of the two."""
        for _ in range(20):
            self.passed.append(url)
            if urlsplit(url).hostname not in {"127.0.0.1", urlsplit(f"//{HUB_HOST}").hostname}:
                return url, None
            reply = self.get(url)
            if reply.status not in {302, 303}:
                return url, reply
            url = urljoin(url, reply.location)
        raise AssertionError(f"too many redirects: {self.passed}")

    def get(self, url: str) -> Reply:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self.hub.get(path) if parts.netloc == HUB_HOST else self._provider("GET", url, None)

    def sign_in_as(self, person: str, url: str) -> tuple[str, Reply | None]:
        """Fill in the provider's form, then walk on."""
        reply = self._provider("POST", url, urlencode({"person": person}))
        assert reply.status in {302, 303}, reply.text
        return self.walk(urljoin(url, reply.location))

    def _provider(self, method: str, url: str, body: str | None) -> Reply:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.provider_cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers)
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read())
        finally:
            connection.close()
        for line in reply.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.provider_cookies[name] = morsel.value
        return reply
