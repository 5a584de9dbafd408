"""Breaking one guard on purpose, so that the demonstration can show that it would notice.

Guarantees: nothing in the program knows of sabotage. A copy of the package is made, one rule in it is taken out, and
the services run from the copy; a rule that cannot be found in the text is an error, so this table cannot go stale.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.system.paths import CHECKOUT, ENVIRONMENT

BESIDE = ("policies", "examples", ENVIRONMENT)
"""What the package looks for beside itself."""


@dataclass(frozen=True)
class Sabotage:
    """One guard, the text that is it, and what stands there instead; and which step must notice."""

    what: str
    file: str
    text: str
    instead: str
    noticed: str


SABOTAGES = {
    "seal": Sabotage(
        "the first process does not seal itself",
        "runtimes/init/main.py",
        "        seal.seal()\n",
        "",
        "the workspace never opens: its isolation is not proven",
    ),
    "gateway": Sabotage(
        "the gateway lets everybody in who has signed in",
        "gateway/decisions.py",
        "    if standing.route is not None and standing.route.subject.key != session.subject.key:\n",
        "    if False:\n",
        "a stranger reaches the workspace",
    ),
    "vote": Sabotage(
        "whoever is a checker may vote, on their own files too",
        "domain/exports/permissions.py",
        "    if not is_independent(person.subject, request, grant):\n        raise _refuse(\n"
        '            "This export request is not yours to review.",\n',
        '    if False:\n        raise _refuse(\n            "This export request is not yours to review.",\n',
        "an author votes on her own file",
    ),
    "bytes": Sabotage(
        "the bytes are not looked at again before they leave",
        "airlock/bundle.py",
        "        if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:\n",
        "        if False:\n",
        "a file that was changed after the votes leaves",
    ),
    "deadline": Sabotage(
        "the end of a grant is an hour later than it says",
        "domain/grants/policies.py",
        "    own = End(expires, Reason.GrantExpired)\n",
        "    hour = timedelta(hours=1)\n"
        "    own = End(expires + hour, Reason.GrantExpired)\n"
        "    expires, law_ends = own.at, None if law_ends is None else law_ends + hour\n",
        "the workspace outlives its grant",
    ),
}


def broken_copy(name: str, home: Path) -> Path:
    """A copy of the package without this guard; return the directory to run it from.

    Raises `TREError(BadInput)` for an unknown name, `TREError(RuntimeFailed)` where the guard is not found.
    """
    if name not in SABOTAGES:
        raise TREError(Reason.BadInput, f"BREAK={name} is not known.", remedy=f"Known: {', '.join(SABOTAGES)}.")
    target = home / f"broken-{name}"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(CHECKOUT / "tre", target / "tre", ignore=shutil.ignore_patterns("__pycache__"))
    for beside in BESIDE:
        (target / beside).symlink_to(CHECKOUT / beside)
    path = target / "tre" / SABOTAGES[name].file
    path.write_text(without_guard(SABOTAGES[name], path.read_text(encoding="utf-8")), encoding="utf-8")
    return target


def without_guard(sabotage: Sabotage, source: str) -> str:
    """The source without the guard. Raises `TREError(RuntimeFailed)` unless it stands there exactly once."""
    if source.count(sabotage.text) != 1:
        raise TREError(Reason.RuntimeFailed, f"The guard to break was not found once in {sabotage.file}.")
    return source.replace(sabotage.text, sabotage.instead)
