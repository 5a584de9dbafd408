"""Everything that the doctor looks at, by field, in the order in which it is told."""

from __future__ import annotations

from tre.cli.doctor import doors, isolation, keyring, leftovers, machine, programs, record, recovery, rules, storage

FIELDS = {
    "machine": machine.FIELD,
    "isolation": isolation.FIELD,
    "storage": storage.FIELD,
    "programs": programs.FIELD,
    "keys": keyring.FIELD,
    "rules": rules.FIELD,
    "doors": doors.FIELD,
    "record": record.FIELD,
    "recovery": recovery.FIELD,
    "leftovers": leftovers.FIELD,
}
"""By the name that `--only` takes."""
