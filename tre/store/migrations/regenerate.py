"""`python -m tre.store.migrations.regenerate`: write revision 0001 again from the tables.

For the time until the first release only: afterwards a revision that was applied somewhere must never change.
The result is plain text that no longer depends on `tre.store.tables`, so that it stays what it is when they go on:
`versions/0001_initial.py` says in which order, `initial/GROUP.py` creates the tables of `tre.store.tables.GROUP`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import ModifyTableOps, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import String, Table, create_engine

from tre.store import tables
from tre.store.tables.audit import POSTGRES_FUNCTIONS, POSTGRES_TRIGGERS, SQLITE_TRIGGERS
from tre.store.tables.base import Moment

HERE = Path(__file__).parent

_REVISION = '''"""The first schema. Made by `python -m tre.store.migrations.regenerate`."""

from __future__ import annotations

{imports}

revision = "0001"
down_revision = None

TABLES = (
{calls}
)
"""Those that others refer to first."""


def upgrade() -> None:
    """Create every table."""
    for create in TABLES:
        create()
'''

_GROUP = '''"""The tables of `{group}` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

{moment}{functions}
'''

_WORDS = '''
def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")
'''
_MOMENT = 'MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")\n'


def initial_revision() -> dict[str, str]:
    """The text of every file of revision 0001, by path below the migrations, for the tables as they are now."""
    groups: dict[str, list[str]] = {}
    calls = []
    for name, body in _table_bodies():
        group = _groups()[name]
        groups.setdefault(group, []).append(_function(name, body))
        calls.append(f"    {group}.{name},")
    listed = "".join(f"    {group},\n" for group in sorted(groups))
    imports = f"from tre.store.migrations.initial import (\n{listed})"
    files = {"versions/0001_initial.py": _REVISION.format(imports=imports, calls="\n".join(calls))}
    files["initial/__init__.py"] = '"""The tables as revision 0001 creates them, by group."""\n'
    for group, functions in groups.items():
        text = "\n\n".join(functions)
        moment = (_MOMENT if "MOMENT" in text else "") + (_WORDS if "words(" in text else "")
        files[f"initial/{group}.py"] = _GROUP.format(group=group, moment=moment, functions="\n\n" + text)
    return files


def _groups() -> dict[str, str]:
    """Which module of `tre.store.tables` each table stands in."""
    modules = [value for value in vars(tables).values() if isinstance(value, ModuleType)]
    return {
        table.name: module.__name__.rpartition(".")[2]
        for module in modules
        for table in vars(module).values()
        if isinstance(table, Table)
    }


def _table_bodies() -> Iterator[tuple[str, str]]:
    """Each table's name and the code that creates it with its indexes, in order of dependence."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_item": _render_item})
        found = produce_migrations(context, tables.metadata).upgrade_ops
        assert found is not None
        by_table: dict[str, list[Any]] = {}
        for item in _flat(found.ops):
            by_table.setdefault(item.table_name, []).append(item)
        for name, items in by_table.items():
            code = render_python_code(UpgradeOps(items), render_item=_render_item, migration_context=context)
            lines = [line for line in code.splitlines() if not line.strip().startswith("# ###")]
            yield name, "    " + "\n".join(lines).strip()
    engine.dispose()


def _flat(items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, ModifyTableOps):
            yield from _flat(item.ops)
        else:
            yield item


def _render_item(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    if kind == "type" and isinstance(value, Moment):
        return "MOMENT"
    if kind == "type" and type(value) is String and isinstance(value.length, int):
        return f"words({value.length})"
    return False


def _function(name: str, body: str) -> str:
    text = f'def {name}() -> None:\n    """Create `{name}`."""\n{body}\n'
    for dialect, triggers in (("sqlite", SQLITE_TRIGGERS), ("postgresql", POSTGRES_TRIGGERS)):
        statements = triggers.get(name, [])
        if dialect == "postgresql" and name == min(triggers):  # tables are made in this order
            statements = [*POSTGRES_FUNCTIONS, *statements]
        if statements:
            lines = "".join(_wrapped(statement) for statement in statements)
            text += f'    if op.get_bind().dialect.name == "{dialect}":\n{lines}'
    return text


def _wrapped(statement: str) -> str:
    lines = statement.strip("\n").splitlines(keepends=True)
    parts = [part for line in lines for part in _broken(line)]
    return "        op.execute(\n" + "".join(f"            {part!r}\n" for part in parts) + "        )\n"


def _broken(line: str) -> list[str]:
    """A line as it is, or in parts of some ninety characters."""
    return [line] if len(line) <= 90 else textwrap.wrap(line, 90, drop_whitespace=False, break_long_words=False)


def main() -> None:
    """Write the files, in the house's format where the formatter is installed."""
    shutil.rmtree(HERE / "initial", ignore_errors=True)
    paths = []
    for name, text in initial_revision().items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    beside = Path(sys.executable).parent / "ruff"
    if formatter := (str(beside) if beside.exists() else shutil.which("ruff")):
        subprocess.run([formatter, "format", "--quiet", *paths], check=True)
    sys.stdout.write("\n".join(paths) + "\n")


if __name__ == "__main__":
    main()
