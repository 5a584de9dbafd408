"""Certificate and key of the gateway: what is wrong with them is told before a browser tells it."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.factories import NOON
from tre.cli.doctor import doors
from tre.cli.doctor.finding import Check, Place, Seen
from tre.cli.doctor.run import look
from tre.domain.errors import Reason, TREError
from tre.system.certificates import ends_at, hand_over, load_pair, pair_for_gateway, shortcomings
from tre.system.layout import Layout
from tre.system.settings import Settings
from tre.system.tls_settings import TlsSettings

BASE = "tre.example"
ALL = (BASE, f"*.{BASE}", f"*.open.{BASE}", f"*.lab.{BASE}")
DAY = timedelta(days=1)
SETTINGS = Settings(base=BASE, tls=TlsSettings(certificate=Path("chain.pem"), key=Path("key.pem")))


def write_pair(
    folder: Path, hosts: tuple[str, ...] = ALL, *, begins: datetime = NOON - DAY, days: int = 90, password: bytes = b""
) -> None:
    """`chain.pem` and `key.pem` in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, BASE)])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + days * DAY)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        made = made.add_extension(names, critical=False)
    signed = made.sign(key, hashes.SHA256())
    (folder / "chain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, lock))
    (folder / "key.pem").chmod(0o600)


def said(layout: Layout, settings: Settings) -> Seen:
    """What the doctor says of a certificate."""
    return look(Check("certificate", "", doors._certificate), Place(layout, settings, datetime.now(UTC)))


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    run = tmp_path / "run"
    monkeypatch.setattr(Layout, "run", property(lambda _self: run))
    (run / "gateway").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    return Layout(tmp_path / "root")


def test_one_for_every_host_has_no_shortcoming(tmp_path: Path) -> None:
    write_pair(tmp_path)
    assert shortcomings(tmp_path / "chain.pem", BASE, NOON) == []
    assert ends_at(tmp_path / "chain.pem") == NOON + 89 * DAY


@pytest.mark.parametrize(
    ("hosts", "now", "said"),
    [
        ((BASE,), NOON, ["it is not for *.lab.tre.example, *.open.tre.example, *.tre.example"]),
        ((BASE, f"*.{BASE}"), NOON, ["it is not for *.lab.tre.example, *.open.tre.example"]),
        (ALL[1:], NOON, ["it is not for tre.example"]),
        ((), NOON, ["it is not for *.lab.tre.example, *.open.tre.example, *.tre.example, tre.example"]),
        (tuple(host.upper() for host in ALL), NOON, []),
        (ALL, NOON - 2 * DAY, [f"it begins on {NOON - DAY:%Y-%m-%d}"]),
        (ALL, NOON + 90 * DAY, [f"it ended on {NOON + 89 * DAY:%Y-%m-%d}"]),
    ],
)
def test_what_browsers_will_say(tmp_path: Path, hosts: tuple[str, ...], now: datetime, said: list[str]) -> None:
    write_pair(tmp_path, hosts)
    assert shortcomings(tmp_path / "chain.pem", BASE, now) == said


def _other_key(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    write_pair(other)
    (folder / "key.pem").write_bytes((other / "key.pem").read_bytes())


def _locked(folder: Path) -> None:
    write_pair(folder, password=b"secret")


def _folder(folder: Path) -> None:
    (folder / "key.pem").unlink()
    (folder / "key.pem").mkdir()


HARMS: dict[str, Callable[[Path], object]] = {
    "another key": _other_key,
    "a password": _locked,
    "no key": lambda folder: (folder / "key.pem").unlink(),
    "no certificate": lambda folder: (folder / "chain.pem").unlink(),
    "no PEM": lambda folder: (folder / "chain.pem").write_bytes(b"\xff\x00"),
    "empty": lambda folder: (folder / "chain.pem").write_bytes(b""),
    "a directory": _folder,
    "a long password": lambda folder: write_pair(folder, password=b"s" * 900),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_no_pair_is_refused_and_nothing_is_handed_over(layout: Layout, harm: str) -> None:
    write_pair(layout.root)
    HARMS[harm](layout.root)
    with pytest.raises(TREError) as refused:
        hand_over(layout, SETTINGS, -1)
    assert refused.value.reason is Reason.SetupIncomplete
    assert refused.value.remedy
    assert str(layout.root / "key.pem") in refused.value.what
    assert list((layout.run / "gateway").iterdir()) == []
    found = said(layout, SETTINGS)
    assert (found.state, bool(found.remedy)) == ("bad", True)


def test_the_gateway_gets_a_copy_that_it_alone_reads(layout: Layout) -> None:
    write_pair(layout.root)
    owner = 12345 if os.geteuid() == 0 else -1
    hand_over(layout, SETTINGS, owner)
    certificate, key = pair_for_gateway(layout, SETTINGS)
    assert key.parent == layout.run / "gateway"
    for path, source in ((certificate, "chain.pem"), (key, "key.pem")):
        found = path.stat()
        assert path.read_bytes() == (layout.root / source).read_bytes()
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert found.st_uid == (owner if owner != -1 else os.geteuid())
    kept = (layout.root / "key.pem").stat()
    assert (stat.S_IMODE(kept.st_mode), kept.st_uid) == (0o600, os.geteuid()), "the operator's own stays as it was"
    load_pair(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), certificate, key)


def test_without_tls_no_copy_stays(layout: Layout) -> None:
    write_pair(layout.root)
    hand_over(layout, SETTINGS, -1)
    hand_over(layout, Settings(), -1)
    assert list((layout.run / "gateway").iterdir()) == []
    hand_over(layout, Settings(), -1)


@pytest.mark.parametrize(("days", "state"), [(90, "good"), (10, "weak")])
def test_the_doctor_says_how_long_it_lasts(layout: Layout, days: int, state: str) -> None:
    write_pair(layout.root, begins=datetime.now(UTC) - DAY, days=days)
    found = said(layout, SETTINGS)
    assert found.state == state
    assert found.detail.startswith("lasts until 20")


def test_the_doctor_says_that_it_is_over_or_for_others(layout: Layout) -> None:
    write_pair(layout.root, (BASE,), begins=datetime.now(UTC) - 9 * DAY, days=3)
    found = said(layout, SETTINGS)
    assert found.state == "bad"
    assert "it ended on" in found.detail
    assert "it is not for *.lab.tre.example" in found.detail
    assert said(layout, Settings()).detail.startswith("none: plain HTTP")
