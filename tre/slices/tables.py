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

from tre.domain.slices.derivations import ClinicalTable
from tre.slices.columns import Values, shown
from tre.slices.index import rows_digest
from tre.slices.release import opened

_TABLE = """
SELECT {columns} FROM patients JOIN wanted USING (pseudonym) ORDER BY pseudonym
"""


def write_clinical(release: Path, rows: Path, table: ClinicalTable, target: Path) -> str:
    """Write the table of the people listed in `rows`; return the digest of what it says.

    `rows` has a column `pseudonym` and, where a column is derived from it, `first_study_date`.
    """
    with opened(release) as connection:
        found = _select(connection, rows, table)
    pq.write_table(found, target, compression="zstd")
    names = ",".join(found.column_names)
    return rows_digest([(names,), *(tuple(row.values()) for row in found.to_pylist())])


def _select(connection: duckdb.DuckDBPyConnection, rows: Path, table: ClinicalTable) -> pa.Table:
    connection.from_parquet(str(rows)).create_view("wanted")
    values = Values()
    columns = ", ".join(shown(name, table, values) for name in table.columns)
    found = connection.sql(_TABLE.format(columns=columns), params=values.bound).to_arrow_table()
    return found.rename_columns(list(table.columns))
