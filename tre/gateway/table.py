"""What the gateway knows: grants, routes, revoked sessions, and how long that may be trusted.

Guarantees: the picture is always a whole one. A new connection to the controller fills a second table, which takes
the place of the first only when the controller says that it is complete; until then the old one decides, and only
for as long as the staleness limit from the last word heard. A record that cannot be read takes its predecessor
down with it, since the predecessor is known to be out of date.

The boot-time end of a run is taken from the route where it is there; the gateway also counts one of its own from the
moment it first saw the run, and uses the earlier, so that a wall clock set back gains nothing anywhere.

Does not guarantee: that the controller tells the truth. It is the one place that decides; this repeats it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.domain.workspaces.routes import Route
from tre.gateway.decisions import Moment, Session, Standing

Message = dict[str, object]


class StreamError(Exception):
    """The controller said something that cannot be applied: the connection is given up."""


@dataclass
class _Picture:
    grants: dict[str, GrantRecord] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    workspaces_of: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    revoked: set[str] = field(default_factory=set)
    endings: dict[str, tuple[int, Reason]] = field(default_factory=dict)


class Table:
    """The picture in force, and the one that is being filled."""

    def __init__(self, staleness_seconds: float) -> None:
        self._staleness = staleness_seconds
        self._picture = _Picture()
        self._filling: _Picture | None = None
        self._pinned: dict[tuple[str, int], float] = {}
        self.heard_at: float | None = None

    @property
    def trusted_until(self) -> float | None:
        """The boot-time second until which the picture counts; `None` before the first whole one."""
        return None if self.heard_at is None else self.heard_at + self._staleness

    def apply(self, message: Message, moment: Moment) -> frozenset[str] | None:
        """Take in one message; return the workspaces that it may have changed, `None` for all of them.

        Raises `StreamError` for a message that names no record that could be taken down in its place.
        """
        kind = message.get("type")
        if kind == "reset":
            self._filling = _Picture()
            return frozenset()
        if kind == "synced":
            self._put_in_force(moment)
            return None
        changed = frozenset[str]() if kind == "beat" else self._change(str(kind), message, moment)
        if self._filling is None:
            self.heard_at = moment.boottime
        return changed

    def lost(self) -> None:
        """The connection broke: what was being filled is worth nothing."""
        self._filling = None

    def standing(self, workspace: str, session: Session | None) -> Standing:
        """All that is known about a workspace, for one session."""
        picture = self._picture
        route = picture.routes.get(workspace)
        known = picture.endings.get(workspace)
        return Standing(
            route=route,
            grant=None if route is None else picture.grants.get(route.grant),
            boottime_end=None if route is None else self._boottime_end(route),
            trusted_until=self.trusted_until,
            ending=known[1] if known and route is not None and known[0] == route.instance else None,
            session_revoked=session is not None and session.id in picture.revoked,
        )

    def route(self, workspace: str) -> Route | None:
        """The workspace's route."""
        return self._picture.routes.get(workspace)

    def routes(self) -> tuple[Route, ...]:
        """Every route in force."""
        return tuple(self._picture.routes.values())

    def _put_in_force(self, moment: Moment) -> None:
        if self._filling is None:
            raise StreamError("synced without reset")
        for workspace, known in self._picture.endings.items():
            if workspace in self._filling.routes:
                self._filling.endings.setdefault(workspace, known)
        self._picture, self._filling = self._filling, None
        runs = {(route.workspace, route.instance) for route in self._picture.routes.values()}
        self._pinned = {run: end for run, end in self._pinned.items() if run in runs}
        for route in self._picture.routes.values():
            self._pin(route, moment)
        self.heard_at = moment.boottime

    def _change(self, kind: str, message: Message, moment: Moment) -> frozenset[str]:
        if (closing := _CLOSING.get(kind)) is not None:  # nobody waits for a whole picture to lose access
            if self._filling is not None:
                closing(self._filling, message)
            return closing(self._picture, message)
        if (change := _CHANGES.get(kind)) is None:
            raise StreamError(f"unknown type {kind[:40]!r}")
        if self._filling is not None:
            change(self._filling, message)
            return frozenset()
        changed = change(self._picture, message)
        for workspace in changed & self._picture.routes.keys():
            self._pin(self._picture.routes[workspace], moment)
        return changed

    def _pin(self, route: Route, moment: Moment) -> None:
        if route.end is None:
            return
        run = (route.workspace, route.instance)
        own = moment.boottime + (route.end - moment.now).total_seconds()
        self._pinned[run] = min(self._pinned.get(run, own), own)

    def _boottime_end(self, route: Route) -> float | None:
        pinned = self._pinned.get((route.workspace, route.instance))
        told = None if route.boottime_end_ms is None else route.boottime_end_ms / 1000
        ends = [end for end in (pinned, told) if end is not None]
        return min(ends) if ends else None


def _text(message: Message, key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str) or not value:
        raise StreamError(f"a {message.get('type')} without {key}")
    return value


def _record_name(message: Message, key: str) -> str:
    record = message.get("record")
    if not isinstance(record, dict) or not isinstance(record.get(key), str):
        raise StreamError(f"a {message.get('type')} without a record that names its {key}")
    return str(record[key])


def _put_grant(picture: _Picture, message: Message) -> frozenset[str]:
    name = _record_name(message, "name")
    try:
        picture.grants[name] = GrantRecord.model_validate(message["record"])
    except ValidationError:
        picture.grants.pop(name, None)  # the older version is known to be out of date
    return frozenset(picture.workspaces_of[name])


def _put_route(picture: _Picture, message: Message) -> frozenset[str]:
    workspace = _record_name(message, "workspace")
    _drop_route(picture, workspace)
    try:
        route = Route.model_validate(message["record"])
    except ValidationError:
        return frozenset({workspace})
    picture.routes[workspace] = route
    picture.workspaces_of[route.grant].add(workspace)
    return frozenset({workspace})


def _drop_grant(picture: _Picture, message: Message) -> frozenset[str]:
    name = _text(message, "name")
    picture.grants.pop(name, None)
    return frozenset(picture.workspaces_of[name])


def _route_gone(picture: _Picture, message: Message) -> frozenset[str]:
    return frozenset({_drop_route(picture, _text(message, "workspace"))})


def _revoke_session(picture: _Picture, message: Message) -> frozenset[str]:
    picture.revoked.add(_text(message, "session"))
    return frozenset(picture.routes)


def _drop_route(picture: _Picture, workspace: str) -> str:
    if (old := picture.routes.pop(workspace, None)) is not None:
        picture.workspaces_of[old.grant].discard(workspace)
    return workspace


def _announce(picture: _Picture, message: Message) -> frozenset[str]:
    workspace = _text(message, "workspace")
    try:
        reason = Reason(_text(message, "reason"))
    except ValueError:
        reason = Reason.StateForbids
    if (route := picture.routes.get(workspace)) is not None:
        picture.endings[workspace] = (route.instance, reason)
    return frozenset({workspace})


_Change = Callable[[_Picture, Message], frozenset[str]]
_CLOSING: dict[str, _Change] = {"ending": _announce, "session-revoked": _revoke_session}
_CHANGES: dict[str, _Change] = {
    "grant": _put_grant,
    "grant-gone": _drop_grant,
    "route": _put_route,
    "route-gone": _route_gone,
}
