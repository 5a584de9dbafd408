"""Indexes of slices that a test has put into the record without building them."""

from __future__ import annotations

from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.making import Material, make
from tre.store import grant_slices
from tre.store.database import Database
from tre.system.layout import Layout


def keep_indexes(layout: Layout, database: Database, grant: str) -> None:
    """An empty index for each slice of a grant that has none: without one, nothing of the project is checked."""
    store = IndexStore(layout.slice_indexes)
    with database.read() as connection:
        slices = [one.slice_id for one in grant_slices.of_grant(connection, grant)]
    layout.slice_indexes.mkdir(parents=True, exist_ok=True)
    for slice_id in slices:
        if not store.has(slice_id):
            store.keep(slice_id, make(Material()))
