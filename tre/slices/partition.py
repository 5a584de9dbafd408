"""Which patients are kept apart for validation: by the delivery's folders, or by a draw of the dataset's own.

Guarantees: a patient is in one partition with everything, in every release: the draw depends on the pseudonym and the
dataset's secret only, so that later deliveries move nobody, and nobody without the secret can tell who was drawn. A
folder called `validation` always means validation, whatever the draw says.

Does not guarantee: exactly the share that was asked for: each patient is drawn alone, about so many of a thousand.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

TRAINING, VALIDATION = "training", "validation"

_DOMAIN = b"tre validation draw v1\x00"
_TICKETS = 2**64


@dataclass(frozen=True)
class Draw:
    """About `permille` of a thousand patients are validation; with 0, nobody is drawn."""

    key: bytes = b""
    permille: int = 0

    def drawn(self, pseudonym: str) -> bool:
        """Whether a patient is drawn for validation."""
        if not self.permille:
            return False
        ticket = int.from_bytes(hmac.digest(self.key, pseudonym.encode(), "sha256")[:8], "big")
        return ticket * 1000 < self.permille * _TICKETS


NO_DRAW = Draw()


def draw_key(secret: bytes, dataset: str) -> bytes:
    """The key of one dataset's draw, from the installation's secret."""
    return hmac.digest(secret, _DOMAIN + dataset.encode(), "sha256")
