"""Settings and policies as files: each is read as the services read it, and nobody else may change it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, select

from tre.airlock.policy import SITE_DIRECTORY, directories, find_policy, read_policy, shipped_directory
from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, State, below, entries, good, judged
from tre.domain.errors import TREError
from tre.domain.exports.states import EXPORT_TRANSITIONS, ExportState
from tre.domain.standing.models import StandingPolicy
from tre.portal.roles import load_roles
from tre.register.account_policy import load_account_policy
from tre.runtimes.kubernetes.settings import load_cluster
from tre.slices.populations import check_policies
from tre.sources.committee_policy import load_committee
from tre.sources.policyfile import POLICY_FILE, PolicyFile
from tre.store.tables.airlock import export_requests
from tre.system.resources import own_or_shipped, read_record

READ: dict[str, Callable[[Path], object]] = {
    "policies/roles.yaml": load_roles,
    "policies/committee.yaml": load_committee,
    "policies/public-account.yaml": load_account_policy,
    "policies/standing.yaml": lambda root: read_record(
        StandingPolicy, own_or_shipped(root, Path("policies") / "standing.yaml")
    ),
    str(POLICY_FILE): lambda root: PolicyFile(root).read(),
    "policies/datasets": check_policies,
}
"""By the name under the root: how the services read it. Each raises `TREError` for a file that is wrong."""


_ENDED = [state.value for state in ExportState if EXPORT_TRANSITIONS.is_final(state)]


def _read(place: Place) -> Seen:
    root, wrong = place.layout.root, []
    for name, read in READ.items():
        try:
            read(root)
        except TREError as error:
            wrong.append(f"{name}: {error.what}")
    paths = [path for folder in directories(root) for path in entries(folder) if path.suffix == ".yaml"]
    for path in paths:
        try:
            read_policy(path)
        except TREError as error:
            wrong.append(f"{path.name}: {error.what}")
    words = f"{len(READ) + len(paths)} read, strictly; none is wrong"
    return judged(wrong, words, "Correct the file; `tre policy list` and `tre up` read it in the same way.")


def _guarded(place: Place) -> Seen:
    folders = [folder for folder in (place.layout.root / "policies", shipped_directory().parent) if folder.is_dir()]
    paths = [path for folder in folders for path in (folder, *below(folder))]
    files = [path for path in (place.layout.root / "tre.yaml", *paths) if path.exists() and not path.is_symlink()]
    wrong = [f"{path} ({stat.S_IMODE(path.stat().st_mode):o})" for path in files if path.stat().st_mode & 0o022]
    return judged(wrong, "their owner alone can change them", "`chmod go-w` each; look at what they say now.")


def _in_force(place: Place) -> Seen:
    """Requests that wait were judged under a policy's digest: the policy now must be that one."""
    asked = place.asked(_judged_under)
    now: dict[str, str] = {}
    for name in sorted({name for _, name, _ in asked}):
        now[name] = find_policy(name, place.layout.root).ref.sha256
    changed = [f"{request} was checked under another {name}" for request, name, sha in asked if now[name] != sha]
    remedy = "`tre policy diff` compares two; their authors have the checks run again, or put the policy back."
    return judged(changed, f"{len(asked)} requests wait, each checked under the policy of now", remedy, State.weak)


def _judged_under(connection: Connection) -> list[tuple[str, str, str]]:
    table = export_requests.c
    query = select(table.id, table.policy, table.run).where(table.state.not_in(_ENDED))
    rows = connection.execute(query.order_by(table.id)).all()
    return [(row.id, row.policy, row.run["policy"]["sha256"]) for row in rows if row.run]


def _overridden(place: Place) -> Seen:
    own = place.layout.root / SITE_DIRECTORY
    names = [path.stem for path in entries(own) if path.suffix == ".yaml"]
    instead = [name for name in names if (shipped_directory() / f"{name}.yaml").is_file()]
    if not names:
        return good("none of this site's own: those that come with the launcher are in force")
    return good(
        f"{len(names)} of this site's own" + (f"; in place of shipped ones: {', '.join(instead)}" if instead else "")
    )


def _cluster(place: Place) -> Seen:
    if place.settings.runtime != "kubernetes":
        return good("not used: workspaces run on this machine")
    load_cluster(place.layout)
    return good("read, strictly; `tre cluster doctor` says whether it is true")


FIELD = Field(
    "Rules",
    (
        Check("policy files", "A policy that cannot be read lets nothing through.", _read, Need.root),
        Check("who changes policies", "Whoever changes a policy decides what leaves.", _guarded, Need.root),
        Check(
            "policies in force", "A request is released under the policy it was checked with.", _in_force, Need.record
        ),
        Check("own policies", "What a site decides differently should be known.", _overridden, Need.root),
        Check("cluster.yaml", "What the launcher takes the cluster to be.", _cluster, Need.root),
    ),
)
