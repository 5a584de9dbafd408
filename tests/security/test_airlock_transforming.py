"""Transformations behind walls: each does its work in a real child, and a child that was taken over makes nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.assets.airlock.files import chunk, png
from tests.assets.airlock.transformed import GRID, drawing, jpeg, notebook, pdf, workbook
from tre.airlock.confine import ChildAnswer, ChildProduct, Errand, Instruction, transform
from tre.airlock.examination import Candidate
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.transform import Order, Transformed, transform_file
from tre.airlock.vault import Vault
from tre.domain.errors import Reason, TREError
from tre.domain.exports.fixes import BY_ID, Provenance, numbers_for

POLICY = load_policy("default", [shipped_directory()])
FILES = {
    "round-counts": ("a/t.csv", GRID),
    "midpoint-counts": ("a/t.csv", GRID),
    "suppress-counts": ("a/t.csv", GRID),
    "strip-metadata": ("a/f.png", png(before=chunk(b"tEXt", b"Author\0somebody"))),
    "code-only": ("a/n.ipynb", notebook()),
    "sheets-to-csv": ("a/b.xlsx", workbook()),
    "svg-to-pixels": ("a/v.svg", drawing()),
    "pdf-to-pixels": ("a/d.pdf", pdf()),
}


def transformed(vault: Vault, fix: str, path: str, data: bytes, **parameters: int) -> Transformed:
    @contextmanager
    def opened() -> Iterator[int]:
        descriptor = os.memfd_create("source")
        os.write(descriptor, data)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    order = Order(fix, parameters or numbers_for(BY_ID[fix], POLICY))
    return transform_file(Candidate(path, hashlib.sha256(data).hexdigest(), opened), order, POLICY, vault)


@pytest.mark.parametrize("fix", FILES)
def test_every_transformation_works_behind_the_walls_and_says_where_its_files_come_from(
    fix: str, tmp_path: Path
) -> None:
    path, data = FILES[fix]
    done = transformed(Vault(tmp_path), fix, path, data)
    assert done.made
    for made, provenance in zip(done.made, done.provenance, strict=True):
        assert made.path.startswith("a/")
        stored = Vault(tmp_path).path(made.sha256).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == made.sha256
        assert provenance == Provenance(
            transformation=fix,
            version=1,
            parameters=numbers_for(BY_ID[fix], POLICY),
            from_sha256=hashlib.sha256(data).hexdigest(),
            to_sha256=made.sha256,
        )


def test_a_jpeg_as_well(tmp_path: Path) -> None:
    assert transformed(Vault(tmp_path), "strip-metadata", "f.jpg", jpeg()).made[0].path == "f_stripped.jpg"


def test_what_cannot_be_transformed_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    for path, data in (("t.csv", b"sex,mean\nF,1.5\n"), ("t.csv", b"a,n\n1,2,3\n")):
        with pytest.raises(TREError) as refused:
            transformed(Vault(tmp_path), "round-counts", path, data)
        assert refused.value.reason is Reason.FileRefused
        assert "Nothing was made of the file. " in refused.value.what
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TREError, match="No such transformation"):
        transformed(Vault(tmp_path), "round-counts", "t.png", png())
    with pytest.raises(TREError, match="No such transformation"):
        transformed(Vault(tmp_path), "round-counts", "t.csv", GRID, base=5)


@pytest.mark.parametrize(
    ("paths", "data"),
    [
        (["a/../../etc/passwd"], b"x"),
        (["b/other.csv"], b"x"),
        (["a/t.csv"], b"x"),
        (["a/.hidden.csv"], b"x"),
        (["a/x.csv", "a/X.csv"], b"xx"),
        (["a/x.csv"], b"xx"),
        ([], b""),
    ],
)
def test_what_a_taken_over_child_names_is_believed_only_beside_the_old_file(
    paths: list[str], data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_over(_descriptor: int, _errand: Errand, _instruction: Instruction) -> tuple[ChildAnswer, bytes]:
        products = tuple(ChildProduct(path=path, size=1) for path in paths)
        return ChildAnswer(walls=(), observations=(), products=products), data

    monkeypatch.setattr("tre.airlock.transform.transform", taken_over)
    with pytest.raises(TREError) as refused:
        transformed(Vault(tmp_path), "round-counts", "a/t.csv", GRID)
    assert refused.value.reason is Reason.CheckerFailed
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_dies_made_nothing_and_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = tmp_path / "dying.py"
    entry.write_text("import os\nos._exit(70)\n")
    monkeypatch.setattr("tre.airlock.confine.namespace_prefix", lambda: ())
    monkeypatch.setattr("tre.airlock.transform.transform", partial(transform, entry=entry))
    with pytest.raises(TREError) as refused:
        transformed(Vault(tmp_path / "vault"), "round-counts", "t.csv", GRID)
    assert refused.value.reason is Reason.FileRefused, "a job that failed so is final"
    assert not (tmp_path / "vault").exists()


def test_a_page_as_large_as_a_field_is_not_drawn(tmp_path: Path) -> None:
    content = b"0 0 0 rg 0 0 9999 9999 re f"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9000 9000]/Contents 4 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    body = b"".join(b"%d 0 obj%s endobj\n" % (number, part) for number, part in enumerate(parts, start=1))
    with pytest.raises(TREError) as refused:
        transformed(Vault(tmp_path), "pdf-to-pixels", "d.pdf", b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R>>\n")
    assert refused.value.reason is Reason.FileRefused
    assert "pixels" in refused.value.what


def test_a_drawing_as_large_as_a_field_is_drawn_within_the_bounds(tmp_path: Path) -> None:
    head = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    done = transformed(Vault(tmp_path), "svg-to-pixels", "d.svg", head + b'width="20000" height="20000"/>')
    assert "4000 by 4000 pixels." in done.notes


@pytest.mark.parametrize("inside", ["doubling", "itself", "layers"])
def test_a_drawing_that_unfolds_without_end_makes_nothing(inside: str, tmp_path: Path) -> None:
    doubled = "".join(f'<g id="a{n + 1}"><use xlink:href="#a{n}"/><use xlink:href="#a{n}"/></g>' for n in range(40))
    files = {
        "doubling": f'<defs><path id="a0" d="M0 0H9V9"/>{doubled}</defs><use xlink:href="#a40"/>',
        "itself": '<g id="a"><use xlink:href="#b"/></g><g id="b"><use xlink:href="#a"/></g><use xlink:href="#a"/>',
        "layers": '<g opacity="0.9"><path d="M0 0H9999V9999"/>' * 90 + "</g>" * 90,
    }
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    data = f'{head}width="9000" height="9000">{files[inside]}</svg>'.encode()
    with pytest.raises(TREError) as refused:
        transformed(Vault(tmp_path), "svg-to-pixels", "d.svg", data)
    assert refused.value.reason is Reason.FileRefused
