"""The helpers that take documents apart, on both sides: what fits passes, what does not is said."""

from __future__ import annotations

import pytest

from tests.docs.documents import Cell, Command, Step, blocks, commands, deeds, difference, links

TEXT = """# A title

1. First `thing`,
   continued.
2. Second.

```console
$ echo one
one
$ echo two
```

```python
print(1)
```

```text
1
```

See [a](b.md#c) and ![d](e.png).
"""


def test_a_text_is_taken_apart() -> None:
    found = deeds(TEXT)
    assert found == [
        Step("First `thing`, continued.", 3),
        Step("Second.", 5),
        Command("echo one", ("one",), 8),
        Command("echo two", (), 10),
        Cell("print(1)", ("1",), 13),
    ]
    assert links(TEXT) == ["b.md#c", "e.png"]
    assert [block.language for block in blocks(TEXT)] == ["console", "python", "text"]


def test_a_fence_that_is_not_closed_is_an_error() -> None:
    with pytest.raises(AssertionError, match="line 1"):
        list(blocks("```console\n$ a"))


def test_a_console_block_begins_with_a_command() -> None:
    block = next(blocks("```console\nnothing typed\n```"))
    with pytest.raises(AssertionError, match="begins with a command"):
        list(commands(block))


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ((), "anything\nat all"),
        (("one",), "one"),
        (("a … c",), "a  b  c"),
        (("…", "last"), "first\nsecond\nlast"),
        (("first", "…"), "first\nsecond"),
        (("…", "two", "…", "four"), "one\ntwo\nthree\nfour"),
    ],
)
def test_what_fits(expected: tuple[str, ...], printed: str) -> None:
    assert difference(expected, printed) == ""


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        (("one",), "two"),
        (("one",), ""),
        (("one",), "one\ntwo"),
        (("one", "three"), "one\ntwo\nthree"),
        (("…", "three"), "one\ntwo"),
        (("a.c",), "abc"),
    ],
)
def test_what_does_not_fit(expected: tuple[str, ...], printed: str) -> None:
    assert difference(expected, printed)
