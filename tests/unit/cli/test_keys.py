"""`tre keys`: what is listed, what can be replaced, and what that does not break."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import grant_plain
from tests.unit.cli.conftest import Here
from tre.cli import keys
from tre.domain.errors import TREError
from tre.domain.grants.models import AccessGrant
from tre.sources.signed import check_evidence, load_signers, sign
from tre.sources.signing_keys import read_private
from tre.system.files import write_atomically
from tre.system.hub_keys import MADE_HERE, read_key


def test_every_private_file_that_init_makes_is_known(shared: Here) -> None:
    made = {path.name for path in shared.layout.keys.iterdir() if path.is_file() and path.suffix != ".pub"}
    assert made == {key.name for key in keys.known_keys()}


def test_the_list_names_no_secret(shared: Here) -> None:
    listed = json.loads(shared.done("keys", "list", "--json").out)
    assert {row["name"]: row["rotate"] for row in listed} == {key.name: bool(key.effect) for key in keys.known_keys()}
    assert all(row["since"] for row in listed)
    shown = shared.done("keys", "list").out
    secrets = [(shared.layout.keys / row["name"]).read_bytes().strip() for row in listed]
    assert [secret for secret in secrets if secret in shown.encode()] == []


@pytest.mark.parametrize("name", ["dataset-salt.key", "audit-signing.key", "none", "../tre.yaml", "grant-signers", ""])
def test_what_is_not_replaced(shared: Here, name: str) -> None:
    before = {path: path.read_bytes() for path in shared.layout.keys.rglob("*") if path.is_file()}
    shared.refused("keys", "rotate", name)
    assert {path: path.read_bytes() for path in shared.layout.keys.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", [key.name for key in keys.known_keys() if key.effect])
def test_each_other_one_is_replaced_and_stays_whose_it_was(here: Here, name: str) -> None:
    path = here.layout.keys / name
    before, owner = path.read_bytes(), path.stat()
    done = here.done("keys", "rotate", name)
    assert ("tre up" in done.out) == (name not in {"grant-signing.key", "practice-signing.key"})
    after, found = path.read_bytes(), path.stat()
    assert after != before
    assert (found.st_mode, found.st_uid, found.st_gid) == (owner.st_mode, owner.st_uid, owner.st_gid)
    if name in MADE_HERE:
        assert read_key(here.layout, name)
    events = [row for row in here.dump()["audit_events"] if "key.rotated" in row]
    assert len(events) == 1
    assert after.strip().decode("ascii", "replace") not in repr(events)


def test_what_the_old_key_signed_stays_valid_until_its_public_half_goes(here: Here) -> None:
    keyed = here.layout.keys / "grant-signing.key"
    grant = AccessGrant.model_validate(grant_plain())
    old = sign(grant, read_private(keyed))
    here.done("keys", "rotate", "grant-signing.key")
    new = sign(grant, read_private(keyed))
    for one in (old, new):
        check_evidence(one, load_signers(here.layout.keys / "grant-signers"))
    kept = next((here.layout.keys / "grant-signers").glob("before-*.pub"))
    kept.unlink()
    check_evidence(new, load_signers(here.layout.keys / "grant-signers"))
    with pytest.raises(TREError):
        check_evidence(old, load_signers(here.layout.keys / "grant-signers"))


def test_cut_off_anywhere_what_signs_is_among_what_counts(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = here.layout.keys / "grant-signing.key"
    grant = AccessGrant.model_validate(grant_plain())
    signed = [sign(grant, read_private(keyed))]
    real: Callable[..., None] = write_atomically
    for allowed in range(3):
        left = [allowed]

        def until_the_power_goes(path: Path, data: bytes, left: list[int] = left, **named: Any) -> None:
            if left[0] == 0:
                raise OSError(5, os.strerror(5))
            left[0] -= 1
            real(path, data, **named)

        monkeypatch.setattr(keys, "write_atomically", until_the_power_goes)
        assert here.tre("keys", "rotate", "grant-signing.key").code == 1
        assert "key.rotated" not in repr(here.dump()["audit_events"])
        monkeypatch.setattr(keys, "write_atomically", real)
        signed.append(sign(grant, read_private(keyed)))
        for one in signed:
            check_evidence(one, load_signers(here.layout.keys / "grant-signers"))
    here.done("keys", "rotate", "grant-signing.key")
    for one in (*signed, sign(grant, read_private(keyed))):
        check_evidence(one, load_signers(here.layout.keys / "grant-signers"))
