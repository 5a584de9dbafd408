"""The Hub's secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tre.domain.errors import Reason, TREError
from tre.system import hub_keys as keys
from tre.system.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "keys").mkdir()
    return Layout(tmp_path)


def test_keys_are_made_once(layout: Layout) -> None:
    made = keys.make_keys(layout)
    assert [path.name for path in made] == list(keys.MADE_HERE)
    before = {path: path.read_bytes() for path in made}
    assert len(set(before.values())) == len(keys.MADE_HERE)
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert keys.make_keys(layout) == []
    assert {path: path.read_bytes() for path in made} == before


def test_one_missing_key_is_made_alone(layout: Layout) -> None:
    first = keys.make_keys(layout)
    first[1].unlink()
    assert keys.make_keys(layout) == [first[1]]


def test_a_good_key_is_read(layout: Layout) -> None:
    keys.make_keys(layout)
    assert len(keys.read_key(layout, keys.COOKIE_SECRET)) == 64


@pytest.mark.parametrize("text", ["", "short\n", "g" * 64, "0" * 63, f"{'0' * 64}\n{'0' * 64}"])
def test_a_misshapen_key_is_refused(layout: Layout, text: str) -> None:
    path = layout.keys / keys.COOKIE_SECRET
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(TREError) as caught:
        keys.read_key(layout, keys.COOKIE_SECRET)
    assert caught.value.reason is Reason.SetupIncomplete
    path.write_text("0" * 64 + "\n")
    assert keys.read_key(layout, keys.COOKIE_SECRET) == "0" * 64


@pytest.mark.parametrize(("mode", "good"), [(0o600, True), (0o640, True), (0o604, False), (0o602, False)])
def test_a_key_open_to_everybody_is_refused(layout: Layout, mode: int, good: bool) -> None:
    keys.make_keys(layout)
    path = layout.keys / keys.OAUTH_SECRET
    path.chmod(mode)
    if good:
        assert keys.read_key(layout, keys.OAUTH_SECRET)
    else:
        with pytest.raises(TREError):
            keys.read_key(layout, keys.OAUTH_SECRET)


def test_a_missing_key_says_what_to_do(layout: Layout) -> None:
    with pytest.raises(TREError) as caught:
        keys.read_key(layout, keys.CONTROLLER_TOKEN)
    assert "tre init" in caught.value.remedy
