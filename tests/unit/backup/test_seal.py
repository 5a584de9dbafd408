"""Sealing: what it costs to guess, and what a box is bound to."""

from __future__ import annotations

import pytest

from tre.backup import seal
from tre.domain.errors import Reason, TREError

PASSPHRASE = b"correct horse battery staple"


def test_a_guess_costs_what_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt with N = 2^17, r = 8, p = 1: the least that OWASP's cheat sheet on storing passwords names."""
    monkeypatch.undo()
    assert (seal._COST, seal._BLOCK, seal._PARALLEL) == (2**17, 8, 1)
    assert seal.unseal(seal.seal(b"keys", PASSPHRASE, b"list"), PASSPHRASE, b"list") == b"keys"


def test_no_two_boxes_are_alike() -> None:
    boxes = [seal.seal(b"keys", PASSPHRASE, b"list") for _ in range(3)]
    assert len({box.salt for box in boxes}) == len({box.nonce for box in boxes}) == len({b.sealed for b in boxes}) == 3


@pytest.mark.parametrize("what", ["passphrase", "list", "sealed", "salt", "nonce"])
def test_a_box_opens_with_all_of_its_own_only(what: str) -> None:
    box = seal.seal(b"keys", PASSPHRASE, b"list")
    assert seal.unseal(box, PASSPHRASE, b"list") == b"keys"
    if what in {"sealed", "salt", "nonce"}:
        value: str = getattr(box, what)
        box = box.model_copy(update={what: f"{int(value[0], 16) ^ 1:x}{value[1:]}"})
    with pytest.raises(TREError) as caught:
        seal.unseal(box, PASSPHRASE + (b"!" if what == "passphrase" else b""), b"lost" if what == "list" else b"list")
    assert caught.value.reason is Reason.SignatureInvalid
