"""The whole launcher over TLS, started by its systemd units: cookies, websockets, a renewed certificate, walls.

It has a self-made certificate and a key that is root's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import shutil
import signal
import socket
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.unit_world import UnitWorld
from tests.system.waiting import until
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import PASSWORD
from tre.domain.errors import Reason, TREError
from tre.system.claims import claimed
from tre.system.settings import load_settings

HUBS_OWN = {"_xsrf", "jupyterhub-session-id"}
"""Cookies to which JupyterHub gives no prefix: neither opens anything by itself."""


def make_pair(folder: Path, base: str) -> tuple[Path, Path]:
    """A certificate for every host of a base domain, and its key for root's eyes only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, base)])
    hosts = [x509.DNSName(host) for host in (base, f"*.{base}", f"*.open.{base}", f"*.lab.{base}")]
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + 90 * day)
    signed = made.add_extension(x509.SubjectAlternativeName(hosts), critical=False).sign(key, hashes.SHA256())
    certificate, private = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.touch(mode=0o600)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return certificate, private


class SecureWorld(UnitWorld):
    """The same launcher with a certificate."""

    def make(self) -> None:
        super().make()
        self.certificate, self.key = make_pair(self.home, self.settings.base)
        with (self.root / "tre.yaml").open("a") as file:
            file.write(f"tls: {{certificate: {self.certificate}, key: ../key.pem}}\n")  # relative to the root
        self.settings = load_settings(self.root)

    def gateway(self) -> int:
        """The process that browsers speak with."""
        unit = self.units.get("tre-gateway.service")
        return unit.pid if unit is not None else self.service("gateway")

    @asynccontextmanager
    async def visited(self, name: str) -> AsyncIterator[tuple[SecureBrowser, Any]]:
        async with SecureBrowser(self.certificate) as browser:
            yield browser, await sign_in(browser, self.desk + "/", name, PASSWORD)


class SecureBrowser(Browser):
    """A browser that trusts this certificate and no other, and remembers the head of every answer."""

    def __init__(self, certificate: Path) -> None:
        super().__init__(ssl.create_default_context(cafile=str(certificate)))
        self.heads: list[tuple[str, Any]] = []

    async def __aenter__(self) -> SecureBrowser:
        await super().__aenter__()
        self._before = _watched()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, and wait for the other side's last word: TLS says good-bye in both directions."""
        await super().__aexit__()
        await until(lambda: _watched() <= self._before, 10)

    def _keep_cookies(self, url: str, response: aiohttp.ClientResponse) -> None:
        self.heads.append((url, response.headers))
        super()._keep_cookies(url, response)


def _watched() -> int:
    """How many descriptors the running loop watches."""
    return len(asyncio.get_running_loop()._selector.get_map())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def secure() -> Iterator[SecureWorld]:
    found = SecureWorld(
        Path(tempfile.mkdtemp(prefix="tre-tls-", dir="/var/tmp"))
    )  # sandboxes cannot be made below /tmp
    found.home.chmod(0o711)
    try:
        found.make()
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def grant(secure: SecureWorld) -> str:
    """The grant whose workspace is opened over TLS."""
    return secure.grant("secure")


async def test_everything_works_over_tls(secure: SecureWorld, grant: str) -> None:
    async with secure.visited("alice") as (browser, projects):
        lab = await open_workspace(browser, projects, grant, secure.shell_of)
        assert lab.origin.startswith("https://")
        assert await lab.run(["print(6 * 7)"]) == ["42\n"]  # over wss
        hosts = {url.split("/")[2].partition(".")[0] for url, _ in browser.heads}
        assert {"desk", "enter", "hub"} <= hosts
        assert any(".open." in url for url, _ in browser.heads)
        assert any(".lab." in url for url, _ in browser.heads)
        cookies = [
            (url, name, morsel)
            for url, head in browser.heads
            for line in head.getall("Set-Cookie", [])
            for name, morsel in SimpleCookie(line).items()
        ]
        assert len({name for _, name, _ in cookies}) >= 6
        for url, name, morsel in cookies:
            assert (morsel["secure"], morsel["domain"]) == (True, ""), (url, name)
            if name in HUBS_OWN:
                assert url.startswith("https://hub."), (url, name)
                continue
            assert name.startswith("__Host-"), (url, name)
            assert (morsel["path"], morsel["httponly"]) == ("/", True), (url, name)
        for url, head in browser.heads:
            assert head["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", url
            assert head["Server"] == "tre", url


def check_it_outlives_its_units(secure: SecureWorld, grant: str) -> None:
    """A run's supervisor is in no unit's control group, and is found again by units that were started anew."""
    _, state = secure.run_of(grant)
    supervisor = state["supervisor"]["pid"]
    groups = Path(f"/proc/{supervisor}/cgroup").read_text()
    if "name=systemd" in groups or groups.startswith("0::"):
        assert f"/tre/{secure.here.layout.run.name}/supervisors" in groups
    for name in ("tre-launcher.service", "tre-controller.service", "tre-gateway.service"):
        assert secure.stop_unit(name) in {0, -signal.SIGTERM}, secure.words(name)
        secure.start_unit(name)
        secure.wait_for_unit(name, secure.specs[name])
    assert secure.run_of(grant)[1]["supervisor"]["pid"] == supervisor
    assert Path(f"/proc/{supervisor}").exists()


async def until_served(browser: SecureBrowser, address: str) -> None:
    """Wait until a gateway that was started anew has heard from a controller that was started anew."""
    async with asyncio.timeout(30):
        while (await browser.get(address)).status != 200:
            await asyncio.sleep(0.1)


def connected(world: SecureWorld) -> socket.socket:
    return socket.create_connection(("127.0.0.1", world.settings.listen_port), timeout=10)


def test_plain_http_is_not_answered(secure: SecureWorld) -> None:
    with connected(secure) as plain:
        plain.sendall(f"GET / HTTP/1.1\r\nHost: {secure.settings.base}\r\n\r\n".encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := plain.recv(4096):
                answer += piece
    assert b"HTTP/" not in answer


def test_old_versions_and_other_certificates_are_not_spoken(secure: SecureWorld, tmp_path: Path) -> None:
    other, _ = make_pair(tmp_path, secure.settings.base)
    for trust in (secure.certificate, other):
        context = ssl.create_default_context(cafile=str(trust))
        with connected(secure) as raw:
            if trust == other:
                with pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(raw, server_hostname=secure.settings.base)
            else:
                with context.wrap_socket(raw, server_hostname=secure.settings.base) as wrapped:
                    assert wrapped.version() in {"TLSv1.2", "TLSv1.3"}


def test_the_key_stays_roots_and_the_gateway_has_a_copy_of_its_own(secure: SecureWorld) -> None:
    assert (secure.key.stat().st_uid, stat.S_IMODE(secure.key.stat().st_mode)) == (os.geteuid(), 0o600)
    copy = secure.here.layout.run / "gateway" / "key.pem"
    uid = secure.settings.services.gateway if os.geteuid() == 0 else os.geteuid()
    assert (copy.stat().st_uid, stat.S_IMODE(copy.stat().st_mode)) == (uid, 0o600)
    assert copy.read_bytes() == secure.key.read_bytes()


def test_a_new_certificate_reaches_browsers_without_a_restart(secure: SecureWorld, tmp_path: Path) -> None:
    chain, key = make_pair(tmp_path, secure.settings.base)
    believed = ssl.create_default_context(cafile=str(chain))

    def shown() -> bool:
        try:
            with connected(secure) as raw, believed.wrap_socket(raw, server_hostname=secure.settings.base):
                return True
        except ssl.SSLCertVerificationError:
            return False

    gateway = secure.gateway()
    assert not shown(), "it shows the one before"
    shutil.copyfile(key, secure.key)
    shutil.copyfile(chain, secure.certificate)
    secure.wait_for(shown, "the new certificate was not taken up", 45)
    assert secure.gateway() == gateway, "the same process took it up"


by_units = pytest.mark.skipif(os.geteuid() != 0, reason="units start services as other users, which takes root")


def status_of(pid: int) -> dict[str, list[str]]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


@by_units
def test_each_unit_runs_its_service_as_the_table_says(secure: SecureWorld) -> None:
    with pytest.raises(TREError) as refused, claimed(secure.here.layout, secure.settings):
        pass
    assert refused.value.reason is Reason.Conflict, "what `tre up` would say meanwhile"
    for name, spec in secure.specs.items():
        found = status_of(secure.units[name].pid)
        if spec.name == "launcher":
            assert found["Uid"][1] == "0"
            continue
        assert {*found["Uid"], *found["Gid"]} == {str(spec.uid)}
        assert sorted(map(int, found["Groups"])) == sorted(spec.groups)
        assert (found["CapEff"] == found["CapBnd"] == ["0" * 16]) is (not spec.capabilities), name
        assert found["NoNewPrivs"] == ["1"]


@by_units
def test_the_nightly_backup_works_behind_its_walls(secure: SecureWorld) -> None:
    name = "tre-backup.service"
    secure.start_unit(name)
    assert secure.units.pop(name).wait(60) == 0, secure.words(name)
    assert list((secure.home / "backups").iterdir())


@by_units
async def test_workspaces_outlive_their_units_and_are_found_again(secure: SecureWorld) -> None:
    grant = secure.grant("outliving")
    async with secure.visited("alice") as (browser, projects):
        lab = await open_workspace(browser, projects, grant, secure.shell_of)
        check_it_outlives_its_units(secure, grant)
        await until_served(browser, f"{lab.origin.replace('.lab.', '.open.')}/.tre/state")
