"""The policy of the public account as a file: the site's own, else the one that comes with the launcher."""

from __future__ import annotations

from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.publicaccount.policies import AccountPolicy
from tre.system.resources import policy_file, read_settled

POLICY_FILE = Path("policies") / "public-account.yaml"


def load_account_policy(root: Path) -> AccountPolicy:
    """The site's policy, else the one that comes with the launcher. Raises `TREError(PolicyMissing | BadInput)`."""
    if (path := policy_file(root, POLICY_FILE)) is None:
        raise TREError(Reason.PolicyMissing, f"There is no {POLICY_FILE}.", remedy=f"Write it to {root / POLICY_FILE}.")
    return read_settled(AccountPolicy, path)
