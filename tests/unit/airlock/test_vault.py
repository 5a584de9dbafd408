"""The store of bytes: whole, read-only, under their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tre.airlock.vault import Stored, TooLargeError, Vault
from tre.domain.errors import Reason, TREError

DATA = b"a,b\n1,2\n"
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def keep(vault: Vault, data: bytes, tmp_path: Path, most: int = 2**20) -> Stored:
    source = tmp_path / "source"
    source.write_bytes(data)
    with source.open("rb") as opened:
        opened.read(3)  # the place of the descriptor does not matter
        return vault.take_in(opened.fileno(), most)


def test_bytes_lie_under_their_hash_read_only(vault: Vault, tmp_path: Path) -> None:
    assert keep(vault, DATA, tmp_path) == Stored(NAME, len(DATA))
    path = vault.root / NAME[:2] / NAME[2:]
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o400
    assert [p for p in vault.root.rglob("*") if p.is_file()] == [path]


def test_the_same_bytes_are_kept_once(vault: Vault, tmp_path: Path) -> None:
    keep(vault, DATA, tmp_path)
    keep(vault, DATA, tmp_path)
    assert len([p for p in vault.root.rglob("*") if p.is_file()]) == 1


def test_taking_in_again_heals_what_somebody_changed(vault: Vault, tmp_path: Path) -> None:
    keep(vault, DATA, tmp_path)
    vault.path(NAME).chmod(0o600)
    vault.path(NAME).write_bytes(b"changed")
    keep(vault, DATA, tmp_path)
    assert vault.path(NAME).read_bytes() == DATA


@pytest.mark.parametrize(("most", "fits"), [(len(DATA), True), (len(DATA) - 1, False)])
def test_the_limit_is_exact_and_nothing_is_left_beyond_it(vault: Vault, tmp_path: Path, most: int, fits: bool) -> None:
    if fits:
        keep(vault, DATA, tmp_path, most)
    else:
        with pytest.raises(TooLargeError):
            keep(vault, DATA, tmp_path, most)
        assert not [p for p in vault.root.rglob("*") if p.is_file()]


def test_verification_is_over_the_bytes(vault: Vault, tmp_path: Path) -> None:
    keep(vault, DATA, tmp_path)
    with vault.opened(NAME) as descriptor:
        assert vault.verify(descriptor, NAME) == len(DATA)
        with pytest.raises(TREError) as error:
            vault.verify(descriptor, "0" * 64)
    assert error.value.reason is Reason.ContentChanged


def test_a_link_in_the_vault_is_not_followed(vault: Vault, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    vault.path(NAME).parent.mkdir(parents=True)
    vault.path(NAME).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"), vault.opened(NAME):
        pass


@pytest.mark.parametrize("name", ["", "../" * 21 + "x", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "/"])
def test_other_names_lead_nowhere(vault: Vault, name: str) -> None:
    with pytest.raises(TREError, match="no SHA-256"):
        vault.path(name)


def test_forgetting(vault: Vault, tmp_path: Path) -> None:
    keep(vault, DATA, tmp_path)
    assert vault.forget(NAME)
    assert not vault.forget(NAME)
    with pytest.raises(TREError) as error, vault.opened(NAME):
        pass
    assert error.value.reason is Reason.ContentChanged
