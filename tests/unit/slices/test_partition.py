"""The draw for validation: by person, about the share that was asked for, never foretold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from tre.slices.partition import NO_DRAW, Draw, draw_key

KEY = draw_key(b"secret", "demo")
NAMES = [f"Covid{number}" for number in range(20_000)]


def test_about_the_share_that_was_asked_for() -> None:
    draw = Draw(KEY, 200)
    drawn = sum(map(draw.drawn, NAMES))
    assert 3_700 < drawn < 4_300  # 4,000, and five standard deviations


@given(some.integers(0, 998), some.sampled_from(NAMES))
def test_a_larger_share_keeps_everybody_of_a_smaller_one(permille: int, name: str) -> None:
    assert not Draw(KEY, permille).drawn(name) or Draw(KEY, permille + 1).drawn(name)


def test_nobody_without_a_share() -> None:
    assert not any(map(NO_DRAW.drawn, NAMES))


def test_datasets_and_installations_draw_differently() -> None:
    keys = [KEY, draw_key(b"secret", "other"), draw_key(b"another", "demo")]
    assert len({tuple(map(Draw(key, 500).drawn, NAMES[:100])) for key in keys}) == 3
