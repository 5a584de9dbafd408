"""The API server for other HTTP clients than ours: what a kubeconfig says of its address, of trust and of the user.

Guarantees: who answers is checked by the authority that the kubeconfig names, or by what the machine trusts.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from kubernetes import config
from kubernetes.client import Configuration


@dataclass(frozen=True)
class Access:
    """How the API server is reached."""

    address: str
    trust: ssl.SSLContext
    headers: dict[str, str]


def access_of(kubeconfig: Path) -> Access:
    """What the kubeconfig's current context says. Raises `ConfigException` where it says nothing of use."""
    found = Configuration()
    config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(kubeconfig), client_configuration=found, persist_config=False
    )
    trust = ssl.create_default_context(cafile=found.ssl_ca_cert)
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT  # authorities of clusters often lack what it asks for
    if found.cert_file:
        trust.load_cert_chain(found.cert_file, found.key_file)
    key = found.api_key.get("authorization", "")
    return Access(str(found.host), trust, {"Authorization": key} if key else {})
