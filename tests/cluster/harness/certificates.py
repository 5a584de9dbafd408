"""The cluster's certificates and the kubeconfig files that hold them.

Guarantees: one authority for one cluster, made at its start and gone with it; keys can be read by the owner only.

Does not guarantee: anything that a real cluster would need: no rotation, one authority for all purposes.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster.harness import layout

AUTHORITY = "ca"
LIFETIME = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Holder:
    """Who a certificate is for; the groups are Kubernetes' groups."""

    file: str
    name: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def api_server() -> Holder:
    """The API server, under every name that it is called by."""
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", layout.NODE)
    inside = (*layout.NODE_ADDRESSES, *layout.SERVICE_ADDRESSES, "127.0.0.1", "::1")
    return Holder("apiserver", "kube-apiserver", hosts=(*names, *inside))


CLIENTS = (
    Holder("admin", "admin", ("system:masters",)),
    Holder("controller-manager", "system:kube-controller-manager"),
    Holder("scheduler", "system:kube-scheduler"),
    Holder("node", f"system:node:{layout.NODE}", ("system:nodes",)),
    Holder("proxy", "system:kube-proxy"),
    Holder("policy-engine", "policy-engine", ("system:masters",)),
    Holder("kwok", "kwok", ("system:masters",)),
    Holder("apiserver-kubelet", "kube-apiserver-kubelet-client", ("system:masters",)),
)
KUBELET = Holder("kubelet-server", layout.NODE, hosts=(layout.NODE, *layout.NODE_ADDRESSES, "127.0.0.1"))


class Authority:
    """Signs certificates and writes them into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tre-test-cluster")])
        self.certificate = self._sign(self.name, self.key.public_key(), (), is_authority=True)
        self._write(AUTHORITY, self.key, self.certificate)

    def issue(self, holder: Holder) -> None:
        """A key and a certificate for a holder."""
        key = ec.generate_private_key(ec.SECP256R1())
        words = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in holder.groups]
        name = x509.Name([*words, x509.NameAttribute(NameOID.COMMON_NAME, holder.name)])
        self._write(holder.file, key, self._sign(name, key.public_key(), holder.hosts, is_authority=False))

    def issue_service_account_key(self) -> None:
        """The key by which the API server signs tokens of service accounts."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._write_bytes("sa.key", _private(key))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self._write_bytes("sa.pub", key.public_key().public_bytes(serialization.Encoding.PEM, public))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, hosts: tuple[str, ...], *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if is_authority:
            builder = builder.add_extension(_authority_usage(), critical=True)
        else:
            uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._write_bytes(f"{name}.key", _private(key))
        self._write_bytes(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def _write_bytes(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)


def _authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def issue_all(folder: Path) -> None:
    """Every key and certificate of a cluster."""
    authority = Authority(folder)
    for holder in (api_server(), KUBELET, *CLIENTS):
        authority.issue(holder)
    authority.issue_service_account_key()


def write_kubeconfig(path: Path, pki: Path, user: str, server: str) -> None:
    """A kubeconfig that holds all it needs, so that it can be copied."""
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [
            {
                "name": "tests",
                "cluster": {"server": server, "certificate-authority-data": _encoded(pki / f"{AUTHORITY}.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encoded(pki / f"{user}.crt"),
                    "client-key-data": _encoded(pki / f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(text))


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
