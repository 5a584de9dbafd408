"""`tre bench withdraw` at a size that takes no time: what it does, not how fast."""

from __future__ import annotations

from tre.cli.bench.withdraw import Size, bench


def test_a_patient_leaves_every_slice_and_everything_is_measured() -> None:
    figures = bench(Size(patients=3, files=4, slices=3, rounds=2))
    assert [figure.what for figure in figures] == [
        "one patient (4 files) out of 3 live slices",
        "until a mount that was there all the while shows it",
        "names unlinked a second",
        "tables, manifests and indexes of a slice written anew after it",
    ]
    assert all(figure.ours > 0 for figure in figures)
    assert figures[0].peer is not None
    assert figures[0].met is not None
