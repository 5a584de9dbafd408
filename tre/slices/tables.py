"""The clinical table of a slice: written afresh, with the permitted columns and nothing else.

Guarantees: exactly the planned columns, in order, for exactly the planned people; exact ages from 90 on are written
as 90; derived columns are computed here and only their result is written. The digest is over the rows, so it does not
depend on the library that writes the file.

Does not guarantee: that the table alone is anonymous. It is pseudonymised data and stays inside.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tre.domain.slices.spec import ClinicalTable
from tre.domain.slices.vocabulary import AGE_TOP_CODE, CLINICAL_COLUMNS
from tre.slices.index import rows_digest
from tre.slices.release import opened
from tre.slices.reports import band_expression

_TABLE = """
SELECT {columns} FROM patients WHERE pseudonym IN (SELECT pseudonym FROM wanted) ORDER BY pseudonym
"""


def _expression(name: str, table: ClinicalTable) -> str:
    if name in table.derive:
        return f"{band_expression(table.derive[name])} AS {name}"
    assert name in CLINICAL_COLUMNS, "the specification was checked"
    return f"least(age, {AGE_TOP_CODE}) AS age" if name == "age" else name


def write_clinical(release: Path, rows: Path, table: ClinicalTable, target: Path) -> str:
    """Write the table of the people listed in `rows`; return the digest of what it says."""
    with opened(release) as connection:
        found = _select(connection, rows, table)
    pq.write_table(found, target, compression="zstd")
    names = ",".join(found.column_names)
    return rows_digest([(names,), *(tuple(row.values()) for row in found.to_pylist())])


def _select(connection: duckdb.DuckDBPyConnection, rows: Path, table: ClinicalTable) -> pa.Table:
    connection.from_parquet(str(rows)).create_view("wanted")
    columns = ", ".join(_expression(name, table) for name in table.columns)
    return connection.sql(_TABLE.format(columns=columns)).to_arrow_table()
