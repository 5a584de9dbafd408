"""The gateway as a program: it starts, answers, speaks TLS where it has a certificate, and ends when told to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.gateway.real_lab import LAB_MISSING
from tests.unit.gateway.world import CHECKOUT, free_port, until, utc
from tre.gateway.sessions import create_session_key
from tre.system.layout import Layout

pytestmark = [pytest.mark.services, LAB_MISSING]


def make_certificate(folder: Path) -> str:
    """A self-signed certificate; returns the lines for tre.yaml."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tre.localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("tre.localhost")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, utc(days=-1), utc() + timedelta(days=1))
    certificate = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return f"tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}\n"


@contextlib.asynccontextmanager
async def program(root: Path, settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    (root / "tre.yaml").write_text(settings)
    (root / "spool" / "endings").mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tre.gateway", "--root", str(root), cwd=CHECKOUT, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        shutil.rmtree(Layout(root).run, ignore_errors=True)


@pytest.mark.parametrize("tls", [False, True])
async def test_it_starts_answers_and_ends(tmp_path: Path, tls: bool) -> None:
    port = free_port()
    (tmp_path / "keys").mkdir()
    create_session_key(tmp_path / "keys")
    settings = f"listenPort: {port}\n" + (make_certificate(tmp_path) if tls else "")
    async with program(tmp_path, settings) as process:
        admin = Layout(tmp_path).socket("gateway")
        await until(lambda: admin.exists() or process.returncode is not None, 20)
        connector = aiohttp.UnixConnector(str(admin))
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.get("http://gateway/healthz") as answer,
        ):
            assert answer.status == 503
            assert "controller" in (await answer.json())["checks"]
        connector = aiohttp.UnixConnector(str(admin))
        async with aiohttp.ClientSession(connector=connector) as client, client.get("http://gateway/metrics") as answer:
            assert "tre_gateway_heard_seconds +Inf" in await answer.text(), "who was never heard was not heard just now"
        trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem")) if tls else False
        await until(lambda: _listens(port), 10)
        async with aiohttp.ClientSession() as client:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/"
            host = {"Host": f"tre.localhost:{port}"}
            async with client.get(url, headers=host, ssl=trust, server_hostname="tre.localhost") as answer:
                assert answer.status == 502  # nobody serves the public pages here
                assert ("Strict-Transport-Security" in answer.headers) is tls
        process.terminate()
        async with asyncio.timeout(5):
            assert await process.wait() == 0


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_it_says_what_is_missing(tmp_path: Path) -> None:
    async with program(tmp_path, "{}\n") as process:
        _, said = await process.communicate()
    assert process.returncode == 1
    assert b"gateway-session.key" in said
    assert b"SetupIncomplete" in said
