"""`tre satre score` as people type it."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import Here


def test_it_shows_what_is_wanting_and_fails_on_the_softwares_own(shared: Here) -> None:
    before = shared.dump()
    found = shared.tre("satre", "score")
    assert (found.code, found.crash) == (1, None)
    for words in ("2.1 End User Computing", "not met", "2.1.01", "rests on the organisation", "not applicable"):
        assert words in found.shown
    assert "1.1.01" not in found.shown
    assert "1.1.01" in shared.tre("satre", "score", "--all").shown
    assert shared.dump() == before


def test_programs_read_every_statement(shared: Here) -> None:
    found = shared.tre("satre", "score", "--json")
    plain = json.loads(found.out)
    statements = [one for capability in plain["capabilities"] for one in capability["statements"]]
    assert (len(statements), plain["version"], found.code) == (185, "2.0.1", 1)
    assert {"2.1.01", "3.2.04", "2.8.02"} <= set(plain["blocking"])
    assert next(one for one in statements if one["id"] == "1.5.06")["score"] == 2
    assert next(one for one in statements if one["id"] == "1.1.01")["score"] is None


def test_without_the_pages_nothing_is_written_down(here: Here) -> None:
    plain = json.loads(here.tre("satre", "score", "--json", "--pages", str(here.home)).out)
    statements = {one["id"]: one for capability in plain["capabilities"] for one in capability["statements"]}
    assert (statements["2.2.01"]["score"], statements["4.3.01"]["score"]) == (0, 0)
    assert "is not here" in statements["2.2.01"]["reason"]


def test_the_page_is_written_once(here: Here) -> None:
    page = here.home / "score.html"
    assert here.tre("satre", "score", "--html", str(page)).code == 1
    text = page.read_text(encoding="utf-8")
    assert text.count("<tr>") == 1 + 35 + 35 + 185
    here.refused("satre", "score", "--html", str(page))
    assert page.read_text(encoding="utf-8") == text


def test_markup_from_a_directorys_name_is_text(here: Here) -> None:
    (here.layout.datasets / "[bold]<script>x[bold]").mkdir()
    page = here.home / "score.html"
    found = here.tre("satre", "score", "--all", "--html", str(page))
    assert "[bold]<script>x[bold] is stored" in found.shown
    assert "<script" not in page.read_text(encoding="utf-8")


def test_without_an_installation_it_says_so(here: Here) -> None:
    here.layout.database.unlink()
    found = here.tre("satre", "score")
    assert found.code == 1
    assert "does not exist" in found.err
