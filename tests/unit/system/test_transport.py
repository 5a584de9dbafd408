"""The way between browsers and the gateway: what may be set, what is spoken, and a certificate that is replaced."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.system.test_certificates import SETTINGS, write_pair
from tre.cli.installing import hand_over_anew
from tre.domain.errors import Reason, TREError
from tre.gateway.renewal import Renewal
from tre.system import processes
from tre.system.certificates import CopyWatch, pair_for_gateway
from tre.system.layout import Layout
from tre.system.resources import read_record
from tre.system.settings import Settings
from tre.system.transport import check_transport, server_context, tls_context

PAIR = {"certificate": "chain.pem", "key": "key.pem"}


def given(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "tre.yaml").write_text(text)
    return read_record(Settings, tmp_path / "tre.yaml")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("{}", "http://desk.tre.localhost:8000"),
        ("{base: localhost, listenPort: 80}", "http://desk.localhost"),
        ("{base: tre.example, tls: {certificate: a, key: b}}", "https://desk.tre.example:8000"),
        (
            "{base: tre.example, listenPort: 443, listenAddress: 0.0.0.0, tls: {certificate: a, key: b}}",
            "https://desk.tre.example",
        ),
        ("{base: tre.example, tls: {terminatedByProxy: {}}}", "https://desk.tre.example"),
        ("{base: tre.example, tls: {terminatedByProxy: {port: 8443}}}", "https://desk.tre.example:8443"),
    ],
)
def test_what_may_start_and_where_its_pages_are(tmp_path: Path, text: str, origin: str) -> None:
    settings = given(tmp_path, text)
    check_transport(settings)
    assert settings.origin("desk") == origin


@pytest.mark.parametrize("base", ["tre.example", "localhost.example", "xlocalhost", "10.0.0.1"])
def test_plain_http_for_a_name_of_others_does_not_start(base: str) -> None:
    with pytest.raises(TREError) as refused:
        check_transport(Settings(base=base))
    assert refused.value.reason is Reason.SetupIncomplete
    assert "tls.certificate" in (refused.value.remedy or "")
    assert f"http://{base}:8000/" in refused.value.what


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{listenAddress: 0.0.0.0}", "tls.certificate and tls.key are needed"),
        ("{listenAddress: 0.0.0.0, tls: {terminatedByProxy: {}}}", "tls.certificate and tls.key are needed"),
        ("{listenAddress: 127.0.0.2}", "tls.certificate and tls.key are needed"),
        ("{tls: {certificate: a, key: b, terminatedByProxy: {}}}", "two ways"),
        ("{tls: {certificate: a}}", "belong together"),
        ("{tls: {terminatedByProxy: {addresses: [192.0.2.1]}}}", "on this machine"),
        ("{tls: {terminatedByProxy: {addresses: [proxy.example]}}}", "no address"),
        ("{tls: {terminatedByProxy: {addresses: []}}}", "addresses"),
        ("{tls: {terminatedByProxy: {}, redirectPort: 80}}", "needs a certificate"),
        ("{tls: {certificate: a, key: b, redirectPort: 8000}}", "listenPort"),
        ("{tls: {certificate: a, key: b, hsts: {maxAgeSeconds: -1}}}", "maxAgeSeconds"),
    ],
)
def test_what_may_not_be_set(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TREError) as refused:
        given(tmp_path, text)
    assert refused.value.reason is Reason.BadInput
    assert said in f"{refused.value.what} {refused.value.why}"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    run = tmp_path / "run"
    monkeypatch.setattr(Layout, "run", property(lambda _self: run))
    (run / "gateway").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    write_pair(tmp_path / "root")
    return Layout(tmp_path / "root")


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def client(ciphers: str = "", newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client that believes anybody."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols(["h2", "http/1.1"])
    if newest < ssl.TLSVersion.TLSv1_2:
        made.minimum_version = newest
    made.maximum_version = newest
    if ciphers:
        made.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return made


async def spoken(port: int, context: ssl.SSLContext) -> Any:
    """The TLS of a connection; raises `OSError` where none comes about."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object")
    writer.close()
    return found


TWO = ssl.TLSVersion.TLSv1_2
WITHOUT_ENCRYPTION_THAT_AUTHENTICATES = ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_what_is_spoken_and_what_is_not(layout: Layout) -> None:
    context = tls_context(SETTINGS, layout)
    assert context is not None
    async with serving(context) as port:
        newest = await spoken(port, client())
        assert (newest.version(), newest.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        assert newest.compression() is None
        older = await spoken(port, client(newest=TWO))
        assert older.version() == "TLSv1.2"
        assert older.cipher()[0].startswith("ECDHE-")
        assert "GCM" in older.cipher()[0] or "POLY1305" in older.cipher()[0]
        too_old = client("ALL", ssl.TLSVersion.TLSv1_1)
        for refused in (too_old, *(client(one, TWO) for one in WITHOUT_ENCRYPTION_THAT_AUTHENTICATES)):
            with pytest.raises(OSError):
                await spoken(port, refused)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_the_rules_are_what_refuses(layout: Layout) -> None:
    loose = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    loose.load_cert_chain(layout.root / "chain.pem", layout.root / "key.pem")
    loose.minimum_version = ssl.TLSVersion.TLSv1_1
    loose.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(loose) as port:
        for cipher in WITHOUT_ENCRYPTION_THAT_AUTHENTICATES:
            assert (await spoken(port, client(cipher, TWO))).cipher()[0] == cipher
        assert (await spoken(port, client("ALL", ssl.TLSVersion.TLSv1_1))).version() == "TLSv1.1"


def test_without_a_certificate_there_is_no_context(layout: Layout) -> None:
    assert tls_context(Settings(), layout) is None


async def shown(port: int) -> bytes:
    found = (await spoken(port, client())).getpeercert(binary_form=True)
    assert isinstance(found, bytes)
    return found


def on_disk(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


async def test_a_new_certificate_is_taken_up_and_a_broken_one_is_not(layout: Layout) -> None:
    watch = CopyWatch(layout, SETTINGS, -1)
    hand_over_anew(watch)
    assert pair_for_gateway(layout, SETTINGS)[0] == layout.root / "chain.pem", "nothing changed, nothing was copied"
    context = tls_context(SETTINGS, layout)
    assert context is not None
    renewal = Renewal(context, layout, SETTINGS)
    chain = layout.root / "chain.pem"
    async with serving(context) as port:
        first = await shown(port)
        assert not renewal.look()
        write_pair(layout.root)
        hand_over_anew(watch)
        assert renewal.look()
        second = await shown(port)
        assert second == on_disk(chain) != first
        good = chain.read_bytes()
        chain.write_bytes(b"no certificate")
        hand_over_anew(watch)
        copy = pair_for_gateway(layout, SETTINGS)[0]
        assert copy.read_bytes() == good, "what is no pair is not handed over"
        copy.write_bytes(b"torn")
        assert not renewal.look()
        assert await shown(port) == second, "the gateway goes on with the one it has"
        assert not renewal.look(), "told once"
        copy.unlink()
        assert not renewal.look(), "a file that is missing is no reason to end"


def test_where_no_certificate_is_set_nothing_is_watched(layout: Layout) -> None:
    assert not CopyWatch(layout, Settings(), -1).look()


def test_the_trial_context_has_the_same_rules(layout: Layout) -> None:
    names = {cipher["name"] for cipher in server_context().get_ciphers() if cipher["protocol"] == "TLSv1.2"}
    assert names
    assert all(name.startswith("ECDHE-") for name in names)


def test_whoever_keeps_services_looks_after_the_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "BESIDE_SECONDS", 0.0)
    keeper, looks = processes.Keeper([], tmp_path), []

    def look() -> None:
        looks.append(len(looks))
        if len(looks) == 2:
            keeper.stop()  # it would not end, were it not asked

    keeper.run(beside=look)
    assert looks == [0, 1]
