"""The schema's history, one revision after the other.

How to add a revision once a release is out: change `tre/store/tables`, write `versions/NNNN_what_changed.py` by hand
with `revision`, `down_revision` and `upgrade()` (SQLite: `with op.batch_alter_table(...)` where a column changes),
and run the tests: they compare a migrated database with `tre.store.tables.metadata`, triggers included.

Until the first release there is one revision, `0001_initial`, which is written again from the tables by
`python -m tre.store.migrations.regenerate`. There are no downgrades: the audit log cannot be taken back; restore a
backup instead.
"""
