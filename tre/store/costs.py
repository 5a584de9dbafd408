"""What projects use and may use, in the record.

Guarantees: a meter and what it added are written in one transaction, so a power cut neither loses nor doubles a
reading; sums are made by the database from whole numbers. Only a person sets a budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from tre.domain.costs.budgets import Budget, Measure
from tre.domain.costs.meters import Kept, Portion, RunMeter, StoreMeter, begin
from tre.domain.costs.prices import Use, live
from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.domain.workspaces.states import ALIVE_PHASES
from tre.store import workspaces
from tre.store.database import Change
from tre.store.tables.airlock import export_files, export_requests
from tre.store.tables.costs import cost_budgets, cost_months, cost_place_months, cost_places, cost_runs

Key = tuple[str, int]
_RUN = (cost_runs.c.workspace == cost_months.c.workspace) & (cost_runs.c.instance == cost_months.c.instance)


def meter(connection: Connection, workspace: str, instance: int) -> RunMeter | None:
    """The meter of one run."""
    same = (cost_runs.c.workspace == workspace) & (cost_runs.c.instance == instance)
    row = connection.execute(select(cost_runs).where(same)).one_or_none()
    return None if row is None else RunMeter.model_validate(dict(row._mapping))


def running(connection: Connection, grant: str | None = None) -> list[RunMeter]:
    """The meters of runs that were not seen to end: of one project, or of all."""
    query = select(cost_runs).where(cost_runs.c.ended_at.is_(None)).order_by(cost_runs.c.workspace)
    query = query if grant is None else query.where(cost_runs.c.grant == grant)
    return [RunMeter.model_validate(dict(row._mapping)) for row in connection.execute(query)]


def keep_run(change: Change, after: RunMeter, portions: Iterable[Portion]) -> None:
    """Move a run's meter on, and keep what that adds."""
    key = {"workspace": after.workspace, "instance": after.instance}
    _put(change, cost_runs, key, after.model_dump(exclude=set(key)))
    for one in portions:
        added = {"life_ms": one.life_ms, "known_ms": one.known_ms, "cpu_us": one.cpu_us}
        _add(change, cost_months, key | {"month": one.month}, added)


def places(connection: Connection) -> dict[tuple[str, Kept], StoreMeter]:
    """What every project keeps where, as it was measured last."""
    found = [StoreMeter.model_validate(dict(row._mapping)) for row in connection.execute(select(cost_places))]
    return {(one.grant, one.place): one for one in found}


def keep_place(change: Change, after: StoreMeter, added: Iterable[tuple[str, int]]) -> None:
    """Move the meter of a place on, and keep what that adds."""
    key = {"grant": after.grant, "place": after.place.value}
    _put(change, cost_places, key, {"kib": after.kib, "counted_to": after.counted_to})
    for month, kib_s in added:
        _add(change, cost_place_months, key | {"month": month}, {"kib_s": kib_s})


def vault_bytes(connection: Connection) -> dict[str, int]:
    """Bytes of files that each project wanted to take out, each content once: the airlock keeps what was decided on."""
    content = (export_requests.c.grant, export_files.c.sha256)
    joined = export_files.join(export_requests, export_requests.c.id == export_files.c.request)
    each = select(*content, func.max(export_files.c.size).label("size")).select_from(joined).group_by(*content)
    kept = each.subquery()
    query = select(kept.c.grant, func.sum(kept.c.size).label("size")).group_by(kept.c.grant)
    return {row.grant: int(row.size) for row in connection.execute(query)}


def uses(connection: Connection, month: str | None = None, grant: str | None = None) -> dict[str, Use]:
    """What every project used, in a month or in all: those that used anything."""
    found: dict[str, Use] = {}
    for row in connection.execute(_sums(cost_runs.c.grant, month, grant)):
        found[row.grant] = _use(row)
    kept = _kept(month, grant)
    for row in connection.execute(kept):
        place = Use(kept_kib_s={Kept(row.place): int(row.kib_s)})
        found[row.grant] = found.get(row.grant, Use()) + place
    return found


def uses_now(
    connection: Connection, now: datetime, month: str | None = None, grant: str | None = None
) -> dict[str, Use]:
    """The same up to this moment, with what runs have taken since they were read last."""
    known = {(one.workspace, one.instance): one for one in running(connection, grant)}
    alive = workspaces.alive(connection) if grant is None else workspaces.of_grant(connection, grant)
    unread = [
        begin(one.plan, one.started_at)
        for one in alive
        if one.phase in ALIVE_PHASES and one.plan and one.started_at and (one.name, one.instance) not in known
    ]
    found = uses(connection, month, grant)
    for meter in (*known.values(), *unread):
        found[meter.grant] = found.get(meter.grant, Use()) + live(meter, now, month)
    return found


def by_month(connection: Connection, grant: str | None = None) -> dict[tuple[str, str], Use]:
    """What every project used, by project and month, in this order."""
    months = set(connection.execute(select(cost_months.c.month).distinct()).scalars())
    months |= set(connection.execute(select(cost_place_months.c.month).distinct()).scalars())
    found = {(name, month): use for month in months for name, use in uses(connection, month, grant).items()}
    return dict(sorted(found.items()))


def runs_of(connection: Connection, grant: str, limit: int = 200) -> list[tuple[RunMeter, Use]]:
    """The runs of a project, the newest first, each with all that it used."""
    meters = select(cost_runs).where(cost_runs.c.grant == grant)
    meters = meters.order_by(cost_runs.c.began_at.desc(), cost_runs.c.workspace).limit(limit)
    wanted = [RunMeter.model_validate(dict(row._mapping)) for row in connection.execute(meters)]
    key = (cost_runs.c.workspace, cost_runs.c.instance)
    sums = _sums_by(key).where(cost_runs.c.grant == grant).group_by(*key)
    used = {(row.workspace, row.instance): _use(row) for row in connection.execute(sums)}
    return [(one, used.get((one.workspace, one.instance), Use())) for one in wanted]


def _sums_by(columns: Sequence[Any]) -> Any:
    life = cost_months.c.life_ms
    return select(
        *columns,
        func.sum(life).label("life_ms"),
        func.sum(cost_months.c.known_ms).label("known_ms"),
        func.sum(cost_months.c.cpu_us).label("cpu_us"),
        func.sum(life * cost_runs.c.cpu_millis).label("reserved_cpu_ms"),
        func.sum(life * cost_runs.c.memory_mib).label("memory_mib_ms"),
        func.sum(life * cost_runs.c.gpus).label("gpu_ms"),
        func.max(cost_runs.c.peak_bytes).label("peak_bytes"),
    ).join_from(cost_months, cost_runs, _RUN)


def _sums(column: Any, month: str | None, grant: str | None) -> Any:
    query = _sums_by((column,)).group_by(column)
    query = query if month is None else query.where(cost_months.c.month == month)
    return query if grant is None else query.where(cost_runs.c.grant == grant)


def _kept(month: str | None, grant: str | None) -> Any:
    table = cost_place_months.c
    query = select(table.grant, table.place, func.sum(table.kib_s).label("kib_s")).group_by(table.grant, table.place)
    query = query if month is None else query.where(table.month == month)
    return query if grant is None else query.where(table.grant == grant)


def _use(row: Any) -> Use:
    numbers = ("life_ms", "known_ms", "cpu_us", "reserved_cpu_ms", "memory_mib_ms", "gpu_ms")
    whole = {name: int(getattr(row, name)) for name in numbers}
    return Use(**whole, peak_bytes=row.peak_bytes)


def budgets(connection: Connection, grant: str | None = None) -> list[Budget]:
    """Every budget, of one project or of all, by project and measure."""
    query = select(cost_budgets).order_by(cost_budgets.c.grant, cost_budgets.c.measure)
    query = query if grant is None else query.where(cost_budgets.c.grant == grant)
    return [_budget(row._mapping) for row in connection.execute(query)]


def set_budget(change: Change, budget: Budget) -> None:
    """Put a limit in the place of the one there was; warnings begin anew."""
    key = {"grant": budget.grant, "measure": budget.measure.value}
    by = {"by_issuer": budget.by.issuer, "by_id": budget.by.id}
    values = {"limit": f"{budget.limit:f}", "at": budget.at, "reason": budget.reason, "told": budget.told}
    _put(change, cost_budgets, key, values | by)


def drop_budget(change: Change, grant: str, measure: Measure) -> None:
    """Take a limit away. Raises `TREError(ObjectNotFound)` where there is none."""
    same = (cost_budgets.c.grant == grant) & (cost_budgets.c.measure == measure.value)
    if change.connection.execute(delete(cost_budgets).where(same)).rowcount == 0:
        raise TREError(
            Reason.ObjectNotFound,
            f"{grant} has no limit of {measure.value}.",
            why="None was set, or it was lifted already.",
            remedy=f"See `tre cost show {grant}`.",
        )


def set_told(change: Change, budget: Budget, percent: int) -> None:
    """Keep that people were told of a percentage, unless the limit was changed meanwhile."""
    same = (cost_budgets.c.grant == budget.grant) & (cost_budgets.c.measure == budget.measure.value)
    unchanged = cost_budgets.c.at == budget.at
    change.connection.execute(update(cost_budgets).where(same, unchanged).values(told=percent))


def _budget(row: Any) -> Budget:
    by = Subject(issuer=row["by_issuer"], id=row["by_id"])
    plain = {name: row[name] for name in ("grant", "measure", "at", "reason", "told")}
    return Budget(**plain, limit=Decimal(row["limit"]), by=by)


def _put(change: Change, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    done = change.connection.execute(update(table).where(*_same(table, key)).values(**values))
    if done.rowcount == 0:
        change.connection.execute(insert(table).values(**key, **values))


def _add(change: Change, table: Table, key: dict[str, Any], added: dict[str, int]) -> None:
    more = {name: table.c[name] + number for name, number in added.items()}
    done = change.connection.execute(update(table).where(*_same(table, key)).values(**more))
    if done.rowcount == 0:
        change.connection.execute(insert(table).values(**key, **added))


def _same(table: Table, key: dict[str, Any]) -> list[Any]:
    return [table.c[name] == value for name, value in key.items()]
