"""`tre bench slices`: that it builds what it measures, and what it says of its measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tre.cli.bench import slices
from tre.cli.bench.slices import CASES, XRAYS, Size, Times, bench, figures
from tre.domain.errors import Reason, TREError
from tre.slices import farm
from tre.slices.build import build


def test_each_layout_is_measured_beside_a_peer_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[int, int]] = []
    by_peer = slices._by_peer

    def count(command: list[str], target: Path) -> float:
        payload = Path(command[2] if command[0] == "cp" else command[3])
        files = [path for path in payload.rglob("*") if path.is_file()]
        counted.append((len(files), sum(path.is_dir() for path in payload.rglob("*"))))
        return by_peer(command, target)

    monkeypatch.setattr(slices, "_by_peer", count)
    monkeypatch.setattr(slices.shutil, "which", lambda _name: None)
    found = bench(Size(files=24, rounds=1, file_bytes=50), tmp_path)
    assert counted == [(24, 0), (24, 3), (24, 1 + 3 + 6 + 12), (200, 1)], "X-rays: flat, patient, nccid; CT: patient"
    assert [one.what for one in found if one.peer] == [f"{shape.name}, {layout}: placed" for shape, layout in CASES]
    assert all(one.ours > 0 for one in found)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("copied", "met"), [(2.0, True), (1.9, False)])
def test_the_target_is_a_ratio_of_rates(copied: float, met: bool) -> None:
    times = Times(
        planned=[1.0],
        placed=[1.0, 9.0, 1.0],
        whole=[2.0],
        verified=[1.0],
        copied=[copied],
        mirrored=[8.0],
        removed=[1.0],
    )
    first, second, _, whole, *_ = figures("flat", 1000, times)
    assert (first.ours, first.ratio, first.met, first.target) == (1000, pytest.approx(copied, abs=0.01), met, "≥ 2 ×")
    assert (second.ratio, second.met) == (8, True)
    assert (whole.ours, whole.peer) == (500, None)


def test_a_peer_that_is_not_installed_is_not_made_up() -> None:
    times = Times(planned=[1.0], placed=[1.0], whole=[1.0], verified=[1.0], copied=[1.0], removed=[1.0])
    found = figures("flat", 1, times)
    assert [one.peer.name for one in found if one.peer] == ["cp -al"]
    (said,) = [one for one in found if "rsync" in one.what]
    assert "not installed" in said.what
    assert (said.ratio, said.target, said.met) == (None, None, None)


def test_copies_are_never_published_as_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(18, "other device")

    monkeypatch.setattr(farm.os, "link", refuse)
    with pytest.raises(TREError) as caught:
        bench(Size(files=8, rounds=1), tmp_path)
    assert caught.value.reason is Reason.RuntimeFailed


@pytest.mark.parametrize("change", ["added", "replaced"])
def test_what_is_not_the_stored_file_is_never_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A build whose names lead elsewhere gives an error, not a figure."""

    def spoil(order: Any, watch: Any) -> str:
        content = build(order, watch)
        payload = order.slices.slice(slices.SLICE) / "data"
        one = next(payload.iterdir())
        if change == "replaced":
            data = one.read_bytes()
            one.unlink()
            one.write_bytes(data)
        else:
            (payload / "more.dcm").write_bytes(b"")
        return content

    monkeypatch.setattr(slices, "build", spoil)
    with pytest.raises(TREError) as caught:
        bench(Size(files=8, rounds=1, cases=((XRAYS, "flat"),)), tmp_path)
    assert caught.value.reason is Reason.RuntimeFailed
    assert "1 differences" in caught.value.why
