"""What no living workspace explains, and what is half done.

Does not guarantee: that something it names is wrong. What ends at this moment is seen half ended: look again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select

from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, State, bad, entries, judged, weak
from tre.cli.doctor.mounts import parse
from tre.domain.workspaces.states import ALIVE_PHASES
from tre.runtimes.bubblewrap import observer
from tre.runtimes.bubblewrap.state import RunState, holder
from tre.store import workspaces as store
from tre.store.jobs import JobState
from tre.store.tables.jobs import jobs
from tre.store.tables.workspaces import workspaces
from tre.store.waits import look

OLD = timedelta(hours=1)
"""What was begun so long ago and has no name of its own yet is nobody's any more."""

LONG = timedelta(minutes=15)
_AGAIN = "Look again; what stays is ended by the services when they start (`tre up`)."
_LIVES = (
    "`tre workspace verify` says what lives; `tre halt` ends everything. See docs/runbooks.md, TreWorkspaceOverdue."
)


def _alive(place: Place) -> set[str]:
    return place.asked(store.alive_runs)


def _runs(place: Place) -> Seen:
    """Directories of runs that the record does not take to be alive, and what lives in them."""
    here = place.layout.run / "workspaces"
    strays = [path for path in entries(here) if path.name not in _alive(place)]
    living = [words for path in strays if (words := _life(path, place.now))]
    if living:
        return bad("; ".join(living), _LIVES)
    return judged(
        [f"{path.name} is left" for path in strays], "none but those of living workspaces", _AGAIN, State.weak
    )


def _life(directory: Path, now: datetime) -> str:
    """What lives of a run, in words; empty where nothing does or nobody noted what to look for."""
    state = RunState.read(directory)
    if state is None:
        return ""
    found = observer.look(observer.Target.of(state.plan, state, holder(directory)), directory, now)
    parts = [f"{len(found.processes)} processes"] if found.processes else []
    parts += [f"{len(found.mounts)} mounts"] if found.mounts else []
    return f"{directory.name} has ended and has {' and '.join(parts)}" if parts else ""


def _processes(place: Place) -> Seen:
    """Processes of users that are set aside for workspaces, of whom none lives."""
    uids = place.settings.workspace_uids
    living = place.asked(_living_users)
    strays = sorted(
        f"process {pid} of user {uid}" for pid, uid in _owners(place.processes) if uids.holds(uid) and uid not in living
    )
    return judged(strays, "none of a user that no living workspace has", _LIVES)


def _living_users(connection: Connection) -> set[int]:
    query = select(workspaces.c.uid).where(workspaces.c.phase.in_(sorted(ALIVE_PHASES)), workspaces.c.uid.is_not(None))
    return set(connection.execute(query).scalars())


def _owners(processes: Path) -> Iterator[tuple[int, int]]:
    for path in processes.iterdir():
        if not path.name.isdigit():
            continue
        try:
            status = (path / "status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it ended
        line = next((line for line in status.splitlines() if line.startswith("Uid:")), "")
        if line:
            yield int(path.name), int(line.split()[1])


def _mounts(place: Place) -> Seen:
    below = f"{place.layout.run}/workspaces/"
    table = parse((place.processes / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    alive = _alive(place)
    points = [mount.point for _, mount in table if mount.point.startswith(below)]
    strays = sorted({point for point in points if point.removeprefix(below).partition("/")[0] not in alive})
    remedy = f"`umount -R {strays[0]}`, once `tre workspace verify` says that nothing lives." if strays else ""
    return judged(strays, "none but those of living workspaces", remedy)


def _groups(place: Place) -> Seen:
    root, mark, alive = place.system / "fs" / "cgroup", place.layout.run.name, _alive(place)
    folders = [root / "tre" / mark, *(root / name / "tre" / mark for name in ("memory", "cpu", "pids"))]
    strays = sorted({path.name for folder in folders for path in entries(folder) if path.is_dir()} - alive)
    return judged([f"{name} is left" for name in strays], "none but those of living workspaces", _AGAIN, State.weak)


def _homes(place: Place) -> Seen:
    """Homes that no workspace of the record has, and home files that are attached though nobody works."""
    layout, known = place.layout, place.asked(_names)
    homes = [path.name for path in entries(layout.homes) if not path.name.startswith(".")]
    wrong = [f"the home {name} belongs to no workspace" for name in homes if name not in known]
    alive = {name.rpartition("-")[0] for name in _alive(place)}
    for path in sorted((place.system / "block").glob("loop*/loop/backing_file")):
        backing = Path(path.read_text(encoding="utf-8", errors="replace").strip().removesuffix(" (deleted)"))
        if backing.is_relative_to(layout.homes) and backing.relative_to(layout.homes).parts[0] not in alive:
            wrong.append(f"{path.parts[-3]} holds {backing}, and nobody works there")
    remedy = "A home without a workspace: find out whose it was before you remove it. A loop device: `losetup -d`."
    return judged(wrong, "each belongs to a workspace", remedy, State.weak)


def _names(connection: Connection) -> set[str]:
    return set(connection.execute(select(workspaces.c.name)).scalars())


def _work(place: Place) -> Seen:
    """What was asked for and is not done."""

    def ask(connection: Connection) -> tuple[int, datetime | None, int]:
        waits = look(connection, place.now)
        failed = select(func.count()).where(jobs.c.state == JobState.failed)
        return waits.overdue, waits.job, int(connection.execute(failed).scalar_one())

    overdue, oldest, failed = place.asked(ask)
    if overdue:
        return bad(f"{overdue} workspaces may live although they had to end", _LIVES)
    wrong = [f"{failed} jobs failed for good"] if failed else []
    if oldest is not None and place.now - oldest > LONG:
        wrong.append(f"a job waits since {oldest:%Y-%m-%d %H:%M}Z")
    remedy = (
        "Start the services; `log/storekeeper.log` and `log/checker.log` say why. See docs/runbooks.md, TreJobsWait."
    )
    return judged(wrong, "no job waits long, none failed for good", remedy, State.weak)


_BEGUN = (
    "", "keys", "db", "db/record", "data/datasets", "data/slices", "data/indexes", "vault/objects", "vault/extracts",
    "vault/releases", "vault/papers", "vault/uploads", "vault/handover", "audit", "policies", "work",
)  # fmt: skip


_KEPT = {".lock", ".plan-lock", ".plan", ".withdrawals"}
_WORKED_IN = {".staging", ".trash"}
"""Directories that stay: what lies in them is being made, or being destroyed."""


def _unfinished(directory: Path) -> Iterator[Path]:
    for path in entries(directory):
        if path.name in _WORKED_IN:
            yield from entries(path)
        elif path.name.startswith(".") and path.name not in _KEPT:
            yield path


def _begun(place: Place) -> Seen:
    """Files and directories that are not finished: their names begin with a dot until they are."""
    root, before = place.layout.root, place.now - OLD
    places = [*(root / name for name in _BEGUN), *entries(place.layout.datasets)]
    found = [path for directory in places if directory.is_dir() for path in _unfinished(directory)]
    found += [path for path in entries(root.parent) if path.name.startswith(f".{root.name}.restoring-")]
    old = [path for path in found if _changed(path) < before]
    listed = [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in old]
    words = "Start the services: the next start removes or finishes each (docs/backup.md, what is half done)."
    return judged(listed, "nothing is half written", words, State.weak)


def _changed(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.max.replace(tzinfo=UTC)


def _endings(place: Place) -> Seen:
    """Endings that were written down while the record could not take them."""
    files = [path for path in entries(place.layout.endings) if path.stat().st_size > 0]
    old = [path.name for path in files if _changed(path) < place.now - timedelta(minutes=1)]
    if old:
        return weak(
            f"{len(old)} files of endings wait for the log", "Start the services: the controller takes them in."
        )
    return judged([], "none waits for the log", "")


FIELD = Field(
    "Leftovers",
    (
        Check("runs", "What lives of a run that has ended is a workspace that nobody sees.", _runs, Need.record),
        Check("processes", "The same, where the run's directory is gone.", _processes, Need.record),
        Check("mounts", "Data stays within reach of whoever gets there.", _mounts, Need.record),
        Check("control groups", "What is in one still uses the machine.", _groups, Need.record),
        Check("homes", "Data of a project that is over.", _homes, Need.record),
        Check("work under way", "What was asked for and is not done.", _work, Need.record),
        Check("half written files", "What was cut off.", _begun, Need.root),
        Check("endings", "That somebody's access ended, and is not in the log.", _endings, Need.root),
    ),
)
