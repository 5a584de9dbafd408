"""Slices where the file system gives no further name: another file system, and a file with as many as it may have."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.filesystems import lines_on_own_filesystem
from tests.unit.slices.conftest import SLICE, Bench
from tre.domain.errors import Reason, TREError
from tre.slices import copies, farm
from tre.slices.build import remove
from tre.slices.copies import RECORD, Copies, copies_of
from tre.slices.files import NOBODY_ELSE
from tre.slices.verify import Difference, Fault, Recorded, verify


def differences(bench: Bench, recorded: Recorded) -> list[Difference]:
    return list(verify(recorded, bench.slices, bench.dataset).differences)


def files_of(bench: Bench) -> list[Path]:
    return sorted(path for path in (bench.slice / "data").rglob("*") if path.is_file())


def refusing(monkeypatch: pytest.MonkeyPatch, number: int, times: int) -> None:
    """Let so many links be refused, then none."""
    real, left = os.link, iter(range(times))

    def link(*args: Any, **kwargs: Any) -> None:
        if next(left, None) is not None:
            raise OSError(number, os.strerror(number))
        real(*args, **kwargs)

    monkeypatch.setattr(farm.os, "link", link)


@pytest.fixture
def crowded(filled: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """One file that may have no further name."""
    refusing(monkeypatch, errno.EMLINK, 1)
    return filled


def test_a_file_with_as_many_names_as_it_may_have_is_copied_and_the_others_linked(crowded: Bench) -> None:
    recorded = crowded.build(headers="sidecar")
    found = copies_of(crowded.slice)
    assert (found.linked, found.reflinked + found.copied, len(found.paths)) == (6, 1, 1)
    (path,) = found.paths
    copied = (crowded.slice / "data" / path).stat()
    assert (copied.st_nlink, copied.st_mode & 0o777) == (1, 0o440)
    assert all(one.stat().st_nlink == 2 for one in files_of(crowded) if str(one).endswith(path) is False)
    assert differences(crowded, recorded) == []


def test_a_slice_of_links_has_no_record_and_another_digest(filled: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    linked = filled.build()
    assert not (filled.slice / RECORD).exists()
    refusing(monkeypatch, errno.EMLINK, 1)
    assert filled.build().content_digest != linked.content_digest
    assert (filled.slice / RECORD).exists()


def test_where_nothing_can_be_linked_everything_is_copied_and_says_so(
    filled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, errno.EXDEV, 1000)
    recorded = filled.build(headers="sidecar")
    found = copies_of(filled.slice)
    assert (found.paths, found.linked, found.reflinked + found.copied) == ({"*"}, 0, 7)
    assert differences(filled, recorded) == []
    done = subprocess.run(["sha256sum", "--quiet", "-c", "tagmanifest-sha256.txt"], cwd=filled.slice, check=False)
    assert done.returncode == 0, "the bag covers the record"
    remove(filled.slices, SLICE, NOBODY_ELSE)
    assert all(path.stat().st_nlink == 1 for path in filled.dataset.tier("dates-full").rglob("*.dcm"))


def changed_copy(bench: Bench) -> Path:
    (name,) = copies_of(bench.slice).paths
    path = bench.slice / "data" / name
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return path


def test_a_copy_with_other_bytes_is_found(crowded: Bench) -> None:
    recorded = crowded.build()
    path = changed_copy(crowded)
    assert differences(crowded, recorded) == [Difference(str(path.relative_to(crowded.slice)), Fault.replaced)]


def test_a_record_that_was_widened_hides_nothing(crowded: Bench) -> None:
    """Whoever could put files there could add their names to the record: the digest of the content tells."""
    recorded = crowded.build()
    with (crowded.slice / RECORD).open("a") as file:
        file.write("*\n")
    found = {(one.path, one.fault) for one in differences(crowded, recorded)}
    assert (RECORD, Fault.changed) in found
    (crowded.slice / RECORD).unlink()
    found = {(one.path, one.fault) for one in differences(crowded, recorded)}
    assert ("manifest-sha256.txt", Fault.changed) in found
    assert any(fault is Fault.replaced for _, fault in found), "without the record the copy is a stranger"


def test_a_record_that_was_added_is_found(filled: Bench) -> None:
    recorded = filled.build()
    (filled.slice / RECORD).write_text("*\n")
    assert {one.path for one in differences(filled, recorded)} >= {RECORD, "manifest-sha256.txt"}


def test_stored_bytes_that_changed_are_not_copied(filled: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_reflink", lambda *_: False)
    refusing(monkeypatch, errno.EXDEV, 1000)
    victim = min(filled.dataset.tier("dates-full").rglob("*.dcm"))
    victim.chmod(0o600)
    victim.write_bytes(victim.read_bytes() + b"\0")
    with pytest.raises(TREError) as caught:
        filled.build()
    assert caught.value.reason is Reason.ContentChanged
    assert not filled.slice.exists()


def test_a_record_from_nowhere_is_read_as_what_it_is(tmp_path: Path) -> None:
    assert copies_of(tmp_path) == Copies()
    (tmp_path / RECORD).write_bytes(b"\xff# x\n# linked a copied 2 other 3\n")
    assert copies_of(tmp_path).copied == 2
    (tmp_path / RECORD).unlink()
    (tmp_path / RECORD).symlink_to("/etc/passwd")
    assert copies_of(tmp_path) == Copies()


SCRIPT = """
import os, sys
from pathlib import Path
from tests.unit.slices.conftest import Bench, Maker
from tre.slices.copies import copies_of
from tre.slices.places import DatasetPlaces, SlicePlaces
from tre.slices.verify import verify

other, here = Path(sys.argv[1]), Path(sys.argv[2])
here.mkdir()
bench = Bench(here, DatasetPlaces(here / "demo"), SlicePlaces(other / "slices"), Maker(here / "delivery"))
(other / "slices").mkdir()
for number in (1, 2):
    bench.maker.record(f"Covid{number}")
    bench.maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sidecar=True)
bench.ingest()
recorded = bench.build(headers="sidecar")
found = copies_of(bench.slice)
print(found.as_plain(), sorted(found.paths))
print(verify(recorded, bench.slices, bench.dataset).differences)
print({path.stat().st_dev == other.stat().st_dev for path in bench.slice.rglob("*.dcm")})
print(sorted({path.stat().st_nlink for path in bench.dataset.tier("dates-full").rglob("*.*")}))
print(list(bench.slices.staging.iterdir()))
"""


def test_another_file_system(tmp_path: Path) -> None:
    found = lines_on_own_filesystem(tmp_path / "other", "", SCRIPT, str(tmp_path / "d"))
    assert found == [
        "{'linked': 0, 'reflinked': 0, 'copied': 4} ['*']",
        "()",
        "{True}",
        "[1]",
        "[]",
    ]


def test_the_real_limit_of_names(filled: Bench) -> None:
    """The file system itself says no: on ext4, at 65,000 names."""
    most = os.pathconf(filled.root, "PC_LINK_MAX")
    if most > 65_000:
        pytest.skip(f"this file system allows {most} names, too many to make")
    victim = min(filled.dataset.tier("dates-full").rglob("*.dcm"))
    crowd = filled.root / "crowd"
    crowd.mkdir()
    with farm.directory(crowd) as target:
        for number in range(most - victim.stat().st_nlink):
            os.link(victim, str(number), dst_dir_fd=target)
    recorded = filled.build(images=[{"modality": ["DX", "CT"]}])
    found = copies_of(filled.slice)
    assert (found.linked, found.reflinked + found.copied) == (4, 1)
    assert differences(filled, recorded) == []
