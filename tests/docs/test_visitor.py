"""What a visitor sees of a page, and what a step's words are taken for."""

from __future__ import annotations

from tests.docs.visitor import _TOKENS, Control, look

PAGE = """
<h1>Results  out</h1><p><a href="/e/1"><b>e-1</b></a></p>
<form action="/choose"><input type="hidden" name="csrf" value="t">
<input type="checkbox" id="p" name="path" value="a.csv"><label for="p"><code>a.csv</code> 35 bytes</label>
<label for="w">Words</label><textarea id="w" name="words">as they
were</textarea>
<select id="k" name="kind"><option value="x">X</option><option value="y" selected>Y</option></select>
<button type="submit">Go on</button></form>
<form action="/other"><button>Stop</button></form>
"""


def test_a_page_is_read() -> None:
    page = look(PAGE)
    assert page.links == [("e-1", "/e/1")]
    assert page.labels == {"p": "a.csv 35 bytes", "w": "Words"}
    assert page.buttons == [(0, "Go on"), (1, "Stop")]
    assert page.actions == ["/choose", "/other"]
    assert page.controls["p"] == Control(0, "path", "checkbox", "a.csv", chosen=False)
    assert page.controls["w"].value == "as they\nwere"
    assert page.controls["k"].value == "y"
    assert page.controls["0/csrf"].value == "t"
    assert page.text.startswith("Results out e-1 a.csv 35 bytes Words")


def test_a_step_is_taken_apart() -> None:
    step = (
        "Sign in at <http://desk.tre.localhost:8000/> as `carol`. Open <http://desk.tre.localhost:8000/reviews>, "
        "follow **e-…**, write `1` into **Type 1**, tick **a.csv**, press **Release** and see **Released**."
    )
    found = [{key: value for key, value in token.groupdict().items() if value} for token in _TOKENS.finditer(step)]
    assert [item.get("name") for item in found if "sign" in item] == ["carol"]
    assert [item["address"] for item in found if "address" in item] == ["http://desk.tre.localhost:8000/reviews"]
    assert [(item["verb"], item["object"]) for item in found if "verb" in item] == [
        ("follow", "e-…"),
        ("tick", "a.csv"),
        ("press", "Release"),
    ]
    assert [(item["text"], item["label"]) for item in found if "label" in item] == [("1", "Type 1")]
    assert [item["seen"] for item in found if "seen" in item] == ["Released"]
