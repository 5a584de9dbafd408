"""The policy of sources: no address without TLS, no word that runs out before it can be renewed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.sources import rems_plain, rems_source
from tre.domain.errors import TREError
from tre.domain.model import parse_record
from tre.domain.sources.policy import NO_SOURCES, DirectorySource, RemsSource, SourcePolicy, secret_digest


def policy(**spec: Any) -> SourcePolicy:
    plain = NO_SOURCES.as_plain() | {"spec": spec}
    return parse_record(SourcePolicy, plain)


def test_sources_are_found_by_name() -> None:
    found = policy(rems=[rems_plain()], directories=[{"name": "git", "path": "/srv/grants"}])
    assert found.rems("rems") == rems_source()
    assert found.rems("git") is None
    assert (rems_source().id, found.spec.directories[0].id) == ("rems:rems", "directory:git")
    assert rems_source().staleness == found.spec.directories[0].staleness == timedelta(hours=24)


def test_a_name_stands_once() -> None:
    with pytest.raises(TREError, match="names the source rems twice"):
        policy(rems=[rems_plain()], directories=[{"name": "rems", "path": "/srv/grants"}])


@pytest.mark.parametrize(
    "address",
    [
        "http://rems.example.org/",
        "https://user:word@rems.example.org/",
        "https://rems.example.org/?a=1",
        "https://rems.example.org/#a",
        "file:///etc/passwd",
        "https:///api",
        "rems",
    ],
)
def test_an_address_has_tls_and_nothing_else(address: str) -> None:
    with pytest.raises(TREError, match="https://"):
        parse_record(RemsSource, rems_plain(address=address))


def test_this_machine_needs_no_tls() -> None:
    assert rems_source(address="http://127.0.0.1:3000").address == "http://127.0.0.1:3000"


@pytest.mark.parametrize("path", ["/etc/passwd", "../other", "policies/../../x"])
def test_files_lie_below_the_root(path: str) -> None:
    with pytest.raises(TREError, match="below the launcher's root"):
        parse_record(RemsSource, rems_plain(templates=[path]))


def test_a_source_is_asked_in_time() -> None:
    assert rems_source(pollMinutes=20, staleAfterHours=1).poll_minutes == 20
    with pytest.raises(TREError, match="fit 3 times into staleAfterHours"):
        parse_record(RemsSource, rems_plain(pollMinutes=21, staleAfterHours=1))


def test_visas_are_asked_for_once_an_hour_at_most() -> None:
    visas = {"issuer": "https://rems.example.org/", "keys": "https://rems.example.org/api/jwk"}
    assert rems_source(pollMinutes=60, visas=visas).visas is not None
    with pytest.raises(TREError, match="60 or more"):
        parse_record(RemsSource, rems_plain(pollMinutes=59, visas=visas))


def test_a_directory_has_a_name_that_fits() -> None:
    with pytest.raises(TREError, match="name"):
        parse_record(DirectorySource, {"name": "Git", "path": "/srv"})


def test_a_secret_is_known_by_its_digest_whatever_it_holds() -> None:
    assert secret_digest("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert secret_digest("\ud800") != secret_digest("")


def test_half_a_character_is_no_name() -> None:
    with pytest.raises(TREError, match="whole characters"):
        parse_record(RemsSource, rems_plain(issuer="a\ud800"))
