"""Checks of settings, files and the machine.

Does not guarantee: that storage which encrypts by itself is seen: below the machine nothing can be looked at.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from tre.airlock.policy import SITE_DIRECTORY, directories, load_policy, shipped_directory
from tre.audit.courier import read_state, standing, state_path
from tre.cli.satre.place import Check, Found, Place, broken, held, judged, nothing
from tre.domain.standing.models import StandingPolicy
from tre.portal.roles import load_roles
from tre.register.account_policy import load_account_policy
from tre.runtimes.bubblewrap import limits
from tre.sources.committee_policy import load_committee
from tre.store.tables.people import accounts
from tre.system.certificates import load_pair, pair_of, shortcomings
from tre.system.paths import workspace_environment
from tre.system.resources import own_or_shipped, read_record
from tre.system.settings import load_settings

TOOLS = ("jupyterlab", "numpy", "pandas", "pyarrow", "pydicom", "matplotlib", "sklearn", "statsmodels")
"""What a workspace's environment must hold, as directories of its packages."""


def _tls(place: Place) -> Found:
    if place.settings.tls.certificate is None:
        return broken("The gateway speaks plain HTTP.")
    certificate, key = pair_of(place.layout, place.settings)
    load_pair(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), certificate, key)
    wrong = shortcomings(certificate, place.settings.base, place.now)
    return judged(wrong, "The gateway speaks TLS, with a certificate for its hosts.")


def _second_factor(place: Place) -> Found:
    oidc = place.settings.oidc
    if place.settings.auth != "oidc" or oidc is None:
        return broken("Accounts are local: they have a password and no second factor.")
    if not oidc.require_mfa:
        return broken("The provider is not asked for a second factor (oidc.requireMfa).")
    return held("A sign-in that reports no second factor is refused.")


def _identity_provider(place: Place) -> Found:
    if place.settings.auth != "oidc":
        return broken("Accounts are local: operators make them and vouch for people.")
    return held("An identity provider vouches for people.")


def _sign_in_sound(place: Place) -> Found:
    oidc = place.settings.oidc
    if place.settings.auth == "oidc" and oidc is not None:
        addresses = (oidc.authorize_url, oidc.token_url, oidc.userinfo_url)
        wrong = [f"{address} is not reached over TLS" for address in addresses if urlsplit(address).scheme != "https"]
        return judged(wrong, "The provider is spoken to over TLS.")
    return place.asked(_passwords)


def _passwords(connection: Connection) -> Found:
    rows = connection.execute(select(accounts.c.name, accounts.c.password_hash)).all()
    if not rows:
        return nothing("There is no account yet.")
    wrong = [f"{row.name} has a password of another kind" for row in rows if row.password_hash[:9] != "$argon2id"]
    return judged(wrong, "Passwords are kept as argon2id.")


def _keys_private(place: Place) -> Found:
    keys = sorted(place.layout.keys.rglob("*.key"))
    if not keys:
        return nothing("There is no key yet.")
    wrong = [f"{key.name} is open to others" for key in keys if key.stat().st_mode & 0o037]
    return judged(wrong, f"{len(keys)} private keys, each open to its reader alone.")


def _policies_guarded(place: Place) -> Found:
    folders = [folder for folder in (place.layout.root / "policies", shipped_directory().parent) if folder.is_dir()]
    files = [path for folder in folders for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    wrong = [f"{path.name} can be changed by others" for path in sorted(files) if path.stat().st_mode & 0o022]
    return judged(wrong, "Policies can be changed by their owner alone.")


def _configuration_valid(place: Place) -> Found:
    root = place.layout.root
    load_settings(root)
    load_roles(root)
    load_committee(root)
    load_account_policy(root)
    read_record(StandingPolicy, own_or_shipped(root, Path("policies") / "standing.yaml"))
    site = root / SITE_DIRECTORY
    for path in sorted(site.glob("*.yaml")) if site.is_dir() else ():
        load_policy(path.stem, directories(root))
    return held("Settings and policies were read strictly, and none is wrong.")


def _limits_enforced(place: Place) -> Found:
    if place.settings.runtime == "kubernetes":
        return nothing("Pods carry their limits; from here they are not seen.")
    means = limits.choose(place.layout.run.name).means()
    wrong = [f"{what}: {how}" for what, how in sorted(means.items()) if not how.startswith("control group")]
    return judged(wrong, "Control groups limit memory, processors and processes.")


def _witnessed(place: Place) -> Found:
    names = [one.name for one in place.settings.witnesses]
    if not names:
        return broken("No place but this machine keeps checkpoints of the log.")
    found = standing(read_state(state_path(place.layout.root)), names, place.now)
    return judged([f"{name} {state}" for name, state in found.items() if state != "ok"], f"Kept by {', '.join(names)}.")


def _disks_encrypted(place: Place) -> Found:
    device = place.layout.root.stat().st_dev
    block = place.system / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    if _is_encrypted(block):
        return held("The root directory lies on an encrypted device.")
    return broken("No encryption of the disk is seen from here; storage that encrypts by itself would not show.")


def _is_encrypted(block: Path, depth: int = 5) -> bool:
    """Whether a block device, or every one that it rests on, is one of dm-crypt."""
    named = block / "dm" / "uuid"
    if named.is_file() and named.read_text(encoding="utf-8").startswith("CRYPT-"):
        return True
    below = sorted((block / "slaves").iterdir()) if (block / "slaves").is_dir() else []
    return bool(below) and depth > 0 and all(_is_encrypted(one, depth - 1) for one in below)


def _practice_allowed(place: Place) -> Found:
    if any((place.layout.keys / "practice-signers").glob("*.pub")):
        return held("A data manager's key opens made-up twins of slices.")
    return broken("No key opens practice data.")


def _tools_present(place: Place) -> Found:
    packages = sorted(workspace_environment(place.settings).glob("lib/python3*/site-packages"))
    wrong = [f"{tool} is missing" for tool in TOOLS if not any((one / tool).is_dir() for one in packages)]
    return judged(wrong, f"JupyterLab with {', '.join(TOOLS[1:])}.")


CHECKS: dict[str, Check] = {
    "tls": Check("the gateway's certificate loads, lasts and is for its hosts", _tls),
    "second-factor": Check("a second factor is demanded of everybody", _second_factor),
    "identity-provider": Check("an identity provider vouches for people", _identity_provider),
    "sign-in-sound": Check("the provider is asked over TLS, or passwords are kept as argon2id", _sign_in_sound),
    "keys-private": Check("private keys are open to their reader alone", _keys_private),
    "policies-guarded": Check("policy files can be changed by their owner alone", _policies_guarded),
    "configuration-valid": Check("settings and policies are read, strictly", _configuration_valid),
    "limits-enforced": Check("control groups limit each workspace", _limits_enforced),
    "witnessed": Check("every place that should keep checkpoints of the log has the newest", _witnessed),
    "disks-encrypted": Check("the root directory lies on an encrypted device", _disks_encrypted),
    "practice-allowed": Check("a key opens practice data", _practice_allowed),
    "tools-present": Check("the workspace's environment holds its tools", _tools_present),
}
"""What is looked at, by name."""
